"""Noise that is known is found again, and what stands out of it is counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sanetune.probes.spectrum import median_value, signal_of

SHAPES = [(400, 400), (300, 900), (900, 300), (120, 960)]


def with_spikes(shape: tuple[int, int], noise: float, spikes: list[float]) -> np.ndarray:
    """A matrix of Gaussian noise and singular directions of known size."""
    random = np.random.default_rng(0)
    left = np.linalg.qr(random.normal(size=(shape[0], len(spikes) or 1)))[0]
    right = np.linalg.qr(random.normal(size=(shape[1], len(spikes) or 1)))[0]
    return noise * random.normal(size=shape) + (left * (spikes or [0.0])) @ right.T


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.02, 1.5])
def test_the_noise_of_a_matrix_with_a_few_strong_directions_is_found(shape: tuple[int, int], noise: float) -> None:
    edge = noise * (math.sqrt(shape[0]) + math.sqrt(shape[1]))
    matrix = with_spikes(shape, noise, [3 * edge, 2 * edge, 1.5 * edge])
    found = signal_of(torch.from_numpy(matrix))
    assert found.noise == pytest.approx(noise, rel=0.02)
    assert found.above == 3
    values = np.linalg.svd(matrix, compute_uv=False)
    above = values[values > edge].sum() / values[values <= edge].sum() / values.max()
    assert found.snr == pytest.approx(above, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_alone_has_no_signal(shape: tuple[int, int]) -> None:
    """The largest singular value scatters about the edge: at most one is above it."""
    assert signal_of(torch.from_numpy(with_spikes(shape, 0.7, []))).above <= 1


def test_a_stronger_signal_in_the_same_noise_ranks_higher() -> None:
    found = [signal_of(torch.from_numpy(with_spikes((200, 400), 1.0, [60.0] * count))).snr for count in (1, 4, 16)]
    assert found == sorted(found) and found[0] > 0


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
def test_the_median_of_the_law_is_that_of_large_random_matrices(ratio: float) -> None:
    columns = 1500
    values = np.linalg.svd(np.random.default_rng(1).normal(size=(int(ratio * columns), columns)), compute_uv=False)
    assert median_value(ratio) == pytest.approx(np.median(values) / math.sqrt(columns), rel=0.01)


def test_a_matrix_of_zeros_has_neither_signal_nor_noise() -> None:
    found = signal_of(torch.zeros(20, 30))
    assert (found.snr, found.above, found.noise) == (0.0, 0, 0.0)
