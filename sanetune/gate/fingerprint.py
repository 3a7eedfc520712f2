"""What a clearance is about: configuration, data, model, chat template and package versions of a planned run."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from sanetune.config.paths import is_template
from sanetune.config.schema import Config, SourceSection
from sanetune.data.sources.find import files_of
from sanetune.data.sources.row import kind_of
from sanetune.data.sources.source import Source, is_hub_id
from sanetune.errors import DataError, ModelError, Place
from sanetune.gate.identity import Identity, hash_file, hash_files, hub_commit
from sanetune.runs import PACKAGES, package_versions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan

ALSO = ("bitsandbytes", "flash-attn", "kernels", "liger-kernel", "deepspeed")
"""Packages that change what a run computes where they are installed; most runs do without."""

ELSEWHERE = re.compile(
    r"output_dir|run_name|project|report_to|resume_from_checkpoint|disable_tqdm|debug|dataset_num_proc|"
    r"log_.*|logging_(?!steps|strategy).*|hub_.*|push_to_hub|trackio_.*|do_.*|local_rank|skip_memory_metrics|"
    r"ignore_data_skip|restore_callback_states_from_checkpoint|include_num_input_tokens_seen"
)
"""Keys of SFTConfig that say where a run is stored and shown, not what it computes or what a check reads."""

_LEFT_OUT = {
    "model": {"name", "revision", "chat_template"},
    "data": {"train", "validation", "workers"},
    "check": {"level", "watch"},
    "budget": set[str](),
}
"""Fields that are no part of ``configuration``: their content is in another part, or they change nothing."""

_SETTINGS_FILES = ("deepspeed", "fsdp_config", "accelerator_config", "chat_template_path")
"""Keys of ``train`` whose text may name a file; its content counts."""

_MODEL_FILES = re.compile(r"(?!consolidated|\.).*\.(json|safetensors|model|tiktoken|py)|(vocab|merges)\.txt")
"""What transformers may read of a model's folder; templates are a part of their own. It does not read
``consolidated*.safetensors``, which are the same weights once more."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All that a run's result depends on, small enough to be stored with it."""

    configuration: dict[str, JsonValue]
    """``section.key`` -> its resolved value, where that can change what a run computes or a check finds."""
    data: dict[str, dict[str, Identity]]
    """Split -> name of each file, or id on the Hub -> its identity."""
    model: dict[str, Identity]
    """Name of each file of the model, or its id on the Hub -> its identity."""
    template: str
    """Hash of the chat template."""
    versions: dict[str, str | None]
    """Package -> its version; None: not installed."""


def fingerprint(plan: Plan, prepared: Prepared) -> Fingerprint:
    """Return the fingerprint of a planned run. All its files are read.

    Raises:
        DataError: A data file cannot be read.
        ModelError: A file of the model cannot be read.
    """
    config = plan.config
    return Fingerprint(
        configuration=_configuration(plan, prepared),
        data=data_identity(config),
        model=model_identity(config),
        template=_template(prepared.tokenizer),
        versions=_versions(),
    )


def _configuration(plan: Plan, prepared: Prepared) -> dict[str, JsonValue]:
    """Every resolved value that matters; ``max_length``, where it is unset, follows from the rows."""
    found = settings_of(plan.config)
    found |= {"train.max_length": prepared.max_length, "run.devices": plan.steps.devices}
    return {key: value for key, value in sorted(found.items()) if value is not None}


def settings_of(config: Config) -> dict[str, JsonValue]:
    """Return ``section.key`` -> its value, flat, where it can change what a run computes or a check finds.

    Keys of SFTConfig that are unset have its own default; unset keys of ours are left out.
    """
    from sanetune.config.trl_fields import fields

    found: dict[str, Any] = {}
    for section, left_out in _LEFT_OUT.items():
        part = getattr(config, section).model_dump()
        found |= _flat({key: value for key, value in part.items() if key not in left_out}, section)
    found.pop("data.replay.path", None)  # the content of its files counts, as that of other rows
    for split in ("train", "validation"):
        for number, source in enumerate(getattr(config.data, split) or ()):
            found |= _flat(_source(source), f"data.{split}[{number}]")
    given = {key: config.train.value(key) for key in fields() if not ELSEWHERE.fullmatch(key)}
    given |= {key: _content(given[key]) for key in _SETTINGS_FILES if key in given}
    found |= _flat(given, "train")
    found |= {f"train.{key}": getattr(config.train, key) for key in ("engine", "early_stopping_patience")}
    plain: dict[str, JsonValue] = json.loads(json.dumps(found, default=str))
    return {key: value for key, value in plain.items() if value is not None}


def _flat(values: Mapping[str, Any], above: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}.{key}"
        found |= _flat(value, name) if isinstance(value, Mapping) else {name: value}
    return found


def _source(source: SourceSection) -> dict[str, Any]:
    """What is asked of a source beside its content."""
    default = type(source).model_fields
    return {key: value for key, value in source if key != "path" and value != default[key].default}


def _content(value: object) -> object:
    """``value``, or the identity of the file that it names."""
    if isinstance(value, str) and Path(value).is_file():
        return f"the file {Path(value).name}, {hash_file(Path(value))['hash']}"
    return value


def data_identity(config: Config) -> dict[str, dict[str, Identity]]:
    """Return split -> name of each data file, or id on the Hub -> its identity; the files are read.

    Raises:
        DataError: A file cannot be read, or is not there.
    """
    splits = {"train": config.data.train, "validation": config.data.validation or [], "replay": _replay(config)}
    try:
        return {split: _sources(sections) for split, sections in splits.items() if sections}
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror}", "", "Check its permissions.", Place(error.filename)
        ) from None


def _sources(sections: list[SourceSection]) -> dict[str, Identity]:
    """Each data file by its name, numbered where a name comes twice; a Hub data set by its commit."""
    found: dict[str, Identity] = {}
    local: dict[str, Path] = {}
    for section in sections:
        source = Source(**section.model_dump())
        if is_hub_id(source.path):
            found[_free(source.path, found)] = hub_commit(source.path, source.revision, "dataset")
            continue
        for file in files_of(source):
            name = _free(file.name, found)
            found[name], local[name] = {"kind": kind_of(file)}, file
    hashed = hash_files(local, lines=True)
    return {name: values | hashed.get(name, {}) for name, values in found.items()}


def _every_source(config: Config) -> list[SourceSection]:
    return [*config.data.train, *(config.data.validation or []), *_replay(config)]


def _replay(config: Config) -> list[SourceSection]:
    from sanetune.data.replay.mixing import source_of

    return [source_of(config.data.replay.path)] if config.data.replay else []


def _free(name: str, taken: Container[str]) -> str:
    """``name``, numbered where it is taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


def model_identity(config: Config) -> dict[str, Identity]:
    """Return name of each file of the model, or its id on the Hub -> its identity; the files are read.

    Raises:
        ModelError: A file cannot be read.
    """
    folder = Path(config.model.name).expanduser()
    if not folder.is_dir():
        return {config.model.name: hub_commit(config.model.name, config.model.revision, "model")}
    there = {
        path.name: path for path in sorted(folder.iterdir()) if _MODEL_FILES.fullmatch(path.name) and path.is_file()
    }
    try:
        return hash_files(there)
    except OSError as error:
        raise ModelError(
            f"A file of the model cannot be read: {error.strerror}.",
            "Without it, it is not known whether the model is the one that was checked.",
            "Check its permissions.",
            Place(error.filename),
        ) from None


def changed_since(config: Config, when: float) -> Path | None:
    """Return a file of data, model or template that was changed after ``when`` (seconds since 1970); None: none was."""
    sources = [Source(**one.model_dump()) for one in _every_source(config)]
    paths = [file for source in sources if not is_hub_id(source.path) for file in files_of(source)]
    folder = Path(config.model.name).expanduser()
    paths += [path for path in sorted(folder.glob("*")) if _MODEL_FILES.fullmatch(path.name)]
    template = config.model.chat_template
    paths += [Path(template)] if template and not is_template(template) else []
    return next((path for path in paths if path.is_file() and path.stat().st_mtime > when), None)


def _template(tokenizer: PreTrainedTokenizerBase) -> str:
    import xxhash

    return xxhash.xxh3_128(json.dumps(tokenizer.chat_template, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str | None]:
    found = package_versions((*PACKAGES, *ALSO))
    return {package: version for package, version in found.items() if version or package not in ALSO}
