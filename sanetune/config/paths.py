"""Which values are paths, what a relative one starts from, and what a run is called."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sanetune.config.schema import Config, Origin

PATHS = (
    "model.name",
    "model.chat_template",
    "data.train",
    "data.validation",
    "run.output_dir",
    "train.deepspeed",
    "train.fsdp_config",
    "train.resume_from_checkpoint",
)
"""Keys whose text may be a path."""

ALWAYS = {"run.output_dir"}
"""Keys whose text is a path even where nothing lies there yet."""

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".gz", ".zst", ".txt", ".jinja")
_NO_NAME = {"sanetune", "config", "train", "sft"}


def resolve(key: str, value: Any, starts: Sequence[Path]) -> Any:
    """``value`` with every path in it absolute; Hub ids and names (chatml) stay as they are.

    A relative path is looked for in each of ``starts``; where it is in none, it belongs to the first.
    """
    if isinstance(value, list):
        return [resolve(key, one, starts) for one in value]
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            return {**value, "path": resolve(key, value["path"], starts)}
        return value
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        return value
    text = os.path.expanduser(value)
    for start in starts:
        if os.path.exists(start / text):
            return os.path.abspath(start / text)
    is_path = key in ALWAYS or looks_like_path(text, several=key.startswith("data."))
    return os.path.abspath(starts[0] / text) if is_path else value


def looks_like_path(text: str, *, several: bool = False) -> bool:
    """Whether ``text`` can only be a path (``several``: or a pattern for paths), not an id on the Hub or a name."""
    return (
        text.startswith((".", "/", "~", "\\"))
        or text.lower().endswith(SUFFIXES)
        or (several and any(sign in text for sign in "*?["))
        or (text.count("/") > 1)
    )


def name_run(config: Config) -> None:
    """Fill in ``run.name`` and ``run.output_dir`` where they are open."""
    if config.run.name is None:
        stem = config.file.stem if config.file else ""
        model = os.path.basename(os.path.normpath(config.model.name))
        own = bool(stem) and stem.lower() not in _NO_NAME
        config.run.name = stem if own else model
        config.origins["run.name"] = Origin("derived", "the name of the file" if own else "the name of the model")
    if config.run.output_dir is None:
        folder = re.sub(r"[^\w.+-]+", "-", config.run.name).strip(".-") or "run"
        config.run.output_dir = os.path.abspath(config.folder / "runs" / folder)
        config.origins["run.output_dir"] = Origin("derived", "runs/ and the name of the run")
