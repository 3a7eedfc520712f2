"""Processes that train together are checked together: what all of them read, told once, and training is as without."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from sanetune.evidence.gathered_batches import Close, GatheringReader, Open, RankBatch, Read, Turns, turns_of
from sanetune.evidence.processes import no_collectives
from tests.evidence.launched import QUICK
from tests.evidence.launched_levels import TESTED
from tests.together import launch


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What the processes have found, and all that they have printed to standard error."""
    file = tmp_path_factory.mktemp("launched") / "found.json"
    said = launch("tests.evidence.launched", str(file), count=1, TORCH_CPP_LOG_LEVEL="ERROR")
    assert file.exists(), said[-3_000:]
    return json.loads(file.read_text()), said


@pytest.mark.parametrize("count", QUICK)
def test_what_all_read_is_told_once_and_training_is_as_without(
    launched: tuple[dict[str, Any], str], count: int
) -> None:
    found, _ = launched
    assert found[str(count)] == {name: [] for name in QUICK[count]}
    assert found[f"{count} processes"] == [0] * count


@pytest.mark.parametrize("case", [*TESTED, "sft"])
def test_a_trial_of_several_processes_is_told_to_all_and_leaves_no_trace(
    launched: tuple[dict[str, Any], str], case: str
) -> None:
    found, _ = launched
    first, second = found["levels"][case]
    assert [one["changed"] for one in (first, second)] == [[], []]
    assert first["same"] and second["same"], "a run after a check is another one"
    assert first == second, "the processes were told different things"
    assert not [check for check, (verdict, _) in first["findings"].items() if verdict == "crash"]


def test_the_trial_makes_the_very_steps_that_the_processes_make_together(launched: tuple[dict[str, Any], str]) -> None:
    found, _ = launched
    tried = found["levels"]["accumulated"][0]
    assert len(tried["run"]) == 6
    # The sixth is the last of the epoch, which the processes fill up with rows of its beginning.
    assert tried["steps"][:5] == [pytest.approx(step, abs=2e-5) for step in tried["run"][:5]]
    # A loss of one's own is shown per token, whatever it is divided by; its gradients are those of the run.
    own = found["levels"]["own loss"][0]
    norms = [[step[1] for step in own[name][:5]] for name in ("steps", "run")]
    assert norms[0] == pytest.approx(norms[1], abs=2e-5)


def test_a_broken_lr_and_a_loss_that_raises_are_found_with_several_processes(
    launched: tuple[dict[str, Any], str],
) -> None:
    found, _ = launched
    high = found["levels"]["too high"][0]["findings"]
    assert high["curve-rate-beaten"][0] == "fail"
    assert "KeyError: 'weights'" in found["levels"]["raises"][1]["unusable"]


def test_a_refusal_ends_all_processes_with_one_message(launched: tuple[dict[str, Any], str]) -> None:
    found, printed = launched
    assert found["refused"] == [1, 1]
    assert printed.count("the gate refuses this run") == 1
    assert "Connection closed" not in printed


def test_a_script_that_knows_nothing_of_processes_begins(launched: tuple[dict[str, Any], str]) -> None:
    found, _ = launched
    assert found["script"] == [0, 0]
    assert set(found["found in the script"]["bad"]) <= {"batches-padding"}
    assert found["found in the script"]["order"] == "100 examples come once each, shuffled."


def test_a_loader_without_processes_is_read_as_it_is() -> None:
    batches = [{"input_ids": torch.ones(2, 3), "name": "no tensor"}]
    (turn,) = turns_of(batches, 0, 2)  # type: ignore[arg-type]
    assert [sorted(batch) for batch in turn] == [["input_ids"]]


class Line:
    """A channel between a process and another that gives two batches fewer."""

    rank, size = 0, 2

    def __init__(self) -> None:
        self.orders: list[object] = []

    def broadcast(self, order: object) -> None:
        self.orders.append(order)

    def collect(self, answer: object) -> list[object]:
        if not isinstance(answer, Turns):
            return [answer, answer]
        other = [[RankBatch.of(turn[0], 1)] for turn in answer.turns]
        return [answer, Turns(other[:1], ended=True)]


class Trained:
    train_dataset = eval_dataset = ()
    data_collator = None

    def get_train_dataloader(self) -> list[dict[str, torch.Tensor]]:
        return [{"input_ids": torch.full((1, 2), number)} for number in range(9)]


@pytest.mark.parametrize("most", [None, 3])
def test_batches_come_in_the_order_of_training_and_no_more_than_the_run_reads(most: int | None) -> None:
    line = Line()
    reader = GatheringReader(Trained(), line)  # type: ignore[arg-type]
    with reader.batches("train", most) as batches:
        found = [(batch.rank, int(batch["input_ids"][0, 0])) for batch in batches]  # type: ignore[attr-defined]
    assert [number for rank, number in found if rank == 0] == list(range(9 if most is None else most + 1))
    assert found[:2] == [(0, 0), (1, 0)]
    turns = [order.turns for order in line.orders if isinstance(order, Read)]
    assert turns[:2] == [1, 2]
    assert isinstance(line.orders[0], Open)
    assert isinstance(line.orders[-1], Close)


def test_a_process_alone_keeps_its_collectives() -> None:
    with no_collectives():
        assert not torch.distributed.is_initialized()
