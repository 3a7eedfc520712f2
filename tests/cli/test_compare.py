"""What `sanetune compare --json` writes is JSON that any program reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune import api
from sanetune.cli import main
from sanetune.runs import Run
from sanetune.workflows.comparing.stored import store
from tests.workflows.comparing.made import compared, model


def test_numbers_that_json_lacks_are_null_and_texts_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = model("NaN", {}, float("nan"))
    found = compared(model("base", {}, 1.0), broken)
    monkeypatch.setattr(api, "compare_runs", lambda *_, **__: found)
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(main, ["compare", str(tmp_path), "--json", str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    written = json.loads(file.read_text())["compared"]
    assert written["models"][1]["name"] == "NaN"
    assert set(written["models"][1]["losses"]["sums"]) == {None}
    [judged] = written["judged"]
    assert judged["verdict"] == "worse" and judged["loss"]["mean"] is None
    assert judged["loss"]["interval"] == [None, None] and judged["loss"]["p"] is None


def test_the_tokens_that_end_an_answer_are_those_of_the_stored_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "run")
    found = replace(compared(model("base", {}), model("tuned", {})), stop_token_ids=[3])
    store(run, [run], found)
    monkeypatch.setattr(api, "compare_runs", lambda *_, **__: found)
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(main, ["compare", str(run.path), "--json", str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    decodings = [json.loads(one.read_text())["decoding"] for one in (file, run.comparison)]
    assert [one["stop_token_ids"] for one in decodings] == [[3], [3]]


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--evaluate-limit", "3"], "--evaluate-limit is for --evaluate"), (["--seed", "3"], "sides of --blind")],
)
def test_an_option_without_the_one_that_it_is_for_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["compare", str(tmp_path), *words])
    assert result.exit_code == 2 and said in result.output
