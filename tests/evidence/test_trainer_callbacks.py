"""What a trainer's callbacks do is read from their code: they are not called during a check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback

from sanetune.api import check
from sanetune.checks.model import nothing_trainable
from sanetune.evidence.trainer_callbacks import acting_callbacks, evaluating_callbacks
from sanetune.finding import Measurement, Verdict
from tests.engine.own.strangers import built


class Idle(TrainerCallback):
    def on_step_end(self, *args: Any, **keywords: Any) -> None:
        del keywords


class Evaluates(TrainerCallback):
    def on_step_begin(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        def now() -> None:
            self.trainer.evaluate()  # type: ignore[attr-defined]

        now()


class Asks(Evaluates):
    """Inherits what it does."""


def test_callbacks_that_evaluate_are_told_from_others(tmp_path: Path) -> None:
    trainer = built(tmp_path, "arrow")
    trainer.callback_handler.callbacks.clear()
    for callback in (Idle(), EarlyStoppingCallback(2)):
        trainer.add_callback(callback)
    assert evaluating_callbacks(trainer) == acting_callbacks(trainer) == ()
    select = ["config-no-validation"]
    assert check(trainer, select=select)["config-no-validation"].verdict is Verdict.WARN
    trainer.add_callback(Asks())
    assert evaluating_callbacks(trainer) == acting_callbacks(trainer) == ("Asks",)
    found = check(trainer, select=select)["config-no-validation"]
    assert found.verdict is Verdict.SKIP and "Asks, a callback of your own, evaluates" in found.message


def test_weights_that_a_callback_may_thaw_are_a_warning() -> None:
    numbers = {"trained": 0, "parameters": 10, "tensors": 0, "without_gradient": 0, "names": [], "dead": 0}
    limits = {"share": 0.5}
    warned = nothing_trainable.judge(Measurement({**numbers, "matched": {}, "callbacks": ["Thaw"]}), limits)
    assert warned.verdict is Verdict.WARN and "unless Thaw" in warned.message
    alone = nothing_trainable.judge(Measurement({**numbers, "matched": {}, "callbacks": []}), limits)
    assert alone.verdict is Verdict.FAIL
