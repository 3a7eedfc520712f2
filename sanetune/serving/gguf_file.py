"""Reads a GGUF file: what it says of its model and tokenizer, and its tensors as the trained model would name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.errors import ModelError, Place

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFReader
    from gguf.gguf_reader import ReaderTensor

PACKAGE = "gguf"
MOST_TENSORS, MOST_KEYS = 100_000, 10_000
"""Of a file that is read; the largest published models have a tenth of the first and a hundredth of the second."""
_HEADER = 24


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor of the file.

    Attributes:
        name: As the file calls it.
        type: How it is stored, as ``Q4_1``.
        shape: Rows first, as in torch.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    tensor: ReaderTensor = field(repr=False)

    def values(self) -> np.ndarray[Any, Any]:
        """Return the numbers as 32-bit floats, in the shape of torch.

        Raises:
            NotImplementedError: gguf cannot read this type.
        """
        import numpy as np
        from gguf.quants import dequantize

        return np.asarray(dequantize(self.tensor.data, self.tensor.tensor_type), dtype=np.float32).reshape(self.shape)


class GgufFile:
    """An open GGUF file, mapped into memory.

    Args:
        path: The file.

    Raises:
        ModelError: It is no GGUF file, is incomplete, or the package to read it is missing.
    """

    def __init__(self, path: Path) -> None:
        require_package()
        self.path = path
        _check_header(path)
        from gguf import GGUFReader

        try:
            self.reader: GGUFReader = GGUFReader(path)
        except Exception as error:  # noqa: BLE001 -- whatever the reader trips over is in the stranger's file
            raise ModelError(
                f"The file is broken: {type(error).__name__}: {str(error)[:200]}.",
                "No server could load it.",
                "Download or convert it again.",
                Place(path),
            ) from None

    def __getitem__(self, key: str) -> object:
        """The value of a key; None where the file does not have it."""
        field = self.reader.fields.get(key)
        return None if field is None else field.contents()

    @property
    def architecture(self) -> str:
        """As llama.cpp calls it: ``llama``, ``qwen2``, …."""
        return str(self["general.architecture"] or "")

    @property
    def template(self) -> str:
        """Its chat template; "": it has none."""
        found = self["tokenizer.chat_template"]
        return found if isinstance(found, str) else ""

    @cached_property
    def vocabulary(self) -> Sequence[str]:
        """The texts of its tokens, by id."""
        found = self["tokenizer.ggml.tokens"]
        return found if isinstance(found, list) else []

    @property
    def tensors(self) -> Iterator[Stored]:
        """Its tensors, in their order."""
        for tensor in self.reader.tensors:
            shape = tuple(int(size) for size in reversed(tensor.shape))
            yield Stored(tensor.name, tensor.tensor_type.name, shape, tensor)

    @property
    def storage(self) -> str:
        """The type in which most of its weights are stored."""
        from collections import Counter

        sizes: Counter[str] = Counter()
        for one in self.tensors:
            if len(one.shape) > 1:
                sizes[one.type] += int(one.tensor.n_elements)
        return sizes.most_common(1)[0][0] if sizes else ""

    @property
    def float_bytes(self) -> int:
        """Bytes of a copy with all tensors as 32-bit numbers."""
        return sum(4 * int(one.tensor.n_elements) for one in self.tensors)

    def token_values(self) -> dict[str, Any]:
        """Return its metadata about single tokens: ids, flags, and the kind of the tokenizer."""
        keys = [key for key in self.reader.fields if key.startswith("tokenizer.ggml.")]
        found = {key.removeprefix("tokenizer.ggml."): self[key] for key in keys if not self._is_list(key)}
        return {key: value for key, value in found.items() if isinstance(value, bool | int | str)}

    def _is_list(self, key: str) -> bool:
        from gguf import GGUFValueType

        return bool(self.reader.fields[key].types[0] == GGUFValueType.ARRAY)


def require_package() -> None:
    """Raise :class:`ModelError` where the package that reads GGUF files is not installed."""
    import importlib.util

    if importlib.util.find_spec(PACKAGE) is None:
        raise ModelError(
            f"{PACKAGE} is not installed.", "It reads and writes GGUF files.", "pip install 'sanetune[serve]'"
        )


def _check_header(path: Path) -> None:
    """The first bytes of the file: what they count is read into memory."""
    import struct

    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
    except OSError as error:
        raise ModelError(
            f"The file cannot be read: {error.strerror}.", "", "Give the path of a GGUF file.", Place(path)
        ) from None
    if len(head) < _HEADER or head[:4] != b"GGUF":
        raise ModelError("This is no GGUF file.", "It does not begin with GGUF.", "Give the path of one.", Place(path))
    version, tensors, keys = struct.unpack("<IQQ", head[4:])
    if version not in (2, 3) or tensors > MOST_TENSORS or keys > MOST_KEYS:
        raise ModelError(
            f"It says it is version {version} with {tensors:,} tensors and {keys:,} keys.",
            f"Versions 2 and 3 with at most {MOST_TENSORS:,} and {MOST_KEYS:,} are read.",
            "Convert the model again.",
            Place(path),
        )
