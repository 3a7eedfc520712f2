"""A nested state is the same state after JSON and safetensors."""

from __future__ import annotations

import collections
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sanetune.engine.state.files import read_state, write_state
from sanetune.engine.state.tree import BrokenStateError, flatten, restore
from sanetune.errors import RunError


def same(a: Any, b: Any) -> bool:
    """Whether both are equal in type, structure and every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(_bytes(a), _bytes(b))
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def kept(value: Any, folder: Path) -> Any:
    write_state(folder, "some", value)
    return read_state(folder, "some")


LEAVES = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text()
    | some.builds(lambda n: np.float64(n), some.floats())
)
KEYS = some.text() | some.integers() | some.booleans() | some.tuples(some.integers(), some.text())
TREES = some.recursive(
    LEAVES,
    lambda inner: (
        some.lists(inner, max_size=4) | some.lists(inner, max_size=4).map(tuple)
        | some.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_any_tree_of_plain_values_comes_back_with_its_types(tree: Any) -> None:
    plain, tensors = flatten(tree)
    assert same(restore(json.loads(json.dumps(plain, allow_nan=False)), tensors), tree)


DTYPES = [
    torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.uint8, torch.int8, torch.int64, torch.bool,
    torch.uint32, torch.float8_e4m3fn,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_of_every_format_keep_every_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    raw = torch.randint(0, 2 if dtype == torch.bool else 256, (24 * dtype.itemsize,), dtype=torch.uint8)
    tree = {"flat": raw.view(dtype), "none": torch.zeros(0, dtype=dtype), "one": raw.view(dtype)[3].clone()}
    assert same(kept(tree, tmp_path), tree)


def test_views_and_parameters_come_back_by_value(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    tree = {
        "all": whole,
        "turned": whole.T,
        "row": whole[1],
        "other row": whole[1],
        "weight": torch.nn.Parameter(whole),
    }
    back = kept(tree, tmp_path)
    assert all(torch.equal(back[key], tree[key]) for key in tree)


def test_a_tensor_that_many_states_share_is_one_tensor_again(tmp_path: Path) -> None:
    table = torch.rand(256)
    back = kept({0: {"qmap": table}, 1: {"qmap": table}, 2: {"qmap": table.clone()}}, tmp_path)
    assert back[0]["qmap"] is back[1]["qmap"]
    assert back[0]["qmap"] is not back[2]["qmap"]


def test_random_states_of_python_and_numpy_come_back(tmp_path: Path) -> None:
    tree = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "bits": np.random.default_rng(3).bit_generator.state,
    }
    assert same(kept(tree, tmp_path), tree)


def test_formats_devices_and_ordered_dicts_are_kept(tmp_path: Path) -> None:
    tree = {"dtype": torch.bfloat16, "device": torch.device("cpu"), "ordered": collections.OrderedDict(b=1, a=2)}
    assert kept(tree, tmp_path) == tree


class Projector:
    """What some optimizers keep beside tensors."""


@pytest.mark.parametrize(
    "value",
    [Projector(), print, np.array([object()]), torch.eye(2).to_sparse()],
    ids=["an object", "a function", "an array of objects", "a sparse tensor"],
)
def test_an_object_is_refused_with_its_place_and_what_to_do(value: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"optimizer state cannot be saved: state\.state\[3\]\.projector is") as caught:
        write_state(tmp_path, "optimizer", {"state": {3: {"projector": value}}})
    assert "save_only_model" in caught.value.remedy


HOSTILE = [
    {"__kind__": "object", "class": "os.system"},
    {"__kind__": "tensor", "name": "../../secret"},
    {"__kind__": "dtype", "value": "load"},
    {"__kind__": "array", "name": "000000", "dtype": "|O", "shape": [1]},
    {"__kind__": "float", "value": "__import__('os')"},
    {"__kind__": "dict", "items": [[[1], 2]]},
    {"__kind__": ["tensor"]},
]


@pytest.mark.parametrize("plain", HOSTILE, ids=str)
def test_what_it_did_not_write_is_refused(plain: Any) -> None:
    with pytest.raises(BrokenStateError):
        restore(plain, {"000000": torch.zeros(8, dtype=torch.uint8)})


def test_depth_without_end_and_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "link.json").symlink_to(tmp_path / "deep.json")
    for name, reason in (("deep", "recursion"), ("link", "it is a link"), ("absent", "No such file")):
        with pytest.raises(RunError, match=reason):
            read_state(tmp_path, name)
