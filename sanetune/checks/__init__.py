"""The catalogue of faults: one file for each fault, in the folder of its family.

:mod:`sanetune.checks.base` says what a check is.

A check of another package imports what it needs from here and names its module in the entry point group
``sanetune.checks``.
"""

from sanetune.checks.base import Check, Limit, Limits, NotApplicableError, Page
from sanetune.finding import Judgement, Measurement, Witness, failed, passed, warned

__all__ = [
    "Check",
    "Judgement",
    "Limit",
    "Limits",
    "Measurement",
    "NotApplicableError",
    "Page",
    "Witness",
    "failed",
    "passed",
    "warned",
]
