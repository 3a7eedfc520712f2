"""From a YAML file (or a dict) and overrides to a Config, every value with its origin."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sanetune.config import messages, paths, renames
from sanetune.config.nested import drop, find, leaves, put
from sanetune.config.schema import Config, Origin, Renamed, Section
from sanetune.config.yaml_read import Lines, parse, parse_value, read_text
from sanetune.errors import ConfigError, Place

SECTIONS: dict[str, type[Section]] = {
    name: field.annotation if isinstance(field.annotation, type) else Section
    for name, field in Config.model_fields.items()
}


def load(source: str | os.PathLike[str] | Mapping[str, Any] | Config, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration and check it.

    ``source`` is a YAML file, a mapping of sections, or a Config (then only the overrides are applied to a copy of it).
    ``overrides`` are texts ``section.key=value``, the value typed as in YAML; relative paths in them start from the
    current folder, those in the file from the file's folder. Raises ConfigError with file and line for anything that
    cannot be meant.
    """
    draft = _Draft.of(source)
    draft.rename()
    for text in overrides:
        draft.override(text)
    draft.check_keys()
    draft.resolveleaves()
    return draft.config()


class _Draft:
    """Plain values on their way to a Config, with the origin of each."""

    def __init__(self, values: dict[str, Any], lines: Lines, file: Path | None) -> None:
        self.values, self.file = values, file
        self.origins: dict[str, Origin] = {}
        self.renamed: list[Renamed] = []
        for section, keys in values.items():
            if keys is None:
                values[section] = {}
            elif section in SECTIONS and not isinstance(keys, dict):
                raise ConfigError(
                    f"{section} is {messages.short(keys)}, not a mapping of keys",
                    f"{section} is a section.",
                    f"Write its keys below it, indented, as in\n{messages.EXAMPLES[section]}",
                    Place(file, lines.get(section)) if file else None,
                )
            for path in leaves(values[section], section):
                place = Place(file, lines.get(path)) if file else None
                self.origins[path] = Origin("yaml", "" if file else "given in Python", place)
        self.lines = lines

    @classmethod
    def of(cls, source: str | os.PathLike[str] | Mapping[str, Any] | Config) -> _Draft:
        if isinstance(source, Config):
            return cls._of_config(source)
        if isinstance(source, Mapping):
            return cls(copy.deepcopy(dict(source)), {}, None)
        file = Path(source).expanduser()
        values, lines, _ = parse(read_text(file), file)
        return cls(values, lines, file)

    @classmethod
    def _of_config(cls, config: Config) -> _Draft:
        values = config.model_dump(exclude_unset=True)
        values["train"] = {**values.get("train", {}).pop("given", {}), **values.get("train", {})}
        draft = cls(values, {}, None)
        draft.file, draft.renamed = config.file, list(config.renamed)
        draft.origins = {key: origin for key, origin in config.origins.items() if origin.kind != "default"}
        return draft

    def override(self, text: str) -> None:
        """Apply one ``section.key=value``."""
        key, equals, raw = text.partition("=")
        path = key.strip().split(".")
        if not equals or len(path) < 2 or not all(path):
            raise ConfigError(
                f"the override {text!r} has not the form section.key=value",
                "Overrides change one value of the configuration.",
                messages.meant(key.strip(), every_key()) or "For example: train.learning_rate=1e-4",
            )
        if path[0] not in SECTIONS:
            raise self._unknown(path[0], ".".join(path))
        value = parse_value(raw, ".".join(path))
        put(self.values, path, value)
        for old in [one for one in self.origins if one == ".".join(path) or one.startswith(".".join(path) + ".")]:
            del self.origins[old]
        self.origins[".".join(path[:2])] = Origin("override", "given on the command line")
        rename = renames.RENAMES.get(".".join(path))
        if rename is not None:
            self._displace(rename, value)
        self.rename()

    def _displace(self, rename: renames.Rename, value: Any) -> None:
        """An override by an old name takes the place of what the file says under today's name."""
        try:
            targets = [new for new, _ in rename.pairs(value)]
        except ValueError:
            return
        for target in targets:
            drop(self.values, target)
            self.origins.pop(target, None)

    def rename(self) -> None:
        """Translate every old name; ConfigError when old and new are both given and differ."""
        for section in list(self.values):
            for path in leaves(self.values[section], section):
                rename = renames.RENAMES.get(path)
                if rename is not None and rename.to != path:
                    self._move(path, rename)
        for (path, old), new in renames.VALUES.items():
            if find(self.values, path) == old:
                put(self.values, path.split("."), new)
                self._note(path, path, old, self._place(path), f"{old} is called {new} today")

    def _move(self, path: str, rename: renames.Rename) -> None:
        value, place = find(self.values, path), self._place(path)
        origin = self.origins.get(path) or self.origins.get(".".join(path.split(".")[:2]))
        drop(self.values, path)
        self.origins.pop(path, None)
        try:
            pairs = rename.pairs(value)
        except ValueError as error:
            raise messages.wrong_value(path, value, str(error), place) from None
        if path == "train.warmup_ratio" and pairs:
            pairs = self._settle_warmup(pairs)
        for new, translated in pairs:
            present = find(self.values, new)
            if present is not None and present != translated and not _both_lora(new, present):
                raise ConfigError(
                    f"{path} is now called {new}, and both are given: "
                    f"{messages.short(value)} and {messages.short(present)}",
                    "Only one of the two can be meant.",
                    f"Delete {path}.",
                    place,
                )
            if present is None:
                put(self.values, new.split("."), translated)
                self._note(
                    path, new, value, place, rename.note, from_override=bool(origin and origin.kind == "override")
                )
        if not pairs:
            self.renamed.append(Renamed(path, "", value))

    def _settle_warmup(self, pairs: renames.Pairs) -> renames.Pairs:
        """Before the rename, steps above 0 won over the ratio, and 0 of either meant the other."""
        steps = find(self.values, "train.warmup_steps")
        if steps == 0:
            drop(self.values, "train.warmup_steps")
        return [] if steps and (pairs[0][1] == 0 or steps >= 1) else pairs

    def _note(
        self, old: str, new: str, value: Any, place: Place | None, note: str, *, from_override: bool = False
    ) -> None:
        self.renamed.append(Renamed(old, new, value))
        given = "on the command line as " if from_override else "as "
        origin = Origin("renamed", f"given {given}{old}" + (f"; {note}" if note else ""), place)
        self.origins[".".join(new.split(".")[:2])] = origin

    def check_keys(self) -> None:
        """Refuse keys that do not exist, and values of SFTConfig's keys that it cannot take."""
        for section in self.values:
            if section not in SECTIONS:
                raise self._unknown(section, section)
        for section, model in SECTIONS.items():
            for key in self.values.get(section) or {}:
                if key not in model.model_fields or (section, key) == ("train", "given"):
                    self._check_trl_key(section, key)

    def _check_trl_key(self, section: str, key: str) -> None:
        path = f"{section}.{key}"
        if section != "train":
            raise self._unknown(key, path)
        from sanetune.config import trl_fields

        if key not in trl_fields.fields():
            raise self._unknown(key, path)
        value = self.values[section][key]
        expected = None if trl_fields.is_open(key, value) else trl_fields.problem(key, value)
        if expected:
            raise messages.wrong_value(path, value, expected, self._place(path))

    def resolveleaves(self) -> None:
        """Make relative paths absolute, so that the resolved configuration means the same from any folder."""
        base = self.file.parent.resolve() if self.file else Path.cwd()
        for path in paths.PATHS:
            origin = self.origins.get(".".join(path.split(".")[:2]))
            start = [Path.cwd(), base] if origin and origin.reason.startswith(("given on", "given in")) else [base]
            value = find(self.values, path)
            if value is not None:
                put(self.values, path.split("."), paths.resolve(path, value, start))

    def config(self) -> Config:
        """The checked Config, with names and folder of the run filled in and an origin for every value."""
        values = {section: dict(keys or {}) for section, keys in self.values.items()}
        given = values.get("train", {})
        own = SECTIONS["train"].model_fields
        values["train"] = {key: given[key] for key in list(given) if key in own and key != "given"}
        values["train"]["given"] = self._given(given, own)
        try:
            config = Config.model_validate(values)
        except ValidationError as error:
            raise messages.from_pydantic(error, self._place) from None
        messages.check_together(config, self._place)
        config._file, config._renamed = self.file, self.renamed
        config._origins = self._all_origins(config)
        paths.name_run(config)
        return config

    def _given(self, given: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        keys = [key for key in given if key not in own]
        if not keys:
            return {}
        from sanetune.config import trl_fields

        return {key: given[key] for key in keys if not trl_fields.is_open(key, given[key])}

    def _all_origins(self, config: Config) -> dict[str, Origin]:
        """One origin per ``section.key``; the places of nested keys are only needed while checking."""
        origins: dict[str, Origin] = {}
        for section, model in SECTIONS.items():
            for key, field in model.model_fields.items():
                if key != "given":
                    origins[f"{section}.{key}"] = Origin("default", (field.description or "").replace("\n", " "))
        for path, origin in self.origins.items():
            key = ".".join(path.split(".")[:2])
            if find(self.values, key) is not None and (path == key or origins.get(key, origin).kind == "default"):
                origins[key] = origin
        return origins

    def _place(self, path: str) -> Place | None:
        """The line of ``path``, or of the nearest thing around it."""
        origin = self.origins.get(".".join(path.split(".")[:2]))
        if origin and origin.kind == "override":
            return Place(f"override {path}")
        if self.file is None:
            return None
        if origin and origin.kind == "renamed" and path not in self.lines:
            return origin.place
        parts = path.split(".")
        found = (self.lines.get(".".join(parts[:n])) for n in range(len(parts), 0, -1))
        return Place(self.file, next((line for line in found if line), None))

    def _unknown(self, key: str, path: str) -> ConfigError:
        every = every_key()
        names = (
            list(SECTIONS) if "." not in path else [one for one in every if one.startswith(path.split(".")[0] + ".")]
        )
        near = messages.meant(path, names) or messages.meant(path.split(".")[-1], every)
        listed = ", ".join(name.removeprefix(path.split(".")[0] + ".") for name in names[:12])
        what = f"there is no section {key!r}" if "." not in path else f"there is no key {path!r}"
        return ConfigError(
            what,
            "An unknown key would be ignored, and the run would not be what the file says.",
            near or f"Known here: {listed}{', ...' if len(names) > 12 else ''}",
            self._place(path),
        )


def every_key() -> list[str]:
    """All of ``section.key`` that can be written today, SFTConfig's keys last."""
    from sanetune.config import trl_fields

    own = [f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields if key != "given"]
    return own + [f"train.{key}" for key in trl_fields.fields()]


def _both_lora(key: str, present: Any) -> bool:
    return key == "model.adapter" and isinstance(present, (dict, str))
