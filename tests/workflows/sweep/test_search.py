"""Searches propose trials from those that are made, and those under way."""

from __future__ import annotations

import math

import pytest

from sanetune.errors import UserError
from sanetune.workflows.sweep import search
from sanetune.workflows.sweep.lr_prior import LearningRatePrior
from sanetune.workflows.sweep.result import SweepTrial
from sanetune.workflows.sweep.search import LineSearch, OptunaSearch, pruner, search_of
from sanetune.workflows.sweep.space import LR, Changes, Space, read_space
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


def play(space: Space, seed: int, count: int, beside: int = 1) -> tuple[list[Changes], OptunaSearch]:
    """What up to ``count`` trials change, ``beside`` of which are under way at once; those near rank 9 do well."""
    found = OptunaSearch(space, None, seed)
    made: list[SweepTrial] = []
    pending: list[Changes] = []
    while len(made) + len(pending) < count and (changes := found.ask(made, pending)) is not None:
        pending.append(changes)
        if len(pending) == beside:
            done = pending.pop(0)
            rank = done.get("model.adapter.r", 4)
            assert isinstance(rank, int)
            made.append(trial(1e-4, 2 + abs(math.log(rank / 9)), changes=done))
            del made[-1].changes[LR]
    return [*(one.changes for one in made), *pending], found


def test_a_search_proposes_no_trial_that_is_another_in_effect() -> None:
    """With LoRA both patterns freeze nothing, and there is a learning rate beside them."""
    pytest.importorskip("optuna")
    space = read_space(["lora_r=4..5", "freeze=none,embed_tokens"])

    def in_effect(changes: Changes) -> Changes:
        return {**changes, "model.freeze": None, LR: 3e-3}

    search = OptunaSearch(space, None, 0, in_effect)
    made: list[SweepTrial] = []
    while (changes := search.ask(made, [])) is not None:
        made.append(trial(3e-3, 1.0, changes=changes))
    assert sorted(str(one.changes["model.adapter.r"]) for one in made) == ["4", "5"]


@pytest.mark.parametrize("beside", [1, 3])
@pytest.mark.parametrize("words", [["lora_r=4..16"], ["lora_r=4..8", "neftune_noise_alpha=none,5"]])
def test_a_search_of_few_values_proposes_none_twice_and_goes_on(words: list[str], beside: int) -> None:
    pytest.importorskip("optuna")
    for seed in range(4):
        proposed, _ = play(read_space(words), seed, 8, beside)
        assert len(proposed) == 8
        assert all(one not in proposed[:number] for number, one in enumerate(proposed))


def test_a_search_that_has_tried_all_values_ends_and_can_say_why() -> None:
    pytest.importorskip("optuna")
    proposed, found = play(read_space(["lora_r=4..6"]), 0, 8)
    assert sorted(one["model.adapter.r"] for one in proposed) == [4, 5, 6]  # type: ignore[type-var]
    assert found.end == "50 proposals in a row were of values that a trial has"


@pytest.mark.parametrize("ranks", ["4..64", "4,64"])
def test_a_trial_without_an_adapter_is_learned_from_and_says_nothing_of_ranks(ranks: str) -> None:
    pytest.importorskip("optuna")
    found = OptunaSearch(read_space([f"lora_r={ranks}", "adapter=none,lora", "learning_rate=1e-5..1e-3"]), None, 0)
    stored = found._stored_trial(trial(1e-4, 1.0, changes={"model.adapter": None}))
    assert stored is not None and stored.params == {"model.adapter": 0, LR: 1e-4}
    with_rank = found._stored_trial(trial(1e-4, 1.0, changes={"model.adapter": "lora", "model.adapter.r": 64}))
    assert with_rank is not None and set(with_rank.params) == {"model.adapter", LR, "model.adapter.r"}


def test_a_trial_above_the_median_is_ended_in_its_second_half_only() -> None:
    pytest.importorskip("optuna")
    made = [trial(10.0**-k, loss) for k, loss in enumerate((1.0, 1.2, 1.4, 1.6), 2)]
    assert pruner(made, 10)(4, 9.0) == ""
    assert "median" in pruner(made, 10)(10, 1.9)
    assert pruner(made, 10)(10, 1.1) == ""
    assert pruner(made[:2], 10)(10, 9.0) == "", "of two trials nothing can be said"
