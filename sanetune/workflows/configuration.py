"""Opens a configuration, whichever tool wrote it, and converts another tool's to a file of ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

    from sanetune.importers import ImportedConfig


def open_config(file: Path, overrides: Sequence[str] = ()) -> tuple[Config, list[str]]:
    """Return the configuration in ``file``, and notes on what of another tool's was not understood.

    Args:
        file: A YAML file of ours, of Axolotl, of LLaMA-Factory or of `trl sft`.
        overrides: ``section.key=value``, each.
    """
    from sanetune.importers import import_config

    imported = import_config(file)
    if imported is None:
        return load(file, overrides), []
    notes = [f"{imported.tool}: not carried over: {one}" for one in imported.skipped]
    if imported.trust_remote_code:
        notes.append(f"{imported.tool}: trust_remote_code is set; nothing of the model's own code is run here")
    return load(_named(imported), overrides), notes


def convert(file: Path, out: Path, *, overrides: Sequence[str] = (), force: bool = False) -> tuple[Config, list[str]]:
    """Write another tool's configuration as one of ours, with a comment on each key that was not carried over.

    Args:
        file: A YAML file of Axolotl, of LLaMA-Factory or of `trl sft`.
        out: The file to write. Nothing is written where an error is raised.
        overrides: ``section.key=value``, each; they are written into the file.
        force: Whether a file that is there already is replaced.

    Returns:
        The configuration, read from ``out``, and the notes.

    Raises:
        ConfigError: ``file`` is of no tool that is known, or ``out`` is there already and ``force`` is not set.
    """
    from sanetune.atomic import write_text
    from sanetune.config import yaml_edit
    from sanetune.importers import import_config

    imported = import_config(file)
    if imported is None:
        raise ConfigError(
            f"{file} is no configuration of Axolotl, LLaMA-Factory or `trl sft`",
            "Only those are converted; a file of sanetune's own needs no conversion.",
            "Give their YAML file, or start anew: `sanetune init MODEL DATA`.",
        )
    if out.exists() and not force:
        raise ConfigError(
            f"{str(out)!r} is there already",
            "It may hold your changes.",
            "Write another file with --out FILE, or replace it with --force.",
        )
    config, notes = open_config(file, overrides)
    head = [f"# Converted from {file.name} ({imported.tool}) by sanetune init.", *(_comment(note) for note in notes)]
    base = out.parent.resolve()
    text = yaml_edit.write(_tree(imported, base))
    values = _unset(overrides)
    values |= {key: _relative(value, base) for key, value in yaml_edit.overridden(config).items()}
    write_text(out, "\n".join(head) + "\n\n" + (yaml_edit.change(text, values) if values else text))
    return load(out), notes


def _unset(overrides: Sequence[str]) -> dict[str, object]:
    """``section.key`` -> None of each key that an override sets to nothing."""
    from sanetune.config.nested import find
    from sanetune.config.override import read_override

    drafts = [read_override(one) for one in overrides]
    return {path: None for draft in drafts for path in draft.origins if find(draft.values, path) is None}


def _comment(note: str) -> str:
    return "# " + " ".join(note.split())[:300]


def _named(imported: ImportedConfig) -> dict[str, object]:
    """The sections, with the file's name as that of the run where nothing names it."""
    from sanetune.config.paths import NO_NAME

    run = dict(imported.config.get("run", {}))
    stem = imported.file.stem
    if not run.get("name") and not run.get("output_dir") and stem.lower() not in NO_NAME:
        run["name"] = stem
    return {**imported.config, "run": run}


def _tree(imported: ImportedConfig, base: Path) -> CommentedMap:
    """The values of the file in our sections, with paths as they are best written in a file in the folder ``base``."""
    from ruamel.yaml.comments import CommentedMap

    from sanetune.config import yaml_edit

    values = _named(imported)
    config = load(values)
    tree = CommentedMap()
    for section, keys in values.items():
        part = getattr(config, section)
        names = keys if isinstance(keys, dict) else {}
        lines = CommentedMap({name: yaml_edit.plain(part.get(name)) for name in names if part.get(name) is not None})
        lines |= {name: None for name in names if name in getattr(part, "given", {}) and part.get(name) is None}
        if lines:
            tree[section] = _relative(lines, base)
    return tree


def _relative(value: object, base: Path) -> object:
    """``value`` with paths below ``base`` and near it relative to it."""
    if isinstance(value, dict):
        for key in value:
            value[key] = _relative(value[key], base)
    elif isinstance(value, list):
        return [_relative(one, base) for one in value]
    elif isinstance(value, str) and os.path.isabs(value):
        relative = os.path.relpath(value, base)
        return value if relative.count("..") > 3 else relative if relative.startswith(".") else f"./{relative}"
    return value
