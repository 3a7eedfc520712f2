"""The bench of planted faults: three faults and a clean twin through the code of the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.faults import clean, rival
from bench.faults.__main__ import _judged
from bench.faults.cases import Cases, Result
from bench.faults.looks import clean as looked_at
from bench.faults.looks import planted
from bench.faults.recipes import recipes
from bench.faults.rival import Heard
from bench.faults.setups import FAMILIES
from bench.faults.tables import document, fault_rows, summary
from sanetune.audit.catalogue import catalogue, chosen


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


def test_every_static_check_has_a_recipe() -> None:
    assert {check.name for check in chosen([], [])} - {recipe.expected for recipe in recipes().values()} == set()


def test_recipes_name_checks_and_set_ups_that_exist() -> None:
    for recipe in recipes().values():
        assert {recipe.expected, *recipe.related} <= set(catalogue())
        assert {on.partition("-")[0] for on in recipe.on} <= set(FAMILIES)
        assert len(recipe.on) == len(set(recipe.on)) and recipe.what
        assert all(bool(on.partition("/")[2]) == (recipe.plant is None) for on in recipe.on)


def test_there_are_at_least_sixty_clean_runs_and_all_differ() -> None:
    titles = [run.title for run in clean.runs()]
    assert len(titles) >= 60 and len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("name", "on"),
    [("a-key", "demo-demo"), ("other-role-word", "demo-demo"), ("first-token-masked", "demo-demo/plain")],
)
def test_a_planted_fault_is_caught_and_named(shared: Path, tmp_path: Path, name: str, on: str) -> None:
    found = _judged(recipes()[name], on, Result(planted(name, on, tmp_path / "case"), "", 0.1))
    assert found["caught"] and found["named"], found


def test_a_clean_twin_passes(shared: Path, tmp_path: Path) -> None:
    look = looked_at("demo-demo", "", {}, tmp_path / "case")
    assert not look.spoke and not look.unusable and look.looked > 30


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
    missed = _judged(recipe, "demo-demo", Result(None, "crash: no", 1.0))
    fault = {"fault": recipe.name, "what": recipe.what, "expected": recipe.expected, "related": [], "cases": [missed]}
    loud = {"rows-roles": {"verdict": "fail", "what": "Wrong."}}
    run = {"run": "demo-demo", "broken": "", "unusable": "", "spoke": loud, "looked": 39, "seconds": 1.0}
    faults = [{**fault, "trl": {"does": "trains on", "words": ""}}]
    figures = {"faults": faults, "clean": [run], "seconds": 2.0}
    figures["summary"] = summary(figures)
    assert figures["summary"]["missed"] == ["a-key on demo-demo"] and figures["summary"]["alarms"] == ["demo-demo"]
    assert "the case broke" in fault_rows(faults)[0][5]
    assert "rows-roles fails: Wrong." in document(figures, ["fault"] * 7)


def _forever() -> None:
    import time

    time.sleep(60)
