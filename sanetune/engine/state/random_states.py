"""The random states of one process: of Python, NumPy, torch and its devices."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sanetune.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor


def random_states(processes: int = 1) -> dict[str, Any]:
    """Return the random states of this process, one of ``processes``."""
    import numpy as np
    import torch

    states = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        # One of several processes drives one device; asking the others for theirs would take memory on each.
        devices = range(torch.cuda.device_count()) if processes == 1 else [torch.cuda.current_device()]
        states["cuda"] = {index: torch.cuda.get_rng_state(index) for index in devices}
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: Mapping[str, Any], processes: int = 1) -> None:
    """Take over what :func:`random_states` returned; devices that are not there any more are left out.

    Raises:
        RunError: These are no random states.
    """
    import numpy as np
    import torch

    try:
        random.setstate(states["python"])
        np.random.set_state(states["numpy"])
        torch.set_rng_state(states["torch"])
        if torch.cuda.is_available():
            _set_cuda(states.get("cuda", {}), processes)
        if torch.backends.mps.is_available() and "mps" in states:
            torch.mps.set_rng_state(states["mps"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise RunError(
            f"The random states of a checkpoint cannot be used: {error}.",
            "The run would go on with other draws.",
            "Delete this checkpoint, so that the one before is used, or begin anew.",
        ) from None


def _set_cuda(states: Mapping[int, Tensor], processes: int) -> None:
    import torch

    if processes > 1:
        states = {torch.cuda.current_device(): state for state in list(states.values())[:1]}
    for index, state in states.items():
        if index < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, index)
