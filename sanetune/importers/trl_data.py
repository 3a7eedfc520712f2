"""Which rows a configuration of TRL's command line trains on, and which of their tokens are in the loss."""

from __future__ import annotations

from pathlib import Path

from sanetune.config.nested import YamlMap, YamlValue
from sanetune.importers.importer import Importer
from sanetune.importers.rows import (
    Need,
    columns_of,
    first_row,
    put_fields,
    put_holdout,
    put_sources,
    row_count,
    take_part,
)
from sanetune.importers.trl_keys import BUILDERS
from sanetune.importers.trl_mixtures import Mixture, read_mixture
from sanetune.importers.trl_pairs import put_pair_template


def import_data(importer: Importer) -> None:
    """Set the section ``data``. TRL truncates rows that are too long, and evaluates only where it is told to."""
    strategy = (importer.text("eval_strategy") or importer.text("evaluation_strategy") or "no").lower()
    strategy = "no" if strategy == "false" else strategy
    importer.put("train.eval_strategy", strategy)
    evaluates = strategy != "no"
    mixture = read_mixture(importer, evaluates) or _own_mixture(importer, evaluates)
    train = mixture.train
    put_sources(importer, "data.train", train)
    put_sources(importer, "data.validation", mixture.validation)
    if not mixture.validation:
        _hold_out(importer, mixture, evaluates)
    importer.take("test_split_size")
    importer.put("data.overlong", "cut")
    if importer.text("truncation_mode", "keep_start") != "keep_start":
        importer.skip("truncation_mode", "a row that is truncated keeps its start")
    _loss(importer, train)
    put_pair_template(importer, train)
    column = importer.text("dataset_text_field", "text")
    put_fields(importer, [Need(columns_of({"text": column}), [])] if column != "text" else [])


def _own_mixture(importer: Importer, evaluates: bool) -> Mixture:
    """What TRL's own keys name: ``datasets``, or ``dataset_name``, whose test split is evaluated."""
    listed, name = importer.take("datasets"), importer.take("dataset_name")
    splits = importer.text("dataset_train_split", "train"), importer.text("dataset_test_split", "test")
    subset = importer.take("dataset_config")
    found = Mixture()
    if isinstance(listed, list) and listed:
        entries = [(at, source) for at, one in enumerate(listed) for source in _entry(importer, at, one)]
        found.train = [take_part(importer, f"datasets.{at}.split", one, one.get("split")) for at, one in entries]
        _fractions(importer, listed, found.train)
    else:
        found.train = _named(importer, "dataset_train_split", name, splits[0], subset)
        if evaluates and _has_splits(importer, name):
            found.validation = _named(importer, "dataset_test_split", name, splits[1], subset)
    return found


def _has_splits(importer: Importer, name: YamlValue) -> bool:
    """A file has no splits; a folder, or a data set of the Hub, may have them."""
    return bool(name) and not Path(importer.path(str(name))).is_file()


def _hold_out(importer: Importer, mixture: Mixture, evaluates: bool) -> None:
    """TRL holds rows out only where it is told to; an evaluation without any rows gets a tenth of them."""
    size = mixture.holdout
    if evaluates and size is None and not importer.values.get("test_split_size"):
        importer.skip("eval_strategy", "no validation rows are named: a tenth of the rows is held out")
        size = 0.1
    put_holdout(importer, "test_split_size", mixture.train, size)


def _named(importer: Importer, at: str, name: YamlValue, split: str, subset: YamlValue) -> list[YamlMap]:
    if not name:
        return []
    path = importer.path(str(name))
    source: YamlMap = {"path": path} if split == "train" else {"path": path, "split": split}
    source |= {"subset": subset} if subset and path == str(name) else {}
    return [take_part(importer, at, source, split)]


def _entry(importer: Importer, number: int, entry: YamlValue) -> list[YamlMap]:
    """Sources of ours for one entry of the mixture; an entry without a path is noted."""
    at = f"datasets.{number}"
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        importer.skip(at, "a data set without a path", entry)
        return []
    path, files, folder = str(entry["path"]), entry.get("data_files"), entry.get("data_dir")
    split = {"split": entry["split"]} if entry.get("split") not in (None, "train") else {}
    found = importer.path(path)
    start = importer.path(str(folder), found if found != path else "") if folder else found if found != path else ""
    if isinstance(files, dict):
        files = files.get(str(entry.get("split") or "train"))
        split = {}
    listed = [str(one) for one in (files if isinstance(files, list) else [files]) if one is not None]
    if listed and (path in BUILDERS or start):
        return [{"path": importer.path(one, start)} for one in listed]
    if listed:
        importer.skip(f"{at}.data_files", "all files of the data set are read", files)
    if folder:
        return [{"path": start, **split}]
    subset = {"subset": entry["name"]} if entry.get("name") else {}
    return [{"path": found, **split, **(subset if found == path else {})}]


def _fractions(importer: Importer, mixture: list[YamlValue], sources: list[YamlMap]) -> None:
    """Limit sources to their shares: the largest mixture in which no data set is used twice, as TRL makes it."""
    fractions = [one.get("fraction") if isinstance(one, dict) else None for one in mixture]
    wanted = [float(share) for share in fractions if isinstance(share, int | float) and share > 0]
    if not wanted:
        return
    counts = [row_count([source]) for source in sources]
    known = [count for count in counts if count]
    if not len(wanted) == len(fractions) == len(sources) == len(known):
        importer.skip("datasets.fraction", "shares of files whose rows cannot be counted here: all rows are used", "…")
        return
    parts = [share / sum(wanted) for share in wanted]
    rows = int(min(count / part for count, part in zip(known, parts, strict=True)))
    for source, part in zip(sources, parts, strict=True):
        source["limit"] = max(1, round(part * rows))


def _loss(importer: Importer, train: list[YamlMap]) -> None:
    """TRL has all tokens of a conversation in the loss unless it is told otherwise, and of a pair the completion."""
    assistant, completion = importer.flag("assistant_only_loss"), importer.take("completion_only_loss")
    if assistant:
        importer.put("data.loss_on", "assistant")
        return
    row = first_row(train)
    pairs = row is not None and {"prompt", "completion"} <= row.keys()
    if row is None and completion is None:
        importer.skip(
            "completion_only_loss",
            "no row can be read here: all tokens are in the loss, as of conversations",
            "unset",
        )
    only = completion is True or (pairs and completion is None)
    importer.put("data.loss_on", "last" if only else "all")
