"""Numbers of lm-eval in words, for every view."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.curves.paired import PairedDifference
    from sanetune.workflows.evaluating.result import Score, ScoreRow


def score_name(row: ScoreRow) -> str:
    """Return what a number is called, with an arrow where less is better."""
    known = next((one for one in row.scores if one is not None), None)
    fewer = known is not None and known.higher_is_better is False
    return f"{row.task}: {row.metric}{' (less is better)' if fewer else ''}"


def score_text(one: Score) -> str:
    """Return a number with its standard error and its documents.

    >>> from sanetune.workflows.evaluating.result import Score
    >>> score_text(Score("gsm8k", "exact_match", 0.5, True, (0.0, 1.0, 1.0, 0.0)))
    '0.500 ± 0.289 (4)'
    """
    error = one.std_error
    return f"{one.value:.3f}" + ("" if error is None else f" ± {error:.3f} ({len(one.documents):,})")


def difference_text(found: PairedDifference) -> str:
    """Return a difference over the same documents with its 95 % interval.

    >>> from sanetune.curves.paired import PairedDifference
    >>> difference_text(PairedDifference(0.3, 0.1, 20))
    '+0.300 (+0.091 to +0.509)'
    """
    low, high = found.interval()
    return f"{found.mean:+.3f} ({low:+.3f} to {high:+.3f})"
