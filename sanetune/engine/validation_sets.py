"""The validation losses of an evaluation: of all rows, and of each source where there are several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sanetune.engine.batches import filled_up

if TYPE_CHECKING:
    import datasets
    from trl import SFTConfig

    from sanetune.data.prepare import Prepared


def by_source(
    rows: datasets.Dataset, sets: Mapping[str, list[int]], arguments: SFTConfig
) -> dict[str, datasets.Dataset]:
    """Return the validation rows by source, or under an empty name where there is one.

    They are filled up so that all processes have equally many.

    Args:
        rows: All of them.
        sets: The numbers of the rows of each source (:attr:`sanetune.data.prepared.Prepared.validation_sets`).
        arguments: The run's settings.
    """
    found = {name: rows.select(numbers) for name, numbers in sets.items()} or {"": rows}
    if arguments.world_size == 1:
        return found
    multiple = arguments.eval_batch_size * arguments.world_size
    return {name: filled_up(some, multiple) for name, some in found.items()}


def sets_of(prepared: Prepared) -> dict[str, list[int]]:
    """Return the numbers of the validation rows of each source; empty where there is one."""
    return dict(getattr(prepared, "validation_sets", None) or {})


def losses_of(sums: Mapping[str, tuple[float, float]], prefix: str = "eval") -> dict[str, float]:
    """Return the losses per token in the loss, under the names of transformers.

    Args:
        sums: Loss in nats and tokens in the loss of each source.
        prefix: Of the names.

    >>> losses_of({"math": (6.0, 3), "code": (2.0, 2)})
    {'eval_loss': 1.6, 'eval_math_loss': 2.0, 'eval_code_loss': 1.0}
    """
    losses, tokens = (sum(some) for some in zip(*sums.values(), strict=True))
    found = {f"{prefix}_loss": losses / tokens if tokens else math.nan}
    if len(sums) > 1:
        found |= {f"{prefix}_{name}_loss": loss / count if count else math.nan for name, (loss, count) in sums.items()}
    return found
