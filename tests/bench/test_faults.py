"""The bench of injected faults: three faults and a clean twin through the code of the whole run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.faults import clean, deep, deep_clean, rival, running
from bench.faults.cases import Cases, Result
from bench.faults.inspection import clean as check_clean
from bench.faults.inspection import injected
from bench.faults.recipes import UNPLANTED, recipes
from bench.faults.rival import Heard
from bench.faults.running import judged
from bench.faults.setups import FAMILIES
from bench.faults.tables import deep_document, document, fault_rows, summary
from sanetune.gate.catalogue import catalogue, chosen


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("level", running.LEVELS)
def test_every_check_has_a_recipe_at_its_level_or_deeper(level: str) -> None:
    levels = running.LEVELS[running.LEVELS.index(level) :]
    expected = {recipe.expected for recipe in recipes().values() if recipe.level in levels}
    assert {check.name for check in chosen([], [], level) if check.level == level} - expected <= set(UNPLANTED)
    assert not expected & set(UNPLANTED)


def test_recipes_name_checks_and_set_ups_that_exist() -> None:
    for recipe in recipes().values():
        assert {recipe.expected, *recipe.related} <= set(catalogue()), recipe.name
        assert len(recipe.on) == len(set(recipe.on)) and recipe.description
        families = FAMILIES if recipe.level == "static" else deep.FAMILIES
        assert {on.partition("-")[0] for on in recipe.on} <= set(families)
        if recipe.level == "static":
            assert all(bool(on.partition("/")[2]) == (recipe.inject is None) for on in recipe.on)
        else:
            assert {part for on in recipe.on for part in on.split("+")[1:]} <= set(deep.VARIANTS)
            assert {on.split("+")[0].partition("-")[2] for on in recipe.on} <= set(deep.LONGEST)


def test_no_recipe_is_checked_below_the_level_of_its_check() -> None:
    for recipe in recipes().values():
        level = catalogue()[recipe.expected].level
        assert running.LEVELS.index(recipe.level) >= running.LEVELS.index(level), recipe.name


def test_there_are_at_least_a_hundred_clean_trials_on_five_models_and_all_differ() -> None:
    runs = deep_clean.runs("trial")
    assert len(runs) >= 100 and len({run.title for run in runs}) == len(runs)
    assert {run.name.partition("-")[0] for run in runs} == set(deep.FAMILIES)


def test_there_are_at_least_sixty_clean_runs_and_all_differ() -> None:
    titles = [run.title for run in clean.runs()]
    assert len(titles) >= 60 and len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("name", "on"),
    [("a-key", "demo-demo"), ("other-role-word", "demo-demo"), ("first-token-masked", "demo-demo/plain")],
)
def test_an_injected_fault_is_caught_and_named(shared: Path, tmp_path: Path, name: str, on: str) -> None:
    found = judged(recipes()[name], on, _row(injected(name, on, tmp_path / "case")))
    assert found["caught"] and found["named"], found


def test_a_clean_twin_passes(shared: Path, tmp_path: Path) -> None:
    inspected = check_clean("demo-demo", "", {}, tmp_path / "case")
    assert not inspected.spoke and not inspected.unusable and inspected.checked > 30


def test_what_the_clean_twin_makes_trl_say_does_not_count() -> None:
    twin = Heard(messages=("deprecated",))
    assert rival.verdict(Heard(messages=("deprecated",)), twin) == ("trains on", "")
    assert rival.verdict(Heard(messages=("deprecated", "mismatch")), twin) == ("warns", "mismatch")
    assert rival.verdict(Heard("ValueError: no"), twin) == ("raises", "ValueError: no")
    assert rival.verdict(Heard(), Heard("ValueError: no"))[0] == "n/a"


def test_a_broken_case_is_a_result() -> None:
    cases = Cases(preload=())
    assert cases.run(len, "four").value == 4
    assert cases.run(len, 4).fault.startswith("crash")
    assert cases.run(_forever, seconds=0.5).fault == "time"


def test_the_tables_tell_misses_and_alarms() -> None:
    recipe = recipes()["a-key"]
    missed = judged(recipe, "demo-demo", {"value": None, "fault": "crash: no", "seconds": 1.0})
    fault = {
        "fault": recipe.name,
        "what": recipe.description,
        "expected": recipe.expected,
        "related": [],
        "cases": [missed],
    }
    loud = {"rows-roles": {"verdict": "fail", "what": "Wrong."}}
    run = {"run": "demo-demo", "broken": "", "unusable": "", "spoke": loud, "checked": 39, "seconds": 1.0}
    faults = [{**fault, "trl": {"does": "trains on", "words": ""}}]
    figures = {"level": "static", "faults": faults, "clean": [run], "seconds": 2.0}
    figures["summary"] = summary(figures)
    assert figures["summary"]["missed"] == ["a-key on demo-demo"] and figures["summary"]["alarms"] == ["demo-demo"]
    assert "the case broke" in fault_rows(faults)[0][5]
    assert "rows-roles fails: Wrong." in document(figures)
    assert "a-key on demo-demo: crash: no" in deep_document([figures])


def test_results_are_kept_as_they_come_and_not_made_twice(tmp_path: Path) -> None:
    case = running.Case("static", "clean", "four", "demo-demo", len, ("four",))
    results = running.Results(tmp_path, "static")
    results.add(case, Result(Heard("no"), "", 1.0))
    with results.file.open("a") as file:
        file.write('{"key": "cut o')  # stopped while it wrote
    again = running.Results(tmp_path, "static")
    assert list(again.rows) == [case.key]
    running.run([case], again, tmp_path, workers=1)
    assert again.rows[case.key]["value"]["error"] == "no"


def test_every_case_has_a_name_of_its_own() -> None:
    for level in running.LEVELS:
        keys = [case.key for case in running.cases(level)]
        assert len(keys) == len(set(keys))


def _row(result: Any) -> dict[str, Any]:
    return {"value": asdict(result), "fault": "", "seconds": 0.1}


def _forever() -> None:
    import time

    time.sleep(60)
