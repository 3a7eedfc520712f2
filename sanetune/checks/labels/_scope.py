"""What the checks of labels can inspect."""

from __future__ import annotations

from sanetune.checks.base import NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.row_format import RowFormat
from sanetune.evidence.run_settings import RunSettings

BORDER = "Tokenize prompt and answer apart and join the ids; a prompt by itself can have other tokens at its end."
"""The remedy for a border that is some tokens off."""
EVERYTHING_DECLARED = "every token is meant to be in the loss (loss_on: all)"


def require_masks(settings: RunSettings) -> None:
    """Raise NotApplicableError where nothing is meant to be masked."""
    if settings.data.loss_on == "all":
        raise NotApplicableError(EVERYTHING_DECLARED)


def require_labels(stats: BatchStats) -> None:
    """Raise NotApplicableError where there is no label to inspect."""
    if not stats.total("documents"):
        raise NotApplicableError("no batch holds a document")
    if stats.labels_unproved:
        raise NotApplicableError(stats.labels_unproved)


def require_own_places(stats: BatchStats) -> None:
    """Raise NotApplicableError where labels belong to their neighbours, so that none says what its token is."""
    require_labels(stats)
    if stats.total("shifted") > stats.total("documents") / 2:
        raise NotApplicableError("the labels are shifted, which labels-shifted tells")


def with_roles(stats: BatchStats) -> int:
    """How many documents have turns, so that the independent route knows who wrote their tokens."""
    return stats.total("documents") - stats.total("roles_unknown") - stats.total("plain")


def format_of(stats: BatchStats) -> RowFormat:
    """The form of documents without a chat template.

    Raises:
        NotApplicableError: They share none, or there is no tokenizer to read it with.
    """
    found = stats.train.row_format
    if found is None:
        raise NotApplicableError("without tokenizer or chat template nobody can tell prompts from answers")
    if not found.header:
        raise NotApplicableError(
            "the rows follow no chat template and share no header before their answers, so that nobody can tell"
            " prompts from answers"
        )
    return found


def format_numbers(found: RowFormat) -> dict[str, int | str]:
    """Its counts by name."""
    return {
        "header": found.header,
        "documents": found.documents,
        "borders": found.borders,
        "late": found.late,
        "late_tokens": found.late_tokens,
        "early": found.early,
        "whole": found.whole,
        "whole_tokens": found.whole_tokens,
        "prompt_tokens": found.prompt_tokens,
        "inside": found.inside,
        "inside_tokens": found.inside_tokens,
    }
