"""Who wrote each token: the independent route to the labels.

The data's own masks come from marks that are put around the texts before rendering. Here nothing is marked: a
conversation is rendered plainly, each message's text is looked for in it (:mod:`sanetune.evidence.text_spans`), and the
characters found are carried to tokens. Where the two routes differ, one of them is wrong, and training should wait.

Shapes: T tokens of an example.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data.conversation import Conversation
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.data.template.final_end import FinalEnd
from sanetune.errors import TemplateError
from sanetune.evidence.conversations import SPLITS
from sanetune.evidence.template_literals import Literals
from sanetune.evidence.text_spans import LocatedMessages, find
from sanetune.evidence.token_roles import BY_ROLE, EITHER, IN_LOSS, OUTSIDE_LOSS, TokenRole, TokenRoles, digest
from sanetune.finding import MOST_WITNESSES, Witness

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

    from sanetune.data.prepared import Prepared, SplitOrigin
    from sanetune.evidence.token_roles import Ids

CHUNK = 256
"""Conversations that are worked on at once."""
IN_PROCESS = 2_000
"""Up to this many conversations, starting processes costs more than it saves."""


@dataclass(slots=True)
class DroppedTexts:
    """Texts of messages that do not survive rendering: how often by (role, field), and some of them."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    witnesses: list[Witness] = field(default_factory=list)

    def add(self, conversation: Conversation, found: LocatedMessages) -> None:
        for number, name in found.dropped:
            message = conversation.messages[number]
            role = str(message["role"])
            self.counts[role, name] += 1
            if len(self.witnesses) < MOST_WITNESSES:
                note = f"message {number} ({role}): its {name.replace('_', ' ')} is not in the rendered text"
                self.witnesses.append(Witness(str(message.get(name, ""))[:300], conversation.place, note))

    def merge(self, other: DroppedTexts) -> None:
        self.counts.update(other.counts)
        self.witnesses = [*self.witnesses, *other.witnesses][:MOST_WITNESSES]


FoundRoles = tuple[list[int], TokenRoles, LocatedMessages]
"""Ids, the role of each, and where the messages are."""


@dataclass(slots=True)
class RoleFinder:
    """Takes one conversation apart. ``loss_on`` is the declared intent."""

    template: ChatTemplate | None
    tokenizer: Tokenizer
    """The tokenizers library's own object: it gives offsets."""
    literals: Literals
    loss_on: str
    eos_token: str | None
    final_end: FinalEnd | None = None

    def roles_of(self, conversation: Conversation) -> FoundRoles | None:
        """Return ids, roles and spans, not truncated; None where the conversation cannot be rendered."""
        return next(self.all_roles_of(conversation), None)

    def all_roles_of(self, conversation: Conversation) -> Iterator[FoundRoles]:
        """The same for every way to tokenize the conversation."""
        import numpy as np

        if conversation.text is not None:
            text = conversation.text
            if self.eos_token and not text.endswith(self.eos_token):
                text += self.eos_token
            ids = self.tokenizer.encode(text, add_special_tokens=True).ids
            roles = np.full(len(ids), TokenRole.TEXT, np.int8)
            expected = np.full(len(ids), IN_LOSS, np.int8)
            expected[:1] = OUTSIDE_LOSS
            yield ids, TokenRoles(roles, expected, len(ids)), LocatedMessages()
            return
        if self.template is None:
            return
        try:
            text = self.template.render(conversation.messages, conversation.tools, conversation.template_kwargs)
        except TemplateError:
            return
        if self.final_end is not None:
            text = self.final_end.completed(text, conversation.messages)
        found = find(text, conversation, self.literals)
        for ids, starts, stops in self._tokenized(text, found):
            roles, expected = _to_tokens(text, found, starts, stops, self.loss_on)
            for start, end in masked_by_row(text, found, conversation):
                expected[(starts >= start) & (stops <= end)] = OUTSIDE_LOSS  # a token on the border is learned
            yield ids, TokenRoles(roles, expected, len(ids)), found

    def _tokenized(self, text: str, found: LocatedMessages) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
        """Ids, and where each token starts and stops: in pieces where a turn begins or ends inside a token, as
        inference does, and then as a whole, for a trainer may do either."""
        import numpy as np

        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        ids, offsets = encoding.ids, encoding.offsets
        starts = np.fromiter((left for left, _ in offsets), np.int64, len(offsets))
        stops = np.fromiter((right for _, right in offsets), np.int64, len(offsets))
        borders = sorted({border for turn in _in_loss(found, self.loss_on) for border in turn})
        inside = [border for border in borders if bool(((starts < border) & (border < stops)).any())]
        if inside:
            pieces = self._in_pieces(text, inside)
            if self._decoded(pieces[0]) == self._decoded(ids):  # else each piece would get a space of its own
                yield pieces
        yield ids, starts, stops

    def _decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def _in_pieces(self, text: str, cuts: list[int]) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Where a turn begins or ends inside a token, the text is tokenized in pieces, as inference does."""
        import numpy as np

        pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
        encodings = self.tokenizer.encode_batch(pieces, add_special_tokens=False)
        begins = list(accumulate(map(len, pieces[:-1]), initial=0))
        places = [
            (begin + left, begin + right)
            for begin, encoding in zip(begins, encodings, strict=True)
            for left, right in encoding.offsets
        ]
        ids = [token for encoding in encodings for token in encoding.ids]
        flat = np.array(places, np.int64).reshape(-1, 2)
        return ids, flat[:, 0], flat[:, 1]


def _in_loss(found: LocatedMessages, loss_on: str) -> list[tuple[int, int]]:
    return found.turns[-1:] if loss_on == "last" else found.turns


def _to_tokens(
    text: str, found: LocatedMessages, starts: np.ndarray, stops: np.ndarray, loss_on: str
) -> tuple[np.ndarray, np.ndarray]:
    """Characters to tokens: a token belongs to the span that holds any character of it."""
    import numpy as np

    roles = np.full(len(starts), TokenRole.TEMPLATE, np.int8)
    expected = np.full(len(starts), OUTSIDE_LOSS, np.int8)
    wide = stops > starts
    last = found.turns[-1] if found.turns else None

    def tokens(start: int, end: int) -> slice:
        return slice(int(np.searchsorted(stops, start, "right")), int(np.searchsorted(starts, end, "left")))

    for turn in found.turns:
        if loss_on == "assistant" or turn == last:
            part = tokens(*turn)
            expected[part] = EITHER
            # White space behind the end token, and at the end of the header: TRL's own templates learn it.
            expected[tokens(turn[1], turn[1] + 1)] = EITHER
            if part.start and not text[starts[part.start - 1] : stops[part.start - 1]].strip():
                expected[part.start - 1] = EITHER
    for span in found.spans:
        part = tokens(span.start, span.end)
        roles[part] = np.where(wide[part], BY_ROLE[span.role], roles[part])
        if span.role in ("assistant", "end"):
            expected[part] = np.where(expected[part] == EITHER, IN_LOSS, expected[part])
        else:
            expected[part] = OUTSIDE_LOSS
    if not found.sure or found.dropped:
        expected[roles == TokenRole.TEMPLATE] = EITHER
    if loss_on == "all":
        expected[:] = EITHER
    expected[:1] = OUTSIDE_LOSS
    return roles, expected


def masked_by_row(text: str, found: LocatedMessages, conversation: Conversation) -> Iterator[tuple[int, int]]:
    """Yield the characters (first, behind the last) that the row itself takes out of the loss."""
    for part in conversation.masked:
        spans = [span for span in found.spans if span.message == part.message]
        if not spans:
            continue
        if part.end is None:
            inside = [turn for turn in found.turns if turn[0] <= spans[0].start < turn[1]]
            yield inside[0] if inside else (spans[0].start, spans[-1].end)
            continue
        content = conversation.messages[part.message]["content"]
        core = content.strip()
        said = [span for span in spans if text[span.start : span.end] == core]
        if said:
            begin = said[-1].start - (len(content) - len(content.lstrip()))
            yield begin + part.start, begin + part.end


class TokenRoleStore:
    """:class:`TokenRoles` of every example of both splits, found by its ids; on disk."""

    def __init__(self, file: Path) -> None:
        import numpy as np

        from sanetune.data.cache import open_table

        self._table = open_table(file)
        digests, splits = (self._table.column(name).to_numpy() for name in ("digest", "split"))
        self._order, self._sorted = {}, {}
        for split, name in enumerate(SPLITS):
            rows = np.flatnonzero(splits == split)
            self._order[name] = rows[np.argsort(digests[rows], kind="stable")]
            self._sorted[name] = digests[self._order[name]]

    def of(self, split: str, ids: Ids) -> TokenRoles | None:
        """Who wrote the tokens ``ids``; None where no example of ``split`` has these."""
        import numpy as np

        digests, sought = self._sorted[split], np.uint64(digest(ids))
        place = int(np.searchsorted(digests, sought))
        if place == len(digests) or digests[place] != sought:
            return None
        row = self._table.slice(int(self._order[split][place]), 1)
        roles, expected = (np.asarray(row.column(name).combine_chunks().flatten()) for name in ("roles", "expected"))
        return TokenRoles(roles, expected, row.column("full_length")[0].as_py(), row.column("example")[0].as_py())


def write(finder: RoleFinder, prepared: Prepared, file: Path) -> DroppedTexts:
    """Find the roles of the tokens of every example of ``prepared`` and write them to ``file``, on all cores."""
    import pyarrow as pa

    schema = pa.schema(
        {
            "digest": pa.uint64(),
            "roles": pa.list_(pa.int8()),
            "expected": pa.list_(pa.int8()),
            "full_length": pa.int32(),
            "split": pa.int8(),
            "example": pa.int32(),
        }
    )
    dropped = DroppedTexts()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for columns, some in _worked(_Work(finder, prepared.origins, prepared.max_length), prepared):
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))
            dropped.merge(some)
    return dropped


Result = tuple[dict[str, list[Any]], DroppedTexts]


@dataclass(frozen=True, slots=True)
class _Work:
    finder: RoleFinder
    origins: Mapping[str, SplitOrigin]
    limit: int

    def __call__(self, part: tuple[str, int, int]) -> Result:
        split, start, stop = part
        origin, dropped = self.origins[split], DroppedTexts()
        names = ("digest", "roles", "expected", "full_length", "split", "example")
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for example, conversation in enumerate(origin.conversations_of(start, stop), start=start):
            for way, (ids, found, spans) in enumerate(self.finder.all_roles_of(conversation)):
                if not way:
                    dropped.add(conversation, spans)
                columns["digest"].append(digest(ids[: self.limit]))
                columns["roles"].append(found.roles_T[: self.limit])
                columns["expected"].append(found.expected_T[: self.limit])
                columns["full_length"].append(found.full_length)
                columns["split"].append(SPLITS.index(split))
                columns["example"].append(example)
        return columns, dropped


_work: _Work | None = None


def _started(part: tuple[str, int, int]) -> Result:
    assert _work is not None
    return _work(part)


def _worked(work: _Work, prepared: Prepared) -> Iterator[Result]:
    global _work
    parts = [
        (split, start, min(start + CHUNK, len(origin.rows)))
        for split, origin in prepared.origins.items()
        for start in range(0, len(origin.rows), CHUNK)
    ]
    rows = sum(stop - start for _, start, stop in parts)
    if rows < IN_PROCESS or sys.platform != "linux":
        yield from map(work, parts)
        return
    _work = work  # forked processes find it here: nothing has to be sent to them
    try:
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
            for start in range(0, len(parts), 64):
                yield from pool.map(_started, parts[start : start + 64])
    finally:
        _work = None
