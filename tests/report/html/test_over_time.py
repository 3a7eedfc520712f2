"""Answers at the evaluations of a run are on its page, by prompt, and lines that are none are left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.report.html.over_time import MOST, answers_over_time, by_prompt
from sanetune.report.html.page import first_screen, page
from sanetune.report.html.run_page import view_of_run
from sanetune.runs import Run
from tests.report import sample
from tests.report.html.test_page import Reader
from tests.report.runs_made import answered, made


def asked(run: Run, *steps: int, text: str = "answer") -> Run:
    lines = [
        {"step": step, "samples": [{"prompt": "Hm?", "answer": f"{text} {step}", "ended": step > 0}], "seconds": 0.1}
        for step in steps
    ]
    run.samples_over_time.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return run


def text_of(run: Run) -> str:
    return Reader(page(view_of_run(load(run.config), run))).text


def test_a_run_under_way_shows_what_has_changed_since_it_began(tmp_path: Path) -> None:
    text = text_of(asked(made(tmp_path / "run"), 0, 10, 20))
    first = text[: text.index("Made by sanetune")]
    assert "Ended by themselves: at step 0 0, at step 20 1 of 1" in first
    assert first.index("answer 0") < first.index("answer 20")
    assert "Answers while training" in text


def test_of_a_conversation_the_message_that_is_answered_is_shown_with_the_length_of_each_answer(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    said = {"prompt": "user: One?\nassistant: 1.\nuser: Two?", "asked": "Two?", "earlier": 2, "ended": False}
    lines = [
        {"step": step, "samples": [{**said, "answer": f"at {step}", "tokens": tokens}]}
        for step, tokens in ((0, 96), (10, 7))
    ]
    run.samples_over_time.write_text("".join(json.dumps(one) + "\n" for one in lines))
    first = " ".join(Reader(first_screen(view_of_run(load(run.config), run))).text.split())
    assert "prompt 2 earlier messages left out Two?" in first and "One?" not in first
    assert "96 tokens, truncated" in first and "7 tokens, truncated" in first


def test_a_comparison_counts_for_more(tmp_path: Path) -> None:
    run = asked(made(tmp_path / "run", phase="finished"), 0, 10)
    answered(run, "the tuned model's")
    assert "at step 0 0" not in text_of(run)


def test_without_them_nothing_is_drawn(tmp_path: Path) -> None:
    text = text_of(made(tmp_path / "run"))
    assert "Answers while training" not in text and "Before and after" not in text


def test_of_many_evaluations_the_first_and_the_last_are_among_those_shown(tmp_path: Path) -> None:
    (one,) = by_prompt(answers_over_time(asked(made(tmp_path / "run"), *range(0, 1000, 7))))
    steps = [step for step, _ in one.answers]
    assert len(steps) == MOST and steps == sorted(set(steps)) and (steps[0], steps[-1]) == (0, 994)


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "null", '{"step": "x"}', '{"step": 1, "samples": [{}]}', '{"step": 1e400}', "\x00", "[" * 9_000],
)
def test_a_line_that_is_none_of_ours_is_left_out(tmp_path: Path, line: str) -> None:
    run = asked(made(tmp_path / "run"), 10)
    run.samples_over_time.write_text(line + "\n" + run.samples_over_time.read_text() + line)
    assert [one.step for one in answers_over_time(run)] == [10]


def test_a_text_of_the_model_is_text(tmp_path: Path) -> None:
    run = asked(made(tmp_path / "run"), 0, 10, text=sample.EVIL)
    read = Reader(page(view_of_run(load(run.config), run)))
    assert not read.of("img") and "<script>alert(1)</script>" in read.text


def test_an_answer_with_another_line_break_is_one_answer(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    line = {"step": 10, "samples": [{"prompt": "Hm?", "answer": "first\u2028second", "ended": True}]}
    run.samples_over_time.write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
    (one,) = answers_over_time(run)
    assert one.samples[0].answer == "first\u2028second"
