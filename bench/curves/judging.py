"""What the checks say about a curve of the bench, and what it is drawn by."""

from __future__ import annotations

import zlib

import numpy as np

from bench.curves.real_noise import Chance
from sanetune.curves.series import Curve
from sanetune.evidence.registry import Evidence
from sanetune.finding import BAD, Finding
from sanetune.gate.catalogue import catalogue
from sanetune.gate.runner import run

FAULTY = 10_000
"""Seed of the first faulty curve of a kind; those of clean ones begin at 0."""


def findings(curve: Curve) -> list[Finding]:
    """What the checks of the curve alone say, warnings and worse."""
    checks = [check for check in catalogue().values() if check.needs == ("curve",)]
    found = run(checks, Evidence({}, {"curve": curve}))
    return [one for one in found if one.verdict in BAD]


def names(curve: Curve) -> set[str]:
    """The checks that warn or fail."""
    return {one.check for one in findings(curve)}


def chance_of(kind: str, seed: int) -> Chance:
    """The generator of one curve of a kind."""
    return np.random.default_rng([seed, zlib.crc32(kind.encode())])
