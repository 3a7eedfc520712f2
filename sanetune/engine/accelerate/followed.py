"""The side of a loop that its followers see, as :class:`sanetune.engine.followed_loop.FollowedLoop` describes it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from transformers import TrainerControl, TrainerState

from sanetune.engine.accelerate.parts import Parts
from sanetune.engine.batches import Batch, loss_token_count, real_token_count
from sanetune.engine.run_state import RunState
from sanetune.engine.signals import Stop


class Followed:
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
    def processes(self) -> int:
        """How many train together."""
        return int(self.accelerator.num_processes)

    @property
    def sharded(self) -> bool:
        """Whether FSDP divides the model among the processes."""
        return bool(self.accelerator.is_fsdp2)

    def is_world_process_zero(self) -> bool:
        """Whether this process reports and writes."""
        return bool(self.accelerator.is_main_process)

    def over_processes(self, sums: list[float]) -> list[float]:
        """Return each of ``sums`` added up over all processes, which ask together."""
        if self.processes == 1:
            return sums
        here = torch.tensor(sums, dtype=torch.float64, device=self.accelerator.device)
        total: list[float] = self.accelerator.reduce(here, "sum").tolist()
        return total

    def stop_agreed(self) -> bool:
        """Whether any process was asked to stop; all ask together, so that none waits for one that left."""
        return self.over_processes([float(self.stop.requested)])[0] > 0

    def count(self, batches: list[Batch]) -> None:
        """Count the tokens of ``batches`` (B, T each): all of them without padding, and those in the loss."""
        for batch in batches:
            if {"input_ids", "labels"} <= batch.keys():
                self._unread[0] += real_token_count(batch, self.parts.tokenizer.pad_token_id)
                self._unread[1] += loss_token_count(batch)

    def tokens_seen(self) -> tuple[int, int]:
        """Return all tokens and the tokens in the loss since the run began, on all processes, which ask together."""
        tokens, in_loss = self.accelerator.reduce(self._unread, "sum").tolist()
        self._unread.zero_()
        self.run_state.tokens += tokens
        self.run_state.loss_tokens += in_loss
        return self.run_state.tokens, self.run_state.loss_tokens

    @contextlib.contextmanager
    def off_the_clock(self) -> Iterator[None]:
        """Time spent here is not training time, and draws here are not training's."""
        began = time.monotonic()
        with torch.random.fork_rng():
            try:
                yield
            finally:
                self.idle_seconds += time.monotonic() - began

    @property
    def folder(self) -> Path:
        """Where checkpoints go."""
        return Path(self.args.output_dir)
