"""A configuration on its way from YAML to a Config: plain values that nobody has checked yet."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

from sanetune.config.nested import YamlMap, with_parents
from sanetune.config.origin import Origin, OriginKind, Renamed
from sanetune.config.yaml_read import Lines
from sanetune.errors import Place


@dataclass(frozen=True, slots=True)
class Draft:
    """What one source says (a file, a mapping, a Config or one override), or several together."""

    values: YamlMap
    """Section -> its keys."""
    origins: dict[str, Origin] = field(default_factory=dict)
    """Dotted path -> where its value came from. A list has one origin."""
    lines: Lines = field(default_factory=dict)
    """Dotted path -> line of ``file``, counted from 1. Entries of lists have one each (``data.train.0.path``)."""
    renamed: list[Renamed] = field(default_factory=list)
    """Keys that were given by an old name, in the order in which they were found."""
    file: Path | None = None
    """The YAML file, where there is one."""

    def copy(self) -> Draft:
        """A draft that can be changed without changing this one."""
        return Draft(copy.deepcopy(self.values), dict(self.origins), self.lines, list(self.renamed), self.file)

    def origin(self, path: str) -> Origin | None:
        """The origin of ``path``, or of the nearest thing around it that has one."""
        return next((self.origins[near] for near in with_parents(path) if near in self.origins), None)

    def place(self, path: str) -> Place | None:
        """File and line of ``path``, or of the nearest thing around it; the override that set it; None for neither."""
        origin = self.origin(path)
        if origin is not None and origin.on_command_line:
            return Place(f"override {origin.old_key or path}")
        if self.file is None:
            return None
        if origin is not None and origin.kind is OriginKind.RENAMED and path not in self.lines:
            return origin.place
        return Place(self.file, next((self.lines[near] for near in with_parents(path) if near in self.lines), None))
