"""Open a configuration for an agent: every path in it is below a root, and nothing in it runs code of others."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from sanetune.config.messages import short
from sanetune.config.paths import is_task_file, named_paths
from sanetune.config.schema import Config
from sanetune.errors import ConfigError, Place
from sanetune.mcp.roots import Roots

TEXTS = {"run.sample_prompts"}
"""Keys whose text is for the model alone."""
LONGEST = 4096
"""Characters of a text that can be a path."""
LOCAL_TRACKERS = frozenset(("tensorboard",))
"""Trackers that write into the run's folder and nowhere else."""
BY_A_PERSON = "It lets others' code or services act with your rights, so that no agent may set it."


def opened(file: str, overrides: Sequence[str], roots: Roots) -> Config:
    """Return the configuration in ``file``, whichever tool wrote it.

    Args:
        file: Its path, as the agent gave it.
        overrides: ``section.key=value``, each.
        roots: What it is confined to.

    Raises:
        UserError: A path leads out of the roots, the file cannot be used, or code of others would run.
    """
    from sanetune.workflows.configuration import open_config

    path = roots.path(file, "the configuration")
    if path.is_file():
        _refuse_texts(path, roots)
    config, _ = open_config(path, overrides)
    confine(config, roots)
    if overrides:
        own = trackers_of(open_config(path, ())[0])
        refuse_new_trackers(config, [name for names in own.values() for name in names])
    return config


def confine(config: Config, roots: Roots) -> None:
    """Refuse a loaded configuration that leads out of ``roots`` or runs code of others.

    Raises:
        UserError: With the key and its place.
    """
    _refuse_code(config)
    for key, text in named_paths(config):
        if os.path.isabs(text) or os.path.lexists(text):
            roots.tree(text, key, config.place(key))
    for key, text in _texts(config.train.given, "train"):
        if _may_be_path(text, Path.cwd()):
            roots.path(text, key, config.place(key), Path.cwd())


def _refuse_code(config: Config) -> None:
    attention = [config.model.attention, config.train.given.get("attn_implementation")]
    refused = {
        "model.trust_remote_code": config.model.trust_remote_code,
        "model.attention": any("/" in str(one) for one in attention if one),  # a kernel of the Hub is compiled code
        "run.evaluate": any(is_task_file(task) for task in config.run.evaluate),  # such a file names Python functions
        "train.push_to_hub": bool(config.train.given.get("push_to_hub")),
    }
    for key, is_set in refused.items():
        if is_set:
            raise ConfigError(
                f"{key} is refused for an agent",
                BY_A_PERSON,
                f"Leave {key} out, or have a person run sanetune.",
                config.place(key),
            )


def refuse_new_trackers(config: Config, own: Collection[str] = ()) -> None:
    """Refuse trackers that the person's own file does not name: they get curves and answers, and may be anywhere.

    Args:
        config: As the agent wants it.
        own: What :func:`trackers_of` says of the file as it is; empty: there is no file yet.

    Raises:
        ConfigError: One is new, or the place that trackers send to is another.
    """
    for key, names in trackers_of(config).items():
        if new := sorted(set(names) - set(own) - LOCAL_TRACKERS):
            raise ConfigError(
                f"{key}: an agent may not add {', '.join(map(short, new))}",
                "A tracker gets the curves and sampled answers, and may be a service elsewhere.",
                f"Leave {key} as the file has it, or have a person write it there.",
                config.place(key),
            )


def trackers_of(config: Config) -> dict[str, list[str]]:
    """Return key -> the trackers that it names, or the place that they send to."""
    named = config.train.given.get("report_to") or config.run.trackers
    space = config.train.given.get("trackio_space_id")
    names = [str(one) for one in ([named] if isinstance(named, str) else named) if one != "none"]
    return {"run.trackers": names, "train.trackio_space_id": [str(space)] if space else []}


def _refuse_texts(file: Path, roots: Roots) -> None:
    """Inspect the texts of a file before anything that they name is opened: importers read what they refer to."""
    from sanetune.config.yaml_read import parse, read_text

    values, lines, _ = parse(read_text(file), file)
    for key, text in _texts(values, ""):
        if key.partition("[")[0] not in TEXTS and _may_be_path(text, file.parent):
            roots.path(text, key, Place(file, lines.get(key)), file.parent)


def _texts(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Every text in nested values, with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{key}[{number}]")


def _may_be_path(text: str, base: Path) -> bool:
    """Whether a text names a file or folder, or something outside of its folder."""
    if not text.strip() or len(text) > LONGEST or "\n" in text or "\0" in text:
        return False
    try:
        leads_out = os.path.isabs(text) or text.startswith("~") or ".." in Path(text).parts
        return leads_out or os.path.lexists(base / text)
    except OSError:
        return False
