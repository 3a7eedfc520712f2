"""The trial is the beginning of the real run, and leaves no trace."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sanetune.config.load import load
from sanetune.curves.series import Evaluation, Point
from sanetune.data.prepare import prepare
from sanetune.planning.plan import plan
from sanetune.probes.harness import ProbeHarness, probe_harness, without_dropout
from sanetune.probes.heldout import HeldOutRows, evaluate_rows, held_out_rows
from sanetune.probes.lr_comparison import NEAR, compare_lrs
from sanetune.probes.lr_search import find_critical_lr
from sanetune.probes.overfit import choose_examples, overfit
from sanetune.probes.trial import EarlyStop, TrialConfig, run_trial
from sanetune.probes.weight_backup import WeightBackup
from sanetune.runs import Run
from tests.engine.running import train
from tests.together import launch

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"


def made(folder: Path, kind: str = "full", **train_keys: Any) -> tuple[Any, Any]:
    """The resolved configuration and the rows."""
    settings: dict[str, Any] = {
        "model": {"name": str(DEMO / "model"), **({"adapter": "lora"} if kind == "lora" else {})},
        "data": {"train": str(DEMO / "data/train.jsonl"), "max_examples": 60, "holdout": 0.15},
        "train": {
            "packing": kind == "packed",
            "max_length": 256 if kind == "packed" else 160,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "use_cpu": True,
            "max_steps": 30,
            "warmup_steps": 4,
            "logging_steps": 1,
        }
        | train_keys,
        "run": {"trackers": [], "output_dir": str(folder / "run")},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(folder / "cache"))
        config = load(settings)
        prepared = prepare(config)
    return plan(config, prepared), prepared


@pytest.fixture(scope="module", params=["full", "packed", "lora"])
def harness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbeHarness]:
    torch.set_num_threads(1)
    planned, prepared = made(tmp_path_factory.mktemp("harness"), request.param, gradient_accumulation_steps=1)
    with probe_harness(planned.config, prepared) as one:
        yield one


def state(harness: ProbeHarness) -> list[Any]:
    weights = {name: value.clone() for name, value in harness.model.state_dict().items()}
    modes = [module.training for module in harness.model.modules()]
    drops = [module.p for module in harness.model.modules() if isinstance(module, torch.nn.Dropout)]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    return [weights, modes, drops, *states]


def same(before: list[Any], after: list[Any]) -> bool:
    alike = all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    return alike and before[1:] == after[1:] and before[0].keys() == after[0].keys()


CONFIG = TrialConfig(steps=8, total_steps=30, run_warmup_steps=4, steps_per_epoch=20, eval_steps=4)


def test_the_trial_is_undone_bit_for_bit_and_so_is_the_trainer(harness: ProbeHarness) -> None:
    before, trainer = state(harness), harness.session.trainer
    kept = trainer.args, trainer.train_dataset, trainer.model_wrapped, list(trainer.callback_handler.callbacks)
    moved: list[bool] = []
    trial, _ = run_trial(
        harness, CONFIG, held_out_rows(harness), lambda steps: moved.append(not same(before, state(harness)))
    )
    assert moved == [True] and trial.steps == 8
    assert same(before, state(harness))
    assert kept == (trainer.args, trainer.train_dataset, trainer.model_wrapped, trainer.callback_handler.callbacks)
    assert trainer.optimizer is None and trainer.lr_scheduler is None
    again, _ = run_trial(harness, CONFIG, held_out_rows(harness))
    assert [point.loss for point in again.curve.points] == [point.loss for point in trial.curve.points]


def test_the_trial_is_the_beginning_of_the_real_run(tmp_path: Path, one_thread: None) -> None:
    """The same losses, learning rates and gradient norms as the first steps of a run, dropout on."""
    planned, prepared = made(tmp_path, "lora", eval_strategy="no", save_strategy="no", max_steps=14)
    with probe_harness(planned.config, prepared) as harness:
        trial, _ = run_trial(harness, TrialConfig(12, planned.steps.total_steps, 3, 20), held_out_rows(harness))
    planned.config.train.given |= {"warmup_steps": 3}
    real = [one for one in train(planned.config, prepared, Run.create(tmp_path / "run")).records if one.kind == "train"]
    assert [point.lr for point in trial.curve.points] == [one.learning_rate for one in real[:12]]
    for point, record in zip(trial.curve.points, real, strict=False):
        assert point.loss == pytest.approx(record.loss, abs=1e-5)
        assert point.grad_norm == pytest.approx(record.grad_norm, rel=1e-3)
    assert trial.timing.tokens[0] > trial.timing.loss_tokens[0] > 0
    assert sum(trial.timing.tokens) == real[11].tokens


@pytest.mark.parametrize("engine", ["trl", "accelerate"])
def test_a_step_of_four_unequal_micro_batches_is_the_mean_over_all_their_tokens(
    tmp_path: Path, one_thread: None, engine: str
) -> None:
    """Each row alone through the model, its losses added up; a mean of the micro-batches' means is another number."""
    planned, prepared = made(tmp_path, gradient_accumulation_steps=4, engine=engine)
    with probe_harness(planned.config, prepared) as harness:
        batches = harness.first_batches(4)
        trial, _ = run_trial(harness, TrialConfig(2, 30, 1, 20), held_out_rows(harness))
        sums, counts = [], []
        for batch in batches:
            ids, labels, real = (batch[name] for name in ("input_ids", "labels", "attention_mask"))
            rows = [(ids[k][real[k] == 1], labels[k][real[k] == 1]) for k in range(len(ids))]
            logits = [harness.model(input_ids=some[None], use_cache=False).logits[0, :-1] for some, _ in rows]
            pairs = [(found, label[1:]) for found, (_, label) in zip(logits, rows, strict=True)]
            sums.append(sum(torch.nn.functional.cross_entropy(*pair, reduction="sum") for pair in pairs))
            counts.append(sum(int((label != -100).sum()) for _, label in pairs))
        assert len(set(counts)) == 4
        (sum(sums) / sum(counts)).backward()
        norm = sum(float(one.grad.square().sum()) for one in harness.model.parameters() if one.grad is not None) ** 0.5
    losses = [float(total.detach()) for total in sums]
    step = trial.curve.points[0]
    assert step.loss == pytest.approx(sum(losses) / sum(counts), rel=1e-5)
    assert step.loss != pytest.approx(np.mean(np.divide(losses, counts)), rel=1e-4)
    assert step.grad_norm == pytest.approx(norm, rel=1e-4)


def test_an_evaluation_is_the_loss_of_the_rows_by_another_route(harness: ProbeHarness) -> None:
    """Each document alone through the model, packed or not: packs are told apart, padding counts for nothing."""
    validation = held_out_rows(harness)
    seen = evaluate_rows(harness, validation, 0)
    documents = [
        (row["input_ids"][end - length : end], row["labels"][end - length : end])
        for row in validation.rows
        for lengths in (row.get("seq_lengths") or [len(row["input_ids"])],)
        for length, end in zip(lengths, accumulate(lengths), strict=True)
    ]
    assert len(documents) == len(seen.sums) == len(seen.tokens) >= len(validation)
    for number in (0, 1, len(documents) - 1):
        ids, labels = torch.tensor([documents[number][0]]), torch.tensor(documents[number][1])
        with torch.no_grad():
            logits = harness.model.eval()(input_ids=ids, use_cache=False).logits[0, :-1]
        expected = torch.nn.functional.cross_entropy(logits, labels[1:], ignore_index=-100, reduction="sum")
        assert seen.sums[number] == pytest.approx(float(expected), rel=1e-3)
        assert seen.tokens[number] == int((labels[1:] != -100).sum())
    assert seen.loss == pytest.approx(sum(seen.sums) / sum(seen.tokens))


def test_without_validation_rows_the_trial_holds_some_out(tmp_path: Path, one_thread: None) -> None:
    planned, prepared = made(tmp_path)
    prepared.validation = None
    with probe_harness(planned.config, prepared) as harness:
        validation = held_out_rows(harness)
        assert validation.source == "train" and validation.left is not None
        texts = {tuple(row["input_ids"]) for row in validation.rows}
        seen = {tuple(harness.prepared.train[number]["input_ids"]) for number in validation.left}
        assert len(texts) >= 2 and not texts & seen
        assert len(validation.left) + len(validation) == len(harness.prepared.train)
        trial, _ = run_trial(harness, CONFIG, validation)
    assert trial.validation_split == "train" and len(trial.curve.validation) == 3
    assert (trial.curve.warmup_steps, trial.run_warmup_steps) == (2, 4)


def test_a_few_examples_are_memorised_and_come_back(harness: ProbeHarness) -> None:
    if "seq_lengths" in harness.prepared.train.column_names:
        pytest.skip("examples are memorised one by one, packed or not")
    before = state(harness)
    planned = 1e-3
    found = overfit(harness, find_critical_lr(harness, planned), planned, examples=6, steps=50)
    assert same(before, state(harness))
    assert found is not None and found.attempts[-1].losses[0] > 3 and found.other_loss <= 0.1
    if harness.config.model.adapter:
        # The base was never trained to write the end of a turn, and with an adapter the row of that token is frozen.
        assert found.best.final_loss > 0.1 and any(one.is_stop for one in found.stuck)
        return
    assert found.best.final_loss <= 0.1 and not found.stuck
    assert len(found.replies) == 6 and all(reply.ended for reply in found.replies)
    assert found.exact_replies >= 5
    for reply in found.replies:
        assert reply.exact == (reply.expected == reply.written)


def test_examples_to_memorise_have_different_prompts(harness: ProbeHarness) -> None:
    rows = choose_examples(harness, 20)
    prompts = [tuple(row["input_ids"][: row["labels"].index(next(x for x in row["labels"] if x >= 0))]) for row in rows]
    assert len(rows) == 20 and len(set(prompts)) == 20


def test_runs_find_a_learning_rate_that_is_too_high_and_are_undone(harness: ProbeHarness) -> None:
    if harness.config.model.adapter:
        pytest.skip("as with all weights")
    before = state(harness)
    validation = held_out_rows(harness)
    critical = find_critical_lr(harness, 1e-3).lr
    assert critical is not None
    found = compare_lrs(harness, 10 * critical, validation, critical, steps=6)
    assert same(before, state(harness))
    assert found.best is not None and found.best.lr < 10 * critical
    gain = found.gain_over_planned(found.best)
    documents = sum(len(row.get("seq_lengths") or [1]) for row in validation.rows)
    assert gain is not None and gain.t > 3 and gain.n == documents
    if harness.config.train["packing"]:
        return  # made twice once
    again = compare_lrs(harness, 10 * critical, validation, critical, steps=6)
    assert [one.evaluation.loss for one in again.runs] == [one.evaluation.loss for one in found.runs]


def test_runs_of_an_earlier_round_are_not_made_again(harness: ProbeHarness) -> None:
    if harness.config.model.adapter:
        pytest.skip("as with all weights")
    validation = held_out_rows(harness)
    first = compare_lrs(harness, 3e-2, validation, steps=4)
    tried = [one.lr for one in first.runs]
    second = compare_lrs(harness, 1.1e-2, validation, steps=4, earlier=first)
    kept = [one for one in second.runs if one in first.runs]
    assert len(kept) == len(tried) and second.at(1.1e-2).lr == 1.1e-2
    assert all(
        not 1 / NEAR < one.lr / lr < NEAR for one in second.runs for lr in tried if one not in kept and one.lr != 1.1e-2
    )
    other = compare_lrs(harness, 1.1e-2, validation, steps=5, earlier=first)
    assert not [one for one in other.runs if one in first.runs]


def test_dropout_off_is_training_in_everything_else() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)).train()
    given = torch.ones(2, 4)
    with without_dropout(model):
        assert model.training and torch.equal(model(given), model[0](given))
    assert model[1].p == 0.5


def test_weights_come_back_from_a_file_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    dtypes = {"a": torch.float32, "b": torch.bfloat16}
    weights = {name: torch.nn.Parameter(torch.randn(3, 2).to(dtype)) for name, dtype in dtypes.items()}
    first = {name: weight.detach().clone() for name, weight in weights.items()}
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 10})())
    kept = WeightBackup(weights)
    assert kept._folder is not None
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(1)
        kept.put_back(weights)
    assert all(torch.equal(weights[name], first[name]) for name in weights)


def test_a_trial_ends_early_only_where_the_verdict_is_certain() -> None:
    falling = [Evaluation(step, 3 - step / 100) for step in range(0, 50, 5)]
    swinging = [Evaluation(step, 3 + (2 if step % 10 else -0.5)) for step in range(0, 50, 5)]
    gone = [Evaluation(0, 3.0), *(Evaluation(step, 6.0) for step in range(5, 50, 5))]
    reason = EarlyStop().reason
    assert reason([Point(1, 2.0)], falling) == "" == reason([Point(1, 2.0)], swinging)
    assert "risen from 3 to 6" in reason([Point(1, 2.0)], gone)
    assert "not a number" in reason([Point(3, float("nan"))], falling)
    back = [Evaluation(0, 3.0), *(Evaluation(step, 9 - step / 10) for step in range(5, 50, 5))]
    assert reason([Point(1, 2.0)], back) == ""
    mild = [Evaluation(0, 3.0), *(Evaluation(step, 3.2) for step in range(5, 50, 5))]
    assert reason([Point(1, 2.0)], mild) == "" != EarlyStop(times=1.05).reason([Point(1, 2.0)], mild)


def test_no_rows_are_no_evaluation() -> None:
    assert len(HeldOutRows(None, "train")) == 0 and len(HeldOutRows(None, "train").few()) == 0


def test_two_processes_try_the_run_as_one_does(tmp_path: Path) -> None:
    """Half the batch on each, the same losses."""
    for count, batch in ((1, "4"), (2, "2")):
        known = {"ACCELERATE_USE_CPU": "true", "SANETUNE_CACHE": str(tmp_path / "cache")}
        launch("tests.probes.two_trials", str(tmp_path), batch, count=count, **known)
    one, both = (json.loads((tmp_path / f"{batch}.json").read_text()) for batch in "42")
    assert one["trial"] and both["trial"], (one["said"], both["said"])
    for part in ("points", "validation"):
        losses = [[point["loss"] for point in found["trial"]["curve"][part]] for found in (one, both)]
        assert losses[1] == pytest.approx(losses[0], abs=1e-4)
