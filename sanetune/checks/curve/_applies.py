"""Whether a check of the loss can say anything about a log."""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import LogTooShortError, NotApplicableError
from sanetune.curves.changes import complete, last_step, learned_points
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


def needs_end(curve: Curve) -> None:
    """Do nothing for a curve that reaches the end of its run.

    Raises:
        NotApplicableError: It does not, or the end is not known.
    """
    if complete(curve):
        return
    if not curve.total_steps:
        raise NotApplicableError("the log does not say how long the run was to be")
    source = "trial" if curve.source == TRIAL else "log"
    raise NotApplicableError(f"the {source} ends at step {last_step(curve):,} of {curve.total_steps:,}")


def fewer(count: int, least: int, one: str, several: str = "", *, more: str = "") -> NotApplicableError:
    """Return the error of a log that has fewer of something than a check needs: it is too short where it has some.

    >>> fewer(3, 8, "gradient norm", more=" after warm-up")
    LogTooShortError('3 gradient norms after warm-up, fewer than 8')
    """
    kind = LogTooShortError if count else NotApplicableError
    return kind(f"{units.many(count, one, several)}{more}, fewer than {least}")


def too_few(curve: Curve) -> NotApplicableError:
    """Return the error of a curve without a start and an end that could be compared."""
    more = ", and no two evaluations from the start on"
    counted = units.many(len(learned_points(curve)), "training loss", "training losses")
    return LogTooShortError(f"{counted}, fewer than 4{more}")
