"""Which values are paths, what a relative one starts from, and what a run is called by default."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sanetune.config.origin import Origin, OriginKind
from sanetune.config.schema import Config
from sanetune.errors import require_utf8_name

PATHS = (
    "model.name",
    "model.chat_template",
    "data.train",
    "data.validation",
    "data.replay",
    "check.keep",
    "run.output_dir",
    "run.evaluate",
    "train.deepspeed",
    "train.fsdp_config",
    "train.resume_from_checkpoint",
)
"""Keys whose text may be a path."""

ALWAYS = {"run.output_dir", "run.evaluate"}
"""Keys whose text is a path even where there is no such file yet."""

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".gz", ".zst", ".txt", ".jinja")
NO_NAME = {"sanetune", "config", "train", "sft"}
"""Names of files that name no run."""


def resolve_paths(config: Config) -> None:
    """Make relative paths in ``config`` absolute, so that it means the same from any folder.

    Paths start from the configuration's file; those that were given on the command line from the current folder, where
    something is there.
    """
    here = config.file.parent.resolve() if config.file else Path.cwd()
    require_utf8_name(here)

    def resolved(key: str, text: str) -> str:
        origin = config.origins.get(key)
        return resolve(key, text, [Path.cwd(), here] if origin and origin.on_command_line else [here])

    for key in PATHS:
        name, attribute = key.split(".")
        if name == "data":
            found = getattr(config.data, attribute) or ()
            for source in found if isinstance(found, list | tuple) else (found,):
                source.path = resolved(key, source.path)
        elif name == "train":
            value = config.train.given.get(attribute)
            if isinstance(value, str):
                config.train.given[attribute] = resolved(key, value)
        else:
            section = getattr(config, name)
            value = getattr(section, attribute)
            if isinstance(value, list):
                setattr(section, attribute, [resolved(key, one) if is_task_file(one) else one for one in value])
            elif value is not None:
                setattr(section, attribute, resolved(key, value))


def resolve(key: str, text: str, starts: Sequence[Path]) -> str:
    """``text`` as an absolute path where it is one; ids on the Hub and names (chatml) stay as they are.

    A relative path is looked up in each of ``starts``; where it is in none, it belongs to the first.
    """
    if not text.strip() or "\0" in text or (key == "model.chat_template" and is_template(text)):
        return text
    path = os.path.expanduser(text)
    for start in starts:
        if os.path.exists(start / path):
            return os.path.abspath(start / path)
    is_path = key in ALWAYS or is_surely_path(path, several=key.startswith("data."))
    return os.path.abspath(starts[0] / path) if is_path else text


def named_paths(config: Config) -> Iterator[tuple[str, str]]:
    """Yield key and text of every value of ``config`` that may be a path; ids on the Hub and names are among them."""
    for key in PATHS:
        section, _, name = key.partition(".")
        part = getattr(config, section)
        values = part.given.get(name) if section == "train" else getattr(part, name)
        for value in values if isinstance(values, list) else [values]:
            text = getattr(value, "path", value)
            if isinstance(text, str) and not (key == "model.chat_template" and is_template(text)):
                yield key, text


def is_template(text: str) -> bool:
    """Whether the value of ``model.chat_template`` is a template itself, not the name of one.

    >>> is_template("{{ messages[0].content }}"), is_template("chat.jinja"), is_template("chatml")
    (True, False, False)
    """
    return "{%" in text or "{{" in text


def is_task_file(text: str) -> bool:
    """Whether an entry of ``run.evaluate`` is a path, and not the name of a task.

    >>> is_task_file("gsm8k"), is_task_file("tasks/"), is_task_file("mine.yaml")
    (False, True, True)
    """
    return "/" in text or "\\" in text or text.endswith((".yaml", ".yml"))


def is_surely_path(text: str, *, several: bool = False) -> bool:
    """Whether ``text`` can only be a path (``several``: or a pattern for paths), not an id on the Hub or a name."""
    return (
        text.startswith((".", "/", "~", "\\"))
        or text.lower().endswith(SUFFIXES)
        or (several and any(sign in text for sign in "*?["))
        or (text.count("/") > 1)
    )


def name_run(config: Config) -> None:
    """Fill in ``run.name`` and ``run.output_dir`` where they are unset."""
    if config.run.name is None:
        stem = config.file.stem if config.file else ""
        model = os.path.basename(os.path.normpath(config.model.name))
        own = bool(stem) and stem.lower() not in NO_NAME
        config.run.name = stem if own else model
        config.origins["run.name"] = Origin(OriginKind.INFERRED, reason=f"the name of the {'file' if own else 'model'}")
    if config.run.output_dir is None:
        folder = re.sub(r"[^\w.+-]+", "-", config.run.name).strip(".-") or "run"
        config.run.output_dir = os.path.abspath(config.folder / "runs" / folder)
        config.origins["run.output_dir"] = Origin(OriginKind.INFERRED, reason="runs/ and the name of the run")
