"""Tells whether rows of an embedding or output head are as they were read or drawn, or may have been trained before.

A second stage often gets a model into which its first stage was merged in memory. The tokens of that stage are still
missing in the tokenizer of the folder that the model once came from, and their rows are trained all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.data.model_files import weight_files

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

DRAWN = 1e-3
"""Standard deviations of an embedding's numbers: transformers draws new rows within 2e-4 of the mean of the others."""
ROUNDING = 2**-8
"""Relative: what a mean loses in bfloat16."""


def untrained_rows(base: PreTrainedModel, part: nn.Module, added: set[int], asked: Iterable[int]) -> set[int]:
    """Return which of the rows ``asked`` of ``part`` have surely not been trained.

    Args:
        base: The model below its adapters.
        part: Its embedding or output head.
        added: All ids that the tokenizer in the model's folder does not have.
        asked: Some of those.
    """
    asked = set(asked)
    weights = [weight for weight in part.parameters() if weight.ndim == 2 and len(weight) > max(added)]
    if len(weights) != 1:  # an adapter holds rows of its own, or the weight is in pieces
        return set()
    if _is_as_read(base):
        return asked
    drawn = {row for row in asked if _is_mean(weights[0].detach(), row, added)}
    return drawn | {row for row in asked - drawn if any(_same_rows(base, row, weights[0]))}


def _is_mean(weight: torch.Tensor, row: int, added: set[int]) -> bool:
    """Whether a row is the mean of the older ones, as which ``resize_token_embeddings`` draws it."""
    older = weight[: min(added)].float()
    if len(older) < 2:
        return False
    mean = older.mean(0)
    return bool(((weight[row].float() - mean).abs() <= DRAWN * older.std() + ROUNDING * mean.abs()).all())


def _is_as_read(base: PreTrainedModel) -> bool:
    """Whether the first row of every weight is that of the model's files: nothing of it has been trained."""
    found = list(_same_rows(base, 0))
    return bool(found) and all(found)


def _same_rows(base: PreTrainedModel, row: int, only: torch.Tensor | None = None) -> Iterator[bool]:
    """Whether a row of each weight is that of the files the model was read from; False for one that is not there.

    Weights of a new adapter, which are not there but trained, do not count. ``only``: this weight alone.
    """
    from safetensors import safe_open

    stored = {}
    for file in _files(str(getattr(base.config, "_name_or_path", "") or "")):
        opened = safe_open(str(file), "pt")
        stored.update(dict.fromkeys(opened.keys(), opened))
    for name, weight in base.named_parameters() if stored else ():
        plain = name.replace(".base_layer", "")
        key = next((one for one in _spellings(plain, base.base_model_prefix) if one in stored), None)
        if (key is None and weight.requires_grad) or (only is not None and weight is not only):
            continue
        yield key is not None and _row_is_same(stored[key].get_slice(key), weight.detach(), row)


def _row_is_same(stored: object, weight: torch.Tensor, row: int) -> bool:
    shape = stored.get_shape()  # type: ignore[attr-defined]
    if len(shape) != weight.ndim or list(shape[1:]) != list(weight.shape[1:]) or not min(shape[0], len(weight)) > row:
        return False
    found: torch.Tensor = stored[row : row + 1]  # type: ignore[index]
    return bool((found.to(weight.dtype) == weight[row : row + 1].cpu()).all())


def _spellings(name: str, prefix: str) -> tuple[str, ...]:
    """A weight's name with and without the prefix of the model without a head.

    >>> _spellings("model.norm.weight", "model")
    ('model.norm.weight', 'norm.weight', 'model.model.norm.weight')
    """
    return name, name.removeprefix(f"{prefix}."), f"{prefix}.{name}"


def _files(name: str) -> list[Path]:
    """The safetensors of a folder or of a model in the Hub's cache; none where they cannot be had without a network."""
    from transformers.utils.hub import cached_file

    try:
        config = cached_file(name, "config.json", local_files_only=True)
        files = weight_files(Path(str(config)).parent)
    except Exception:  # noqa: BLE001 -- each kind of name has errors of its own
        return []
    return files if all(file.is_file() for file in files) else []
