"""Find a model's files, and check that they can be a model at all before anything large is read.

transformers answers the same questions, but late, one at a time, and after up to 47 s of retries when the Hub cannot be
reached. Each fault comes with what to do about it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.errors import ModelError, Place

if TYPE_CHECKING:
    from sanetune.config.schema import ModelSection

HUB_SECONDS = 10.0
"""How long one question to the Hub may take."""

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Location:
    """Where to load from: a folder, or a Hub id with its revision. ``cached``: the Hub cannot be reached, its copy
    can."""

    name: str
    revision: str | None = None
    folder: Path | None = None
    cached: bool = False

    @property
    def keywords(self) -> dict[str, Any]:
        """What ``from_pretrained`` needs besides the name."""
        if self.folder is not None:
            return {}
        return {"revision": self.revision, "local_files_only": self.cached}


def locate(name: str, revision: str | None = None, *, weights: bool = True) -> Location:
    """Find a model by folder or Hub id. :class:`ModelError` when neither is there.

    ``weights``: whether a folder needs them, too.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        check_folder(path, weights=weights)
        return Location(str(path), None, path)
    if path.is_file():
        raise ModelError(
            f"model.name is a file: {name}.", remedy="Give the folder that holds config.json and model.safetensors."
        )
    if not _may_be_hub_id(name):
        raise ModelError(
            f"There is no model folder {name}.",
            "It is not the id of a model on the Hub either: those read `name` or `owner/name`.",
            "Set model.name to a folder with config.json and model.safetensors, or to a Hub id.",
        )
    return _ask_hub(name, revision)


def context_length(model: ModelSection) -> int | None:
    """Return the context length of a model in tokens, from its config.json; None where that names none or cannot be
    read."""
    if length := context_from_file(model.name):
        return length
    from transformers import AutoConfig

    try:
        where = locate(model.name, model.revision)
        config = AutoConfig.from_pretrained(where.name, **where.keywords, trust_remote_code=model.trust_remote_code)
    except Exception:  # noqa: BLE001 -- whatever is wrong with the model is said where the model is loaded
        return None
    text = config.get_text_config()
    found = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return found if isinstance(found, int) and found > 0 else None


def context_from_file(name: str) -> int | None:
    """Return the context length in tokens that a local model's config.json writes out; None where it does not."""
    config = read_config(Path(name).expanduser())
    length = config.get("max_position_embeddings")
    plain = "text_config" not in config and "auto_map" not in config
    return length if plain and type(length) is int and length > 0 else None


def read_config(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's config.json; empty where there is none that can be read."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def check_folder(folder: Path, *, weights: bool = True) -> None:
    """Raise :class:`ModelError` unless the folder has a readable config.json and, if ``weights``, whole safetensors."""
    config = folder / "config.json"
    if not config.is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelError(
                f"{folder} holds an adapter, not a model.",
                "An adapter alone cannot answer: it needs its base model's weights.",
                "Set model.name to the merged model (a run's `model` folder), or to the base.",
            )
        raise ModelError(
            f"The model folder {folder} has no config.json.", remedy="Give a folder that save_pretrained wrote."
        )
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(f"config.json is not valid JSON: {error}.", place=Place(file=config)) from None
    if not isinstance(content, dict) or "model_type" not in content:
        raise ModelError(
            "config.json names no model_type.",
            "transformers chooses the architecture by it.",
            "Give the folder of a transformers model.",
            Place(file=config),
        )
    if weights:
        _check_weights(folder)


def _check_weights(folder: Path) -> None:
    single, index = (folder / name for name in WEIGHTS)
    if single.is_file():
        check_safetensors(single)
        return
    if index.is_file():
        for shard in _shards(index):
            if not shard.is_file():
                raise ModelError(
                    f"The weights are incomplete: {shard.name} is missing.",
                    remedy="Download or copy the model folder again.",
                    place=Place(file=index),
                )
            check_safetensors(shard)
        return
    if any((folder / name).is_file() for name in _PICKLES):
        raise ModelError(
            f"The model folder {folder} has its weights only as a pickle (pytorch_model.bin).",
            "Reading a pickle can run any code; sanetune reads safetensors only.",
            "Convert it once on a machine you trust: AutoModelForCausalLM.from_pretrained(F).save_pretrained(F).",
        )
    raise ModelError(
        f"The model folder {folder} has no weights: there is no model.safetensors.",
        "A config.json alone is an empty architecture.",
        "Download or copy the weights into the folder, or correct model.name.",
    )


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors that hold the weights of a folder that :func:`check_folder` has passed; none without."""
    single, index = (folder / name for name in WEIGHTS)
    if single.is_file():
        return [single]
    return _shards(index) if index.is_file() else []


def _shards(index: Path) -> list[Path]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted({str(name) for name in weight_map.values()})
    except (ValueError, KeyError, AttributeError, TypeError, OSError) as error:
        raise ModelError(f"The index of the weights cannot be read: {error}.", place=Place(file=index)) from None
    if any(Path(name).name != name for name in names):
        raise ModelError("The index of the weights points outside its folder.", place=Place(file=index))
    return [index.parent / name for name in names]


def points_outside(folder: Path) -> bool:
    """Return whether an index of weights in ``folder`` names a file that is not in it, or cannot be read."""
    for index in folder.glob("*.safetensors.index.json"):
        try:
            _shards(index)
        except ModelError:
            return True
    return False


def check_safetensors(path: Path) -> None:
    """Raise :class:`ModelError` if the file's header does not fit its length: it is truncated, or no safetensors at
    all."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            count = len(file.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path.name} ({path.stat().st_size:,} bytes) cannot be read as safetensors: {error}.",
            "The file is truncated or is not a safetensors file (a Git LFS pointer is about 130 bytes).",
            "Download or copy it again.",
            Place(file=path),
        ) from None
    if count == 0:
        raise ModelError(f"{path.name} holds no weights.", place=Place(file=path))


def _may_be_hub_id(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _ask_hub(name: str, revision: str | None) -> Location:
    """One question to the Hub, without retries; its cached copy when the Hub cannot be reached."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    at = f" at revision {revision}" if revision else ""
    if constants.HF_HUB_OFFLINE:
        return _from_cache(name, revision, "HF_HUB_OFFLINE is set")
    try:
        HfApi().model_info(name, revision=revision, timeout=HUB_SECONDS)
    except GatedRepoError:
        raise ModelError(
            f"The model {name} on the Hub is gated.",
            "Its owner asks everyone to accept terms first.",
            f"Accept them on https://huggingface.co/{name}, then log in with `hf auth login`.",
        ) from None
    except RevisionNotFoundError:
        raise ModelError(f"The Hub has no revision {revision} of {name}.", remedy="Correct model.revision.") from None
    except RepositoryNotFoundError:
        raise ModelError(
            f"There is no folder {name} here and no model {name} on the Hub (or it is private).",
            remedy="Correct model.name; for a private model, log in with `hf auth login`.",
        ) from None
    except HfHubHTTPError as error:
        return _from_cache(name, revision, f"the Hub answered {error.response.status_code}")
    except Exception as error:  # noqa: BLE001 -- each HTTP library has its own tree of connection errors
        return _from_cache(name, revision, f"the Hub cannot be reached{at}: {error}")
    return Location(name, revision)


def _from_cache(name: str, revision: str | None, reason: str) -> Location:
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
        return Location(name, revision, cached=True)
    raise ModelError(
        f"The model {name} is not a folder here and not in the Hub's cache, and {reason}.",
        "Without its files there is nothing to train.",
        "Check model.name and the connection, or download the model and set model.name to its folder.",
    )
