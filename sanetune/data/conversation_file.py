"""Read the sources of a split into one file of conversations: the first stage of preparation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.data import conversation_table, stored_errors
from sanetune.data.cache import cache_folder, key_of, replacing
from sanetune.data.conversation_reader import ConversationReader, read_conversations
from sanetune.data.markup import unrendered
from sanetune.data.sources.find import files_of, left_out
from sanetune.data.sources.mix import MixedSource
from sanetune.data.sources.read import fingerprint
from sanetune.data.sources.source import Source, is_hub_id
from sanetune.data.unread_columns import UnreadColumn
from sanetune.errors import DataError
from sanetune.events import Publish, silent

if TYPE_CHECKING:
    from sanetune.config.schema import DataSection, SourceSection


@dataclass(frozen=True, slots=True)
class ConversationFile:
    """All conversations of one split on disk, and what reading the sources has shown.

    Attributes:
        file: An Arrow stream file with the columns of :data:`sanetune.data.conversation_table.SCHEMA`; conversations
            are in the order in which they were read.
        key: A hash of the sources, of the options and of this package's code: equal keys mean equal content.
        conversations: The number of conversations in ``file``.
        paths: The paths of the sources, as the configuration gives them.
        read: The number of rows that were read, including those that are no conversations.
        formats: How many rows came in which format (``alpaca``, ``messages``, …).
        bad: The number of rows that cannot be read. They are not in ``file``.
        errors: The first errors of such rows, at most 1,000, each with its place.
        unusable: Why nothing can be trained on these rows, where that is so because of bad rows.
        left_out: Why rows are not to be trained on -> how many are not. They are not in ``file``.
        notes: What was done while reading -> to how many rows.
        unread: Columns and keys that nothing reads.
        files: The local files that were read.
        other_splits: Files beside those, of other splits: test data above all.
        mixture: What each source gives, in their order.
    """

    file: Path
    key: str
    conversations: int
    paths: list[str]
    read: int
    formats: Counter[str]
    bad: int = 0
    errors: list[DataError] = field(default_factory=list)
    unusable: DataError | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    unread: list[UnreadColumn] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    other_splits: list[str] = field(default_factory=list)
    mixture: list[MixedSource] = field(default_factory=list)


def read_sources(
    data: DataSection, *, leave_out_bad: bool = False, publish: Publish = silent
) -> dict[str, ConversationFile]:
    """Read all rows that a configuration names, once: ``train``, and ``validation`` and ``replay`` where there are any.

    Content that was read before is found in the cache, whichever command read it.

    Args:
        data: The section ``data`` of the configuration.
        leave_out_bad: List rows that cannot be read instead of raising.
        publish: Gets the number of rows that are done.

    Raises:
        DataError: The sources cannot be read, or hold nothing to train on.
        ConfigError: ``data.fields`` names a column that no row has.
    """
    sections = {"train": data.train} | ({"validation": data.validation} if data.validation else {})
    if data.replay:
        from sanetune.data.replay.mixing import source_of

        sections["replay"] = [source_of(data.replay.path)]
    return {
        # Replay rows that cannot be read are not used: there are others.
        split: _read(_Request.of(data, split, sources), leave_out_bad or split == "replay", publish)
        for split, sources in sections.items()
    }


@dataclass(frozen=True, slots=True)
class _Request:
    """Which rows are to be read, and how."""

    sources: list[Source]
    fields: dict[str, str]
    max_examples: int | None
    seed: int
    parse_markup: bool

    @classmethod
    def of(cls, data: DataSection, split: str, sections: Sequence[SourceSection]) -> _Request:
        sources = [Source(**section.model_dump()) for section in sections]
        most = data.max_examples if split == "train" else None
        fields = {} if split == "replay" else data.fields
        return cls(sources, fields, most, data.seed, data.markup == "parse")

    def key(self) -> str:
        # Paths count, because every conversation knows its file.
        parts = [
            fingerprint(self.sources),
            [(one.path, one.fields) for one in self.sources],
            self.fields,
            self.max_examples,
        ]
        return key_of([*parts, self.seed, self.parse_markup], code=True)

    def rows(self, *, leave_out_bad: bool) -> ConversationReader:
        return read_conversations(
            self.sources,
            fields=self.fields or None,
            max_examples=self.max_examples,
            seed=self.seed,
            on_bad="drop" if leave_out_bad else "error",
        )


def _read(request: _Request, leave_out_bad: bool, publish: Publish) -> ConversationFile:
    key = request.key()
    folder = cache_folder() / "conversations" / key
    stored = _stored(folder)
    if stored is not None and (leave_out_bad or not stored.bad):
        return stored
    with replacing(folder) as scratch:
        _write(request.rows(leave_out_bad=leave_out_bad), request.parse_markup, key, scratch, publish)
    made = _stored(folder)
    assert made is not None
    return made


def _write(rows: ConversationReader, parse_markup: bool, key: str, folder: Path, publish: Publish) -> None:
    unusable = None
    conversations = map(unrendered, rows.readable()) if parse_markup else rows.readable()
    count = conversation_table.write(conversations, folder / "conversations.arrow", publish)
    try:
        rows.judge()
    except DataError as error:
        if not (rows.failures and rows.on_bad == "drop"):
            raise
        unusable = error
    local = [source for source in rows.sources if not is_hub_id(source.path)]
    about = {
        "key": key,
        "conversations": count,
        "paths": [source.path for source in rows.sources],
        "read": rows.rows,
        "formats": dict(rows.formats),
        "bad": rows.failures,
        "errors": [stored_errors.to_json(error) for error in rows.bad],
        "unusable": unusable and stored_errors.to_json(unusable),
        "mixture": [asdict(one) for one in rows.mixture],
        "left_out": dict(rows.left_out),
        "notes": dict(rows.unread.notes),
        "files": [str(file) for source in local for file in files_of(source)],
        "other_splits": [str(file) for source in local for file in left_out(source)],
        "unread": [column.to_json() for column in rows.unread.columns.values()],
    }
    (folder / "about.json").write_text(json.dumps(about))


def _stored(folder: Path) -> ConversationFile | None:
    """The file in a folder of the cache; None where it was not made yet."""
    if not (folder / "about.json").is_file():
        return None
    about = json.loads((folder / "about.json").read_text())
    about["formats"] = Counter(about["formats"])
    about["errors"] = [stored_errors.from_json(DataError, error) for error in about["errors"]]
    about["mixture"] = [MixedSource(**one) for one in about["mixture"]]
    about["unusable"] = about["unusable"] and stored_errors.from_json(DataError, about["unusable"])
    about["unread"] = [UnreadColumn.from_json(column) for column in about["unread"]]
    return ConversationFile(folder / "conversations.arrow", **about)
