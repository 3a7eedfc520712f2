"""A nested state as plain JSON and a mapping of tensors, and back, exactly.

Optimizers and schedules give nested dicts of tensors, numbers and texts. JSON keeps ``None``, booleans, integers,
finite floats (Python writes the shortest text that reads back as the same float), texts, lists and dicts with texts as
keys as they are; everything else becomes an object with :data:`KIND`. Nothing that is read names a class or a function,
so no file can make this module run code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

KIND = "__kind__"
"""Key of the objects that stand for what JSON does not have."""
_PLAIN = (bool, int, str)


class UnkeepableError(Exception):
    """A state holds something that can be kept as a pickle only."""


class BrokenStateError(Exception):
    """What was read is no state that :func:`flatten` wrote."""


def flatten(value: object) -> tuple[Plain, dict[str, Tensor]]:
    """Return ``value`` as plain JSON and the tensors in it, under the names that the JSON calls them by.

    A tensor that occurs several times is kept once, and is one tensor again afterwards.

    Raises:
        UnkeepableError: ``value`` holds an object that is none of: None, bool, int, float, str, list, tuple, set, dict,
            a plain tensor, a NumPy array or scalar, a torch dtype or device.

    Example:
        >>> plain, tensors = flatten({0: (0.9, float("inf")), "amsgrad": False})
        >>> plain
        {'__kind__': 'dict', 'items': [[0, {'__kind__': 'tuple', 'items': [0.9, {'__kind__': 'float', 'value': 'inf'}]}], ['amsgrad', False]]}
        >>> restore(plain, tensors) == {0: (0.9, float("inf")), "amsgrad": False}
        True
    """  # noqa: E501
    writer = _Writer()
    return writer.plain(value, "state"), writer.tensors


def restore(plain: Plain, tensors: dict[str, Tensor]) -> object:
    """Return what :func:`flatten` was given; ``tensors`` by their names, in any shape.

    Raises:
        BrokenStateError: The JSON is not its, or names a tensor that is not there.
    """
    try:
        return _restored(plain, tensors)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BrokenStateError(f"{type(error).__name__}: {error}") from error


class _Writer:
    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}
        self._kept: list[object] = []
        """What was named: as long as it lives, nothing else gets its id."""

    def plain(self, value: object, at: str) -> Plain:
        if value is None or type(value) in _PLAIN:
            return value  # type: ignore[return-value]
        if type(value) is float:
            return value if math.isfinite(value) else {KIND: "float", "value": repr(value)}
        if isinstance(value, dict):
            return self._dict(value, at)
        if type(value) is list:
            return self._items(value, at)
        if isinstance(value, tuple):
            return {KIND: "tuple", "items": self._items(value, at)}
        if isinstance(value, (set, frozenset)):
            return {KIND: "set", "items": self._items(sorted(value, key=repr), at)}
        return self._of_library(value, at)

    def _items(self, values: list[object] | tuple[object, ...], at: str) -> list[Plain]:
        return [self.plain(one, f"{at}[{index}]") for index, one in enumerate(values)]

    def _dict(self, value: dict[object, object], at: str) -> Plain:
        if KIND not in value and all(type(key) is str for key in value):
            return {str(key): self.plain(one, f"{at}.{key}") for key, one in value.items()}
        pairs: list[Plain] = [[self.plain(key, at), self.plain(one, f"{at}[{key!r}]")] for key, one in value.items()]
        return {KIND: "dict", "items": pairs}

    def _of_library(self, value: object, at: str) -> Plain:
        import numpy as np
        import torch

        if isinstance(value, torch.Tensor):
            return {KIND: "tensor", "name": self._name(value, at)}
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            if array.dtype.kind not in "biuf":
                raise UnkeepableError(f"{at} is an array of {array.dtype}")
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            # The bytes: safetensors has no 16-byte floats, torch no big-endian numbers.
            data = torch.from_numpy(np.frombuffer(array.tobytes(), dtype=np.uint8).copy())
            shape: list[Plain] = [*array.shape]
            return {KIND: kind, "name": self._name(data, at), "dtype": array.dtype.str, "shape": shape}
        if isinstance(value, (torch.dtype, torch.device)):
            return {KIND: type(value).__name__, "value": str(value).removeprefix("torch.")}
        raise UnkeepableError(f"{at} is a {type(value).__module__}.{type(value).__qualname__}")

    def _name(self, tensor: Tensor, at: str) -> str:
        import torch

        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
            raise UnkeepableError(f"{at} is a {type(tensor).__module__}.{type(tensor).__qualname__}")
        if id(tensor) not in self._names:
            name = f"{len(self.tensors):06d}"
            self._names[id(tensor)] = name
            self._kept.append(tensor)
            self.tensors[name] = tensor.detach()
        return self._names[id(tensor)]


def _restored(plain: Plain, tensors: dict[str, Tensor]) -> object:
    if isinstance(plain, list):
        return [_restored(one, tensors) for one in plain]
    if not isinstance(plain, dict):
        return plain
    if KIND not in plain:
        return {key: _restored(one, tensors) for key, one in plain.items()}
    kind = plain[KIND]
    if not isinstance(kind, str) or kind not in _READERS:
        raise BrokenStateError(f"there is no kind {kind!r} of value")
    return _READERS[kind](plain, tensors)


def _items_of(plain: dict[str, Plain], tensors: dict[str, Tensor]) -> list[object]:
    items = plain["items"]
    if not isinstance(items, list):
        raise BrokenStateError("its items are no list")
    return [_restored(one, tensors) for one in items]


def _read_dict(plain: dict[str, Plain], tensors: dict[str, Tensor]) -> object:
    return dict(_items_of(plain, tensors))  # type: ignore[arg-type]


def _read_float(plain: dict[str, Plain], tensors: dict[str, Tensor]) -> object:
    if plain["value"] not in ("nan", "inf", "-inf"):
        raise BrokenStateError("it spells no float")
    return float(str(plain["value"]))


def _read_array(plain: dict[str, Plain], tensors: dict[str, Tensor]) -> np.ndarray:
    import numpy as np

    dtype = np.dtype(str(plain["dtype"]))
    if dtype.kind not in "biuf":
        raise BrokenStateError(f"there are no arrays of {dtype}")
    shape = [int(str(size)) for size in plain["shape"]]  # type: ignore[union-attr]
    return np.frombuffer(tensors[str(plain["name"])].numpy().tobytes(), dtype=dtype).reshape(shape).copy()


def _read_dtype(plain: dict[str, Plain], tensors: dict[str, Tensor]) -> object:
    import torch

    found = getattr(torch, str(plain["value"]), None)
    if not isinstance(found, torch.dtype):
        raise BrokenStateError(f"torch has no number format {plain['value']}")
    return found


def _read_device(plain: dict[str, Plain], tensors: dict[str, Tensor]) -> object:
    import torch

    return torch.device(str(plain["value"]))


_READERS: dict[str, Callable[[dict[str, Plain], dict[str, Tensor]], object]] = {
    "float": _read_float,
    "dict": _read_dict,
    "tuple": lambda plain, tensors: tuple(_items_of(plain, tensors)),
    "set": lambda plain, tensors: set(_items_of(plain, tensors)),
    "tensor": lambda plain, tensors: tensors[str(plain["name"])],
    "array": _read_array,
    "scalar": lambda plain, tensors: _read_array(plain, tensors)[()],
    "dtype": _read_dtype,
    "device": _read_device,
}
