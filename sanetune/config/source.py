"""What a configuration can be read from: a YAML file, a mapping of sections, or a Config."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from sanetune.config import messages
from sanetune.config.draft import Draft
from sanetune.config.keys import SECTIONS
from sanetune.config.nested import YamlMap, leaves
from sanetune.config.origin import Origin, OriginKind
from sanetune.config.schema import Config
from sanetune.config.yaml_read import Lines, parse, read_text
from sanetune.errors import ConfigError, Place

Source: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Config"


def read_source(source: Source) -> Draft:
    """Read ``source`` as it is: old names stay, and no value is checked.

    Raises:
        ConfigError: A file cannot be read, is no YAML, or has something other than keys in a section.
    """
    if isinstance(source, Config):
        return _from_config(source)
    if isinstance(source, Mapping):
        return _from_values(copy.deepcopy(dict(source)), {}, None)
    file = Path(source).expanduser()
    values, lines, _ = parse(read_text(file), file)
    return _from_values(values, lines, file)


def _from_values(values: YamlMap, lines: Lines, file: Path | None) -> Draft:
    origins = {}
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
            origins[path] = Origin(OriginKind.GIVEN, Place(file, lines.get(path)) if file else None)
    return Draft(values, origins, lines, [], file)


def _from_config(config: Config) -> Draft:
    """The values that ``config`` was given or has inferred, with their origins."""
    values = config.model_dump(exclude_unset=True)
    train = values.get("train", {})
    values["train"] = {**train.pop("given", {}), **train}
    origins = {key: origin for key, origin in config.origins.items() if origin.kind is not OriginKind.DEFAULT}
    return Draft(values, origins, {}, list(config.renamed), config.file)
