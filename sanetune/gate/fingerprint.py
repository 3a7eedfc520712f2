"""What a proof is about: configuration, data, model, template and versions of a planned run, small enough to be kept.

Files count by their content, wherever they lie and whatever they were touched by. xxh3 tells a changed file from an
unchanged one as fast as a disk reads; it does not keep out somebody who wants to deceive himself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.schema import Config, SourceSection
from sanetune.data.sources.find import files_of
from sanetune.data.sources.row import kind_of
from sanetune.data.sources.source import Source, is_hub_id
from sanetune.errors import DataError, ModelError, Place
from sanetune.runs import PACKAGES, package_versions

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan

ALSO = ("bitsandbytes", "flash-attn", "kernels", "liger-kernel", "deepspeed")
"""Packages that change what a run computes where they are installed; most runs do without."""

ELSEWHERE = re.compile(
    r"output_dir|run_name|project|report_to|resume_from_checkpoint|disable_tqdm|debug|dataset_num_proc|"
    r"log_.*|logging_(?!steps|strategy).*|hub_.*|push_to_hub|trackio_.*|do_.*|local_rank|skip_memory_metrics|"
    r"ignore_data_skip|restore_callback_states_from_checkpoint|include_num_input_tokens_seen"
)
"""Keys of SFTConfig that say where a run is kept and shown, not what it computes nor what a check looks at."""

_LEFT_OUT = {
    "model": {"name", "revision", "chat_template"},
    "data": {"train", "validation", "workers"},
    "check": {"level"},
    "budget": set[str](),
}
"""Fields that are no part of ``configuration``: their content is in another part, or they change nothing."""

_SETTINGS_FILES = ("deepspeed", "fsdp_config", "accelerator_config", "chat_template_path")
"""Keys of ``train`` whose text may name a file; its content counts."""

_MODEL_FILES = re.compile(r"(?!consolidated|\.).*\.(json|safetensors|model|tiktoken|py)|(vocab|merges)\.txt")
"""What transformers may read of a model's folder; templates are a part of their own. It does not read
``consolidated*.safetensors``, which are the same weights once more."""

_BLOCK = 2**22
_THREADS = 4
"""Files that are read at once: beyond that a disk is no faster."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``configuration``: settled values by ``section.key``; ``data`` (by split) and ``model``: files by name (or what
    the Hub calls them), each with what tells it apart; ``template``: hash of the chat template; ``versions``: by
    package."""

    configuration: dict[str, Any]
    data: dict[str, dict[str, dict[str, Any]]]
    model: dict[str, dict[str, Any]]
    template: str
    versions: dict[str, str | None]


def fingerprint(plan: Plan, prepared: Prepared) -> Fingerprint:
    """Of a planned run. Reads all its files; DataError or ModelError for one that cannot be read."""
    config = plan.config
    return Fingerprint(
        configuration=_configuration(plan, prepared),
        data=_data(config),
        model=_model(config),
        template=_template(prepared.tokenizer),
        versions=_versions(),
    )


def _configuration(plan: Plan, prepared: Prepared) -> dict[str, Any]:
    """Every settled value that matters, flat; keys of SFTConfig that are left open at its own default."""
    from sanetune.config.trl_fields import fields

    config = plan.config
    found: dict[str, Any] = {}
    for section, left_out in _LEFT_OUT.items():
        part = getattr(config, section).model_dump()
        found |= _flat({key: value for key, value in part.items() if key not in left_out}, section)
    for side in ("train", "validation"):
        for number, source in enumerate(getattr(config.data, side) or ()):
            found |= _flat(_source(source), f"data.{side}[{number}]")
    keys = [key for key in fields() if not ELSEWHERE.fullmatch(key)]
    given = {key: config.train.value(key) for key in keys}
    given |= {key: _content(given[key]) for key in _SETTINGS_FILES if key in given}
    # Left open, it follows from the rows.
    found |= _flat(given | {"max_length": prepared.max_length}, "train")
    found |= {f"train.{key}": getattr(config.train, key) for key in ("engine", "early_stopping_patience")}
    found["run.devices"] = plan.steps.devices
    plain: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return {key: value for key, value in sorted(plain.items()) if value is not None}


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


def _content(value: Any) -> Any:
    if isinstance(value, str) and Path(value).is_file():
        return f"the file {Path(value).name}, {_hashed(Path(value))['hash']}"
    return value


def _data(config: Config) -> dict[str, dict[str, dict[str, Any]]]:
    sides = {"train": config.data.train, "validation": config.data.validation or []}
    try:
        return {side: _sources(sections) for side, sections in sides.items() if sections}
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", "", "Check its rights.", Place(error.filename)) from None


def _sources(sections: list[SourceSection]) -> dict[str, dict[str, Any]]:
    """Each data file by its name, numbered where a name comes twice; a Hub data set by its commit."""
    found: dict[str, dict[str, Any]] = {}
    local: dict[str, Path] = {}
    for section in sections:
        source = Source(**section.model_dump())
        if is_hub_id(source.path):
            found[_free(source.path, found)] = hub_commit(source.path, source.revision, "dataset")
            continue
        for file in files_of(source):
            name = _free(file.name, found)
            found[name], local[name] = {"kind": kind_of(file)}, file
    hashed = of_files(local, lines=True)
    return {name: values | hashed.get(name, {}) for name, values in found.items()}


def _free(name: str, taken: Iterable[str]) -> str:
    number, wanted = 2, name
    while name in taken:
        name, number = f"{wanted} ({number})", number + 1
    return name


def _model(config: Config) -> dict[str, dict[str, Any]]:
    folder = Path(config.model.name).expanduser()
    if not folder.is_dir():
        return {config.model.name: hub_commit(config.model.name, config.model.revision, "model")}
    there = {
        path.name: path for path in sorted(folder.iterdir()) if _MODEL_FILES.fullmatch(path.name) and path.is_file()
    }
    try:
        return dict(of_files(there))
    except OSError as error:
        raise ModelError(
            f"A file of the model cannot be read: {error.strerror}.",
            "Without it nobody can tell whether the model is the one that was checked.",
            "Check its rights.",
            Place(error.filename),
        ) from None


def changed_since(config: Config, when: float) -> Path | None:
    """A file of data, model or template that was changed after ``when``, in seconds since 1970; None where none was."""
    sources = [Source(**one.model_dump()) for one in [*config.data.train, *(config.data.validation or [])]]
    paths = [file for source in sources if not is_hub_id(source.path) for file in files_of(source)]
    folder = Path(config.model.name).expanduser()
    paths += [path for path in sorted(folder.glob("*")) if _MODEL_FILES.fullmatch(path.name)]
    paths += [Path(config.model.chat_template)] if config.model.chat_template else []
    return next((path for path in paths if path.is_file() and path.stat().st_mtime > when), None)


def hub_commit(name: str, revision: str | None, kind: str) -> dict[str, Any]:
    """What the Hub has under ``name``: its commit, as the Hub or its copy here says; or None, which proves nothing."""
    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return {"commit": revision}
    return {"revision": revision or "main", "commit": _asked(name, revision, kind) or _cached(name, revision, kind)}


def _asked(name: str, revision: str | None, kind: str) -> str | None:
    from huggingface_hub import HfApi, constants

    from sanetune.data.model_files import HUB_SECONDS

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        found = HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=HUB_SECONDS).sha
    except Exception:  # noqa: BLE001 -- offline, gated, gone: what has to be said is said where it is loaded
        return None
    return str(found) if found else None


def _cached(name: str, revision: str | None, kind: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    for file in ("config.json", "README.md"):
        path = try_to_load_from_cache(name, file, revision=revision, repo_type=kind)
        if isinstance(path, str):
            return Path(path).parent.name
    return None


def _template(tokenizer: Any) -> str:
    import xxhash

    return xxhash.xxh3_128(json.dumps(tokenizer.chat_template, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str | None]:
    found = package_versions((*PACKAGES, *ALSO))
    return {package: version for package, version in found.items() if version or package not in ALSO}


def of_files(paths: Mapping[str, Path], *, lines: bool = False) -> dict[str, dict[str, Any]]:
    with ThreadPoolExecutor(_THREADS) as pool:
        done = pool.map(lambda path: _hashed(path, lines=lines and kind_of(path) == "lines"), paths.values())
        return dict(zip(paths, done, strict=True))


def _hashed(path: Path, *, lines: bool = False) -> dict[str, Any]:
    """Hash and size in bytes of a file, and the number of its lines."""
    import xxhash

    whole, size, breaks, last = xxhash.xxh3_128(), 0, 0, b"\n"
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            whole.update(view[:count])
            size += count
            if lines:
                breaks += buffer.count(b"\n", 0, count)
                last = bytes(view[count - 1 : count])
    found: dict[str, Any] = {"hash": whole.hexdigest(), "size": size}
    # A packed file's line breaks are not those of its rows.
    packed = path.suffix.lower() in (".gz", ".zst", ".bz2", ".xz")
    return found | ({"lines": breaks + (last != b"\n")} if lines and not packed else {})
