"""From transformers' callbacks to records and events, and from the libraries' faults to UserErrors."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sanetune.commands import command
from sanetune.curves.logs.entries import set_evaluations
from sanetune.engine.followed_loop import FollowedLoop
from sanetune.engine.metrics import MetricsFile, Record, RecordKind
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.engine.owed import evaluation_is_owed
from sanetune.engine.row_groups import evaluation_of
from sanetune.engine.watched_steps import logged_point
from sanetune.errors import RunError
from sanetune.events import Note, Publish, RecordLogged, StepFinished, TrainingEnded, TrainingStarted, to_all

NAMED = "loss/"
"""Before the name of each of several losses, in what a loop logs."""


class Publisher(TrainerCallback):
    """Turns what transformers logs into records, publishes them, and stops when a signal came."""

    def __init__(self, loop: FollowedLoop, metrics: MetricsFile, publish: Publish) -> None:
        self.metrics = metrics
        self.publish = to_all(metrics, publish)
        self.records: list[Record] = []
        self.loop = loop
        self._last = time.monotonic()
        self._idle = 0.0
        self._counted = (0, 0)
        self._open = False
        self._stopping = False
        """Whether the processes have agreed to stop, at the end of a step."""
        self._evaluated = -1

    def note(self, text: str) -> None:
        """Publish a note for the user."""
        if self.loop.is_world_process_zero():
            self.publish(Note(text))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self.loop.restore_open_loss()
        self._counted = self.loop.tokens_seen()
        if state.is_world_process_zero:
            self._open = True
            self.publish(TrainingStarted(state.global_step, state.max_steps))
        self.records = self.metrics.until(state.global_step)
        if evaluation_is_owed(args, state):
            args.eval_on_start = True
        self._last = self.loop.run_state.start(self.records[-1].seconds if self.records else 0.0)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if state.is_world_process_zero:
            self.publish(StepFinished(state.global_step))
        if state.global_step >= state.max_steps:
            # The end of the curve is the point that matters most; intervals seldom hit it.
            control.should_log = True
            control.should_evaluate = args.eval_strategy != "no"
        self._stopping = self.loop.stop_agreed()
        if self._stopping:
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        # Asked by all: one process that leaves out an evaluation would leave the others waiting in it.
        if self.loop.stop_agreed():
            control.should_evaluate = False
            # The step that was stopped at has its checkpoint; a signal that came behind it has none yet.
            control.should_save, control.should_training_stop = not self._stopping, True
        elif self._evaluated == state.global_step:
            # The last step of a run was evaluated when it was made; again, it would count against the patience.
            control.should_evaluate = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        if (point := logged_point(state, logs)) is None:
            return
        tokens, in_loss = self.loop.tokens_seen()
        now, idle = time.monotonic(), self.loop.idle_seconds
        busy = max(now - self._last - (idle - self._idle), 1e-9)
        self._record(
            state,
            "train",
            point.loss,
            learning_rate=point.lr,
            grad_norm=point.grad_norm,
            tokens=tokens,
            loss_tokens=in_loss,
            tokens_per_second=round((tokens - self._counted[0]) / busy, 1),
            loss_tokens_per_second=round((in_loss - self._counted[1]) / busy, 1),
            losses={key.removeprefix(NAMED): value for key, value in (logs or {}).items() if key.startswith(NAMED)}
            or None,
        )
        self._last, self._idle, self._counted = now, idle, (tokens, in_loss)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        self._evaluated = state.global_step
        evaluated = evaluation_of(self.loop, metrics)
        # A run that was killed behind an evaluation, ahead of the next checkpoint, makes it again.
        again = any((one.step, one.kind) == (state.global_step, "validation") for one in self.records)
        if evaluated and not again:
            sets = set_evaluations((metrics or {}) | {"step": state.global_step})
            losses = {name.removeprefix("eval_").removesuffix("_loss"): one.loss for name, one in sets.items()}
            groups = {"group_losses": list(evaluated.sums) or None, "group_tokens": list(evaluated.tokens) or None}
            self._record(state, "validation", evaluated.loss, losses=losses or None, **groups)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        if self._stopping or self.loop.stop.requested:
            self.note(f"checkpoint-{state.global_step} written; go on with: {command('train', '--resume')}")

    def close(self) -> None:
        """Publish once that training is over."""
        if self._open:
            self._open = False
            self.publish(TrainingEnded())

    def _record(self, state: TrainerState, kind: RecordKind, loss: float, **values: object) -> None:
        seconds = round(self.loop.run_state.seconds, 3)
        epoch = round(state.epoch or 0.0, 6)
        record = Record(state.global_step, epoch, seconds, kind, loss, **values)  # type: ignore[arg-type]
        self.records.append(record)
        if state.is_world_process_zero:
            self.publish(RecordLogged(record))


class PublishedEnd:
    """Publishes the end of training whatever happens, and turns the errors that a user can fix into UserErrors."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._publisher.close()
        if error is not None and is_out_of_memory(error):
            raise RunError(
                f"The memory does not suffice: {' '.join(str(error).split())[:200] or 'MemoryError'}",
                "Activations grow with per_device_train_batch_size and max_length.",
                "Halve train.per_device_train_batch_size and double train.gradient_accumulation_steps (the same "
                "effective batch), set train.activation_checkpointing: true, lower train.max_length, or train an "
                "adapter.",
            ) from error
