"""A built trainer's examples in the form in which probes get prepared rows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from sanetune.data.prepared import Prepared, SplitOrigin

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

    from sanetune.evidence.trainer_examples import Example


class IdsAsText:
    """Stands for the tokenizer of a trainer that has none: ids are shown as numbers."""

    eos_token_id: int | None = None
    all_special_tokens: tuple[str, ...] = ()
    chat_template: str | None = None

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def decode(self, ids: Sequence[int], **keywords: object) -> str:
        """The ids, between spaces."""
        return " ".join(map(str, ids))

    def convert_ids_to_tokens(self, token: int) -> str:
        """The id as text."""
        return str(token)


def padding_tokenizer(tokenizer: PreTrainedTokenizerBase | None, pad: int) -> PreTrainedTokenizerFast:
    """``tokenizer``, or a copy of it whose padding is the id ``pad`` where it has none."""
    if tokenizer is None:
        return cast("PreTrainedTokenizerFast", IdsAsText(pad))
    if tokenizer.pad_token_id is None:
        tokenizer = copy.copy(tokenizer)
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad)
    return cast("PreTrainedTokenizerFast", tokenizer)


def prepared_of(
    train: Sequence[Example],
    validation: Sequence[Example],
    tokenizer: PreTrainedTokenizerFast,
    ends: frozenset[int],
) -> Prepared:
    """The documents of a trainer as prepared rows, none of them truncated or packed."""
    import datasets
    import pyarrow as pa

    tables = {"train": _table(train), "validation": _table(validation)} if validation else {"train": _table(train)}
    rows = {name: datasets.Dataset(table) for name, table in tables.items()}
    return Prepared(
        splits=rows,
        tokenizer=tokenizer,
        packed=False,
        max_length=max(len(one.input_ids) for one in (*train, *validation)),
        stop_token_ids=sorted(ends),
        stats={},
        dropped=[],
        truncated=[],
        fingerprint="",
        origins={name: SplitOrigin(table, pa.table({}), list(range(len(table)))) for name, table in tables.items()},
        sources={},
    )


def _table(examples: Sequence[Example]) -> pa.Table:
    import pyarrow as pa

    kind = pa.list_(pa.int64())
    return pa.table(
        {
            "input_ids": pa.array([one.input_ids for one in examples], kind),
            "labels": pa.array([one.labels for one in examples], kind),
        }
    )
