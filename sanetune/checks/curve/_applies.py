"""Whether a check of the loss can say anything about a log."""

from __future__ import annotations

from sanetune.checks.base import NotApplicableError
from sanetune.curves.series import TRIAL, Curve


def needs_token_loss(curve: Curve) -> None:
    """Do nothing for a curve whose loss is that of tokens.

    Raises:
        NotApplicableError: It is the log of another kind of training, which is named.
    """
    if curve.objective:
        raise NotApplicableError(f"this is a log of {curve.objective}, whose loss is not that of the next token")


def needs_log(curve: Curve) -> None:
    """Do nothing for the log of a run.

    Raises:
        NotApplicableError: It is the trial, which is a run's beginning: it has no end, and keeps no checkpoints.
    """
    if curve.source == TRIAL:
        raise NotApplicableError("the trial is the beginning of a run, and this is judged by its whole log")
