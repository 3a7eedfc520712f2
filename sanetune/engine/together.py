"""What the loops of both engines do alike with their processes and clocks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator

    from sanetune.engine.row_groups import RowGroups
    from sanetune.engine.run_state import RunState
    from sanetune.engine.signals import Stop


class Together:
    """Sums, counts and decisions that all processes of a run make together; the loop that has it sets the attributes.

    Attributes:
        accelerator: Of the run.
        run_state: What of the run is counted.
        stop: Whether this process was asked to stop.
        idle_seconds: Time that was not training.
    """

    accelerator: Accelerator
    run_state: RunState
    stop: Stop
    idle_seconds: float
    row_groups: RowGroups | None = None
    """The losses of the validation rows, at the last evaluation."""
    _unread: Tensor
    """Tokens, and tokens in the loss, of this process that ``run_state`` does not have yet."""

    @property
    def processes(self) -> int:
        """How many train together."""
        return int(self.accelerator.num_processes)

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
