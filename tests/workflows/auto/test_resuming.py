"""An autopilot that goes on with a larger budget, after something could not be done, or for longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sanetune.errors import DataError, RunError, UserError
from sanetune.typed_json import to_json
from sanetune.workflows.auto.facts import Facts
from sanetune.workflows.auto.journal import Journal
from sanetune.workflows.auto.machine import BudgetSpentError, Machine
from sanetune.workflows.auto.request import Budget, Request
from sanetune.workflows.auto.run import _reopen
from tests.workflows.auto.fake import SOUND, FakeWorld, Finds, compared, failing, machine


def ended(folder: Path, *given: Any, **more: Any) -> str:
    """The outcome of a machine that runs to its end, and lets another write its journal."""
    made = machine(folder, *given, **more)
    try:
        return made.run().outcome
    finally:
        made.journal.close()


def resumed(folder: Path, budget: float | None, finds: Finds | None = None, **more: Any) -> Machine:
    """A machine that goes on in ``folder`` after it has ended, as `--resume --budget` makes it go on."""
    made = machine(folder, finds, **more)
    _reopen(made, Request(budget=Budget(budget)), made.known.agent)
    assert to_json(made.known.request.budget)["seconds"] == budget
    return made


def test_a_larger_budget_goes_on_with_the_act_that_the_smaller_one_has_ended(tmp_path: Path) -> None:
    assert ended(tmp_path, budget=3000, takes={"train": 1e6}) == "gave up"
    made = resumed(tmp_path, 6000)
    assert made.known.state == "train"
    assert made.run().outcome == "promoted" and made.world.made == ["train", "compare", "promote", "report"]  # type: ignore[attr-defined]


def test_a_resumed_training_is_forecast_from_its_checkpoint_and_never_shortened(tmp_path: Path) -> None:
    class Saves(FakeWorld):
        """Its training is ended by the budget with three quarters in a checkpoint."""

        def do(self, act: str, *more: Any) -> Facts:
            try:
                return super().do(act, *more)
            except BudgetSpentError as error:
                error.done = 150
                raise

    first = machine(tmp_path, budget=3000, takes={"train": 1e6})
    first.world.__class__ = Saves
    assert first.run().done == 150
    first.journal.close()
    whole, rest = 210 * 1.2, 210 * 1.2 / 4
    enough = 3000 + rest + 200
    assert whole > 200  # the whole run would not fit
    known = resumed(tmp_path, enough, takes={"train": 60.0}).run()
    train = [one for one in Journal.read(tmp_path).entries if one.get("state") == "train" and "options" in one][-1]
    option = next(one for one in train["options"] if one["name"] == "train")
    assert option["words"].startswith("the last 50 of 200 steps") and option["seconds"] < whole
    assert "longer schedule" in next(one["barred"] for one in train["options"] if one["name"] == "shorten")
    assert known.outcome == "promoted" and known.done == 0


def test_whether_a_larger_budget_would_go_on_is_known_at_the_end(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"budget": 30}, True),
        ({"budget": 3000, "takes": {"train": 1e6}}, True),
        ({"budget": 3000, "finds": {"check": [failing("labels-on-prompt")]}}, False),
        ({"budget": 3000}, False),
        ({"finds": {"check": [failing("labels-on-prompt")]}}, False),
    ]
    for number, (more, short) in enumerate(cases):
        assert machine(tmp_path / str(number), **more).run().short_of_budget == short, more


def test_what_could_not_be_done_is_tried_again_by_a_resumed_autopilot(tmp_path: Path) -> None:
    finds: Finds = {"promote": [RunError("The disk is full.", "", "Free some space."), SOUND["promote"]]}
    assert ended(tmp_path, finds) == "gave up"
    made = resumed(tmp_path, None, finds)
    assert made.run().outcome == "promoted" and made.world.made == ["promote", "report"]  # type: ignore[attr-defined]


def test_a_fix_that_cannot_be_made_is_followed_by_the_fix_of_that(tmp_path: Path) -> None:
    errors: list[Facts | UserError] = [DataError("no reply", "", "", fix={"data.loss_on": "all"}), SOUND["plan"]]
    second = DataError("not with that", "", "", fix={"data.loss_on": "last"})
    finds: Finds = {"plan": errors, "change": [second, SOUND["plan"]]}
    known = machine(tmp_path, finds).run()
    assert known.outcome == "promoted" and known.tried == [{"data.loss_on": "all"}, {"data.loss_on": "last"}]


def test_a_gate_that_refused_for_the_budget_is_asked_again_with_a_larger_one(tmp_path: Path) -> None:
    finds: Finds = {"check": [failing("machine-over-budget"), SOUND["check"]]}
    assert ended(tmp_path, finds, budget=3000) == "gave up"
    assert resumed(tmp_path, 6000, finds).run().outcome == "promoted"
    other: Finds = {"check": [failing("labels-on-prompt"), SOUND["check"]]}
    assert ended(tmp_path / "b", other, budget=3000) == "gave up"
    assert resumed(tmp_path / "b", 6000, other).run().outcome == "gave up"


def test_a_judge_who_is_too_slow_costs_no_verdict(tmp_path: Path) -> None:
    known = machine(tmp_path, budget=3000, agent=True, takes={"judge": 1e6, "promote": 0.0}).run()
    assert (known.outcome, known.judged) == ("promoted", None) and known.spent <= 3001


def test_a_run_of_so_many_steps_is_made_longer_by_steps(tmp_path: Path) -> None:
    some: Finds = {"compare": [compared(verdict="no difference shown", loss=-0.1), compared()]}
    for by_steps, tried in ((True, {"train.max_steps": 400}), (False, {"train.num_train_epochs": 4.0})):
        plan = replace(SOUND["plan"], by_steps=by_steps)  # type: ignore[call-arg]
        assert machine(tmp_path / str(by_steps), {**some, "plan": [plan]}).run().tried == [tried]
