"""A hash of the rows that are trained on, whoever prepared them and in whatever batches their file has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.data.cache import key_of, read_batches

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "rows-"
"""How such a hash begins. Earlier versions wrote the key of the cache, which depends on the code too."""


def rows_digest(files: Mapping[str, Path]) -> str:
    """Return a hash of the content of each split's Arrow file.

    It stays the same where a later version of sanetune prepares the same rows, so that a run can go on and a step can
    be made again; the key of the cache does not.

    Args:
        files: The Arrow file of each split.
    """
    import xxhash

    found: dict[str, str] = {}
    for split, file in sorted(files.items()):
        # Lengths and values have a hash each: where a batch ends does not count.
        digests: dict[str, xxhash.xxh3_128] = {}
        for batch in read_batches(file):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                for depth, part in enumerate(_buffers(column)):
                    digests.setdefault(f"{split}.{name}.{depth}", xxhash.xxh3_128()).update(part)
        found |= {name: digest.hexdigest() for name, digest in digests.items()}
    return PREFIX + key_of(found)


def _buffers(column: pa.Array) -> list[bytes]:
    """The values of a column as bytes, whatever its place in a file: of lists, their lengths and their values."""
    import pyarrow as pa

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        lengths = column.value_lengths().to_numpy(zero_copy_only=False).tobytes()
        return [lengths, *_buffers(column.flatten())]
    if pa.types.is_integer(column.type) and not column.null_count:
        return [column.to_numpy(zero_copy_only=False).tobytes()]
    return ["".join(f"{value!r}\n" for value in column.to_pylist()).encode()]
