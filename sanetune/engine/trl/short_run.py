"""The first steps of a run: the run's own trainer, for a while, on the whole run's schedule."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING

from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from sanetune.engine.base import ShortRun
from sanetune.engine.trl.trainer import Trainer

if TYPE_CHECKING:
    from trl import SFTConfig


@contextlib.contextmanager
def shortened(trainer: Trainer, run: ShortRun) -> Iterator[None]:
    """Let ``trainer.train()`` make the steps of ``run`` alone, with nothing saved or evaluated; then undo that."""
    kept = trainer.args, trainer.train_dataset, trainer.model_wrapped
    trainer.args = _arguments(trainer.args, run)
    trainer.schedule_steps = run.total_steps
    if run.rows is not None:
        trainer.train_dataset = trainer.train_dataset.select(run.rows)
    try:
        yield
    finally:
        trainer.args, trainer.train_dataset = kept[:2]
        trainer.schedule_steps = trainer.optimizer = trainer.lr_scheduler = None
        trainer.accelerator.free_memory()
        # accelerate puts autocast around the model's own forward
        trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        trainer.model_wrapped = kept[2]


def _arguments(given: SFTConfig, run: ShortRun) -> SFTConfig:
    arguments = copy.copy(given)
    arguments.max_steps, arguments.warmup_steps = run.steps, run.warmup_steps
    arguments.logging_steps, arguments.logging_strategy = 1, IntervalStrategy.STEPS
    arguments.eval_strategy, arguments.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
    arguments.load_best_model_at_end = arguments.eval_on_start = arguments.push_to_hub = False
    return arguments
