"""Two real processes: sound launches pass, and each way of not training together has its finding."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from sanetune.probes.weight_sketch import largest_difference, sketch_of
from tests.together import launch

Found = dict[str, dict[str, list[Any]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    """The findings of the first and the second process, by case and check."""
    folder = tmp_path_factory.mktemp("ranks")
    launch("tests.probes.two_ranks", str(folder))
    first, second = (json.loads((folder / f"{rank}.json").read_text()) for rank in range(2))
    return first, second


@pytest.mark.parametrize("case", ["sound", "sound adapter", "sound shards"])
def test_a_step_of_two_processes_is_that_of_one_on_the_same_rows(found: tuple[Found, Found], case: str) -> None:
    verdict, message, numbers = found[0][case]["ranks-disagree"]
    assert verdict == "pass", message
    assert numbers["loss"] == pytest.approx(numbers["one_loss"], rel=1e-4)
    assert numbers["norm"] == pytest.approx(numbers["one_norm"], rel=1e-4)
    assert numbers["examples"] == 2 * 4 * 2, "processes x batch x accumulation"
    assert numbers["saved"]["difference"] < 1e-6
    assert numbers["saved"]["adapter"] == (case in ("sound adapter", "sound shards"))
    assert numbers["how"] == ("FSDP" if case == "sound shards" else "DDP")
    assert numbers["rows"] is not None
    assert found[0][case]["ranks-alone"][0] == "pass"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("same rows", "Process 1 gets the same rows as another one"),
        ("no sum", "Weights of process 1 differ after the step"),
        ("other weights", "Weights of process 1 differ before the step"),
        ("half a checkpoint", "in the checkpoint differs"),
        ("own shards", "in the checkpoint differs"),
    ],
)
def test_processes_that_do_not_train_as_one_are_named(found: tuple[Found, Found], case: str, words: str) -> None:
    verdict, message, _ = found[0][case]["ranks-disagree"]
    assert verdict == "fail"
    assert words in message


def test_all_processes_have_the_same_findings(found: tuple[Found, Found]) -> None:
    assert found[0] == found[1]


def test_a_sketch_sees_one_number_two_swapped_ones_and_a_missing_half() -> None:
    weight = torch.randn(1000, 7, generator=torch.Generator().manual_seed(0))
    one = sketch_of([("w", weight)])
    changed, swapped = weight.clone(), weight.clone()
    changed[500, 3] += 1
    swapped[[0, 1]] = swapped[[1, 0]]
    assert largest_difference(one, sketch_of([("w", weight.clone())])) == (0.0, "w")
    for other in (changed, swapped, weight[:500], weight * float("nan")):
        assert largest_difference(sketch_of([("w", other)]), one)[0] > 1e-3
