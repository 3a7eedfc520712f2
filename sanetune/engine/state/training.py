"""What a loop goes on with besides the weights: optimizer, schedule and gradient scaler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from sanetune.engine.state.files import has_state, read_state, write_state
from sanetune.errors import RunError


class Stateful(Protocol):
    """What has a state that is a mapping: optimizers, schedules, scalers."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> object:
        """Take a state over."""


def save_state(folder: Path, parts: Mapping[str, Stateful | None], *, write: bool = True) -> None:
    """Write the state of each part into ``folder`` under its name, such as ``optimizer``; None is left out.

    Args:
        folder: Of the checkpoint.
        parts: What has a state.
        write: Whether this process writes it; where parts are sharded, the others are only asked for theirs.

    Raises:
        RunError: A part holds what only a pickle could keep.
    """
    for name, part in parts.items():
        if part is not None:
            state = part.state_dict()
            if write:
                write_state(folder, name, state)


def load_state(folder: Path, parts: Mapping[str, Stateful | None]) -> None:
    """Let each part take over its state from ``folder``; None is left out.

    Tensors come to the part's own devices by its ``load_state_dict``.

    Raises:
        RunError: A state is missing, cannot be read, or belongs to other weights.
    """
    for name, part in parts.items():
        if part is None:
            continue
        if not has_state(folder, name):
            raise _unfit(folder, name, "it is missing")
        state = read_state(folder, name)
        if not isinstance(state, dict):
            raise _unfit(folder, name, "it is no mapping")
        try:
            part.load_state_dict(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise _unfit(folder, name, " ".join(str(error).split())) from error


def _unfit(folder: Path, name: str, reason: str) -> RunError:
    return RunError(
        f"The {name} state of {folder.name} does not fit this run: {reason}.",
        "It belongs to other weights, another optimizer or an incomplete folder.",
        "Go on with the settings that the run began with (its config.yaml), or begin anew under another run.name.",
    )
