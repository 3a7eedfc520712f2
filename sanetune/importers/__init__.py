"""Configurations of other tools: reads a YAML of Axolotl, LLaMA-Factory or `trl sft` into our sections."""

from __future__ import annotations

import os
from pathlib import Path

from sanetune.config.nested import YamlMap
from sanetune.importers.imported import ImportedConfig, Skipped
from sanetune.importers.importer import Importer

__all__ = ["ImportedConfig", "Skipped", "import_config", "tool_of"]

AXOLOTL = frozenset({"datasets", "sequence_len", "micro_batch_size", "adapter", "pretraining_dataset", "num_epochs"})
LLAMA_FACTORY = frozenset({"stage", "finetuning_type", "dataset", "dataset_dir", "cutoff_len", "template", "lora_rank"})
TRL = frozenset({"model_name_or_path", "dataset_name", "dataset_mixture", "dataset_mixer"})


def tool_of(values: YamlMap) -> str | None:
    """Return ``axolotl``, ``llama-factory``, ``trl`` or None, by the keys of a YAML file.

    >>> tool_of({"base_model": "owner/model", "datasets": []}), tool_of({"model": {"name": "owner/model"}})
    ('axolotl', None)
    """
    if isinstance(values.get("model"), dict) or isinstance(values.get("data"), dict):
        return None
    if "base_model" in values and AXOLOTL & values.keys():
        return "axolotl"
    if "model_name_or_path" in values and LLAMA_FACTORY & values.keys():
        return "llama-factory"
    if TRL & values.keys():
        return "trl"
    return None


def import_config(file: str | os.PathLike[str]) -> ImportedConfig | None:
    """Read the configuration of another tool.

    Returns:
        It in our sections; None where ``file`` is sanetune's own, or of no tool that is known.

    Raises:
        ConfigError: The YAML is broken, or the file describes no supervised fine-tuning.
    """
    from sanetune.config.yaml_read import parse, read_text

    path = Path(file).expanduser()
    values, lines, _ = parse(read_text(path), path)
    tool = tool_of(values)
    if tool is None:
        return None
    importer = Importer(path, values, lines)
    if tool == "axolotl":
        from sanetune.importers.axolotl import import_axolotl

        return import_axolotl(importer)
    if tool == "trl":
        from sanetune.importers.trl import import_trl

        return import_trl(importer)
    from sanetune.importers.llama_factory import import_llama_factory

    return import_llama_factory(importer)
