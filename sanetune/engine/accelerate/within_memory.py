"""A step that runs out of memory is made again in smaller parts, or ends the run with the batch's name.

The losses of a step are sums, divided by the items of the whole effective batch: rows of a micro-batch can be taken in
any number of parts, and losses and gradients stay the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sanetune.engine.batches import Batch
from sanetune.engine.memory import StepPlace, free_memory, out_of_memory, parts_of, rows_of
from sanetune.engine.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from sanetune.engine.accelerate.loop import Loop
    from sanetune.engine.accelerate.loss_module import MicroBatchLoss


def add_gradients(loop: Loop, batches: Sequence[Batch], counts: Mapping[str, float]) -> None:
    """Add the gradients and losses of one optimizer step.

    Args:
        loop: Its model gets the gradients.
        batches: The micro-batches (B, T each) of the step.
        counts: Items of each loss on all processes.

    Raises:
        RunError: The memory does not suffice, and the rows cannot be taken in parts.
    """
    before = loop.step_loss.clone(), dict(loop.losses)
    while (failed := _added(loop, batches, counts)) is not None:
        _narrow(loop, batches, *failed)
        # A backward pass that broke off has added a part of its gradient: the step is made again from its start.
        loop.optimizer.zero_grad()
        loop.step_loss.copy_(before[0])
        loop.losses = dict(before[1])


def _added(loop: Loop, batches: Sequence[Batch], counts: Mapping[str, float]) -> tuple[int, str] | None:
    """Index of the micro-batch for which the memory did not suffice, and the library's words; None: it did."""
    parts = [(at, part) for at, batch in enumerate(batches) for part in _parts(batch, loop.rows_at_once)]
    at = 0
    try:
        with loop.module.step():
            for number, (index, part) in enumerate(parts, start=1):
                at = index
                with loop.synchronising(number == len(parts)):
                    loop.record(loop.gradients.add(loop.wrapped(part), counts))
    except Exception as error:
        if not is_out_of_memory(error) or "labels" not in batches[at]:
            raise
        return at, str(error) or type(error).__name__
    return None


def _parts(batch: Batch, rows_at_once: int | None) -> list[Batch]:
    return [batch] if rows_at_once is None else parts_of(batch, rows_at_once)


def _narrow(loop: Loop, batches: Sequence[Batch], at: int, words: str) -> None:
    """Halve the rows that go through the model together, where that is wanted and possible."""
    step, batch, args = loop.state.global_step + 1, batches[at], loop.args
    rows = min(rows_of(batch), loop.rows_at_once or rows_of(batch))
    # Processes would have to agree, and only the user knows what else a loss of their own needs together.
    possible = loop.processes == 1 and loop.parts.hooks.loss_fn is None and rows > 1
    if not (args.auto_find_batch_size and possible):
        numbers = loop.step_rows[at].tolist() if at < len(loop.step_rows) else ()
        place = StepPlace(step, at + 1, len(batches), numbers)
        size, accumulated = args.per_device_train_batch_size, args.gradient_accumulation_steps
        raise out_of_memory(batch, place, words, size, accumulated)
    loop.rows_at_once = (rows + 1) // 2
    free_memory()
    loop.say(
        f"the memory did not suffice at step {step:,} for {rows} rows at once; from here on {loop.rows_at_once} go "
        "through the model together, and the effective batch stays the same"
    )


def validation_losses(loop: Loop, token_loss: MicroBatchLoss, batch: Batch) -> tuple[list[float], list[float]]:
    """Return what :meth:`MicroBatchLoss.by_row` does of ``batch`` (B, T), in halves where the memory is short."""
    try:
        losses, counts = token_loss.by_row(batch)
        return losses.tolist(), counts.tolist()
    except Exception as error:
        # A sharded model gathers its weights in each forward pass, on all processes together.
        if loop.sharded or rows_of(batch) == 1 or not is_out_of_memory(error):
            raise
    free_memory()
    halves = [validation_losses(loop, token_loss, part) for part in parts_of(batch, (rows_of(batch) + 1) // 2)]
    return [loss for half in halves for loss in half[0]], [count for half in halves for count in half[1]]
