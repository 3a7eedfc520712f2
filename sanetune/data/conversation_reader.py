"""Read the rows of all sources as conversations, and count what cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from sanetune import units
from sanetune.data.column_advice import naming
from sanetune.data.conversation import Conversation
from sanetune.data.fields import FIELDS, MAIN, at_path, name_fields, split_path
from sanetune.data.formats import ReadRow, convert
from sanetune.data.instances import expanded
from sanetune.data.naming import is_part
from sanetune.data.sources.mix import MixedSource, mix
from sanetune.data.sources.row import without_bad_rows
from sanetune.data.sources.source import Source
from sanetune.data.unread_columns import UnreadColumns
from sanetune.errors import ConfigError, DataError, Place
from sanetune.text import listing, quote

SHOWN = 3
"""Errors that a message lists."""

KEPT = 1_000
"""Errors of left-out rows that are kept."""


class ConversationReader:
    """Reads the conversations of all sources, anew each time it is iterated over.

    Iterating raises what :meth:`judge` raises at its end.

    Attributes:
        rows: The number of rows that were read.
        formats: How many rows came in which format.
        failures: The number of rows that cannot be read.
        bad: The first errors of such rows: at most :data:`KEPT` if they are dropped, else at most :data:`SHOWN`.
        mixture: What each source gives, once all rows are read.
        left_out: Why rows are not to be trained on -> how many are not.
        unread: What nothing reads of the others.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        fields: Mapping[str, str] | None = None,
        max_examples: int | None = None,
        seed: int = 0,
        on_bad: Literal["error", "drop"] = "error",
    ) -> None:
        self.sources, self.fields, self.max_examples, self.seed = sources, dict(fields or {}), max_examples, seed
        self.on_bad = on_bad
        self._start()

    def _start(self) -> None:
        self.formats: Counter[str] = Counter()
        self.rows = 0
        self.mixture: list[MixedSource] = []
        self.bad: list[DataError] = []
        self.failures = 0
        self.left_out: Counter[str] = Counter()
        self.unread = UnreadColumns()
        self._answered = False
        self._first: dict[str, object] = {}
        given = [self.fields, *(source.fields for source in self.sources if source.fields is not None)]
        if all(source.fields is not None for source in self.sources):
            del given[0]
        self._unseen = {id(fields): (fields, _paths(fields)) for fields in given}

    def __iter__(self) -> Iterator[Conversation]:
        yield from self.readable()
        self.judge()

    def readable(self) -> Iterator[Conversation]:
        """Yield the conversations, and leave it to the caller to :meth:`judge` them at the end.

        Raises:
            DataError: A file cannot be read any further.
        """
        self._start()
        dropping = self.on_bad == "drop"
        on_bad = self._unread if dropping else None
        rows = mix(
            self.sources,
            max_examples=self.max_examples,
            seed=self.seed,
            on_bad=on_bad,
            join_replies=self._free,
            mixture=self.mixture,
        )
        for row in rows:
            self.rows += 1
            self._first = self._first or row.values
            fields = self.fields if row.fields is None else row.fields
            if fields and (unseen := self._unseen[id(fields)][1]):
                unseen -= {path for path in unseen if at_path(row.values, path)[1]}
            try:
                parts = [row] if _name_the_format(fields) else expanded(row)
                read_rows = [convert(part, fields) for part in parts]
            except (DataError, ConfigError) as error:
                name_fields(error, self._given_as(fields))
                if isinstance(error, ConfigError):
                    raise
                self._fail(error)
                continue
            for one in read_rows:
                if self._counted(one) and (not self.failures or dropping):
                    yield one.conversation

    def _given_as(self, fields: Mapping[str, str]) -> str:
        """The key under which the configuration has these ``fields``."""
        own = next((source.path for source in self.sources if source.fields is fields), None)
        return FIELDS if own is None else f"fields of {quote(own, 300)}"

    def _free(self, source: Source) -> bool:
        """Whether rows of a source are read as what they look like."""
        return not _name_the_format(self.fields if source.fields is None else source.fields)

    def _counted(self, one: ReadRow) -> bool:
        """Count what reading a row has shown; whether the row is to be trained on."""
        conversation = one.conversation
        self.formats[one.format] += 1
        if one.left_out:
            self.left_out[one.left_out] += 1
            return False
        self.unread.add(one.unread, conversation, one.format)
        if not self._answered:
            roles = [message["role"] for message in conversation.messages]
            self._answered = one.format == "text" or "assistant" in roles
        return True

    def _unread(self, error: DataError) -> None:
        """Counts a row of which nothing could be read."""
        self.rows += 1
        self._fail(error)

    def _fail(self, error: DataError) -> None:
        self.failures += 1
        if len(self.bad) < (KEPT if self.on_bad == "drop" else SHOWN):
            self.bad.append(error)

    def _unreadable(self, failures: int) -> DataError:
        first = self.bad[0]
        if self.rows == 1:
            return first
        shown = "\n".join(f"  {error.place}: {error.message}" for error in self.bad[:SHOWN])
        more = f"\n  … and {failures - SHOWN:,} more" if failures > SHOWN else ""
        message = f"{failures:,} of {self.rows:,} rows cannot be read:\n{shown}{more}"
        remedy = first.remedy if failures == self.rows else f"{first.remedy} {without_bad_rows()}".lstrip()
        return DataError(message, first.rationale, remedy, first.place)

    def judge(self) -> None:
        """Check what only all rows together can show.

        Raises:
            DataError: Rows cannot be read (how many of how many, the first three), there are no rows, or none of them
                holds an assistant's answer.
            ConfigError: ``fields`` names a column that no row has.
        """
        if self.failures and (self.on_bad == "error" or self.failures == self.rows):
            raise self._unreadable(self.failures)
        place = Place(self.sources[0].path) if len(self.sources) == 1 else None
        if not self.rows:
            raise DataError(
                "there are no rows", "There is nothing to train on.", "Name other data in data.train.", place
            )
        for fields, unseen in self._unseen.values():
            if unseen:
                named, paths = self._given_as(fields), listing(f"`{path}`" for path in sorted(unseen))
                message = f"{named} names {paths}, which no row {'has' if named == FIELDS else 'of it has'}"
                raise ConfigError(
                    message, "A column that is not there would be left out without anyone noticing.", "", place
                )
        if self.left_out and sum(self.left_out.values()) == sum(self.formats.values()):
            reasons = ", ".join(f"{units.many(count, 'row')}: {reason}" for reason, count in self.left_out.items())
            raise DataError(
                f"no row is to be trained on ({reasons})",
                "Answers that are marked as rejected would be learned as good ones.",
                "Check the column that marks them; take it out of the file to train on every answer.",
                place,
            )
        if not self._answered:
            formats = ", ".join(f"{name} ({count:,})" for name, count in self.formats.items())
            raise DataError(
                f"none of {units.many(self.rows, 'row')} holds an assistant's answer",
                f"No token would be in the loss. Formats: {formats}.",
                f"A column of another name may hold the replies. {naming(self._first)}",
                place,
            )


def read_conversations(
    sources: Sequence[Source],
    *,
    fields: Mapping[str, str] | None = None,
    max_examples: int | None = None,
    seed: int = 0,
    on_bad: Literal["error", "drop"] = "error",
) -> ConversationReader:
    """Return a reader of the rows of all sources.

    Args:
        sources: Where rows come from.
        fields: Canonical name -> column, as in ``data.fields``; those of a source come before them.
        max_examples: The largest number of rows in all.
        seed: Of the draws; see :func:`sanetune.data.sources.mix.mix`.
        on_bad: Whether a row that cannot be read is an error or is left out.
    """
    return ConversationReader(sources, fields, max_examples, seed, on_bad)


def _name_the_format(fields: Mapping[str, str]) -> bool:
    """Whether fields name what rows are, so that their looks say nothing."""
    return not fields.keys().isdisjoint(MAIN)


def _paths(fields: Mapping[str, str]) -> set[str]:
    """The columns that ``data.fields`` names; what is inside messages is none."""
    named = {name: path for name, path in fields.items() if not is_part(name)}
    return {part for name, path in named.items() for part in split_path({}, name, path)}
