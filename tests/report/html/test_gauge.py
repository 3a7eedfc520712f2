"""What a model has forgotten is on the page as it was measured; too little measured is not drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.engine.answer import Answer
from sanetune.evidence.experiments import Experiments
from sanetune.finding import Finding, Report, Verdict
from sanetune.probes.results import Forgetting
from sanetune.probes.results.forgetting import Drift, GeneralAnswer, GeneralLoss
from sanetune.report.html.gauge import WIDTH, gauge_of
from sanetune.report.html.page import first_screen, page
from sanetune.report.html.run_page import view_of_run, with_end
from sanetune.runs import Run
from sanetune.typed_json import to_json
from sanetune.workflows.forgetting import judged, read_forgets
from sanetune.workflows.run_state import Phase
from tests.report.html.test_page import Reader
from tests.report.runs_made import made

NEAR = Drift(10, 2.0, 9.0, 11.0)
GOOD, BAD = Answer("Paris is the capital.", True, 5), Answer("", True, 0)


def found(gone: int = 0, rise: float = 0.02, prompts: int = 20, texts: int = 8) -> Forgetting:
    """A model that loses so many of the prompts, and so much on each token of general text."""
    answers = tuple(
        GeneralAnswer(
            "facts", f"prompt {n}", "", ("Paris",), GOOD, BAD if n < gone else GOOD, Drift(10, 2.0, 9.0, 11.0)
        )
        for n in range(prompts)
    )
    losses = tuple(
        GeneralLoss("news", f"text {n}", Drift(100, 1.0, 200.0, 200.0 + 100 * (rise + 0.001 * (n % 2))))
        for n in range(texts)
    )
    return Forgetting(answers, losses, (Drift(10, 4.0, 9.0, 8.0), Drift(10, 6.0, 9.0, 7.0)), 30)


def text_of(run: Run) -> str:
    text = Reader(page(view_of_run(load(run.config), run))).text
    return text[: text.index("Made by sanetune")]


def test_what_is_kept_is_what_was_counted() -> None:
    gauge = gauge_of(None, Experiments(forgetting=found(gone=2)))
    assert gauge is not None
    answers, texts = gauge.bars
    assert (answers.words, answers.full, answers.mark, answers.is_bad) == ("18 of 20", 0.9 * WIDTH, 0.8 * WIDTH, False)
    assert texts.words.startswith(("+0.020 ± 0.00", "+0.021 ± 0.00")) and texts.words.endswith(" nats per token")
    assert not texts.is_bad
    assert gauge.text == "after 30 steps; KL from the base 0.20 on its own answers, 0.50 on the task"


def test_what_is_forgotten_is_marked() -> None:
    gauge = gauge_of(None, Experiments(forgetting=found(gone=12, rise=0.8)))
    assert gauge is not None
    assert [one.is_bad for one in gauge.bars] == [True, True]
    assert gauge.bars[1].full == 0
    gauge = gauge_of(None, Experiments(forgetting=found(rise=float("nan"))))
    assert gauge is not None and gauge.bars[1].is_bad and gauge.bars[1].full == 0


def test_the_limits_are_those_the_user_set() -> None:
    strict = gauge_of(None, Experiments(forgetting=found(gone=4, rise=0.05)), {"answers": 0.1, "rise": 0.04})
    usual = gauge_of(None, Experiments(forgetting=found(gone=3, rise=0.05)))
    assert strict is not None and [one.is_bad for one in strict.bars][1] and strict.bars[0].limit == 0.9
    assert usual is not None and not any(one.is_bad for one in usual.bars)


def test_too_little_is_not_drawn() -> None:
    assert gauge_of(None, Experiments()) is None
    assert gauge_of(None, Experiments(forgetting=found(prompts=3, texts=2))) is None
    gauge = gauge_of(None, Experiments(forgetting=found(prompts=3)))
    assert gauge is not None and [one.name for one in gauge.bars] == ["loss on general text"]


def test_the_end_of_a_run_counts_for_more_than_its_trial(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="finished")
    assert "Did it forget?" not in text_of(run)
    run.write_json(run.forgetting, {"schema": 1, "finding": {}, "forgetting": to_json(replace(found(5), steps=40))})
    gauge = gauge_of(run, Experiments(forgetting=found()))
    assert gauge is not None and gauge.bars[0].words == "15 of 20" and gauge.text.startswith("after 40 steps")
    assert "general prompts answered well 15 of 20" in " ".join(text_of(run).split())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"forgetting": 3}', '{"forgetting": {"answers": 3}}', "\x00"])
def test_a_broken_file_is_left_out(tmp_path: Path, content: str) -> None:
    run = made(tmp_path / "run", phase="finished")
    run.forgetting.write_text(content)
    text = text_of(run)
    assert "Did it forget?" not in text and "model-forgets" not in text


def forgetful(folder: Path, phase: Phase = "finished") -> Run:
    """A run of 20 steps whose model has lost twelve of twenty prompts."""
    run, measured = made(folder, phase=phase), found(gone=12)
    finding = judged(load(run.config), measured)
    run.write_json(run.forgetting, {"schema": 1, "finding": finding.to_json(), "forgetting": to_json(measured)})
    return run


def test_a_run_whose_model_has_forgotten_says_so_first_and_among_its_findings_with_what_to_do(tmp_path: Path) -> None:
    run = forgetful(tmp_path / "run")
    view = view_of_run(load(run.config), run)
    first = Reader(first_screen(view)).text
    rest = Reader(page(view)).text.split("Findings", 2)[2]
    message, remedy = "12 of 20 prompts that the base answers well are not", "Lower train.learning_rate, use LoRA"
    assert message in first and "1 warned" in " ".join(first.split())
    assert message in rest and remedy in rest and "Nothing was checked" not in rest


def test_it_takes_the_place_of_what_the_trial_had_found(tmp_path: Path) -> None:
    run = forgetful(tmp_path / "run")
    passed = Finding("model-forgets", Verdict.PASS, "After 20 steps all are answered.")
    report = with_end(Report([passed]), read_forgets(run))
    assert [(one.check, one.verdict) for one in report.findings] == [("model-forgets", Verdict.WARN)]


def test_a_run_that_goes_on_shows_nothing_of_the_model_before(tmp_path: Path) -> None:
    text = text_of(forgetful(tmp_path / "run", "running"))
    assert "Did it forget?" not in text and "model-forgets" not in text


def test_prompts_and_texts_of_a_file_are_called_the_users_own() -> None:
    gauge = gauge_of(None, Experiments(forgetting=replace(found(), source="keep.jsonl")))
    assert gauge is not None
    assert [one.name for one in gauge.bars] == ["prompts of yours answered well", "loss on your texts"]
