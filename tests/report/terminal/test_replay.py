"""What is said of a step that was made again."""

from __future__ import annotations

import pytest

from sanetune.report.terminal.replay import lines
from sanetune.workflows.replay import Replay


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (10.302079200744629, "loss 10.3021, gradient norm 22: equal to the last bit."),
        (10.302115440368652, "loss 10.3021154, gradient norm 22: the run logged loss 10.3020792, gradient norm 22."),
    ],
)
def test_losses_that_differ_look_different(loss: float, words: str) -> None:
    found = Replay(11, 0, 10, True, "", 10.302079200744629, loss, 22.0, 22.0, True, [], "")
    assert lines(found)[-1] == f"Made again it has {words}"


def test_a_step_after_the_first_without_a_number_leads_to_that_one() -> None:
    nan = float("nan")
    found = Replay(30, 24, 5, True, "", nan, nan, nan, nan, True, [], "", nan_since=26)
    assert lines(found)[-1].endswith("since step 26: the rows of that one are those to see (--step 26).")
