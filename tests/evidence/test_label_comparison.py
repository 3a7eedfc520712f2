"""Differences between labels and roles are sorted by who names them: prompts, replies, ends, marks, and the rest."""

from __future__ import annotations

import numpy as np
import pytest

from sanetune.evidence.batch_documents import Document
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.label_comparison import LabelComparison
from sanetune.evidence.token_roles import EITHER, IN_LOSS, OUTSIDE_LOSS, TokenRole, TokenRoles

ROLES = {
    "t": TokenRole.TEMPLATE,
    "e": TokenRole.TEMPLATE,
    "u": TokenRole.USER,
    "a": TokenRole.ASSISTANT,
    "x": TokenRole.END,
}
EXPECTED = {"t": OUTSIDE_LOSS, "e": EITHER, "u": OUTSIDE_LOSS, "a": IN_LOSS, "x": IN_LOSS}


def compared(roles: str, labels: str, own_script: bool = True) -> SplitStats:
    """``roles``: one letter a token (``e``: white space of the template); ``labels``: 1 in the loss, 0 masked."""
    ids = np.arange(10, 10 + len(roles))
    document = Document(ids, np.where(np.array(list(labels)) == "1", ids, -100))
    found = TokenRoles(
        np.array([ROLES[one] for one in roles], np.int8), np.array([EXPECTED[one] for one in roles], np.int8), len(ids)
    )
    stats = SplitStats("train", 1)
    LabelComparison(stats, lambda *witness: None, own_script=own_script).compare(document, found, 0)
    return stats


@pytest.mark.parametrize(
    ("labels", "disagree", "explained", "marks"),
    [
        ("0000000001110000", 0, 0, 0),
        ("0111111111111110", 9, 9, 0),  # all of it is learned: one cause, headers too
        ("0001000001110000", 1, 1, 0),  # a word of the prompt
        ("0000000000110000", 1, 1, 0),  # a word of the answer
        ("0000000001100000", 1, 1, 0),  # the end
        ("0000001101110000", 2, 0, 2),  # the beginning of a header
        ("0000000111110000", 1, 0, 0),  # a header that runs into the answer, over white space
        ("0000000001111110", 2, 0, 2),  # the next header
    ],
)
def test_each_difference_has_one_name(labels: str, disagree: int, explained: int, marks: int) -> None:
    found = compared("ttuuuuttea" + "axettt", labels)
    assert (found.disagree, found.disagree_explained, found.marks_in_loss) == (disagree, explained, marks)
    assert found.headers_in_loss == disagree - explained - marks


def test_marks_are_faults_where_the_labels_are_not_a_users_own() -> None:
    assert compared("ttuuuutteaaxettt", "0000001101110000", own_script=False).marks_in_loss == 0
