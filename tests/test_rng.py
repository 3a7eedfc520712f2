"""Random states and modes are afterwards what they were, also after an error."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys

import numpy as np
import torch

from sanetune.rng import kept_modes, kept_random_states


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_draws_inside_change_no_draw_outside() -> None:
    with kept_random_states():
        expected = drawn()
    with contextlib.suppress(MemoryError), kept_random_states():
        drawn()
        raise MemoryError
    assert drawn() == expected


def test_every_module_gets_its_own_mode_back() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Sequential(torch.nn.Dropout()))
    model[1].eval()
    with kept_modes(model):
        model.eval()
        model[1][0].train()
    assert [module.training for module in model.modules()] == [True, True, False, False]


def test_a_library_that_is_not_loaded_is_loaded_only_where_asked_for() -> None:
    program = """
import sys
from sanetune.rng import kept_random_states
with kept_random_states():
    pass
print("numpy" in sys.modules)
with kept_random_states(load=True):
    import torch
    expected = torch.rand(())
print("numpy" in sys.modules, bool(torch.rand(()) == expected))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]
