"""Configurations of other tools: reads a YAML of Axolotl, LLaMA-Factory or `trl sft` into our sections."""

from __future__ import annotations

import os
from pathlib import Path

from sanetune.config.nested import YamlMap
from sanetune.errors import ConfigError, Place
from sanetune.importers.imported import ImportedConfig, Skipped
from sanetune.importers.importer import Importer

__all__ = ["ImportedConfig", "Skipped", "import_config", "tool_of"]

AXOLOTL = frozenset({"datasets", "sequence_len", "micro_batch_size", "adapter", "pretraining_dataset", "num_epochs"})
LLAMA_FACTORY = frozenset({"stage", "finetuning_type", "dataset", "dataset_dir", "cutoff_len", "template", "lora_rank"})
SWIFT = frozenset({"train_type", "tuner_type", "split_dataset_ratio", "attn_impl"})
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


def other_tool(values: YamlMap) -> str:
    """Return the name of a tool whose configuration is known, and not read; "" for any other file.

    >>> other_tool({"model": {"_component_": "torchtune.models.qwen2_5.qwen2_5_0_5b"}, "epochs": 1})
    'torchtune'
    """
    if any(isinstance(section, dict) and "_component_" in section for section in values.values()):
        return "torchtune"
    if isinstance(values.get("model"), str) and SWIFT & values.keys():
        return "ms-swift"
    return "accelerate" if {"compute_environment", "distributed_type"} <= values.keys() else ""


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
    if tool is None and (other := other_tool(values)):
        raise ConfigError(
            f"{path.name} is a configuration of {other}, which is not read",
            "Its keys have other names and meanings than those here.",
            "Start anew with its model and rows: `sanetune init MODEL DATA`.",
            Place(path),
        )
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
