"""The validation losses of an evaluation: of all rows, and of each source where there are several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sanetune.engine.batches import filled_up
from sanetune.engine.row_groups import RowGroups

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


def losses_of(groups: Mapping[str, RowGroups], prefix: str = "eval") -> dict[str, float]:
    """Return the losses per token in the loss, under the names of transformers.

    Args:
        groups: The validation rows of each source.
        prefix: Of the names.

    >>> losses_of({"math": RowGroups(losses=[6.0], tokens=[3]), "code": RowGroups(losses=[2.0], tokens=[2])})
    {'eval_loss': 1.6, 'eval_math_loss': 2.0, 'eval_code_loss': 1.0}
    """
    found = {f"{prefix}_loss": RowGroups.together(list(groups.values())).mean}
    if len(groups) > 1:
        found |= {f"{prefix}_{name}_loss": some.mean for name, some in groups.items()}
    return found
