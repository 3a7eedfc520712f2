"""Count over all rows what nothing reads, by column or key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from sanetune.data.conversation import Conversation
from sanetune.data.unread import Unread, texts_of
from sanetune.errors import Place
from sanetune.text import WORDS, shorten

SAMPLED = 500
"""Rows of a column whose words are counted and compared."""

PATHS = 1_000
"""Columns that are counted one by one; rows whose columns are data would fill the memory."""

OTHERS = "other columns"
"""Stands for all columns beyond :data:`PATHS`."""

DISTINCT = 20
"""Values of a column that are remembered to tell labels from texts."""


@dataclass(slots=True)
class UnreadColumn:
    """A column, or a key of messages, that nothing reads.

    Attributes:
        path: Its name; dots lead into objects, and positions in lists are left out.
        rows: Rows in which it holds something.
        texts: Rows in which it holds text.
        characters: Characters of that text, over all rows.
        sampled: Rows of which the next four are counted.
        words: Words of text in them.
        copies: Rows in which its text is inside what is read, or the other way round.
        values: Its first different values, shortened; at most :data:`DISTINCT`.
        repeated: Rows whose value was one of ``values`` already.
        formats: Rows of each format.
        example: The beginning of its first text or value.
        place: Where that is.
    """

    path: str
    rows: int = 0
    texts: int = 0
    characters: int = 0
    sampled: int = 0
    words: int = 0
    copies: int = 0
    values: list[str] = field(default_factory=list)
    repeated: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    example: str = ""
    place: Place = field(default_factory=Place)

    def add(self, values: list[object], format_: str, place: Place) -> bool:
        """Count what one row has; whether it is one of the rows to :meth:`sample`."""
        texts = [text for value in values for text in texts_of(value)]
        if not self.rows:
            shown = texts[0] if texts else str(values[0])
            self.example, self.place = shorten(shown, 200), place
        self.rows += 1
        self.formats[format_] += 1
        self.texts += bool(texts)
        self.characters += sum(map(len, texts))
        return self.sampled < SAMPLED

    def sample(self, values: list[object], said: str) -> None:
        """Count the words of one row and compare them; ``said`` is all text that is read of the row."""
        texts = [text for value in values for text in texts_of(value)]
        self.sampled += 1
        self.words += sum(len(WORDS.findall(text[:10_000])) for text in texts)
        self.copies += bool(texts) and all(_is_copy(text.strip(), said) for text in texts)
        value = shorten(" ".join(texts) if texts else str(values[0]), 80)
        if value in self.values:
            self.repeated += 1
        elif len(self.values) < DISTINCT:
            self.values.append(value)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        place = {"file": str(self.place.file or ""), "line": self.place.line, "row": self.place.row}
        return {**asdict(self), "formats": dict(self.formats), "place": place}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> UnreadColumn:
        """Return what :meth:`to_json` has written."""
        place = Place(values["place"]["file"] or None, values["place"]["line"], values["place"]["row"])
        return cls(**{**values, "formats": Counter(values["formats"]), "place": place})

    def merge(self, other: UnreadColumn) -> UnreadColumn:
        """Return both as one: of another split, say."""
        return UnreadColumn(
            self.path,
            self.rows + other.rows,
            self.texts + other.texts,
            self.characters + other.characters,
            self.sampled + other.sampled,
            self.words + other.words,
            self.copies + other.copies,
            list(dict.fromkeys([*self.values, *other.values]))[:DISTINCT],
            self.repeated + other.repeated + len(set(self.values) & set(other.values)),
            self.formats + other.formats,
            self.example or other.example,
            self.place if self.rows else other.place,
        )


def merged(columns: Iterable[UnreadColumn]) -> list[UnreadColumn]:
    """Return one entry for each path, those with the most characters first."""
    found: dict[str, UnreadColumn] = {}
    for column in columns:
        known = found.get(column.path)
        found[column.path] = known.merge(column) if known else column
    return sorted(found.values(), key=lambda column: (-column.characters, column.path))


def _is_copy(text: str, said: str) -> bool:
    """Whether a text is read under another name, or contains what is (a rendered copy of the row)."""
    return text in said or (len(said) > len(text) // 2 and all(part in text for part in said.split("\0") if part))


@dataclass(slots=True)
class UnreadColumns:
    """What nothing reads of all rows so far.

    Attributes:
        columns: Path -> its counts.
        notes: What was done -> to how many rows.
    """

    columns: dict[str, UnreadColumn] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, unread: Unread, conversation: Conversation, format_: str) -> None:
        """Count what one row has."""
        self.notes.update(unread.notes)
        if not unread.values:
            return
        by_path: dict[str, list[object]] = {}
        for path, value in unread.values:
            by_path.setdefault(path, []).append(value)
        said: str | None = None
        for path, values in by_path.items():
            known = path in self.columns or len(self.columns) < PATHS
            name = path if known else OTHERS
            if (column := self.columns.get(name)) is None:
                column = self.columns[name] = UnreadColumn(name)
            if column.add(values, format_, conversation.place):
                said = _said(conversation) if said is None else said
                column.sample(values, said)


def _said(conversation: Conversation) -> str:
    """All text of a conversation, its pieces between zero characters."""
    if conversation.text is not None:
        return conversation.text
    pieces = [text for m in conversation.messages for text in (m.get("reasoning_content", ""), m["content"])]
    return "\0".join(text.strip() for text in pieces if text.strip())
