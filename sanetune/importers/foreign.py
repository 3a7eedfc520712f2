"""What a reader of another tool's configuration makes: a configuration of ours, and what it could not carry over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sanetune.config.nested import put
from sanetune.config.yaml_read import Lines
from sanetune.errors import ConfigError, Place

ALPACA = Path(__file__).with_name("alpaca.jinja")
"""The prompt of Alpaca as a chat template, for tools that render such rows without one."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A key that was not carried over, or not in full, and why."""

    key: str
    value: Any
    why: str
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.key}: {self.value!r} ({self.why})"


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another tool's configuration, read.

    ``config`` is what :func:`sanetune.config.load.load` takes. ``trust_remote_code`` stands apart: looking at a file
    must not run anybody's code, so it is not in ``config``, but a check may judge it.
    """

    tool: str
    file: Path
    config: dict[str, Any]
    skipped: list[Skipped]
    trust_remote_code: bool = False


@dataclass(slots=True)
class Draft:
    """Keys of another tool on their way to our sections; every key that nobody takes is told at the end."""

    file: Path
    values: dict[str, Any]
    lines: Lines
    config: dict[str, Any] = field(default_factory=lambda: {"model": {}, "data": {}, "train": {}, "run": {}})
    skipped: list[Skipped] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def take(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, which counts as read; ``default`` where it is open."""
        self.taken.add(key)
        value = self.values.get(key)
        return default if value is None else value

    def flag(self, key: str) -> bool:
        """:meth:`take` for true and false, also where they are written as text."""
        value = self.take(key, False)
        return value.strip().lower() in ("true", "yes", "on", "1") if isinstance(value, str) else bool(value)

    def number(self, key: str, default: float | None = None) -> Any:
        """:meth:`take` for numbers, also those that YAML 1.1 reads as text (2e-5); what is none is told."""
        value = self.take(key, default)
        if isinstance(value, str) and _numeric(value):
            value = float(value)
            value = int(value) if value.is_integer() and abs(value) >= 1 else value
        if value is None or (type(value) in (int, float) and math.isfinite(value)):
            return value
        self.skip(key, "not a number")
        return default

    def put(self, path: str, value: Any) -> None:
        """Set ``section.key``; None leaves it open."""
        if value is not None:
            put(self.config, path, value)

    def epochs(self, key: str, default: float) -> float:
        """``train.num_train_epochs``; what is no number above 0 is told, and the default holds."""
        epochs = float(self.number(key, default))
        if epochs <= 0:
            self.skip(key, "not above 0")
            epochs = default
        self.put("train.num_train_epochs", epochs)
        return epochs

    def move(self, names: Mapping[str, str]) -> None:
        """Each key to its place, the value as it is (text that is a number becomes one in ``train``)."""
        for key, path in names.items():
            if self.values.get(key) is None:
                self.taken.add(key)
            elif path.startswith("train.") and isinstance(self.values[key], str) and _numeric(self.values[key]):
                self.put(path, self.number(key))
            else:
                self.put(path, self.take(key))

    def skip(self, key: str, why: str, value: Any = None) -> None:
        """Note that ``key`` (or a part of it, as in ``datasets.0.type``) is not carried over."""
        top = key.split(".")[0]
        self.taken.add(top)
        line = self.lines.get(key) or self.lines.get(top)
        shown = self.values.get(key) if value is None else value
        self.skipped.append(Skipped(key, shown, why, Place(self.file, line)))

    def path(self, text: str, start: str = "") -> str:
        """A relative path as the tool finds it: from the current folder or, as files are moved, from this file's folder
        or one above it. What is nowhere stays as it is."""
        name = Path(start, text).expanduser() if start else Path(text).expanduser()
        if name.is_absolute():
            return str(name)
        folder = self.file.resolve().parent
        for base in (Path.cwd(), folder, *list(folder.parents)[:4]):
            if (base / name).exists():
                return str((base / name).resolve())
        return str(name)

    def fields(self, wanted: Iterable[tuple[str, dict[str, str]]]) -> None:
        """``data.fields`` out of what each source (its key, its columns) needs: one set is possible for all."""
        needs = list(wanted)
        different = {tuple(sorted(columns.items())) for _, columns in needs}
        if len(different) == 1:
            self.put("data.fields", needs[0][1] or None)
            return
        for key, columns in needs:
            if columns:
                self.skip(key, "sources with different columns cannot be read together", columns)

    def finish(self, tool: str, quiet: frozenset[str], trust: bool) -> Foreign:
        """The reader's answer. ``quiet``: keys that change nothing that is checked."""
        for key, value in self.values.items():
            if value is not None and key not in self.taken and key not in quiet:
                self.skip(key, "not known to this reader")
        self._drop_impossible()
        if not self.config["data"].get("train"):
            told = "; ".join(str(one) for one in self.skipped if one.key.startswith("data"))[:500]
            raise ConfigError(
                f"no data set of this {tool} configuration can be read here",
                "There is nothing to check without rows.",
                told or "Name local files or data sets of the Hub.",
                Place(self.file),
            )
        return Foreign(tool, self.file, {name: keys for name, keys in self.config.items() if keys}, self.skipped, trust)

    def _drop_impossible(self) -> None:
        """Values of train that SFTConfig does not take (an optimizer of the tool's own) are told, not loaded."""
        from sanetune.config import trl_fields

        train = self.config["train"]
        for key in [key for key in train if key != "early_stopping_patience"]:
            expected = "a key of SFTConfig" if key not in trl_fields.fields() else trl_fields.problem(key, train[key])
            if expected:
                self.skip(f"train.{key}", f"sanetune takes {expected}", train.pop(key))


def _numeric(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def column_needs(columns: Mapping[str, str | None]) -> dict[str, str]:
    """``data.fields`` for columns by our canonical names; empty where they are found by their usual names anyway."""
    from sanetune.data.columns import CHATS, PAIRS

    given = {name: column for name, column in columns.items() if column}
    if "messages" in given:
        usual = given["messages"] in CHATS
    elif "prompt" in given:
        usual = (
            given.get("completion") in PAIRS.get(given["prompt"], ("", ()))[1]
            and given.get("input", "input") == "input"
        )
    else:
        usual = given.get("text", "text") == "text"
    sides = {"system": ("system", "system_prompt"), "tools": ("tools", "functions")}
    if usual and all(given.get(name, names[0]) in names for name, names in sides.items()):
        return {}
    return given


def roles_problem(names: Mapping[str, Iterable[str]]) -> str:
    """Why messages whose roles go by ``names`` (ours -> theirs) would be read otherwise than meant; "" when they are
    not."""
    from sanetune.data.messages import ALIASES

    for role, others in names.items():
        for other in others:
            if ALIASES.get(str(other)) != role:
                return (
                    f"the role {other!r} stands for {role} there, and for {ALIASES.get(str(other)) or 'nothing'} here"
                )
    return ""


def holdout(draft: Draft, key: str, sources: list[dict[str, Any]]) -> None:
    """``data.holdout`` from a share or, above 1, a number of rows, which are counted where the files are here."""
    size = draft.number(key, 0.0)
    if size < 0:
        draft.skip(key, "not a share or number of rows")
        size = 0.0
    if size >= 1:
        rows = _rows(sources)
        if not rows or size >= rows:
            draft.skip(key, "a number of rows of which the share is not known: a tenth is held out instead")
        size = size / rows if rows and size < rows else 0.1
    draft.put("data.holdout", float(size))


def _rows(sources: list[dict[str, Any]]) -> int | None:
    from sanetune.data.sources.read import count
    from sanetune.data.sources.source import Source
    from sanetune.errors import DataError

    try:
        counts = [count(Source(**source)) for source in sources]
    except DataError:
        return None
    return None if None in counts else sum(number or 0 for number in counts)
