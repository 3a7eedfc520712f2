"""Reads the mixtures of data sets that recipes on top of TRL's trainer write (the Alignment Handbook and Open R1).

Their recipes are TRL's flat YAML but for the rows: ``dataset_mixture`` with a list of data sets, or the older
``dataset_mixer`` with a share for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sanetune.config.nested import YamlMap, YamlValue
from sanetune.importers.importer import Importer
from sanetune.importers.rows import take_part

BESIDE = "what else the rows have is read too: tools, system prompts, variables of the template"

KEYS = ("dataset_mixture", "dataset_mixer", "dataset_splits", "dataset_configs")


@dataclass(slots=True)
class Mixture:
    """Sources of ours for training and for validation."""

    train: list[YamlMap] = field(default_factory=list)
    validation: list[YamlMap] = field(default_factory=list)
    holdout: float | None = None
    """A share or number of the training rows that is held out; None: what ``test_split_size`` says."""


def read_mixture(importer: Importer, evaluates: bool) -> Mixture | None:
    """Return the mixture of the importer's file; None where it has none.

    Args:
        importer: The file.
        evaluates: Whether the run evaluates validation rows.
    """
    newer, older = (importer.take(key) for key in KEYS[:2])
    if isinstance(newer, dict) and newer.get("datasets"):
        return _newer(importer, newer)
    if isinstance(older, dict) and older:
        return _older(importer, older, evaluates)
    return None


def _newer(importer: Importer, mixture: YamlMap) -> Mixture:
    found = Mixture()
    entries = mixture["datasets"]
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        at = f"dataset_mixture.datasets.{number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            importer.skip(at, "a data set without an id", entry)
            continue
        if entry.get("columns"):
            importer.skip(f"{at}.columns", BESIDE, entry["columns"])
        split, subset = str(entry.get("split") or "train"), entry.get("config")
        found.train += _source(importer, at, str(entry["id"]), split, subset, entry.get("weight"))
    size = mixture.get("test_split_size")
    found.holdout = float(size) if isinstance(size, int | float) else None
    return found


def _older(importer: Importer, mixer: YamlMap, evaluates: bool) -> Mixture:
    """A share holds for splits with ``train`` in their name; those with ``test`` are read whole."""
    splits = importer.take("dataset_splits") or ["train", "test"]
    configs = importer.take("dataset_configs")
    found = Mixture()
    for number, (name, share) in enumerate(mixer.items()):
        subset = configs[number] if isinstance(configs, list) and number < len(configs) else None
        for split in map(str, splits if isinstance(splits, list) else [splits]):
            if "train" in split:
                found.train += _source(importer, f"dataset_mixer.{name}", name, split, subset, share)
            elif "test" in split and evaluates:
                found.validation += _source(importer, f"dataset_mixer.{name}", name, split, subset, None)
    return found


def _source(importer: Importer, at: str, name: str, split: str, subset: YamlValue, share: YamlValue) -> list[YamlMap]:
    """One source; none where its share is zero or no number, which is noted."""
    path = importer.path(name)
    source: YamlMap = {"path": path}
    if split != "train":
        source["split"] = split
    if subset and path == name:
        source["subset"] = subset
    source = take_part(importer, f"{at}.split", source, split)
    if share is None:
        return [source]
    try:
        weight = float(str(share))
    except ValueError:
        weight = -1.0
    if not 0 < weight <= 1:
        importer.skip(at, "a share of the rows is above 0 and at most 1", share)
        return []
    return [source if weight == 1 else source | {"weight": weight}]
