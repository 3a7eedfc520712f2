"""The autopilot's machine: what it decides, that it stays inside its budget, and that a kill changes nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.errors import DataError, RunError
from sanetune.workflows.auto.facts import Checked, Facts, Found, Inspected, Planned, Swept, Trained
from sanetune.workflows.auto.journal import NAME, Journal
from sanetune.workflows.auto.known import known_from
from sanetune.workflows.auto.states.table import STATES
from tests.workflows.auto.fake import SOUND, FakeWorld, Finds, compared, decisions, failing, machine, stopped


def test_a_sound_run_is_inspected_planned_checked_trained_compared_and_promoted(tmp_path: Path) -> None:
    known = machine(tmp_path).run()
    assert decisions(tmp_path) == [
        ("inspect", "inspect"),
        ("clean", "keep"),
        ("plan", "plan"),
        ("check", "trial"),
        ("clearance", "go on"),
        ("sweep", "skip"),
        ("train", "train"),
        ("ended", "go on"),
        ("compare", "compare"),
        ("verdict", "promote"),
        ("report", "report"),
    ]
    assert (known.outcome, known.promoted and known.promoted.folder) == ("promoted", "model")
    assert known.spent == pytest.approx(2 + 1 + 400 + 220 + 40 + 0.1)


def test_each_decision_has_its_options_its_reason_what_was_known_and_the_cost_so_far(tmp_path: Path) -> None:
    machine(tmp_path, budget=7200).run()
    entries = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    train = next(one for one in entries if one["kind"] == "decided" and one["state"] == "train")
    assert [one["name"] for one in train["options"]] == ["train", "shorten", "give up"]
    assert train["reason"] == "cleared at level trial, and it fits into the budget"
    assert train["spent"] == 403.0 and train["limit"] == 7200
    assert train["known"]["steps"] == 200 and train["known"]["left"] == pytest.approx(7200 - 403)


def test_a_gate_that_refuses_ends_it_without_a_step_of_training(tmp_path: Path) -> None:
    made = machine(tmp_path, {"check": [failing("labels-on-prompt")]})
    known = made.run()
    assert known.outcome == "gave up" and "labels-on-prompt" in known.reason
    assert "train" not in made.world.made  # type: ignore[attr-defined]


def test_rows_that_a_copy_would_fix_are_cleaned(tmp_path: Path) -> None:
    for name, cleaned in (("rows-duplicated", True), ("rows-unreadable", True), ("rows-outliers", False)):
        inspected = Inspected(300, 30, 0, (Found(name, "warn", "some"),), 1.0)
        machine(tmp_path / name, {"inspect": [inspected]}).run()
        assert (("clean", "clean") in decisions(tmp_path / name)) == cleaned


def test_rows_are_held_out_where_nobody_has_and_too_few_rows_are_given_up(tmp_path: Path) -> None:
    none = Inspected(300, 0, 0, (), 1.0)
    known = machine(tmp_path, {"inspect": [none, Inspected(270, 30, 0, (), 1.0)]}).run()
    assert known.outcome == "promoted" and known.tried == [{"data.holdout": 0.1}]
    assert decisions(tmp_path)[:4] == [
        ("inspect", "inspect"),
        ("clean", "hold out"),
        ("inspect", "inspect"),
        ("clean", "keep"),
    ]
    made = machine(tmp_path / "again", {"inspect": [none, none]})
    again = made.run()
    assert made.world.made == ["inspect", "change", "inspect", "report"]  # type: ignore[attr-defined]
    few = machine(tmp_path / "few", {"inspect": [Inspected(9, 0, 0, (), 1.0)]}).run()
    assert (again.outcome, few.outcome) == ("gave up", "gave up")
    assert "no row is held out" in again.reason and "9 training rows are left" in few.reason


def test_a_run_that_the_watch_stops_begins_again_with_its_fix_and_not_for_ever(tmp_path: Path) -> None:
    finds: Finds = {"train": [stopped(learning_rate=2e-4), Trained("runs", "turned", 90, 200)]}
    known = machine(tmp_path, finds).run()
    assert (known.outcome, known.attempt, known.tried) == ("promoted", 2, [{"train.learning_rate": 2e-4}])
    known = machine(tmp_path / "b", {"train": [stopped()]}).run()
    assert (known.outcome, known.attempt) == ("gave up", 2) and "this was tried before" in known.reason


def test_a_sweep_is_made_where_learning_rates_are_undecided_and_its_best_is_checked_again(tmp_path: Path) -> None:
    open_ = replace(SOUND["check"], at_edge=True)  # type: ignore[call-arg]
    made = machine(tmp_path, {"check": [open_, SOUND["check"]]}, budget=20_000)
    assert made.run().outcome == "promoted"
    assert made.world.made.count("check") == 2 and made.world.made.count("sweep") == 1  # type: ignore[attr-defined]
    swept = Swept("x", {"train.learning_rate": 1.0}, False, "not told apart", 5)
    machine(tmp_path / "b", {"check": [open_], "sweep": [swept]}, budget=20_000).run()
    assert ("adopt", "keep") in decisions(tmp_path / "b")


def test_an_input_with_a_known_fix_is_fixed_once_and_then_given_up(tmp_path: Path) -> None:
    error = DataError("no reply", "", "Set it.", fix={"data.loss_on": "all"})
    known = machine(tmp_path, {"inspect": [error, SOUND["inspect"]]}).run()
    assert known.outcome == "promoted" and known.tried == [{"data.loss_on": "all"}]
    known = machine(tmp_path / "b", {"inspect": [error]}).run()
    assert known.outcome == "gave up" and "no reply. Set it." in known.reason


@pytest.mark.parametrize("budget", [1, 30, 300, 850, 1000, 1400, 3000])
def test_it_never_spends_more_than_its_budget_and_keeps_enough_to_compare_what_it_trained(
    budget: float, tmp_path: Path
) -> None:
    made = machine(tmp_path, budget=budget)
    known = made.run()
    assert known.spent <= budget + 1e-6
    trained, asked = (made.world.made.count(act) for act in ("train", "compare"))  # type: ignore[attr-defined]
    assert trained == asked
    assert (known.outcome == "promoted") == bool(trained)


def test_a_smaller_budget_gets_a_shallower_check(tmp_path: Path) -> None:
    chosen = []
    for budget in (3000, 1400, 1000, 850):
        made = machine(tmp_path / str(budget), budget=budget)
        made.run()
        chosen.append(next(name for state, name in decisions(tmp_path / str(budget)) if state == "check"))
    assert chosen == ["trial", "short trial", "probe", "static"]


def test_a_sweep_after_passes_alone_is_forecast_from_their_seconds_and_barred_where_it_would_not_fit(
    tmp_path: Path,
) -> None:
    plan = Planned(216, 3.0, 4, step_seconds=0.2, run_seconds=41.0, check_steps=150, trial_steps=40, lr=1e-3)
    passes = Checked(verdict="pass", level="probe", cleared=True, steps=216, seconds=55.0)
    known = machine(tmp_path, {"plan": [plan], "check": [passes]}, budget=600, takes={"check": 55.0}).run()
    swept = next(one for one in Journal.read(tmp_path).entries if one.get("state") == "sweep")
    takes = next(one["seconds"] for one in swept["options"] if one["name"] == "sweep")
    assert takes >= 5 * 40 * 55 / 60 + 55, "five trials at the pace of the passes, and the check after them"
    assert swept["chosen"] == "skip" and "are kept for what has to follow" in swept["reason"]
    assert known.outcome == "promoted"


def test_a_sweep_that_is_stopped_or_fails_does_not_end_it(tmp_path: Path) -> None:
    from dataclasses import replace

    open_ = replace(SOUND["check"], at_edge=True)  # type: ignore[call-arg]
    finds: Finds = {"check": [open_], "sweep": [DataError("no step changes the loss", "", "")]}
    known = machine(tmp_path, finds, budget=20_000).run()
    assert known.outcome == "promoted" and ("failed", "go on") in decisions(tmp_path)


def test_what_takes_longer_than_forecast_is_ended_at_the_budget(tmp_path: Path) -> None:
    known = machine(tmp_path, budget=3000, takes={"train": 1e6}).run()
    assert known.outcome == "gave up" and "the budget is spent" in known.reason
    assert known.spent == pytest.approx(3000, abs=0.2)


def test_a_person_can_choose_what_is_possible_and_the_journal_says_so(tmp_path: Path) -> None:
    def ask(state: str, decision: Any) -> tuple[str, str]:
        return ("give up", "person") if state == "train" else (decision.chosen, "policy")

    known = machine(tmp_path, ask=ask).run()
    assert known.outcome == "gave up"
    entry = next(one for one in Journal.read(tmp_path).entries if one.get("state") == "train")
    assert (entry["chosen"], entry["by"]) == ("give up", "person")
    with pytest.raises(KeyError):
        machine(tmp_path / "b", ask=lambda state, decision: ("shorten", "person")).run()


def test_every_state_has_a_way_out_and_states_only_lead_to_states(tmp_path: Path) -> None:
    finds: Finds = {"check": [failing("x")], "train": [stopped()]}
    for name, some in (("a", {}), ("b", finds)):
        machine(tmp_path / name, some, budget=4000).run()
        for entry in Journal.read(tmp_path / name).entries:
            for option in entry.get("options", ()):
                assert option["then"] in {*STATES, "end"}


# -- kills --------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """In place of SIGKILL: nothing of ours may catch it."""


WORLDS = st.fixed_dictionaries(
    {
        "inspect": st.sampled_from(
            [SOUND["inspect"], Inspected(300, 0, 4, (Found("rows-unreadable", "warn", "x"),), 1.0)]
        ),
        "check": st.sampled_from([SOUND["check"], failing("x")]),
        "train": st.sampled_from([SOUND["train"], stopped(), stopped(learning_rate=1e-5)]),
        "compare": st.sampled_from([compared(), compared(verdict="worse"), compared(forgot="warn", forgot_words="f")]),
    }
)


@settings(max_examples=40)
@given(
    WORLDS,
    st.lists(st.tuples(st.sampled_from(["before", "after", "decided"]), st.integers(0, 6)), max_size=5),
    st.booleans(),
)
def test_it_decides_the_same_however_often_it_is_killed(
    world: dict[str, Facts], kills: list[tuple[str, int]], torn: bool
) -> None:
    finds: Finds = {act: [facts, SOUND[act]] for act, facts in world.items()}
    with tempfile.TemporaryDirectory() as name:
        whole, folder = Path(name) / "whole", Path(name) / "killed"
        expected = machine(whole, finds).run()
        for where, count in kills:
            run_until_killed(folder, finds, where, count)
            if torn and (folder / NAME).is_file():
                with (folder / NAME).open("ab") as out:
                    out.write(b'{"schema": 1, "kind": "deci')
        made = machine(folder, finds)
        found = made.run()
        made.journal.close()
        assert decisions(folder) == decisions(whole)
        assert (found.outcome, found.reason, found.config) == (expected.outcome, expected.reason, expected.config)


def run_until_killed(folder: Path, finds: Finds, where: str, count: int) -> None:
    """Go on until the ``count``-th time that something is ``where``."""
    left = [count]

    def kill(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    hooks: dict[str, Any] = {where: kill} if where != "decided" else {"publish": kill}
    made = machine(folder, finds, **hooks)
    try:
        made.run()
    except Killed:
        pass
    finally:
        made.journal.close()


ALL = ["inspect", "copy", "plan", "check", "sweep", "change", "train", "compare", "judge", "promote", "report"]
"""Acts of a run that goes through every state but those of trouble."""


def everything() -> Finds:
    inspected = Inspected(300, 30, 0, (Found("rows-duplicated", "warn", "some"),), 1.0)
    return {"inspect": [inspected], "check": [replace(SOUND["check"], at_edge=True), SOUND["check"]]}  # type: ignore[call-arg]


def killed_by_itself(folder: Path, where: str, act: str) -> None:
    def kill(done: str) -> None:
        if done == act:
            os.kill(os.getpid(), signal.SIGKILL)

    machine(folder, everything(), budget=20_000, agent=True, **{where: kill}).run()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no kill -9 without processes of a Unix")
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("act", ALL)
def test_a_process_that_is_killed_in_any_state_goes_on_where_it_was(act: str, where: str, tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    expected = machine(whole, everything(), budget=20_000, agent=True).run()
    child = multiprocessing.get_context("fork").Process(target=killed_by_itself, args=(folder, where, act))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    before = Journal.read(folder).entries
    assert before[-1]["kind"] == "decided" and (now := known_from(before).open) is not None and now.act == act
    found = machine(folder, everything(), budget=20_000, agent=True).run()
    assert Journal.read(folder).entries[: len(before)] == before
    assert decisions(folder) == decisions(whole) and {one for _, one in decisions(whole)} >= {"adopt", "clean", "sweep"}
    assert (found.outcome, found.config) == (expected.outcome, expected.config) and found.outcome == "promoted"


# -- the journal --------------------------------------------------------------------------------------------------


def test_two_processes_do_not_write_one_journal(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.add("began")
    with pytest.raises(RunError, match="Another process"):
        Journal.read(tmp_path).add("began")
    first.close()
    Journal.read(tmp_path).add("resumed")


def test_a_journal_with_a_broken_line_in_it_is_refused_by_line(tmp_path: Path) -> None:
    machine(tmp_path).run()
    lines = (tmp_path / NAME).read_text().splitlines()
    (tmp_path / NAME).write_text("\n".join([lines[0], "{", *lines[2:]]) + "\n")
    with pytest.raises(RunError) as caught:
        Journal.read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / NAME}:2: The journal cannot be read")


def test_seconds_are_known_after_a_kill_in_the_middle_of_an_act(tmp_path: Path) -> None:
    import time

    class Slow(FakeWorld):
        def do(self, *args: Any) -> Facts:
            time.sleep(0.1)
            raise Killed

    made = machine(tmp_path)
    made.world, made._clock, made._at, made._tick = Slow(made._clock), time.monotonic, time.monotonic(), 0.02  # type: ignore[arg-type]
    with pytest.raises(Killed):
        made.run()
    entries = Journal.read(tmp_path).entries
    assert sum(one["kind"] == "spent" for one in entries) >= 2
    assert 0.09 < known_from(entries).spent < 2
