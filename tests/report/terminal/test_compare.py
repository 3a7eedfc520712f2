from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from sanetune.engine.answer import Answer
from sanetune.probes.results import Comparison, Sample
from sanetune.report.terminal.compare import plain, summary, view

BASE = Answer("… and so [red]on and on[/red] \x1b[31mforever", False, 64)
TUNED = Answer("Dear Ann, your parcel is on its way.", True, 11)


def comparison() -> Comparison:
    prompts = [[{"role": "user", "content": "Where is [bold]my[/bold] parcel?"}], [{"role": "user", "content": "And?"}]]
    samples = [Sample(prompts[0], None, BASE, TUNED), Sample(prompts[1], "Soon.", Answer("", True, 1), TUNED)]
    return Comparison(samples, "the/base", "runs/x/model", 3.2, 1.1, {"temperature": 0.0})


def drawn(width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(view(comparison(), width))
    return out.getvalue()


def test_both_answers_stand_side_by_side_in_eighty_columns() -> None:
    text = drawn(80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert any("base" in line and "tuned" in line for line in text.splitlines())
    assert "did not end" in text
    assert "ended by itself" in text
    assert "3.2000" in text
    assert "1 of 2, your prompt" in text
    assert "in the data: Soon." in text


def test_a_narrow_terminal_gets_them_below_each_other() -> None:
    text = drawn(50)
    assert all(len(line) <= 50 for line in text.splitlines())
    assert not any("╭─ base" in line and "tuned" in line for line in text.splitlines())


def test_markup_and_escapes_of_a_model_are_only_text() -> None:
    text = drawn(160)
    assert "[red]on and on[/red]" in text
    assert "[bold]my[/bold]" in text
    assert "\x1b" not in text


def test_a_long_answer_is_shortened_in_its_middle_and_says_so() -> None:
    text = plain("a" * 3000 + "z" * 3000, 100)
    assert "5,900 characters left out" in text
    assert text.startswith("a")
    assert text.endswith("z")


def test_the_summary_is_one_line() -> None:
    assert summary(comparison()).plain == "2 of 2 tuned answers end by themselves; validation loss 3.200 → 1.100"


def test_prompts_that_could_not_be_asked_count_in_no_number() -> None:
    noted = Answer("", False, 0, note="the prompt leaves no room")
    found = comparison()
    found = replace(found, samples=[*found.samples, Sample(found.samples[0].messages, None, noted, noted)])
    assert summary(found).plain.startswith("2 of 2 tuned answers")
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(view(found, 80))
    figures = [line.split() for line in out.getvalue().splitlines()[-4:]]
    assert ["ended", "by", "itself", "1", "of", "2", "2", "of", "2"] in figures
    assert ["tokens", "per", "answer", "32", "11"] in figures
