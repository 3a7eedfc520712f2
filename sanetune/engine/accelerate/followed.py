"""The side of a loop that its followers see, as :class:`sanetune.engine.followed_loop.FollowedLoop` describes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import TrainerControl, TrainerState

from sanetune.engine.accelerate.parts import Parts
from sanetune.engine.batches import Batch, loss_token_count, real_token_count
from sanetune.engine.run_state import RunState
from sanetune.engine.signals import Stop
from sanetune.engine.together import Together


class Followed(Together):
    """Counts, times and decisions of a run.

    Attributes:
        parts: Model, rows and settings.
        on_batches: Called with the micro-batches of each step and the seconds that the dataloader took for them.
        losses: Sum of each named loss over the steps since the last record, of this process.
        last_logged: Step of the last record.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts, self.args, self.accelerator, self.model = parts, parts.args, parts.accelerator, parts.model
        device = self.accelerator.device
        self.state, self.control = TrainerState(), TrainerControl()
        self.run_state, self.stop = RunState(parts.fingerprint), Stop()
        self.idle_seconds = 0.0
        self.step_loss = torch.zeros((), device=device)
        self.open_loss = torch.zeros((), device=device)
        """Sum of the losses of the steps since the last record, of this process, in nats per token in the loss."""
        self.losses: dict[str, Tensor] = {}
        self.last_logged = 0
        self.ended_by: Exception | None = None
        self.on_batches: Callable[[list[Batch], float], None] | None = None
        self.on_rows: Callable[[list[Tensor]], None] | None = None
        self.on_step: Callable[[Tensor | float | None, float | None], None] | None = None
        self.rows_at_once: int | None = None
        """Most rows that go through the model together; None: all of a micro-batch."""
        self.step_rows: list[Tensor] = []
        """Numbers of the rows of each micro-batch of the step, where they are as the dataloader gave them."""
        self.say: Callable[[str], None] = lambda text: None
        """Called with a sentence for the user."""
        self._unread = torch.zeros(2, dtype=torch.long, device=device)

    @property
    def sharded(self) -> bool:
        """Whether FSDP divides the model among the processes."""
        return bool(self.accelerator.is_fsdp2)

    def is_world_process_zero(self) -> bool:
        """Whether this process reports and writes."""
        return bool(self.accelerator.is_main_process)

    def count(self, batches: list[Batch]) -> None:
        """Count the tokens of ``batches`` (B, T each): all of them without padding, and those in the loss."""
        for batch in batches:
            if {"input_ids", "labels"} <= batch.keys():
                self._unread[0] += real_token_count(batch, self.parts.tokenizer.pad_token_id)
                self._unread[1] += loss_token_count(batch)

    @property
    def folder(self) -> Path:
        """Where checkpoints go."""
        return Path(self.args.output_dir)
