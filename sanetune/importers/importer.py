"""Carries keys of another tool over into our sections, and notes each one that it cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from sanetune.config.nested import YamlMap, YamlValue, put
from sanetune.config.yaml_read import Lines
from sanetune.errors import ConfigError, Place
from sanetune.importers.imported import ImportedConfig, Skipped

UNKNOWN = "not known to this reader"
NEAR = 0.85
"""How alike an unknown key and a known one are (difflib's ratio) that one is taken to be meant: ``sequence_length`` and
``sequence_len`` 0.89, ``batch_size`` and ``eval_batch_size`` 0.8."""


def _empty_sections() -> dict[str, YamlMap]:
    return {"model": {}, "data": {}, "train": {}, "run": {}}


@dataclass(slots=True)
class Importer:
    """The keys of one file on their way. What nobody takes is noted at the end."""

    file: Path
    values: YamlMap
    """What the file says."""
    lines: Lines
    """Key -> its line, counted from 1."""
    config: dict[str, YamlMap] = field(default_factory=_empty_sections)
    """Our sections, as far as they are filled."""
    skipped: list[Skipped] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    """Keys that were read."""
    files: list[Path] = field(default_factory=list)
    """Other files whose content it took."""

    # -- what the file says ---------------------------------------------------------------------------------------

    def take(self, key: str) -> YamlValue:
        """Return the value of ``key``, which counts as read; None where it is unset."""
        self.taken.add(key)
        return self.values.get(key)

    def text(self, key: str, default: str = "") -> str:
        """Return the value of ``key`` as text; ``default`` where it is unset."""
        value = self.take(key)
        return default if value is None else str(value)

    def flag(self, key: str) -> bool:
        """Return the value of ``key`` as true or false, also where these are written as text."""
        value = self.take(key)
        return value.strip().lower() in ("true", "yes", "on", "1") if isinstance(value, str) else bool(value)

    def number(self, key: str) -> int | float | None:
        """Return the value of ``key`` as a finite number, also where YAML 1.1 reads it as text (2e-5).

        None where it is unset or, which is noted, no number.
        """
        value = self.take(key)
        if isinstance(value, str) and _is_number(value):
            value = float(value)
            value = int(value) if value.is_integer() and abs(value) >= 1 else value
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return value
        self.skip(key, "not a number")
        return None

    def path(self, text: str, start: str = "") -> str:
        """Return a relative path as the tool finds it, made absolute.

        It starts from the current folder or, as files are moved, from this file's folder or one of four above it. What
        is in none of them stays as it is.

        Args:
            text: The path.
            start: The folder that it starts from, if it is not one of these.
        """
        name = Path(start, text).expanduser() if start else Path(text).expanduser()
        if name.is_absolute():
            return str(name)
        folder = self.file.resolve().parent
        for base in (Path.cwd(), folder, *list(folder.parents)[:4]):
            if (base / name).exists():
                return str((base / name).resolve())
        return str(name)

    # -- what becomes of it ---------------------------------------------------------------------------------------

    def put(self, path: str, value: YamlValue) -> None:
        """Set ``section.key``; None leaves it unset."""
        if value is not None:
            section, _, key = path.partition(".")
            put(self.config[section], key, value)

    def put_all(self, path: str, values: Mapping[str, YamlValue]) -> None:
        """Set ``section.key`` for each key of ``values``, where ``path`` is the section."""
        for key, value in values.items():
            self.put(f"{path}.{key}", value)

    def move(self, names: Mapping[str, str]) -> None:
        """Set each ``section.key`` of ``names`` (their key -> ours) to the value in the file.

        Text that is a number becomes one in ``train``.
        """
        for key, path in names.items():
            value = self.take(key)
            is_number = path.startswith("train.") and isinstance(value, str) and _is_number(value)
            self.put(path, self.number(key) if is_number else value)

    def skip_set(self, reasons: Mapping[str, str]) -> None:
        """Note each key of ``reasons`` that is set, and not to false, with what holds instead."""
        for key, reason in reasons.items():
            if self.take(key):
                self.skip(key, reason)

    def put_epochs(self, key: str, default: float) -> float:
        """Set ``train.num_train_epochs`` and return it, in epochs; what is no number above 0 is noted."""
        epochs = self.number(key)
        if epochs is not None and epochs <= 0:
            self.skip(key, "not above 0")
            epochs = None
        epochs = default if epochs is None else float(epochs)
        self.put("train.num_train_epochs", epochs)
        return epochs

    def skip(self, key: str, reason: str, value: YamlValue = None) -> None:
        """Note that ``key``, or a part of it as in ``datasets.0.type``, is not carried over."""
        top = key.split(".")[0]
        self.taken.add(top)
        line = self.lines.get(key) or self.lines.get(top)
        self.skipped.append(
            Skipped(key, self.values.get(key) if value is None else value, reason, Place(self.file, line))
        )

    def finish(self, tool: str, quiet: frozenset[str], trust_remote_code: bool) -> ImportedConfig:
        """Return what was carried over.

        Args:
            tool: The tool's name.
            quiet: Keys that change nothing that is checked, and need no note.
            trust_remote_code: Whether the file asks for it.

        Raises:
            ConfigError: No data set can be read.
        """
        known = self.taken | quiet
        for key, value in self.values.items():
            if value is not None and key not in known:
                near = get_close_matches(key, known, 1, NEAR)
                self.skip(key, f"not known to this reader: is {near[0]} meant?" if near else UNKNOWN)
        self._drop_impossible()
        if not self.config["data"].get("train"):
            noted = "; ".join(str(one) for one in self.skipped if one.key.startswith("data"))[:500]
            raise ConfigError(
                f"no data set of this {tool} configuration can be read here",
                "There is nothing to check without rows.",
                noted or "Name local files or data sets of the Hub.",
                Place(self.file),
            )
        config = {name: keys for name, keys in self.config.items() if keys}
        return ImportedConfig(tool, self.file, config, self.skipped, trust_remote_code, tuple(self.files))

    def _drop_impossible(self) -> None:
        """Drop values of ``train`` that SFTConfig does not take, such as an optimizer of the tool's own."""
        from sanetune.config import trl_fields

        train = self.config["train"]
        for key in [key for key in train if key != "early_stopping_patience"]:
            expected = "a key of SFTConfig" if key not in trl_fields.fields() else trl_fields.problem(key, train[key])
            if expected:
                self.skip(f"train.{key}", f"sanetune takes {expected}", train.pop(key))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
