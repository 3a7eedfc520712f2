"""The form of rows that follow no chat template, learned from the rows themselves.

People write ``### Response:``, ``Answer:`` or ``ASSISTANT:`` before what is to be learned. Such a header is the text
that nearly all rows share there, so that it need not be known beforehand. What the rows do not share is not guessed.

Shapes: T tokens of a document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sanetune.evidence.batch_documents import Document
from sanetune.evidence.written_headers import FEWEST, SHARED, VARIED, answer_header, headers_of

SAMPLE = 400
"""Documents from which the form is learned."""
STEADY = 0.97
"""Share of the documents with the end of a header that have to have the token before it, for that to be part of it."""
OFF = 3
"""Tokens by which a border may be late."""
WINDOW = 24
"""Tokens before a border in which a header is looked for."""
BORDERS = 16
"""Borders of one document that are read."""

CLOSES = (":", "]", ">", "|")
"""With which headers end, and hardly any answer begins."""


@dataclass(frozen=True, slots=True)
class Border:
    """Where a masked part of a document ends, and the loss begins."""

    document: Document
    at: int


@dataclass(frozen=True, slots=True)
class RowFormat:
    """What a sample of documents shares.

    Attributes:
        documents: How many were read.
        prompts_masked: Documents with a masked part before the loss.
        header: The text before what is learned; "": the documents share none.
        borders: Places where the loss begins, at the header or a few tokens behind it.
        late: Those behind it: the first tokens of the answer are masked.
        late_tokens: Tokens of answers that are masked so.
        early: Those inside it: its last sign is in the loss.
        whole: Documents that are in the loss as a whole, with a header before the answer.
        whole_tokens: Their tokens.
        prompt_tokens: Those of them before the answer.
        inside: Documents whose loss begins inside the prompt, each elsewhere, so that they share no header there.
        inside_tokens: Tokens of prompts that are in the loss so.
        shown: Of each fault the documents and tokens that show it.
    """

    documents: int = 0
    prompts_masked: int = 0
    header: str = ""
    borders: int = 0
    late: int = 0
    late_tokens: int = 0
    early: int = 0
    whole: int = 0
    whole_tokens: int = 0
    prompt_tokens: int = 0
    inside: int = 0
    inside_tokens: int = 0
    shown: tuple[tuple[str, Document, int], ...] = ()

    @classmethod
    def of(
        cls,
        documents: Sequence[Document],
        decode: Callable[[Sequence[int]], str],
        special: frozenset[int] = frozenset(),
        opening: frozenset[int] = frozenset(),
    ) -> RowFormat:
        """Learn the form of ``documents``.

        Args:
            documents: As they are in batches.
            decode: Gives the text of ids.
            special: Ids that begin or end every text, and are no header.
            opening: Special ids that may close a header, as ``<|assistant|>`` does.
        """
        learned = [one for one in documents if one.in_loss_T.any()]
        if len(learned) < FEWEST:
            return cls(len(learned))
        whole = [one for one in learned if one.in_loss_T[1:].mean() > 0.98]
        if len(whole) >= SHARED * len(learned):
            return _whole(whole, len(learned), decode, special)
        masked = [one for one in learned if not one.in_loss_T[:2].any()]
        borders = [border for one in masked for border in _borders(one)]
        found = _masked(borders, len(masked), len(learned), decode, opening)
        if found.header:
            return found
        begun = [one for one in learned if one.in_loss_T[:3].any()]
        if len(begun) >= SHARED * len(learned):  # all but their ends
            return _whole(begun, len(learned), decode, special)
        return _inside(found, learned, decode, special) or found


def _borders(document: Document) -> list[Border]:
    import numpy as np

    in_loss = document.in_loss_T
    return [Border(document, int(at) + 1) for at in np.flatnonzero(~in_loss[:-1] & in_loss[1:])[:BORDERS]]


def _masked(
    borders: list[Border],
    masked: int,
    documents: int,
    decode: Callable[[Sequence[int]], str],
    opening: frozenset[int],
) -> RowFormat:
    """Where the borders are relative to the header that the masked parts share at their ends."""
    blank = RowFormat(documents, masked)
    if len(borders) < FEWEST:
        return blank
    for off in range(OFF + 1):
        header = _shared_end(borders, off, decode)
        offs = [_off(border, header.ids) for border in borders] if header else []
        known = sum(one is not None for one in offs)
        if header is None or known < SHARED * len(borders):
            continue
        late = [
            (border, one) for border, one in zip(borders, offs, strict=True) if one and _holds_text(border, one, decode)
        ]
        if off and not _runs_on([border for border, _ in late], decode):
            return blank
        early = _early(borders, decode, opening) if not off else []
        shown = [("late", border.document, border.at - 1) for border, _ in late[:5]]
        shown += [("early", border.document, border.at) for border in early[:5]]
        tokens = sum(one for _, one in late)
        text = header.text.strip()
        return RowFormat(documents, masked, text, known, len(late), tokens, len(early), shown=tuple(shown))
    return blank


def _holds_text(border: Border, off: int, decode: Callable[[Sequence[int]], str]) -> bool:
    """Whether the last ``off`` tokens before the border are more than signs and space that may close the header."""
    return any(letter.isalnum() for letter in decode(_ids(border, border.at - off, border.at)))


@dataclass(frozen=True, slots=True)
class _Header:
    ids: tuple[int, ...]
    text: str


def _shared_end(borders: list[Border], off: int, decode: Callable[[Sequence[int]], str]) -> _Header | None:
    """The longest run of ids that most borders have ``off`` tokens before them, where it reads like a header."""
    left, ids = borders, []  # type: tuple[list[Border], list[int]]
    while len(ids) < WINDOW:
        back = off + len(ids) + 1
        counts = Counter(int(one.document.ids_T[one.at - back]) for one in left if one.at >= back)
        if not counts:
            break
        token, count = counts.most_common(1)[0]
        if count < (STEADY * len(left) if ids else 0.5 * len(borders)):
            break
        ids.insert(0, token)
        left = [one for one in left if one.at >= back and int(one.document.ids_T[one.at - back]) == token]
    text = decode(ids)
    return _Header(tuple(ids), text) if len(text.strip()) > 1 else None


def _off(border: Border, header: tuple[int, ...]) -> int | None:
    """By how many tokens the border is late; None: the header is not there."""
    ids, size = border.document.ids_T, len(header)
    for off in range(OFF + 1):
        stop = border.at - off
        if stop >= size and tuple(ids[stop - size : stop].tolist()) == header:
            return off
    return None


def _runs_on(borders: list[Border], decode: Callable[[Sequence[int]], str]) -> bool:
    """Whether the text goes on over the border, with no end of a line or a sentence there, as inside an answer."""
    joints = [(decode(_ids(one, one.at - 1, one.at)), decode(_ids(one, one.at, one.at + 1))) for one in borders]
    broken = sum(before.rstrip(" ").endswith(("\n", "?", ":")) or "\n" in behind for before, behind in joints)
    return bool(joints) and broken < (1 - SHARED) * len(joints) + 1


def _early(borders: list[Border], decode: Callable[[Sequence[int]], str], opening: frozenset[int]) -> list[Border]:
    """Borders before what closes a header, in (nearly) all documents the same: a special token, or a word's rest."""
    first = Counter(int(one.document.ids_T[one.at]) for one in borders)
    token, count = first.most_common(1)[0]
    if count >= SHARED * len(borders) and token in opening:
        return [one for one in borders if int(one.document.ids_T[one.at]) == token]
    if count < SHARED * len(borders) or not decode([token]).startswith(CLOSES):
        return []
    inside = [one for one in borders if (text := decode(_ids(one, one.at - 1, one.at))) and text[-1].isalnum()]
    return inside if len(inside) >= SHARED * len(borders) else []


def _ids(border: Border, start: int, stop: int) -> list[int]:
    return [int(token) for token in border.document.ids_T[max(0, start) : stop]]


def _whole(
    documents: list[Document], learned: int, decode: Callable[[Sequence[int]], str], special: frozenset[int]
) -> RowFormat:
    """Documents without a mask: whether they have the form of prompt and answer, and how much of them is prompt."""
    texts = [decode([int(token) for token in one.ids_T if int(token) not in special]) for one in documents]
    header = answer_header(texts)
    if header is None:
        return RowFormat(learned)
    with_header = [(one, text) for one, text in zip(documents, texts, strict=True) if header in text]
    prompt = sum(_tokens_before(one, text.index(header), decode, special) for one, text in with_header)
    tokens = sum(len(one.ids_T) for one, _ in with_header)
    shown = tuple(("whole", one, 1) for one, _ in with_header[:5] if len(one.ids_T) > 1)
    return RowFormat(
        learned, header=header.strip(), whole=len(with_header), whole_tokens=tokens, prompt_tokens=prompt, shown=shown
    )


def _inside(
    blank: RowFormat, documents: list[Document], decode: Callable[[Sequence[int]], str], special: frozenset[int]
) -> RowFormat | None:
    """Documents that begin with the header of a prompt, and whose loss begins before that of the answer.

    None where that is not so: prompts without a header may well precede answers with several.
    """
    texts = [decode([int(token) for token in one.ids_T if int(token) not in special]) for one in documents]
    first, header = headers_of(texts) or ("", "")
    if not header or len({text[: text.find(first)] for text in texts}) > 1:
        return None
    found = []
    for one, text in zip(documents, texts, strict=True):
        if header in text:
            answer = _tokens_before(one, text.index(header) + len(header), decode, special)
            at = int(one.in_loss_T.argmax())
            tokens = answer - sum(int(token) not in special for token in one.ids_T[:at])
            if tokens > OFF:
                found.append((one, at, tokens))
    if len(found) < max(FEWEST / 2, VARIED * len(documents)) or _at_joints([(one, at) for one, at, _ in found], decode):
        return None
    shown = tuple(("inside", one, at) for one, at, _ in found[:5])
    inside = {"inside": len(found), "inside_tokens": sum(tokens for _, _, tokens in found)}
    return replace(blank, header=header.strip(), borders=len(documents), shown=shown, **inside)


def _at_joints(found: list[tuple[Document, int]], decode: Callable[[Sequence[int]], str]) -> bool:
    """Whether the loss begins mostly where a line or sentence ends or with the same token: behind whole prompts, whose
    answers have a header of their own further on (a question, then reasoning, then ``Answer:``)."""
    first = Counter(int(one.ids_T[at]) for one, at in found if at)
    joints = [(decode([int(one.ids_T[at - 1])]).strip()[-1:], decode([int(one.ids_T[at])])) for one, at in found if at]
    ended = sum(not before.isalnum() or "\n" in behind for before, behind in joints)
    return max(ended, *first.values(), 0) >= 0.5 * len(found)


def _tokens_before(
    document: Document, character: int, decode: Callable[[Sequence[int]], str], special: frozenset[int]
) -> int:
    """How many tokens precede a character, by bisection over the text of the first tokens."""
    ids = [int(token) for token in document.ids_T if int(token) not in special]
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        if len(decode(ids[: middle + 1])) > character:
            high = middle
        else:
            low = middle + 1
    return low
