"""What a sweep says of its trials follows from the rows."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from sanetune.atomic import json_text
from sanetune.curves.proportions import holm
from sanetune.curves.series import Evaluation
from sanetune.workflows.sweep.result import ALPHA, Sweep
from tests.workflows.sweep.made import TOKENS, evaluation, sweep, trial


def test_clear_differences_make_a_best_trial() -> None:
    found = sweep(trial(1e-4, 1.5, noise=0.01, seed=1), trial(1e-3, 1.0, noise=0.01), trial(1e-2, 2.0, noise=0.01))
    assert found.best is found.trials[1]
    assert found.verdict == "learning_rate=0.001 is best"
    assert found.ties == []
    assert found.edge == ""


def test_trials_within_the_noise_of_rows_are_not_differs() -> None:
    found = sweep(trial(1e-4, 1.0, noise=0.3, seed=1), trial(1e-3, 1.01, noise=0.3, seed=2), trial(1e-2, 2.0))
    assert "is not told apart from" in found.verdict
    assert len(found.ties) == 1


def test_a_difference_is_judged_as_a_paired_test_of_rows_corrected_for_all_pairs_of_trials() -> None:
    trials = [trial(10.0**-k, 1.0 + 0.02 * k, noise=0.03, seed=k) for k in range(1, 5)]
    found = sweep(*trials)
    ps = {}
    for first, second in combinations(found.ranked, 2):
        ours, theirs = (np.array(one.evaluation.sums) for one in (second, first))
        tokens = np.array(TOKENS)
        mean = (ours - theirs).sum() / tokens.sum()
        rest = ours - theirs - mean * tokens
        error = math.sqrt((rest**2).sum() * len(tokens) / (len(tokens) - 1)) / tokens.sum()
        ps[first.key, second.key] = 2 * stats.t.sf(abs(mean / error), len(tokens) - 1)
    ordered = sorted(ps.values())
    assert found.best is not None
    for against in found.against_best():
        rank = ordered.index(ps[found.best.key, against.trial.key])
        corrected = max((len(ps) - before) * ordered[before] for before in range(rank + 1))
        assert against.p == pytest.approx(min(1.0, corrected))


@pytest.mark.parametrize(("equal", "worse"), [(6, 0), (4, 3)])
def test_trials_that_are_equal_are_told_apart_from_the_best_in_at_most_5_percent(equal: int, worse: int) -> None:
    """Rows of a heavy-tailed difficulty that all trials share, and a noise of each trial's own."""
    drawn = np.random.default_rng(5)
    tries, rows = 600, 40
    wrong = naive = 0
    for _ in range(tries):
        tokens = drawn.integers(5, 60, rows)
        difficulty = drawn.lognormal(0.0, 0.6, rows)
        per_token = difficulty + drawn.normal(0, 0.2, (equal + worse, rows))
        per_token[equal:] += 1.0
        trials = [
            replace(trial(10.0**-k, 1.0), evaluation=Evaluation.of(0, list(losses * tokens), [int(n) for n in tokens]))
            for k, losses in enumerate(per_token)
        ]
        found = sweep(*trials)
        same = {one.key for one in trials[:equal]}
        against = found.against_best()
        assert all(one.differs for one in against if one.trial.key not in same)
        wrong += any(one.differs and one.trial.key in same for one in against)
        ps = holm([one.difference.p for one in against if one.difference is not None])
        naive += any(p < ALPHA and one.trial.key in same for p, one in zip(ps, against, strict=True))
    # Corrected for the comparisons with the best alone, it would be too often.
    assert naive / tries > 0.07
    assert wrong / tries <= 0.05


def test_a_best_learning_rate_at_an_end_is_said_to_be_one() -> None:
    assert sweep(trial(1e-4, 1.5), trial(1e-3, 1.0)).edge == "highest"
    assert sweep(trial(1e-4, 1.0), trial(1e-3, 1.5)).edge == "lowest"


def test_learning_rates_that_follow_from_other_values_are_no_ends() -> None:
    methods = [trial(1e-4, 1.5), trial(1e-3, 1.0)]
    inferred = [replace(one, changes={"model.adapter": n}) for one, n in zip(methods, (None, "lora"), strict=True)]
    assert sweep(*inferred).edge == ""


def test_trials_that_diverged_or_were_pruned_are_never_best() -> None:
    found = sweep(trial(1e-4, 0.5, state="pruned"), trial(1e-3, 1.0), trial(1e-2, math.nan, state="diverged"))
    assert found.best is found.trials[1]
    assert "only trial" in found.verdict
    none = sweep(trial(1e-2, math.nan, state="diverged"))
    assert none.best is None and none.verdict == "no trial made all its steps"


def test_it_goes_to_json_and_back() -> None:
    found = sweep(trial(1e-3, 1.0), trial(1e-2, math.nan, state="diverged"), critical_lr=1e-2, probe_steps=20.5)
    text = json_text(found.to_json())
    again = Sweep.from_json(json.loads(text))
    assert again.trials[0] == found.trials[0]
    assert again.start == evaluation(3.0)
    assert math.isnan(again.trials[1].loss)
    assert json.loads(text)["best"]["changes"] == {"train.learning_rate": 1e-3}


def test_the_edge_is_among_the_learning_rates_of_one_method() -> None:
    """Of methods that have one learning rate each, none is at an edge."""
    lora = {"model.adapter": "lora"}
    assert sweep(trial(4e-4, 1.5, changes={"model.adapter": None}), trial(3e-3, 1.0, changes=lora)).edge == ""
    both = (trial(1e-2, 1.0, changes=lora), trial(1e-3, 1.5, changes=lora), trial(1e-1, 2.0))
    assert sweep(*both).edge == "highest"
