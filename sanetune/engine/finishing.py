"""What a finished loop says of itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.engine import checkpoints
from sanetune.engine.adapters import Frozen
from sanetune.engine.base import Outcome

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.engine.followed_loop import FollowedLoop
    from sanetune.engine.metrics import Record


def outcome_of(
    loop: FollowedLoop,
    records: list[Record],
    tuned: PreTrainedModel | None,
    *,
    seconds: float,
    start: Path | None,
    frozen: Frozen,
    notes: list[str],
) -> Outcome:
    """Return how the run of ``loop`` ended.

    Args:
        loop: It has made its last step.
        records: All of the run.
        tuned: The model as it is in the run's folder.
        seconds: Training time since the run began.
        start: The checkpoint that it went on from.
        frozen: What of the model was trained.
        notes: Sentences that the user should be told.
    """
    state = loop.state
    trained = [record for record in records if record.kind == "train"]
    validated = [record for record in records if record.kind == "validation"]
    best = state.best_metric if state.best_metric is not None and math.isfinite(state.best_metric) else None
    # The best weights may have been chosen by another metric: their loss is that of their step.
    there = [record.loss for record in validated if record.step == state.best_global_step]
    best = there[-1] if best is not None and there else best
    tokens, in_loss = loop.tokens_seen()
    return Outcome(
        steps=state.global_step,
        epochs=state.epoch or 0.0,
        train_loss=trained[-1].loss if trained else float("nan"),
        validation_loss=validated[-1].loss if validated else None,
        best_step=state.best_global_step if best is not None else None,
        best_validation_loss=best,
        base_validation_loss=validated[0].loss if validated and validated[0].step == 0 else None,
        stopped_early=state.global_step < state.max_steps,
        resumed_from=None if start is None else checkpoints.step_of(start),
        seconds=seconds,
        tokens=tokens,
        loss_tokens=in_loss,
        frozen=frozen,
        model=tuned,
        records=records,
        notes=notes,
    )
