"""Base and tuned model on the same prompts: their losses, and everything side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sanetune.data.prepare import Prepared
from sanetune.errors import RunError

if TYPE_CHECKING:
    from sanetune.engine.answer import Answer
    from sanetune.probes.prompts import Prompts
    from sanetune.report.terminal.compare import Comparison


def validation_loss(model: Any, prepared: Prepared) -> float | None:
    """Loss per learnt token over the validation rows, in nats; None where there are none."""
    if prepared.validation is None:
        return None
    from sanetune.engine.batches import collate_for
    from sanetune.engine.loss import measure
    from sanetune.engine.models import attention_of

    return measure(model, prepared.validation, collate_for(prepared.tokenizer.pad_token_id, attention_of(model))).loss


def compared(
    prompts: Prompts,
    prepared: Prepared,
    names: tuple[str, str],
    replies: tuple[Sequence[Answer], Sequence[Answer]],
    losses: tuple[float | None, float | None],
) -> Comparison:
    """Everything put side by side, as it is shown and stored."""
    from sanetune.probes.prompts import longest
    from sanetune.report.terminal.compare import Comparison, pairs_of

    pairs = pairs_of(prompts.messages, *replies, yours=prompts.yours, references=prompts.references)
    decoding = {
        "temperature": 0,
        "max_new_tokens": longest(prepared, prompts),
        "stop_token_ids": prepared.stop_token_ids,
    }
    return Comparison(pairs, *names, *losses, decoding)


def check_has_model(run: Any) -> None:
    """Raises :class:`RunError` where a run holds no tuned model yet."""
    if not run.finished:
        raise RunError(
            f"{run.path} holds no tuned model yet.",
            "There is nothing to compare or to talk to.",
            "Finish the training: `sanetune train CONFIG --resume`.",
        )
