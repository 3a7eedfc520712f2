"""What an endpoint answers, read strictly: one JSON object of the form that was asked for, or nothing."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanetune.workflows.auto.agent.client import AgentError

LONGEST = 20_000
"""Characters of an answer that are read."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Knobs(_Strict):
    """The only values that an adviser may propose, each within bounds; those it leaves out stay as they are."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    num_train_epochs: Annotated[float, Field(gt=0, le=20)] | None = None
    warmup_steps: Annotated[float, Field(ge=0, le=10_000)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] | None = None
    per_device_train_batch_size: Annotated[int, Field(ge=1, le=1024)] | None = None
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=1024)] | None = None
    max_length: Annotated[int, Field(ge=16, le=1_000_000)] | None = None
    neftune_noise_alpha: Annotated[float, Field(ge=0, le=100)] | None = None

    def changes(self) -> dict[str, Any]:
        """Return ``section.key`` -> value of those that are given."""
        return {f"train.{name}": value for name, value in self if value is not None}


class Advice(_Strict):
    """What an adviser answers."""

    changes: Knobs
    reason: Annotated[str, Field(max_length=2_000)] = ""


class Vote(_Strict):
    """What a judge answers."""

    better: Literal["A", "B", "tie"]


Answer = TypeVar("Answer", Advice, Vote)


def read_answer(text: str, kind: type[Answer]) -> Answer:
    """Return the answer in ``text``; a code fence around it is taken away, and nothing else.

    >>> read_answer('```json\\n{"better": "A"}\\n```', Vote)
    Vote(better='A')

    Raises:
        AgentError: It is no JSON of that form, or proposes what it must not.
    """
    plain = text.strip()
    if plain.startswith("```") and plain.endswith("```"):
        plain = plain.split("\n", 1)[-1].removesuffix("```").strip()
    try:
        if len(plain) > LONGEST:
            raise ValueError(f"{len(plain):,} characters")
        return kind.model_validate(json.loads(plain))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unread(f"{where[:80]}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise _unread(str(error)[:200]) from None


def _unread(reason: str) -> AgentError:
    return AgentError(
        f"The endpoint's answer is not of the form that was asked for: {reason}.",
        "Nothing of it is used.",
        "Another model may keep to the form; the answer is in the folder agent.",
    )
