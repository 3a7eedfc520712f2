"""What a terminal shows of several models, and of a blind comparison."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sanetune.engine.answer import Answer
from sanetune.probes.results import Comparison, Sample
from sanetune.report.terminal import compare as base_view
from sanetune.report.terminal.compared import show
from sanetune.report.terminal.voting import ask, tally_view
from sanetune.runs import Run
from sanetune.workflows.comparing.result import Compared
from sanetune.workflows.comparing.votes import Votes
from sanetune.workflows.evaluating.result import ModelScores
from sanetune.workflows.evaluating.weights import WeightsStamp
from tests.workflows.comparing.made import compared, model
from tests.workflows.evaluating.made import score

YES, NO = [True] * 8, [False] * 8


def drawn(found: Compared, width: int = 80, shown: int = 1) -> str:
    out = io.StringIO()
    show(found, Console(file=out, width=width, color_system=None), shown=shown)
    return out.getvalue()


def test_the_table_has_a_column_for_each_model_and_the_verdict_says_what_decided_it() -> None:
    marks = {"ends by itself": NO, "repeats itself": NO}
    found = compared(
        model("first", marks, 2.0), model("second", {**marks, "ends by itself": YES}, 2.0), model("third", marks, 2.5)
    )
    text = drawn(found)
    assert all(len(line) <= 80 for line in text.splitlines())
    for words in ("8 of 8", "validation loss", "four-word runs repeated", "tokens per answer"):
        assert words in text
    assert "second beside first: better\n  better in: ends by itself" in text
    assert "third beside first: worse\n  worse in: validation loss" in text
    assert "+0.5000 nats per token (+0.5000 to +0.5000, 95 %, 12 rows)" in text
    assert "8 for second, 0 for first; p 0.023" in text


def test_what_lm_eval_measured_is_shown_where_both_models_have_it() -> None:
    found = compared(model("base", {"ends by itself": NO}), model("tuned", {"ends by itself": NO}))
    stamp = WeightsStamp("x")
    for name, values in (("base", (0.0, 0.0, 1.0, 0.0)), ("tuned", (1.0, 0.0, 1.0, 1.0))):
        scores = (score(*values, task="gsm8k"), score(1.0, task=f"only {name}"))
        found.evaluation[name] = ModelScores(stamp, scores)
    text = drawn(replace(found, evaluation_note="run: evaluation.json is old"), width=120, shown=0)
    assert "gsm8k: exact_match" in text and "0.250 ± 0.250 (4)" in text and "0.750 ± 0.250 (4)" in text
    assert "+0.500 (-0.419 to +1.419)" in text and "only" not in text
    assert "no difference shown" in text and "evaluation.json is old" in text


def test_one_answer_one_row_and_one_token_are_called_so() -> None:
    first, second = model("first", {"ends": [False]}, 2.0, count=1), model("second", {"ends": [True]}, 1.0, count=1)
    for one in (first, second):
        one.answers[0] = Answer("Hm", True, 1)
    text = drawn(compared(first, second))
    assert "ends: differs in 1 answer: 1 for second" in text and "1 token, ended by itself" in text


def test_notes_on_the_models_are_shown() -> None:
    found = compared(model("base", {}), model("tuned", {}))
    assert "gone on since \\x1b[31m" in drawn(replace(found, notes=["it has gone on since \x1b[31m"]), shown=0)


def test_names_of_folders_are_only_text() -> None:
    text = drawn(compared(model("[red]a[/red]", {}), model("b\x1b[31m", {})))
    assert "[red]a[/red]" in text
    assert "\x1b" not in text


def test_words_that_differ_are_in_brackets_where_there_are_no_colours() -> None:
    sample = Sample([{"role": "user", "content": "When?"}], "Soon.", Answer("We open at nine today.", True, 6), ANSWER)
    out = io.StringIO()
    base_view.show(Comparison([sample], "base", "tuned"), Console(file=out, width=80, color_system=None))
    assert "⟦nine⟧" in out.getvalue()
    assert "⟦ten⟧" in out.getvalue()
    assert "⟦We" not in out.getvalue()


ANSWER = Answer("We open at ten today.", True, 6)


def voted(keys: str, tmp_path: Path) -> tuple[str, Votes]:
    found = compared(model("base", {}), model("tuned", {}))
    votes, out, pressed = Votes(Run(tmp_path), found), io.StringIO(), iter(keys)
    console = Console(file=out, width=80, color_system=None)
    ask(votes, found, lambda: next(pressed, ""), console)
    return out.getvalue(), votes


def test_a_blind_comparison_never_says_whose_an_answer_is(tmp_path: Path) -> None:
    found = compared(model("base", {}), model("tuned", {}))
    for one in (*found.models[0].answers, *found.models[1].answers):
        object.__setattr__(one, "text", one.text.replace("base", "x").replace("tuned", "y"))
    out = io.StringIO()
    votes = Votes(Run(tmp_path), found)
    ask(votes, found, iter("a" * 8).__next__, Console(file=out, width=80, color_system=None))
    assert "base" not in out.getvalue() and "tuned" not in out.getvalue()
    assert votes.tally().left == 0


def test_keys_vote_skip_and_stop_and_others_are_asked_again(tmp_path: Path) -> None:
    text, votes = voted("a?Bs=q", tmp_path)
    tally = votes.tally()
    assert (tally.wins + tally.losses, tally.ties, tally.left) == (2, 1, 5)
    assert text.count("a: A is better") == 6, "once for each of five prompts, and after the wrong key"
    assert "5 of 8" in text


def test_the_end_of_the_input_stops_it(tmp_path: Path) -> None:
    _, votes = voted("", tmp_path)
    assert votes.tally().left == 8


def test_the_result_has_both_intervals_and_a_verdict(tmp_path: Path) -> None:
    out = io.StringIO()
    _, votes = voted("aaaaaaaa", tmp_path)
    Console(file=out, width=100, color_system=None).print(tally_view(votes.tally(), votes.names))
    text = " ".join(out.getvalue().split())
    assert "Win rate of tuned:" in text
    assert "by Wilson" in text and "exact" in text
    assert text.endswith(("no difference shown", "is better"))
