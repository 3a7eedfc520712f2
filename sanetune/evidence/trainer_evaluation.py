"""The trainer's own evaluation of a few validation rows, by a stand-in that may write nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.evidence.detached import collating_copy, detached
from sanetune.evidence.registry import MissingError
from sanetune.evidence.trainer_batches import untouched
from sanetune.text import one_line

if TYPE_CHECKING:
    import datasets
    from torch.utils.data import Dataset
    from transformers import Trainer

    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.results import OwnEvaluation

ROWS = 8
"""Validation rows that are evaluated."""


def evaluation_of(trainer: Trainer, harness: ProbeHarness, folder: Path) -> OwnEvaluation:
    """Evaluate a few rows of ``trainer`` three times.

    Args:
        trainer: The user's.
        harness: With a session of it.
        folder: Where its stand-in may write.

    Raises:
        MissingError: There is nothing to evaluate, or it cannot be done without a trace.
    """
    from sanetune.probes.own_evaluation import has_dropout, own_evaluation

    if not has_dropout(harness.model):
        raise MissingError("the model has no dropout")
    rows, count = _few_rows(trainer)

    def evaluate() -> float:
        return _loss_of_evaluation(trainer, rows, folder)

    return own_evaluation(harness, evaluate, count, decides=bool(trainer.args.load_best_model_at_end))


def _few_rows(trainer: Trainer) -> tuple[datasets.Dataset | Dataset, int]:
    import datasets
    from torch.utils.data import Subset

    rows = trainer.eval_dataset
    if isinstance(rows, dict):
        rows = next(iter(rows.values()), None)
    if rows is None:
        raise MissingError("the trainer has no eval_dataset")
    if not hasattr(rows, "__len__") or not hasattr(rows, "__getitem__"):
        raise MissingError("its validation rows are a stream")
    if not (count := min(ROWS, len(rows))):
        raise MissingError("its eval_dataset is empty")
    return rows.select(range(count)) if isinstance(rows, datasets.Dataset) else Subset(rows, range(count)), count


def _loss_of_evaluation(trainer: Trainer, rows: datasets.Dataset | Dataset, folder: Path) -> float:
    from sanetune.engine.library_logs import quiet
    from sanetune.engine.own.kept import kept_modules
    from sanetune.engine.own.reading_only import reading_only
    from sanetune.engine.own.stand_in import stand_in
    from sanetune.engine.own.together import take_alone

    folder.mkdir(parents=True, exist_ok=True)  # as a run has it
    double = stand_in(trainer, folder)
    take_alone(double)
    double.eval_dataset, double.args.dataloader_num_workers = detached(rows), 0
    double.args.dataloader_persistent_workers, double.args.dataloader_prefetch_factor = False, None
    with (
        kept_modules(trainer.model),
        collating_copy(double),
        untouched(double),
        quiet(),
        reading_only(folder) as watched,
    ):
        try:
            found = double.evaluate()
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise MissingError(_reason(watched.refused, error)) from None
    if watched.refused:
        raise MissingError(_reason(watched.refused))
    losses = [value for name, value in found.items() if name.endswith("loss")] if isinstance(found, dict) else []
    if not losses or not isinstance(losses[0], int | float) or not math.isfinite(losses[0]):
        raise MissingError("its evaluation gives no loss that is a number")
    return float(losses[0])


def _reason(refused: list[str], error: Exception | None = None) -> str:
    if refused:
        return f"its evaluation {one_line(refused[0], 100)}, which a check leaves to the run"
    return f"its evaluation of {ROWS} rows raises {type(error).__name__}: {one_line(str(error), 120)}"
