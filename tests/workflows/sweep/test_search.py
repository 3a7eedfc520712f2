"""Searches propose trials from those that are made, and those under way."""

from __future__ import annotations

import math

import pytest

from sanetune.errors import UserError
from sanetune.workflows.sweep import search
from sanetune.workflows.sweep.lr_prior import LearningRatePrior
from sanetune.workflows.sweep.search import LineSearch, OptunaSearch, pruner, search_of
from sanetune.workflows.sweep.space import LR, read_space
from tests.workflows.sweep.made import trial

PRIOR = LearningRatePrior(1e-3, 0.4, 1e-6, 1e-1)


def test_processes_beside_each_other_try_different_learning_rates() -> None:
    line = LineSearch(PRIOR)
    pending: list[dict[str, float]] = []
    for _ in range(4):
        found = line.ask([], pending)  # type: ignore[arg-type]
        assert found is not None
        pending.append(found)  # type: ignore[arg-type]
    assert len({one[LR] for one in pending}) == 4


def test_a_trial_that_diverged_sends_the_search_down() -> None:
    found = LineSearch(PRIOR).ask([trial(1e-3, math.nan, state="diverged")], [])
    assert found is not None
    assert float(found[LR]) < 1e-3  # type: ignore[arg-type]


def test_without_optuna_the_learning_rate_is_still_searched_and_other_values_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "has_optuna", lambda: False)
    assert isinstance(search_of(read_space(["learning_rate=auto"]), PRIOR, 0), LineSearch)
    with pytest.raises(UserError, match="needs Optuna") as caught:
        search_of(read_space(["learning_rate=auto", "lora_r=4..64"]), PRIOR, 0)
    assert "sanetune[sweep]" in caught.value.remedy
    assert pruner([trial(1e-3, 1.0)] * 5, 10)(5, 99.0) == ""


def test_optuna_begins_where_the_prior_says_and_asks_the_same_after_a_kill() -> None:
    pytest.importorskip("optuna")
    space = read_space(["learning_rate=1e-6..1e-1", "adapter=none,lora", "lora_r=4..64"])
    found = OptunaSearch(space, PRIOR, 0)
    made = []
    for number in range(8):
        changes = found.ask(made, [])
        assert OptunaSearch(space, PRIOR, 0).ask(made, []) == changes
        assert 1e-6 <= float(changes[LR]) <= 1e-1  # type: ignore[arg-type]
        assert ("model.adapter.r" in changes) == (changes["model.adapter"] is not None)
        lr = float(changes[LR])  # type: ignore[arg-type]
        made.append(trial(lr, 1 + abs(math.log10(lr / 1e-3)), changes=changes, seed=number))
    assert [one.lr for one in made[:3]] == pytest.approx([1e-3, 1e-3 * PRIOR.factor, 1e-3 / PRIOR.factor], rel=0.01)


def test_a_trial_above_the_median_is_ended_in_its_second_half_only() -> None:
    pytest.importorskip("optuna")
    made = [trial(10.0**-k, loss) for k, loss in enumerate((1.0, 1.2, 1.4, 1.6), 2)]
    assert pruner(made, 10)(4, 9.0) == ""
    assert "median" in pruner(made, 10)(10, 1.9)
    assert pruner(made, 10)(10, 1.1) == ""
    assert pruner(made[:2], 10)(10, 9.0) == "", "of two trials nothing can be said"
