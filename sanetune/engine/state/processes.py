"""What each of several processes has for itself in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.engine.state.files import has_state, read_state, write_state
from sanetune.engine.state.random_states import random_states
from sanetune.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class ProcessState:
    """State of one process.

    Attributes:
        random: Its random states, for :func:`sanetune.engine.state.random_states.set_random_states`.
        loss_since_record: Sum of the losses (nats per token in the loss) of its steps since the last record; a scalar.
        more: What else its engine keeps.
    """

    random: dict[str, Any]
    loss_since_record: Tensor
    more: dict[str, Any]


def write_process_state(
    folder: Path, rank: int, processes: int, loss_since_record: Tensor, more: dict[str, Any] | None = None
) -> None:
    """Write the state of process ``rank`` of ``processes`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    states = {"random": random_states(processes), "loss_since_record": loss_since_record, "more": more or {}}
    write_state(folder, _name(rank), states)


def read_process_state(folder: Path, rank: int) -> ProcessState | None:
    """Return the state of process ``rank``; None where ``folder`` has none: fewer processes have written it.

    Raises:
        RunError: It cannot be read.
    """
    if not has_state(folder, _name(rank)):
        return None
    match read_state(folder, _name(rank)):
        case {"random": dict(states), "loss_since_record": loss, "more": dict(more)}:
            return ProcessState(states, loss, more)
    raise RunError(
        f"{folder.name} has no state of process {rank} in {_name(rank)}.json.",
        remedy="Delete this checkpoint, so that the one before is used, or begin anew.",
    )


def _name(rank: int) -> str:
    return f"process-{rank}"
