"""A real run that three trackers follow at once: what their own libraries read back is what the run has."""

from __future__ import annotations

import pytest

from bench.trackers.__main__ import read_back, stored_by
from bench.trackers.running import STEPS, Ran, run

TRACKERS = ("tensorboard", "wandb", "trackio")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    for name in TRACKERS:
        pytest.importorskip(name)
    return run(tmp_path_factory.mktemp("tracked"), *TRACKERS)


@pytest.mark.parametrize("tracker", TRACKERS)
def test_values_findings_and_answers_are_read_back(tracker: str, ran: Ran) -> None:
    assert ran.code == 0, ran.output[-2000:]
    found = read_back(ran, tracker, stored_by(tracker, ran.folder))
    # Three figures of each step, and the evaluations of steps 0, 6, 12, 18, 24 and 30.
    assert (found["values"], found["lacking"], found["other"]) == (3 * STEPS + 6, 0, [])
    # Answers to the same evaluations, but for those that a slow machine has no time for (run.samples).
    kept, read = found["answers"]
    assert found["findings"] == [1, 1] and 3 <= kept == read <= 6
