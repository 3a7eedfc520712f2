"""The proof on a terminal: what it says, that it stays short, and that no number and no text breaks it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, Group

from sanetune.evidence.experiment_results import Curve, bounds, read, words
from sanetune.finding import Finding, Report, Verdict
from sanetune.report.terminal import findings
from sanetune.report.terminal.experiments import parts
from tests.report import proofs

NAN = float("nan")


def drawn(proof: dict[str, Any], width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(Group(*parts(proof)))
    return out.getvalue()


def test_a_sound_proof_is_told_in_forty_lines_of_eighty_columns() -> None:
    text = drawn(proofs.full())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 42
    flat = " ".join(text.split())
    for said in (
        "20 examples: loss 3.400 → 0.0995 in 30 steps at rate 3e-03 (wanted: 0.1); 19 of 20 answers given back",
        "the first 200 of 1,200 steps: held-out loss 3.400 → 2.109; highest rate 2e-04 at step 20",
        "held-out loss, 3.400 at the start, after 40 steps at each rate",
        "2e-04 2.440 planned",
        "6e-04 2.310 best",
        "1.8e-03 not a number",
        "2 prompts; ended by themselves: base 1, after 200 steps 2",
        "(cut off at 64 tokens)",
        "(ended, 12 tokens)",
        "1,200 steps will take 25 min 48 s on 1 device, $0.86; this check took 5.8 % of that",
        "! the first epoch reads from disk",
    ):
        assert said in flat, said
    assert "● held-out loss" in text and "○ probe batch" in text and "+ training loss" in text


def test_it_stands_in_the_report_behind_the_findings_and_only_where_something_was_proved() -> None:
    def shown(proof: dict[str, Any]) -> str:
        out = io.StringIO()
        report = Report([Finding("rows-roles", Verdict.PASS, "fine")], "trial", proof=proof)
        findings.show(report, Console(file=out, width=80, color_system=None))
        return out.getvalue()

    text = shown(proofs.full())
    assert text.index("rows-roles") < text.index("Proof") < text.index("clear: 1 passed")
    assert "Proof" not in shown({})
    assert parts({}) == []


def test_a_trial_that_went_wrong_is_drawn_as_far_as_it_has_numbers() -> None:
    text = drawn({"trial": proofs.diverged()})
    assert "90 of 1,200 steps" in text and "ended early: the loss is not a number" in text
    assert "The highest is 812, above this picture." in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "curve",
    [
        {"steps": [], "losses": []},
        {"steps": [1], "losses": [2.5]},
        {"steps": [1], "losses": ["NaN"], "rates": [None], "grad_norms": ["Infinity"], "held": [[0, "NaN"]]},
        {"steps": [1, 2], "losses": ["Infinity", "-Infinity"], "held": [[0, 2.0]]},
        {"steps": [1, 2, 3], "losses": [0.0, 0.0, 0.0], "probe": [[0, -1.0]]},
        {"steps": [5, 6], "losses": [1e308, -1e308], "rates": [0.0, "NaN"]},
        {"steps": [10**12], "losses": [1.0]},
    ],
)
def test_any_curve_can_be_drawn(curve: dict[str, Any]) -> None:
    text = drawn({"trial": proofs.trial(curve=curve)})
    assert "trial" in text
    assert ("no loss of it is a number" in text) == (read({"trial": proofs.trial(curve=curve)}).trial is not None and
        bounds([loss for _, loss in _all(curve)]) is None)  # fmt: skip


def _all(curve: dict[str, Any]) -> list[tuple[int, float]]:
    found = read({"trial": proofs.trial(curve=curve)}).trial
    assert found is not None
    return [*found.curve.training, *found.curve.held, *found.curve.probe]


def test_texts_of_users_and_models_steer_nothing() -> None:
    proof = {"samples": proofs.samples("[bold]\x1b[31mred\x07\n" * 500), "trial": proofs.trial(stopped="\x1b[2J")}
    text = drawn(proof)
    assert "\x1b" not in text and "\x07" not in text
    assert "[bold]" in text
    assert len(text.splitlines()) < 40


def test_a_part_that_cannot_be_read_is_named_and_the_others_are_shown() -> None:
    proof = proofs.full() | {"trial": {"wanted": -1}, "branches": "none", "forecast": {"steps": 3}}
    text = drawn(proof)
    assert "cannot be read: branches, trial, forecast" in text.replace("\n", " ")
    assert "20 examples" in text


def test_nothing_tried_and_nothing_answered_is_no_error() -> None:
    proof = proofs.full()
    proof["overfit"] |= {"tries": [], "planned": None, "replies": []}
    proof["branches"] |= {"branches": []}
    proof["samples"] |= {"samples": []}
    text = drawn(proof)
    assert "20 examples, not tried" in text
    assert "answers" not in text.split()


def test_a_loss_in_words() -> None:
    assert [words(one) for one in (NAN, float("inf"), 0.01234, 1.5, 99.99, 812.4, 5e7)] == [
        "not a number", "infinite", "0.0123", "1.500", "99.990", "812", "5e+07",
    ]  # fmt: skip


def test_what_is_best_is_a_number() -> None:
    proof = read(proofs.full())
    assert proof.branches is not None and proof.branches.best is not None and proof.overfit is not None
    assert proof.branches.best.rate == 6e-4
    proof.branches.branches[:] = proof.branches.branches[-1:]
    assert proof.branches.best is None
    proof.overfit.tries[1].losses[-1] = NAN
    assert proof.overfit.best.rate == 1e-3


def test_one_huge_value_does_not_flatten_the_others() -> None:
    assert bounds([3.0, 2.0, 1e6]) == (2.0, 9.0)
    assert bounds([3.0, 4.0, 5.0], 1.0) == (1.0, 5.0)
    assert bounds([NAN, float("inf")]) is None


def test_the_peak_is_the_first_step_at_the_highest_rate() -> None:
    assert Curve([1, 2, 3, 4], [], [0.0, 0.1, 0.1, 0.05]).peak == (2, 0.1)
    assert Curve([1, 2], [], [None, NAN]).peak is None
