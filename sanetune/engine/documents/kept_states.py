"""Hidden states of documents in a file: each is appended once, and read back as often as its document comes again.

A record that a kill has torn is recognised by its checksum when the file is opened again, and left out.

Shapes: T tokens of a document, D numbers per token.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

_RECORD = struct.Struct("<20sIII")
"""Key, tokens, bytes, and the checksum of both and of the bytes."""
_MAGIC = b"sanetune states 1\n"


class KeptStates:
    """A file of hidden states of at most so many bytes.

    Example:
        >>> import tempfile
        >>> kept = KeptStates(Path(tempfile.mkdtemp()) / "states", "of these weights", most=1000)
        >>> kept.put([1, 2], torch.ones(2, 3))
        True
        >>> kept.get([1, 2]).tolist(), kept.get([1])
        ([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], None)
    """

    def __init__(self, path: Path, made_by: str, most: int, dtype: torch.dtype = torch.float32) -> None:
        """Open ``path`` and keep what is in it, if it was made in the same way.

        Args:
            path: The file.
            made_by: What the states depend on beside the tokens.
            most: Bytes that the file may have.
            dtype: Of the states.
        """
        self.path, self.most, self.dtype = path, most, dtype
        self._places: dict[bytes, tuple[int, int, int]] = {}
        begin = _begin(made_by, dtype)
        path.touch()
        self._file: BinaryIO = path.open("r+b", buffering=0)  # a killed process leaves what it has written
        self.bytes = self._read_all(begin)
        if not self.bytes:
            self._file.seek(0)
            self._file.write(begin)
            self.bytes = len(begin)
        self._file.truncate(self.bytes)

    @classmethod
    def found(cls, path: Path, made_by: str, most: int) -> KeptStates | None:
        """Open ``path`` as an earlier process has left it; None where it has not, or where it was made otherwise."""
        if not path.is_file():
            return None
        with path.open("rb") as file:
            begin = file.read(len(_begin("", torch.float32)))
        dtypes = (torch.float32, torch.bfloat16, torch.float16)
        dtype = next((one for one in dtypes if _begin(made_by, one) == begin), None)
        return None if dtype is None else cls(path, made_by, most, dtype)

    def _read_all(self, begin: bytes) -> int:
        """Note where the whole records are, and return where they end; 0 where the file was made in another way."""
        if self._file.read(len(begin)) != begin:
            return 0
        end = len(begin)
        while len(head := self._file.read(_RECORD.size)) == _RECORD.size:
            key, tokens, size, checksum = _RECORD.unpack(head)
            if end + _RECORD.size + size > self.most:
                break
            values = self._file.read(size)
            if len(values) < size or _checksum(key, tokens, values) != checksum:
                break
            self._places[key] = (end + _RECORD.size, tokens, size)
            end += _RECORD.size + size
        return end

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, ids: Sequence[int]) -> bool:
        return _key(ids) in self._places

    def put(self, ids: Sequence[int], states: Tensor) -> bool:
        """Append the ``states`` (T, D) of the document ``ids``; return whether there was room."""
        values = states.detach().to("cpu", self.dtype).contiguous().view(torch.uint8).numpy().tobytes()
        if self.bytes + _RECORD.size + len(values) > self.most:
            return False
        key = _key(ids)
        self._file.seek(self.bytes)
        record = _RECORD.pack(key, len(ids), len(values), _checksum(key, len(ids), values)) + values
        if self._file.write(record) != len(record):
            self._file.truncate(self.bytes)
            return False
        self._places[key] = (self.bytes + _RECORD.size, len(ids), len(values))
        self.bytes += len(record)
        return True

    def get(self, ids: Sequence[int]) -> Tensor | None:
        """Return the states (T, D) of the document ``ids``; None where they are not kept."""
        if (place := self._places.get(_key(ids))) is None:
            return None
        start, tokens, size = place
        values = np.frombuffer(bytearray(os.pread(self._file.fileno(), size, start)), dtype=np.uint8)
        return torch.from_numpy(values).view(self.dtype).view(tokens, -1)

    def close(self, *, remove: bool) -> None:
        """Close the file, and ``remove`` it."""
        self._file.close()
        if remove:
            self.path.unlink(missing_ok=True)


def _begin(made_by: str, dtype: torch.dtype) -> bytes:
    return _MAGIC + hashlib.sha256(f"{made_by}, {dtype}".encode()).digest()


def _key(ids: Sequence[int]) -> bytes:
    return hashlib.sha1(np.asarray(ids, dtype=np.int64).tobytes(), usedforsecurity=False).digest()


def _checksum(key: bytes, tokens: int, values: bytes) -> int:
    return zlib.crc32(values, zlib.crc32(key + tokens.to_bytes(4, "little")))
