"""Who wrote each token: the independent route to the labels.

The data's own masks come from marks that are put around the texts before rendering. Here nothing is marked: a
conversation is rendered plainly, each message's text is looked for in it (:mod:`sanetune.evidence.text_spans`), and the
characters found are carried to tokens. Where the two routes differ, one of them is wrong, and training should wait.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data.conversation import Conversation
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError
from sanetune.evidence.conversations import SPLITS
from sanetune.evidence.text_spans import Found, Literals, find
from sanetune.evidence.token_roles import BY_ROLE, EITHER, IN_LOSS, OUTSIDE_LOSS, TokenRole, TokenRoles, digest
from sanetune.finding import Witness

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

CHUNK = 256
"""Conversations that are worked on at once."""
IN_PROCESS = 2_000
"""Up to this many conversations, starting processes costs more than it saves."""
SHOWN = 5


@dataclass(slots=True)
class DroppedTexts:
    """Texts of messages that do not survive rendering: how often by (role, field), and some of them."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    witnesses: list[Witness] = field(default_factory=list)

    def add(self, conversation: Conversation, found: Found) -> None:
        for number, name in found.dropped:
            message = conversation.messages[number]
            role = str(message["role"])
            self.counts[role, name] += 1
            if len(self.witnesses) < SHOWN:
                note = f"message {number} ({role}): its {name.replace('_', ' ')} is not in the rendered text"
                self.witnesses.append(Witness(str(message.get(name, ""))[:300], conversation.place, note))

    def merge(self, other: DroppedTexts) -> None:
        self.counts.update(other.counts)
        self.witnesses = [*self.witnesses, *other.witnesses][:SHOWN]


@dataclass(slots=True)
class RoleFinder:
    """Takes one conversation apart. ``loss_on`` is the declared intent."""

    template: ChatTemplate | None
    tokenizer: Tokenizer
    """The tokenizers library's own object: it gives offsets."""
    literals: Literals
    loss_on: str
    eos_token: str | None

    def spoken(self, conversation: Conversation) -> tuple[list[int], TokenRoles, Found] | None:
        """(ids, who and wanted, what was found), uncut; None where the conversation cannot be rendered."""
        import numpy as np

        if conversation.text is not None:
            text = conversation.text
            if self.eos_token and not text.endswith(self.eos_token):
                text += self.eos_token
            ids = self.tokenizer.encode(text, add_special_tokens=True).ids
            who = np.full(len(ids), TokenRole.TEXT, np.int8)
            wanted = np.full(len(ids), IN_LOSS, np.int8)
            wanted[:1] = OUTSIDE_LOSS
            return ids, TokenRoles(who, wanted, len(ids)), Found()
        if self.template is None:
            return None
        try:
            text = self.template.render(conversation.messages, conversation.tools, conversation.template_kwargs)
        except TemplateError:
            return None
        found = find(text, conversation, self.literals)
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        ids, offsets = encoding.ids, encoding.offsets
        starts = np.fromiter((left for left, _ in offsets), np.int64, len(offsets))
        stops = np.fromiter((right for _, right in offsets), np.int64, len(offsets))
        borders = sorted({border for turn in found.turns for border in turn})
        inside = [border for border in borders if bool(((starts < border) & (border < stops)).any())]
        if inside:
            ids, starts, stops = self._in_pieces(text, inside)
        who, wanted = _carried(text, found, starts, stops, self.loss_on)
        return ids, TokenRoles(who, wanted, len(ids)), found

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


def _carried(
    text: str, found: Found, starts: np.ndarray, stops: np.ndarray, loss_on: str
) -> tuple[np.ndarray, np.ndarray]:
    """Characters to tokens: a token belongs to the span that holds any character of it."""
    import numpy as np

    who = np.full(len(starts), TokenRole.TEMPLATE, np.int8)
    wanted = np.full(len(starts), OUTSIDE_LOSS, np.int8)
    wide = stops > starts
    last = found.turns[-1] if found.turns else None

    def tokens(start: int, end: int) -> slice:
        return slice(int(np.searchsorted(stops, start, "right")), int(np.searchsorted(starts, end, "left")))

    for turn in found.turns:
        if loss_on == "assistant" or turn == last:
            part = tokens(*turn)
            wanted[part] = EITHER
            # White space behind the end token, and at the end of the header: TRL's own templates learn it.
            wanted[tokens(turn[1], turn[1] + 1)] = EITHER
            if part.start and not text[starts[part.start - 1] : stops[part.start - 1]].strip():
                wanted[part.start - 1] = EITHER
    for span in found.spans:
        part = tokens(span.start, span.end)
        who[part] = np.where(wide[part], BY_ROLE[span.role], who[part])
        if span.role in ("assistant", "end"):
            wanted[part] = np.where(wanted[part] == EITHER, IN_LOSS, wanted[part])
        else:
            wanted[part] = OUTSIDE_LOSS
    if not found.sure or found.dropped:
        wanted[who == TokenRole.TEMPLATE] = EITHER
    if loss_on == "all":
        wanted[:] = EITHER
    wanted[:1] = OUTSIDE_LOSS
    return who, wanted


class TokenRoleStore:
    """:class:`TokenRoles` of every example of both splits, found by its ids; on disk."""

    def __init__(self, file: Path) -> None:
        import numpy as np

        from sanetune.data.cache import open_table

        self._table = open_table(file)
        digests, sides = (self._table.column(name).to_numpy() for name in ("digest", "side"))
        self._order, self._sorted = {}, {}
        for side, name in enumerate(SPLITS):
            rows = np.flatnonzero(sides == side)
            self._order[name] = rows[np.argsort(digests[rows], kind="stable")]
            self._sorted[name] = digests[self._order[name]]

    def of(self, split: str, ids: Any) -> TokenRoles | None:
        """Who wrote the tokens ``ids``; None where no example of ``split`` has these."""
        import numpy as np

        digests, wanted = self._sorted[split], np.uint64(digest(ids))
        place = int(np.searchsorted(digests, wanted))
        if place == len(digests) or digests[place] != wanted:
            return None
        row = self._table.slice(int(self._order[split][place]), 1)
        who, want = (np.asarray(row.column(name).combine_chunks().flatten()) for name in ("who", "wanted"))
        return TokenRoles(who, want, row.column("whole")[0].as_py(), row.column("example")[0].as_py())


def write(speaker: RoleFinder, prepared: Any, file: Path) -> DroppedTexts:
    """Takes every example of ``prepared`` apart and writes what is found to ``file``, on all cores."""
    import pyarrow as pa

    schema = pa.schema(
        {
            "digest": pa.uint64(),
            "who": pa.list_(pa.int8()),
            "wanted": pa.list_(pa.int8()),
            "whole": pa.int32(),
            "side": pa.int8(),
            "example": pa.int32(),
        }
    )
    dropped = DroppedTexts()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for columns, some in _worked(_Work(speaker, prepared.origins, prepared.max_length), prepared):
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))
            dropped.merge(some)
    return dropped


Result = tuple[dict[str, list[Any]], DroppedTexts]


@dataclass(frozen=True, slots=True)
class _Work:
    speaker: RoleFinder
    origins: Any
    limit: int

    def __call__(self, part: tuple[str, int, int]) -> Result:
        split, start, stop = part
        origin, dropped = self.origins[split], DroppedTexts()
        names = ("digest", "who", "wanted", "whole", "side", "example")
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for example, conversation in enumerate(origin.conversations_of(start, stop), start=start):
            if (result := self.speaker.spoken(conversation)) is None:
                continue
            ids, spoken, found = result
            dropped.add(conversation, found)
            columns["digest"].append(digest(ids[: self.limit]))
            columns["who"].append(spoken.who_T[: self.limit])
            columns["wanted"].append(spoken.wanted_T[: self.limit])
            columns["whole"].append(spoken.whole)
            columns["side"].append(SPLITS.index(split))
            columns["example"].append(example)
        return columns, dropped


_work: _Work | None = None


def _started(part: tuple[str, int, int]) -> Result:
    assert _work is not None
    return _work(part)


def _worked(work: _Work, prepared: Any) -> Iterator[Result]:
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
