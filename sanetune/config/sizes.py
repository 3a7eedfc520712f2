"""Sizes of model, machine and data, from which unset values of the configuration are inferred."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from sanetune.config.machine import Machine

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """A model in numbers."""

    parameters: int = 0
    """Parameters in all, tied ones counted once; 0: not known."""
    trainable: int = 0
    """Parameters that are trained: of the adapter, where there is one."""
    hidden: int = 0
    """Width of the hidden states; 0: not known."""
    layers: int = 0
    """Transformer blocks; 0: not known."""
    context: int = 0
    """Tokens that the model can attend to; 0: not known."""
    vocabulary: int = 0
    """Token ids that the model knows; 0: not known."""
    stored_dtype: str | None = None
    """Number format of the weights on disk, e.g. ``bfloat16``; None: not known."""
    model_type: str = ""
    """transformers' name of the architecture, e.g. ``llama``."""


@dataclass(frozen=True, slots=True)
class DataSizes:
    """Prepared rows in numbers. Examples are packs where the data is packed."""

    train_examples: int = 0
    validation_examples: int = 0
    mean_tokens: float = 0.0
    """Tokens of a training example on average."""
    loss_tokens: int = 0
    """Tokens of all training examples that are in the loss."""
    rows: int = 0
    """Rows that were read, of all splits; 0: not known."""
    dropped_rows: int = 0
    """How many of them are in no split: too long, or with nothing in the loss."""
    truncated_rows: int = 0
    """How many of them are trained on without their last tokens."""
    mixture: tuple[str, ...] = ()
    """What each source of the training rows gives, in words; empty where there is nothing to say."""

    @classmethod
    def of(cls, prepared: Prepared) -> Self:
        """Count what :func:`sanetune.data.prepare.prepare` returned; its statistics are used, not the rows."""
        train = prepared.stats["train"]
        count = prepared.count("train")
        return cls(
            train_examples=count,
            validation_examples=prepared.count("validation"),
            mean_tokens=train["tokens"] / max(1, count),
            loss_tokens=int(train["loss_tokens"]),
            rows=int(prepared.stats["rows"]),
            dropped_rows=len(prepared.dropped),
            truncated_rows=len(prepared.truncated),
            mixture=tuple(prepared.mixture),
        )


@dataclass(frozen=True, slots=True)
class RunSizes:
    """What a plan is made from, beside the configuration."""

    model: ModelSizes = field(default_factory=ModelSizes)
    machine: Machine = field(default_factory=Machine)
    data: DataSizes = field(default_factory=DataSizes)

    def to_json(self) -> dict[str, Any]:
        """All sizes side by side, by the names that ``sanetune plan --json`` has for them."""
        flat = asdict(self.model) | asdict(self.machine) | asdict(self.data)
        names = {"stored_dtype": "native_dtype", "has_bf16": "bf16"}
        return {names.get(name, name): value for name, value in flat.items()}
