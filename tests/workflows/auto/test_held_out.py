"""Rows that the autopilot holds out: what reading them again takes, and what is in their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.demo import MODEL, TRAIN
from sanetune.errors import UserError
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.acts.world import ACTS
from sanetune.workflows.auto.facts import Inspected
from sanetune.workflows.auto.journal import Journal
from sanetune.workflows.auto.known import INSTEAD, Known
from sanetune.workflows.auto.request import Request
from tests.workflows.auto.fake import machine


def test_reading_again_what_is_held_out_is_forecast_and_left_where_it_does_not_fit(tmp_path: Path) -> None:
    none = Inspected(300, 0, 0, (), 100.0)
    made = machine(tmp_path, {"inspect": [none, Inspected(270, 30, 0, (), 100.0)]}, takes={"inspect": 110.0})
    assert made.run().outcome == "promoted"
    entries = [one for one in Journal.read(tmp_path).entries if one["kind"] == "decided"]
    forecasts = {(one["state"], option["name"]): option["seconds"] for one in entries for option in one["options"]}
    assert forecasts["clean", "hold out"] >= 110 and forecasts["inspect", "inspect"] >= 110
    made = machine(tmp_path / "b", {"inspect": [none]}, budget=250, takes={"inspect": 110.0})
    known = made.run()
    assert made.world.made == ["inspect", "report"], "no second reading is begun"  # type: ignore[attr-defined]
    assert known.outcome == "gave up" and "of the budget are left" in known.reason and "aim for" in known.reason


def test_validation_data_that_give_no_row_make_way_for_rows_that_are_held_out(tmp_path: Path) -> None:
    named = Inspected(300, 0, 0, (), 1.0, named=True)
    known = machine(tmp_path, {"inspect": [named, Inspected(270, 30, 0, (), 1.0)]}).run()
    assert known.outcome == "promoted" and known.tried == [{"data.validation": None, "data.holdout": 0.1}]
    known = machine(tmp_path / "b", {"inspect": [named]}).run()
    assert known.outcome == "gave up" and "set data.holdout" not in known.reason


@pytest.mark.parametrize("text", ["", "not json\n", '{"messages": [{"role": "user", "content": "Hi"}]}\n'])
def test_validation_data_that_cannot_be_read_make_way_for_rows_that_are_held_out(text: str, tmp_path: Path) -> None:
    rows, bad = tmp_path / "rows.jsonl", tmp_path / "bad.jsonl"
    rows.write_text("".join(TRAIN.read_text().splitlines(keepends=True)[:40]))
    bad.write_text(text)
    asked = Request(str(MODEL), (str(rows),), overrides=("data.workers=1", f"data.validation={bad}"))
    known, site = Known(asked), Site(tmp_path / "out")
    with pytest.raises(UserError, match=r"bad\.jsonl") as caught:
        ACTS["inspect"](site, known, {})
    assert caught.value.fix == INSTEAD
    known.tried.append(dict(caught.value.fix))
    found = ACTS["inspect"](site, known, {})
    assert isinstance(found, Inspected) and (found.rows, found.validation, found.named) == (37, 3, False)
    rows.write_text(text)
    with pytest.raises(UserError, match=r"rows\.jsonl") as caught:
        ACTS["inspect"](site, known, {})
    assert not caught.value.fix
