"""Which rows share turns with others: a conversation that is the beginning, or any other part, of a longer one.

A row is read as exchanges: an answer together with the message before it. Plain text is read as its lines.
Exchanges are compared by hash, so that a split of any size fits into memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.checks.base import Limits
from sanetune.data.conversation import Conversation, Message
from sanetune.text import WORDS, normalise

if TYPE_CHECKING:
    import numpy as np

    from sanetune.evidence.conversations import ConversationSplit


@dataclass(frozen=True, slots=True)
class Overlap:
    """``shared`` of the ``exchanges`` of validation row ``row`` are in training row ``other`` too."""

    row: int
    other: int
    shared: int
    exchanges: int


@dataclass(frozen=True, slots=True)
class Exchanges:
    """The exchanges of all rows of a split, one after the other.

    Attributes:
        hash_E: Hash of each exchange.
        row_E: The row that each is of, ascending.
        words_E: Words of each.
        answer_words_E: Words of its answer.
        plain_E: Whether it is a line of plain text.
    """

    hash_E: np.ndarray  # noqa: N815 -- shape suffix
    row_E: np.ndarray  # noqa: N815
    words_E: np.ndarray  # noqa: N815
    answer_words_E: np.ndarray  # noqa: N815
    plain_E: np.ndarray  # noqa: N815


def shared_turns(
    validation: ConversationSplit, rows: np.ndarray, train: ConversationSplit, limits: Limits
) -> list[Overlap]:
    """For each of ``rows`` of ``validation`` that shares turns with a training row, the row with which it shares most.

    ``limits``: ``run_words`` that the shared turns have at least, the ``run_share`` of the words of the row's
    answers that is shared at least (``text_share`` for plain text), and ``generic``, in how many training rows an
    exchange may be.
    """
    import numpy as np

    wanted = exchanges(validation)
    base = _by_hash(exchanges(train), wanted.hash_E, int(limits["generic"]))
    found = []
    starts = np.searchsorted(wanted.row_E, rows)
    stops = np.searchsorted(wanted.row_E, rows, side="right")
    for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
        overlap = _best(row, wanted, start, stop, base, limits)
        if overlap is not None:
            found.append(overlap)
    return found


def exchanges(side: ConversationSplit) -> Exchanges:
    """Return the exchanges of every row of a split."""
    import numpy as np
    import xxhash

    hashes, rows, words, answers, plain = array("Q"), array("L"), array("L"), array("L"), array("B")
    for number, conversation in enumerate(side):
        for asked, said in _exchanges_of(conversation):
            hashes.append(xxhash.xxh3_64_intdigest(f"{asked}\x1e{said}".encode("utf-8", "replace")))
            rows.append(number)
            words.append(len(WORDS.findall(asked)) + len(WORDS.findall(said)))
            answers.append(len(WORDS.findall(said)))
            plain.append(conversation.text is not None)
    row_E, words_E, answer_words_E = (np.array(column, np.int64) for column in (rows, words, answers))  # noqa: N806
    return Exchanges(np.array(hashes, np.uint64), row_E, words_E, answer_words_E, np.array(plain, bool))


def _exchanges_of(conversation: Conversation) -> Iterator[tuple[str, str]]:
    if conversation.text is not None:
        lines = (normalise(line) for line in conversation.text.splitlines())
        yield from (("", line) for line in lines if line)
        return
    before = ""
    for message in conversation.messages:
        said = normalise(_said(message))
        if message["role"] == "assistant":
            yield before, said
        if message["role"] not in ("system", "developer"):
            before = said


def _said(message: Message) -> str:
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    called = "\n".join(f"{call['name']} {call.get('arguments')}" for call in calls)
    return f"{message.get('reasoning_content', '')}\n{message['content']}\n{called}"


def _by_hash(base: Exchanges, wanted: np.ndarray, generic: int) -> dict[int, list[int]]:
    """The rows of ``base`` that hold each of the ``wanted`` exchanges; without those that more than ``generic`` do."""
    import numpy as np

    places = np.flatnonzero(np.isin(base.hash_E, wanted))
    found: dict[int, list[int]] = {}
    for key, row in zip(base.hash_E[places].tolist(), base.row_E[places].tolist(), strict=True):
        rows = found.setdefault(key, [])
        if len(rows) <= generic and (not rows or rows[-1] != row):
            rows.append(row)
    return {key: rows for key, rows in found.items() if len(rows) <= generic}


def _best(
    row: int, wanted: Exchanges, start: int, stop: int, base: dict[int, list[int]], limits: Limits
) -> Overlap | None:
    """The training row that shares most of the exchanges ``start`` to ``stop``, if that is enough to count."""
    hits: dict[int, list[int]] = {}
    for at in range(start, stop):
        for other in base.get(int(wanted.hash_E[at]), ()):
            hits.setdefault(other, []).append(at)
    if not hits:
        return None
    other = max(hits, key=lambda one: int(wanted.words_E[hits[one]].sum()))
    places = hits[other]
    answered, every = int(wanted.answer_words_E[places].sum()), int(wanted.answer_words_E[start:stop].sum())
    share = limits["text_share" if wanted.plain_E[start] else "run_share"]
    if int(wanted.words_E[places].sum()) < limits["run_words"] or answered < share * every:
        return None
    return Overlap(row, other, len(places), stop - start)
