"""Votes are blind, kept one by one, and counted for the texts that were shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from sanetune.engine.answer import Answer
from sanetune.runs import Run
from sanetune.workflows.comparing.votes import Votes, ballots
from tests.workflows.comparing.made import compared, model

FOUND = compared(model("base", {}, count=40), model("tuned", {}, count=40))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_sides_and_order_are_drawn_and_the_same_for_the_same_seed() -> None:
    drawn = list(ballots(FOUND, 0))
    assert drawn == list(ballots(FOUND, 0))
    assert 8 <= sum(one.swapped for one in drawn) <= 32
    assert [one.number for one in drawn] != sorted(one.number for one in drawn)
    assert [one.swapped for one in sorted(drawn, key=lambda one: one.number)] != [
        one.swapped for one in sorted(ballots(FOUND, 1), key=lambda one: one.number)
    ]


def test_a_vote_for_a_side_is_for_the_model_whose_answer_was_there() -> None:
    for one in ballots(FOUND, 0):
        assert one.left.startswith("tuned" if one.swapped else "base")
        voted = one.vote("a")
        assert voted == ("second" if one.left.startswith("tuned") else "first")
        assert one.vote("b") != voted
        assert one.vote("=") == "tie"


def test_voting_goes_on_where_it_was_stopped_even_in_the_middle_of_a_line(run: Run) -> None:
    votes = Votes(run, FOUND)
    first, second, third, *_ = votes.open()
    votes.cast(first, "second")
    votes.cast(second, "first")
    run.votes.write_bytes(run.votes.read_bytes()[:-10])
    again = Votes(run, FOUND)
    assert len(again.open()) == 39
    assert again.open()[0] == second
    again.cast(third, "tie")
    tally = Votes(run, FOUND).tally()
    assert (tally.wins, tally.losses, tally.ties, tally.left) == (1, 0, 1, 38)


def test_a_vote_counts_for_the_texts_that_were_shown_and_no_others(run: Run) -> None:
    votes = Votes(run, FOUND)
    ballot = votes.open()[0]
    votes.cast(ballot, "second")
    answers = list(FOUND.models[1].answers)
    answers[ballot.number] = Answer("another answer", True, 3)
    other = replace(FOUND, models=[FOUND.models[0], replace(FOUND.models[1], answers=answers)])
    assert Votes(run, other).tally().wins == 0
    run.votes.write_text(run.votes.read_text() + '{"key": 1}\n[]\nnot json\n{"key": "x", "vote": "maybe"}\n')
    assert Votes(run, FOUND).tally().wins == 1


def test_votes_count_wherever_the_models_are(run: Run) -> None:
    votes = Votes(run, FOUND)
    ballot = votes.open()[0]
    votes.cast(ballot, "second")
    moved = replace(FOUND, models=[replace(one, path=f"/elsewhere/{one.name}") for one in FOUND.models])
    assert Votes(run, moved).tally().wins == 1
    turned = replace(FOUND, models=FOUND.models[::-1])
    assert Votes(run, turned).tally().left == 40, "a vote is for the second model of these two, in this order"


def test_answers_with_the_same_text_are_not_asked_about(run: Run) -> None:
    same = replace(FOUND.models[1], answers=[*FOUND.models[0].answers[:10], *FOUND.models[1].answers[10:]])
    found = replace(FOUND, models=[FOUND.models[0], same])
    votes = Votes(run, found)
    assert len(votes.open()) == 30
    assert votes.tally().same == 10


def test_prompts_that_a_model_was_not_asked_are_not_counted_as_alike(run: Run) -> None:
    """Both have a note and the same empty text, which says nothing of the models."""
    noted = [Answer("", False, 0, note="left out") for _ in range(4)]
    first, second = FOUND.models
    found = replace(
        FOUND,
        models=[
            replace(first, answers=[*noted, *first.answers[4:]]),
            replace(second, answers=[*noted[:2], *second.answers[2:4], *first.answers[4:9], *second.answers[9:]]),
        ],
    )
    votes = Votes(run, found)
    tally = votes.tally()
    assert (tally.same, tally.unanswered, tally.left) == (5, 4, 31)
    assert tally.to_json()["unanswered"] == 4


def test_the_win_rate_has_scipys_intervals(run: Run) -> None:
    votes = Votes(run, FOUND)
    for number, ballot in enumerate(votes.open()):
        votes.cast(ballot, "tie" if number < 4 else "second" if number < 30 else "first")
    figures = json.loads(json.dumps(votes.tally().to_json()))
    test = stats.binomtest(26, 36)
    assert figures["win_rate"] == pytest.approx(26 / 36)
    assert figures["p"] == pytest.approx(test.pvalue)
    for name, method in (("wilson", "wilson"), ("clopper_pearson", "exact")):
        interval = test.proportion_ci(0.95, method)
        assert figures[name] == pytest.approx([interval.low, interval.high])
    assert Votes(Run(run.path / "none"), FOUND).tally().to_json()["win_rate"] is None


def test_votes_on_a_run_whose_name_has_another_line_break_are_kept(run: Run) -> None:
    found = replace(FOUND, models=[FOUND.models[0], replace(FOUND.models[1], name="first\u2028second")])
    votes = Votes(run, found)
    votes.cast(votes.open()[0], "second")
    assert Votes(run, found).tally().wins == 1
