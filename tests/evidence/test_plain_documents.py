"""Where the texts of rows without a chat template end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sanetune.evidence.batch_documents import Document
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.plain_documents import PlainDocuments

END, BREAK, PROMPT = 2, 3, 9
ANSWER = (10, 11, 12, 13)


def text_of(ids: Sequence[int]) -> str:
    return "".join({END: "</s>", BREAK: "\n", PROMPT: "Question: x\nAnswer:"}.get(one, f" w{one}") for one in ids)


def counted(*tail: int, decode: bool = True) -> tuple[dict[int, int], int]:
    """The ends, and the rows without one, of forty rows: a masked prompt, an answer in the loss, ``tail`` behind it."""
    stats, endless = SplitStats("train", 40), []
    plain = PlainDocuments(
        stats, lambda kind, *rest: endless.append(kind), text_of if decode else None, frozenset({END})
    )
    for row in range(40):
        ids = np.array([PROMPT, *ANSWER, 20 + row, *tail])
        plain.add(Document(ids, np.where(ids == PROMPT, -100, ids)), row)
    assert set(endless) <= {"plain_endless"}
    plain.close()
    return dict(stats.ends), endless.count("plain_endless")


@pytest.mark.parametrize("tail", [(END,), (END, BREAK), (END, BREAK, BREAK)])
def test_white_space_behind_an_end_leaves_it_an_end(tail: tuple[int, ...]) -> None:
    assert counted(*tail) == ({END: 40}, 0)


@pytest.mark.parametrize("tail", [(), (BREAK,), (END, 14), (END, BREAK, BREAK, BREAK)])
def test_a_text_behind_an_end_or_no_end_is_none(tail: tuple[int, ...]) -> None:
    assert counted(*tail) == ({}, 40)


def test_without_a_tokenizer_nobody_knows_what_is_behind_an_end() -> None:
    assert counted(END, BREAK, decode=False) == ({}, 40)
