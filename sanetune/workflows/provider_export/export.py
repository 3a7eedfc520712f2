"""Write the training and validation file, check the provider's limits, and estimate what training costs there."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.atomic import write_bytes
from sanetune.config.paths import named_paths
from sanetune.data.conversation_table import BATCH
from sanetune.errors import DataError, RunError
from sanetune.workflows.provider_export.providers import READ, Price, Provider
from sanetune.workflows.provider_export.rows import LeftOutError, Line, line_of

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepared import Prepared


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file.

    Attributes:
        split: ``train`` or ``validation``.
        file: Where it is.
        rows: Lines in it.
        bytes: Its size.
        tokens: Tokens of all its rows, as the tokenizer of the configuration counts them.
        longest: Tokens of the longest row.
        left_out: Reason -> rows that are not in it.
        weighted: Messages with ``weight`` 0.
    """

    split: str
    file: str
    rows: int
    bytes: int
    tokens: int
    longest: int
    left_out: dict[str, int] = field(default_factory=dict)
    weighted: int = 0


@dataclass(frozen=True, slots=True)
class Export:
    """What was written, and what the provider would say of it.

    Attributes:
        provider: Whose API it is for.
        files: Of each split with rows.
        problems: Limits of the provider that are not kept; the files would be refused.
        notes: What is to be known of them.
        epochs: Passes over the training rows that the estimate is of.
        usd: What training costs, estimated; None: no price is known.
        price: The price behind it.
    """

    provider: Provider
    files: list[ExportedFile]
    problems: list[str]
    notes: list[str]
    epochs: float
    usd: float | None
    price: Price | None

    def to_json(self) -> dict[str, Any]:
        """The contract of ``--json``."""
        return {
            "schema": 1,
            "verdict": "fail" if self.problems else "pass",
            "provider": self.provider.name,
            "source": self.provider.source,
            "read": READ,
            "files": [asdict(one) for one in self.files],
            "problems": self.problems,
            "notes": self.notes,
            "cost": {"epochs": self.epochs, "usd": self.usd, "price": asdict(self.price) if self.price else None},
        }


def export(config: Config, prepared: Prepared, provider: Provider, folder: Path, price: float | None = None) -> Export:
    """Write ``train.jsonl`` and, where rows are held out, ``validation.jsonl`` into ``folder``.

    Args:
        config: The configuration.
        prepared: Its rows.
        provider: Whose API they are for.
        folder: Where to.
        price: US dollars of a million trained tokens; None: what is known of the provider.

    Raises:
        DataError: No row can be exported.
        RunError: The rows are read from ``folder``.
    """
    _require_other_files(config, folder)
    files = []
    for split in ("train", "validation"):
        if prepared.origins.get(split) and prepared.origins[split].rows:
            files.append(_write(config, prepared, provider, split, folder))
    train = files[0]
    if not train.rows:
        reasons = "; ".join(f"{count:,} rows: {reason}" for reason, count in train.left_out.items())
        raise DataError(
            f"no row can be exported to {provider.name}: {reasons}",
            "There would be nothing to train on.",
            "Change the rows, or export to another provider.",
        )
    epochs = config.train.given.get("num_train_epochs") or provider.epochs
    known = Price("as given", price, READ, "--price") if price is not None else provider.price
    usd = train.tokens * epochs * known.usd / 1e6 if known else None
    problems = [problem for one in files for problem in _problems(one, provider)]
    return Export(provider, files, problems, _notes(files, prepared, provider, known), epochs, usd, known)


def _require_other_files(config: Config, folder: Path) -> None:
    """Raise RunError where a file that is written would replace the data, or become part of it."""
    for source in (config.folder / text for key, text in named_paths(config) if key.startswith("data.")):
        read = [Path(one).resolve() for one in glob.glob(str(source), recursive=True)] or [source.resolve()]
        for file in (folder / f"{split}.jsonl" for split in ("train", "validation")):
            if any(file.resolve() == one or one in file.resolve().parents for one in read):
                raise RunError(
                    f"{file} would be among the rows that are exported.",
                    "An export never overwrites data.",
                    "Give another folder with --out.",
                )


def _write(config: Config, prepared: Prepared, provider: Provider, split: str, folder: Path) -> ExportedFile:
    import orjson

    left_out: Counter[str] = Counter()
    lines, tokens, longest, weighted = [], 0, 0, 0
    for line, length in _lines(config, prepared, provider, split, left_out):
        lines.append(orjson.dumps(line) + b"\n")
        tokens, longest = tokens + length, max(longest, length)
        weighted += sum(message.get("weight") == 0 for message in line["messages"])
    data, file = b"".join(lines), folder / f"{split}.jsonl"
    if lines:
        write_bytes(file, data, "Nothing is exported.", "Give another folder with --out.")
    return ExportedFile(split, str(file), len(lines), len(data), tokens, longest, dict(left_out), weighted)


def _lines(
    config: Config, prepared: Prepared, provider: Provider, split: str, left_out: Counter[str]
) -> Iterator[tuple[Line, int]]:
    """Each row that can be exported, replay rows too, and its tokens."""
    import pyarrow.compute as pc

    origin = prepared.origins[split]
    lengths = pc.list_value_length(origin.table.column("input_ids")).to_pylist()
    for start in range(0, len(origin.rows), BATCH):
        rows = origin.rows[start : start + BATCH]
        for conversation, row in zip(origin.conversations_of(start, start + len(rows)), rows, strict=True):
            try:
                yield line_of(conversation, provider, config.data.loss_on), lengths[row]
            except LeftOutError as reason:
                left_out[str(reason)] += 1


def _problems(one: ExportedFile, provider: Provider) -> Iterator[str]:
    if one.split == "train" and provider.fewest_rows is not None and one.rows < provider.fewest_rows:
        yield f"{one.split}: {units.many(one.rows, 'row')}, at least {provider.fewest_rows:,} are asked for"
    if provider.most_rows is not None and one.rows > provider.most_rows:
        yield f"{one.split}: {one.rows:,} rows, at most {provider.most_rows:,} are taken"
    if provider.most_bytes is not None and one.bytes > provider.most_bytes:
        yield f"{one.split}: {units.bytes_(one.bytes)}, at most {units.bytes_(provider.most_bytes)} are taken"
    if provider.most_tokens is not None and one.longest > provider.most_tokens:
        yield f"{one.split}: a row of {one.longest:,} tokens; beyond {provider.most_tokens:,} it is truncated there"


def _notes(files: list[ExportedFile], prepared: Prepared, provider: Provider, price: Price | None) -> list[str]:
    notes = ["tokens are those of the configured tokenizer; the provider counts with its own"]
    if prepared.truncated:
        notes.append(f"{len(prepared.truncated):,} rows that are truncated here are exported whole")
    if price is None:
        notes.append(f"no price is known: give one with --price ({provider.pricing})")
    for one in files:
        notes += [
            f"{one.split}: {units.many(count, 'row')} left out: {reason}" for reason, count in one.left_out.items()
        ]
    return notes
