"""The trial: the first steps of the real run, on its own engine, data and schedule, looked at closely and undone."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.engine.library_logs import quiet
from sanetune.engine.trl.trainer import real_tokens
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.harness import ProbeHarness, learnt
from sanetune.probes.heldout import HeldOutRows, look
from sanetune.probes.peak_memory import Resident
from sanetune.probes.results import Timing, Trial

EVERY, PROBED_EVERY = 50, 5
"""Steps between two looks at the held-out rows, and at the small batch."""
WARM_SHARE = 0.25
"""Most of the trial that may be warm-up: the peak rate has to be reached in it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``steps``: of the trial; ``total``: of the whole run, whose schedule the trial follows; ``warmup``: of the whole
    run; ``per_epoch``: steps of one epoch; ``every``: steps between looks."""

    steps: int
    total: int
    warmup: int
    per_epoch: float
    every: int = EVERY

    @property
    def warmed(self) -> int:
        """The warm-up of the trial."""
        return min(self.warmup, int(self.steps * WARM_SHARE))


def run(
    harness: ProbeHarness,
    wanted: Wanted,
    held: HeldOutRows,
    within: Callable[[], Any] = lambda: None,
    publish: Publish = silent,
) -> tuple[Trial, Any]:
    """The trial, and what ``within`` makes of the model at its end; then everything is put back."""
    with harness.untouched(training=True), _as_trial(harness, wanted, held):
        watch = _Watch(harness, wanted, held, publish)
        harness.trainer.add_callback(watch)
        try:
            with quiet(), watch.timing(harness.trainer):
                harness.trainer.train()
        finally:
            harness.trainer.remove_callback(watch)
        harness.model.eval()
        after = within()
    return watch.trial(), after


@contextlib.contextmanager
def _as_trial(harness: ProbeHarness, wanted: Wanted, held: HeldOutRows) -> Iterator[None]:
    """The run's trainer with the trial's steps, the whole run's schedule, and nothing saved or evaluated."""
    trainer = harness.trainer
    kept = trainer.args, trainer.train_dataset, trainer.create_scheduler, trainer.model_wrapped
    arguments = copy.copy(trainer.args)
    arguments.max_steps, arguments.warmup_steps = wanted.steps, wanted.warmed
    arguments.logging_steps, arguments.logging_strategy = 1, IntervalStrategy.STEPS
    arguments.eval_strategy, arguments.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
    arguments.load_best_model_at_end = arguments.eval_on_start = arguments.push_to_hub = False
    trainer.args = arguments
    if held.left is not None:
        trainer.train_dataset = trainer.train_dataset.select(held.left)
    trainer.create_scheduler = lambda num_training_steps, optimizer=None: kept[2](
        max(wanted.total, num_training_steps), optimizer
    )
    try:
        yield
    finally:
        trainer.args, trainer.train_dataset, trainer.create_scheduler = kept[:3]
        trainer.optimizer = trainer.lr_scheduler = None
        trainer.accelerator.free_memory()
        # accelerate puts autocast around the model's own forward
        trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        trainer.model_wrapped = kept[3]
        del trainer.create_scheduler


class _Watch(TrainerCallback):
    """Follows the trial: logs, looks, times; and ends it where nothing more can be learnt from it."""

    def __init__(self, harness: ProbeHarness, wanted: Wanted, held: HeldOutRows, publish: Publish) -> None:
        self.harness, self.wanted, self.held, self.few, self.publish = harness, wanted, held, held.few(), publish
        self.points: list[Point] = []
        self.looks: list[Evaluation] = []
        self.probes: list[Evaluation] = []
        self.norms: list[tuple[int, float]] = []
        self.timed = Timing()
        self.stopped, self.done = "", 0
        self._mark = self._wait = 0.0
        self._look_seconds = 0.0

    @contextlib.contextmanager
    def timing(self, trainer: Any) -> Iterator[None]:
        """Counts tokens and waiting where the trainer takes its batches."""
        taken = trainer.get_batch_samples

        def counted(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            batches, items = taken(*args, **kwargs)
            self._wait = time.perf_counter() - began
            self.timed.tokens.append(sum(int(real_tokens(batch, trainer._pad)) for batch in batches))
            self.timed.loss_tokens.append(sum(learnt(batch) for batch in batches))
            self.timed.padded_tokens.append(sum(batch["input_ids"].numel() for batch in batches))
            return batches, items

        with mock.patch.object(trainer, "get_batch_samples", counted), Resident() as resident:
            if self.harness.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.harness.device)
            yield
        cuda = self.harness.device.type == "cuda"
        self.peak = torch.cuda.max_memory_allocated(self.harness.device) if cuda else resident.peak

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._look(0)
        self._mark = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.harness.device.type == "cuda":
            torch.cuda.synchronize(self.harness.device)
        self.timed.step_seconds.append(time.perf_counter() - self._mark)
        self.timed.dataloader_seconds.append(self._wait)
        self.done = state.global_step
        control.should_log = True
        self._look(self.done)
        self.publish(ProbeStep("trial", self.done, self.wanted.steps))
        if why := hopeless(self.points, self.probes):
            self.stopped = why
            control.should_training_stop = True
        self._mark = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            norm = logs.get("grad_norm")
            self.points.append(
                Point(
                    state.global_step,
                    float(logs["loss"]),
                    logs.get("learning_rate"),
                    None if norm is None else float(norm),
                    state.epoch,
                )
            )

    def _look(self, step: int) -> None:
        """At the small batch often, at all held-out rows seldom and at the end."""
        last = step == self.wanted.steps
        if not len(self.held) or not (step % PROBED_EVERY == 0 or step % self.wanted.every == 0 or last):
            return
        if step % PROBED_EVERY == 0 or last:
            self.probes.append(look(self.harness, self.few, step))
            self.norms.append((step, self._norm()))
        if step % self.wanted.every == 0 or last:
            began = time.perf_counter()
            self.looks.append(look(self.harness, self.held, step))
            self._look_seconds = time.perf_counter() - began

    def _norm(self) -> float:
        with torch.no_grad():
            weights = self.harness.trained().values()
            return float(torch.stack([weight.float().norm() for weight in weights]).norm())

    def trial(self) -> Trial:
        """What was seen."""
        args = self.harness.trainer.args
        timing = replace(
            self.timed,
            evaluation_seconds=self._look_seconds,
            evaluation_loss_tokens=sum(self.looks[-1].tokens) if self.looks else 0,
            peak_bytes=self.peak,
        )
        curve = Curve(
            self.points,
            self.looks,
            self.probes,
            self.norms,
            total_steps=self.wanted.total,
            steps_per_epoch=self.wanted.per_epoch,
            warmup_steps=self.wanted.warmed,
            vocab_size=int(self.harness.model.get_input_embeddings().weight.shape[0]),
            planned_lr=float(args.learning_rate),
            max_grad_norm=float(args.max_grad_norm) if args.max_grad_norm else None,
            finished=self.done >= self.wanted.total,
        )
        return Trial(curve, timing, self.wanted.steps, self.done, self.stopped, self.held.source)


RISEN = 1.5
"""Times the first probe's loss, at which the trial is hopeless when it stays there ..."""
STAYED = 5
"""... for so many looks, of which no later one is lower than the first of them."""


def hopeless(points: list[Point], probes: list[Evaluation]) -> str:
    """Why nothing can change the verdict any more, in words; "" where it can."""
    if points and not math.isfinite(points[-1].loss):
        return f"the loss is not a number at step {points[-1].step}"
    some = probes[-STAYED:]
    if len(probes) > STAYED and all(not math.isfinite(one.loss) for one in some):
        return "the held-out loss is not a number"
    if len(probes) > STAYED and all(one.loss > RISEN * probes[0].loss and one.loss >= some[0].loss for one in some):
        return f"the held-out loss has risen from {probes[0].loss:.3g} to {some[-1].loss:.3g} and stays there"
    return ""
