from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from sanetune.engine.answer import Answer
from sanetune.probes.results import Sample, Samples
from sanetune.report.terminal.samples import chosen, show, summary, view

BASE = Answer("… and so [red]on and on[/red] \x1b[31mforever", False, 120)
TUNED = Answer("Dear Ann, your parcel is on its way.", True, 11, raw="Dear Ann,<|im_start|> your parcel is on its way.")


def sample(number: int, reference: str | None = "Soon.", **changed: Any) -> Sample:
    asked = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"Where is [bold]{number}[/bold]?"}]
    return Sample(**({"messages": asked, "reference": reference, "base": BASE, "tuned": TUNED} | changed))


def drawn(samples: Samples, width: int = 80, most: int = 3) -> str:
    out = io.StringIO()
    show(samples, Console(file=out, width=width, color_system=None), most)
    return out.getvalue()


def several(count: int) -> Samples:
    return Samples([sample(number) for number in range(count)], 120, 200)


def test_a_few_prompts_are_shown_with_both_answers_side_by_side() -> None:
    text = drawn(several(20))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert sum("base" in line and "tuned" in line for line in text.splitlines()) == 3
    assert all(f"{number} of 20, validation row" in text for number in (1, 7, 14))
    assert "(1 message before)" in text and "in the data: Soon." in text and "did not end" in text


def test_a_narrow_terminal_gets_them_below_each_other() -> None:
    text = drawn(several(2), 50)
    assert all(len(line) <= 50 for line in text.splitlines())
    assert not any("╭─ base" in line and "tuned" in line for line in text.splitlines())


def test_markup_and_escapes_are_only_text_and_special_tokens_are_seen() -> None:
    text = drawn(several(1), 200)
    assert "[red]on and on[/red]" in text and "[bold]0[/bold]" in text and "\x1b" not in text
    assert "<|im_start|>" in text


def test_long_texts_are_shortened_in_their_middle() -> None:
    long = Answer("a" * 3000 + "z" * 3000, False, 120)
    text = drawn(Samples([sample(0, "r" * 5000, tuned=long)], 120, 200), 80, 1)
    assert "5,700 characters left out" in text and "4,700 characters left out" in text
    assert len(text) < 4000


def test_own_prompts_come_first_and_the_others_are_spread() -> None:
    samples = [sample(0, None), *(sample(number) for number in range(1, 9)), sample(9, None)]
    assert chosen(samples, 4) == [0, 1, 5, 9]
    assert chosen(samples, 1) == [0]
    assert chosen(samples, 50) == list(range(10))
    assert "1 of 10, your prompt" in drawn(Samples(samples, 120, 200))


def test_the_summary_is_about_all_of_them() -> None:
    assert summary(several(20)) == (
        "20 prompts; ended by themselves: base 0, after 200 steps 20; tokens per answer: 120 → 11, at most 120"
    )


def test_prompts_that_could_not_be_asked_are_not_counted() -> None:
    noted = Answer("", False, 0, note="the prompt leaves no room")
    found = Samples([sample(0), sample(1, base=noted, tuned=noted)], 120, 1)
    assert summary(found) == (
        "1 prompt; ended by themselves: base 0, after 1 step 1; tokens per answer: 120 → 11, at most 120"
    )
    assert summary(Samples([sample(1, base=noted, tuned=noted)])) == "no prompt was answered"


def test_nothing_to_show_is_said() -> None:
    assert "no prompt was answered" in drawn(Samples())
    assert view(Samples()) is not None
    assert "the prompt is empty" in drawn(Samples([sample(0, base=Answer("", False, 0, "the prompt is empty"))]), 120)


def test_a_prompt_without_messages_or_words_is_shown() -> None:
    assert "1 of 1" in drawn(Samples([sample(0, messages=[])]))
    assert "1 of 1" in drawn(Samples([sample(0, messages=[{"role": "user", "content": None}])]))
