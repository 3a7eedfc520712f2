"""Random states and module modes, kept while something is tried and put back exactly."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def kept_random_states() -> Iterator[None]:
    """Put the random states of Python, NumPy and torch (all CUDA devices too) back at the end, whatever happens."""
    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


@contextlib.contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """Put every module of ``model`` back into its own mode (training or evaluation) at the end, whatever happens.

    ``model.train(was_training)`` would give all of them the mode of the outermost.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
