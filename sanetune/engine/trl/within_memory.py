"""A training step that runs out of memory is made again in smaller parts, or ends the run with the batch's name.

The loss of a step is a sum over tokens, divided by the tokens in the loss of the whole effective batch. Rows of a
micro-batch can therefore be taken in any number of parts: loss and gradients stay the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import transformers
from torch import Tensor, nn

from sanetune.engine.batches import Batch
from sanetune.engine.memory import StepPlace, free_memory, out_of_memory, parts_of, rows_of
from sanetune.engine.out_of_memory import is_out_of_memory


class WithinMemory(transformers.Trainer):
    """A trainer whose ``auto_find_batch_size`` keeps the effective batch, the step and what was trained before it.

    transformers begins the run anew with half the batch instead, and its effective batch is another then.
    """

    say: Callable[[str], None]
    halves: bool
    """Whether a micro-batch that does not fit is taken in parts."""
    rows_at_once: int | None = None
    """Most rows that go through the model together; None: all of a micro-batch."""
    step_batches: Sequence[Batch] = ()
    """The micro-batches of the step that is being made."""
    step_rows: Sequence[Tensor] = ()
    """The numbers of their rows, where they are known."""
    _words = ""

    def training_step(self, model: nn.Module, inputs: Batch, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Make one micro-batch of the run's own loop; others (a probe's) are passed on."""
        at = next((index for index, one in enumerate(self.step_batches) if one is inputs), None)
        if at is None:
            loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
            return loss
        made = self._made(model, inputs, num_items_in_batch)
        while made is None:
            self._narrow(inputs, at, num_items_in_batch)
            # A backward pass that broke off has added a part of its gradient: the step is made again from its start.
            model.zero_grad()
            again = [self._made(model, one, num_items_in_batch) for one in self.step_batches[: at + 1]]
            made = None if any(one is None for one in again) else again[-1]
        return made

    def _made(self, model: nn.Module, inputs: Batch, items: Tensor | int | None) -> Tensor | None:
        """The loss of one micro-batch; None where the memory did not suffice."""
        total: Tensor | None = None
        try:
            for part in parts_of(inputs, self.rows_at_once):
                loss = super().training_step(model, part, items)
                total = loss if total is None else total + loss
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            total, self._words = None, str(error) or type(error).__name__
        return total

    def _narrow(self, inputs: Batch, at: int, items: Tensor | int | None) -> None:
        """Halve the rows that go through the model together, where that is wanted and possible."""
        step = self.state.global_step + 1
        rows = min(rows_of(inputs), self.rows_at_once or rows_of(inputs))
        # Processes would have to agree: each backward pass of one waits for the others.
        if not self.halves or rows == 1 or items is None or self.args.world_size > 1:
            numbers = self.step_rows[at].tolist() if at < len(self.step_rows) else ()
            place = StepPlace(step, at + 1, len(self.step_batches), numbers)
            size, accumulation = self.args.per_device_train_batch_size, self.args.gradient_accumulation_steps
            raise out_of_memory(inputs, place, self._words, size, accumulation)
        self.rows_at_once = (rows + 1) // 2
        free_memory()
        self.say(
            f"the memory did not suffice at step {step:,} for {rows} rows at once; from here on {self.rows_at_once} go "
            "through the model together, and the effective batch stays the same"
        )

    def rows_within_memory(self, model: nn.Module, inputs: Batch) -> Tensor:
        """Return :meth:`row_losses` (B, 3), taken in halves where the memory does not suffice for all rows."""
        rows = rows_of(inputs)
        try:
            return self.row_losses(model, inputs)
        except Exception as error:
            # A sharded model gathers its weights in each forward pass, on all processes together.
            if rows == 1 or self._shared_forward() or not is_out_of_memory(error):
                raise
        free_memory()
        return torch.cat([self.rows_within_memory(model, part) for part in parts_of(inputs, (rows + 1) // 2)])

    def _shared_forward(self) -> bool:
        """Whether a forward pass of one process waits for the same of the others."""
        return bool(self.args.world_size > 1 and (self.is_fsdp_enabled or self.is_deepspeed_enabled))

    def row_losses(self, model: nn.Module, inputs: Batch) -> Tensor:
        """Return the loss of each row of a batch (B, T) in nats, how many of its tokens are predicted rightly, and how
        many are in the loss: (B, 3)."""
        raise NotImplementedError
