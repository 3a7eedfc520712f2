"""A large model on a processor is probed on few tokens, and the probes still find what they look for."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.config.load import load
from sanetune.engine.batches import Batch
from sanetune.events import Event, Note
from sanetune.evidence.from_model import ModelEvidence
from sanetune.probes import prompt_swap
from sanetune.probes.accumulation import accumulation
from sanetune.probes.cut_batches import cut
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.heldout import evaluate_rows, evaluate_start, held_out_rows
from sanetune.probes.lr_comparison import KEPT, compare_lrs
from sanetune.probes.lr_search import find_critical_lr
from sanetune.probes.overfit import FEWEST, choose_examples, overfit
from sanetune.probes.trial import TrialConfig
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


def test_the_overfit_test_leaves_out_the_attempt_that_decides_nothing(slow: ProbeHarness) -> None:
    critical = find_critical_lr(slow, 1e-2)
    few = overfit(slow, critical, 1e-5, examples=8, steps=6)
    slow.most_tokens = None
    all_ = overfit(slow, critical, 1e-5, examples=8, steps=6)
    assert few is not None and all_ is not None
    assert few.at_planned_lr is None and all_.at_planned_lr is not None
    assert untouched(slow)


def test_learning_rates_are_compared_on_the_first_rows_of_each_batch(
    slow: ProbeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Batch]] = []
    real = slow.gradients
    monkeypatch.setattr(slow, "gradients", lambda batches, **keywords: (seen.append(batches), real(batches))[1])
    found = compare_lrs(slow, 1e-2, held_out_rows(slow), steps=3)
    whole = slow.first_batches(2 * 3)
    monkeypatch.undo()
    assert found.planned_lr == 1e-2 and len(found.runs) >= 3
    most = KEPT * 14 // slow.settings.gradient_accumulation_steps
    for batch, full in zip((one for step in seen[:3] for one in step), whole, strict=True):
        assert batch["input_ids"].numel() <= most < full["input_ids"].numel()
        assert batch["input_ids"][0].tolist() == full["input_ids"][0, : batch["input_ids"].shape[1]].tolist()


@pytest.mark.parametrize(
    ("section", "most", "steps"), [({}, 14, 60), ({}, None, 200), ({"trial_steps": 200}, 14, 200), ({}, 40, 80)]
)
def test_a_trial_is_shorter_where_a_step_takes_long_and_nobody_has_chosen_its_steps(
    slow: ProbeHarness, monkeypatch: pytest.MonkeyPatch, section: dict[str, int], most: int | None, steps: int
) -> None:
    said: list[Event] = []
    config = load({"model": {"name": "tiny"}, "data": {"train": "rows.jsonl"}, "check": section})
    slow.most_tokens = most
    monkeypatch.setattr(slow, "first_batches", lambda count: [{"input_ids": torch.zeros(5, 10)}] * count)
    found = ModelEvidence(config, ExitStack(), said.append)._affordable(slow, TrialConfig(200, 1000, 10, 50.0))
    assert found.steps == steps
    assert [isinstance(one, Note) for one in said] == [True] * (steps < 200)


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
