"""Probes know a session alone: they run on an engine that shares nothing with the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset

from sanetune.config.load import load
from sanetune.data.prepared import SplitOrigin
from sanetune.probes.accumulation import accumulation
from sanetune.probes.batch_independence import batch_independence
from sanetune.probes.first_step import first_step
from sanetune.probes.harness import ProbeHarness, probe_harness
from sanetune.probes.heldout import held_out_rows
from sanetune.probes.lr_comparison import compare_lrs
from sanetune.probes.lr_search import find_critical_lr
from sanetune.probes.overfit import overfit
from sanetune.probes.peak_memory import largest_step
from sanetune.probes.start_loss import start_loss
from sanetune.probes.trial import TrialConfig, run_trial
from tests.engine.fake import VOCABULARY, FakeEngine, tiny_model

END = 1


class Words:
    """A tokenizer of numbers."""

    pad_token_id, eos_token_id = 0, END

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))

    def convert_ids_to_tokens(self, token: int) -> str:
        return str(token)


def rows(count: int) -> list[dict[str, list[int]]]:
    """Rows of a prompt of two tokens and an answer that counts on from its second, of two to five tokens."""
    made = []
    for number in range(count):
        first, second, length = 2 + number % 7, 10 + number % 30, 2 + number // 4 % 4
        answer = [*range(second + 1, second + 1 + length), END]
        made.append({"input_ids": [first, second, *answer], "labels": [-100, -100, *answer]})
    return made


@pytest.fixture
def harness(tmp_path: Path, one_thread: None) -> Iterator[ProbeHarness]:
    train, validation = Dataset.from_list(rows(40)), Dataset.from_list(rows(12))
    prepared: Any = SimpleNamespace(
        train=train,
        validation=validation,
        tokenizer=Words(),
        max_length=16,
        stop_token_ids=[END],
        origins={"train": SplitOrigin(train.data.table, train.data.table, list(range(len(train))))},
    )
    config = load({"model": {"name": "tiny"}, "data": {"train": "rows.jsonl"}})
    engine = FakeEngine(learning_rate=1e-2, gradient_accumulation_steps=2, max_grad_norm=1.0)
    with probe_harness(config, prepared, engine) as made:
        yield made


def untouched(harness: ProbeHarness) -> bool:
    fresh = tiny_model().state_dict()
    return all(torch.equal(value, fresh[name]) for name, value in harness.model.state_dict().items())


def test_steps_are_measured_and_undone(harness: ProbeHarness) -> None:
    found = first_step(harness)
    assert found.lr == 1e-2 and found.has_gradients
    assert all(update.changed for update in found.updates.values())
    assert start_loss(harness).loss == pytest.approx(found.loss, abs=1e-5)
    assert largest_step(harness).memory.fits
    assert untouched(harness)


def test_gradients_and_losses_of_the_loop_agree_with_their_definition(harness: ProbeHarness) -> None:
    gradients, rows_alone = accumulation(harness), batch_independence(harness)
    assert gradients is not None and gradients.difference < 1e-4 and gradients.tokens[0] < gradients.tokens[1]
    assert rows_alone is not None and rows_alone.largest_difference < 1e-4
    assert untouched(harness)


def test_a_loop_that_weighs_micro_batches_alike_is_found(harness: ProbeHarness) -> None:
    whole = harness.session.forward_backward_step
    averaged = lambda batches, **given: sum(whole([batch]) for batch in batches) / len(batches)  # noqa: E731
    harness.session.forward_backward_step = averaged  # type: ignore[method-assign]
    gradients = accumulation(harness)
    assert gradients is not None and gradients.difference > 0.1


def test_learning_rates_are_searched_and_compared(harness: ProbeHarness) -> None:
    critical = find_critical_lr(harness, 1e-2)
    assert critical.lr is not None and critical.lr > 1e-3
    compared = compare_lrs(harness, 1e-4, held_out_rows(harness), steps=10)
    assert compared.best.lr > 1e-4
    assert untouched(harness)


def test_examples_are_memorised_and_come_back(harness: ProbeHarness) -> None:
    found = overfit(harness, find_critical_lr(harness, 1e-2), 1e-2, examples=8, steps=80)
    assert found is not None and found.best.final_loss < 0.1
    assert all(reply.expected == reply.written for reply in found.replies)
    assert untouched(harness)


def test_a_trial_is_the_sessions_own_loop(harness: ProbeHarness) -> None:
    trial, seen = run_trial(
        harness,
        TrialConfig(20, 100, 5, 10, eval_steps=10),
        held_out_rows(harness),
        lambda steps: f"the model after {steps}",
    )
    assert seen == "the model after 20" and trial.steps == 20
    assert [one.step for one in trial.curve.validation] == [0, 10, 20]
    assert trial.curve.validation[-1].loss < trial.curve.validation[0].loss
    assert len(trial.timing.tokens) == len(trial.timing.step_seconds) == 20
    assert trial.curve.vocab_size == VOCABULARY
    assert untouched(harness)
