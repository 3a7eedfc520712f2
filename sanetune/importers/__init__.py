"""Configurations of other tools: an Axolotl YAML, a LLaMA-Factory YAML."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sanetune.importers.foreign import Draft, Foreign, Skipped

__all__ = ["Foreign", "Skipped", "read", "tool_of"]

AXOLOTL = frozenset({"datasets", "sequence_len", "micro_batch_size", "adapter", "pretraining_dataset", "num_epochs"})
LLAMA_FACTORY = frozenset({"stage", "finetuning_type", "dataset", "dataset_dir", "cutoff_len", "template", "lora_rank"})


def tool_of(values: dict[str, Any]) -> str | None:
    """``axolotl``, ``llama-factory`` or None, by the keys of a YAML file."""
    if isinstance(values.get("model"), dict) or isinstance(values.get("data"), dict):
        return None
    if "base_model" in values and AXOLOTL & values.keys():
        return "axolotl"
    if "model_name_or_path" in values and LLAMA_FACTORY & values.keys():
        return "llama-factory"
    return None


def read(file: str | os.PathLike[str]) -> Foreign | None:
    """The configuration of another tool, or None when ``file`` is none (sanetune's own, or nothing that is known).

    Raises ConfigError with file and line for broken YAML, and for what is no supervised fine-tuning.
    """
    from sanetune.config.yaml_read import parse, read_text

    path = Path(file).expanduser()
    values, lines, _ = parse(read_text(path), path)
    tool = tool_of(values)
    if tool is None:
        return None
    draft = Draft(path, values, lines)
    if tool == "axolotl":
        from sanetune.importers import axolotl

        return axolotl.read(draft)
    from sanetune.importers import llama_factory

    return llama_factory.read(draft)
