"""A large model on a processor is probed on few tokens, and the probes still find what they look for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.probes import prompt_swap
from sanetune.probes.accumulation import accumulation
from sanetune.probes.cut_batches import cut
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.heldout import evaluate_rows, evaluate_start, held_out_rows
from sanetune.probes.overfit import FEWEST, choose_examples
from tests.probes.test_fake_engine import harness, untouched  # noqa: F401 -- a fixture


@pytest.fixture
def slow(harness: ProbeHarness) -> ProbeHarness:  # noqa: F811
    harness.most_tokens = 14
    harness.batches = [cut(batch, harness.most_tokens) for batch in harness.batches]
    assert all(batch["input_ids"].numel() <= 14 for batch in harness.batches)
    return harness


def test_two_cut_batches_are_made_uneven_before_their_gradients_are_compared(slow: ProbeHarness) -> None:
    found = accumulation(slow)
    assert found is not None
    assert found.tokens[1] > found.tokens[0] > 0
    assert found.difference < 1e-4
    assert untouched(slow)


def test_the_overfit_test_takes_the_shortest_examples(slow: ProbeHarness) -> None:
    few = choose_examples(slow, 20)
    slow.most_tokens = None
    all_ = choose_examples(slow, 20)
    assert FEWEST <= len(few) < len(all_)
    assert all(row in all_ for row in few)
    assert max(len(row["input_ids"]) for row in few) <= min(len(row["input_ids"]) for row in all_ if row not in few)


def test_held_out_rows_are_evaluated_once_before_any_step(slow: ProbeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    validation = held_out_rows(slow)
    first = evaluate_start(slow, validation)
    assert first == evaluate_rows(slow, validation, 0)
    assert evaluate_start(slow, validation) is first
    assert evaluate_start(slow, held_out_rows(slow)) == first


@pytest.mark.parametrize(("t", "asked"), [(6.0, [12]), (4.0, [12, 32])])
def test_further_pairs_are_asked_where_a_gain_is_not_clear(
    slow: ProbeHarness, monkeypatch: pytest.MonkeyPatch, t: float, asked: list[int]
) -> None:
    counts: list[int] = []

    def gain(harness: ProbeHarness, pairs: list[Any]) -> Any:  # noqa: F811
        counts.append(len(pairs))
        return SimpleNamespace(over_other_prompt=SimpleNamespace(t=t))

    pair = ([2, 3, 4, 5, 6], [7, 8, 9, 10])
    monkeypatch.setattr(prompt_swap, "_pairs", lambda *_: [pair] * 32)
    monkeypatch.setattr(prompt_swap, "_gain", gain)
    prompt_swap.prompt_swap_gain(slow)
    assert counts == asked
    slow.most_tokens = None
    counts.clear()
    prompt_swap.prompt_swap_gain(slow)
    assert counts == [32]
