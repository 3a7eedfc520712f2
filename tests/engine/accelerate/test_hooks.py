"""Losses, gradients and batches of the user's own: normalised over the effective batch, logged by name."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sanetune.data.collator import Collator
from sanetune.engine.hooks import Hooks
from sanetune.engine.metrics import read
from sanetune.engine.models import load_model
from sanetune.errors import ConfigError
from sanetune.runs import Run
from tests.engine.running import Follower, train

Config = Callable[..., SimpleNamespace]
WEIGHTS = {"parity": 0.5}


@pytest.fixture
def batches(rows: list[dict[str, Any]]) -> list[dict[str, Tensor]]:
    """Micro-batches of three rows, one, two and four, each row with a class."""
    made, at = [], 0
    for size in (3, 1, 2, 4):
        some = [{key: row[key] for key in ("input_ids", "labels")} for row in rows[at : at + size]]
        classes = torch.tensor([len(row["input_ids"]) % 2 for row in some])
        made.append({**Collator(0)(some), "classes": classes})
        at += size
    return made


def add_head(model: Any) -> None:
    torch.manual_seed(11)
    model.head_of_classes = torch.nn.Linear(model.config.hidden_size, 2)


def losses(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True)
    labels = batch["labels"][:, 1:].flatten()
    tokens = functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), labels, reduction="sum")
    classes = model.head_of_classes(out.hidden_states[-1][:, 0])
    return {"tokens": tokens, "parity": functional.cross_entropy(classes, batch["classes"], reduction="sum")}


def counts(batch: dict[str, Tensor]) -> dict[str, int]:
    return {"tokens": int((batch["labels"][:, 1:] != -100).sum()), "parity": len(batch["classes"])}


def expected(settings: SimpleNamespace, batches: list[dict[str, Tensor]], weights: dict[str, float]) -> dict[str, Any]:
    """Gradients of the whole effective batch, from one sum over all its rows."""
    model: Any = load_model(settings.model)
    add_head(model)
    found = [losses(model, batch) for batch in batches]
    total: Any = 0
    for name, weight in weights.items():
        items = sum(counts(batch)[name] for batch in batches)
        total = total + weight * sum(one[name] for one in found) / items
    total.backward()
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    return {"loss": float(total.detach()), "gradients": gradients}


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-6), name


def run_once(
    config: Config, prepared: Any, folder: Path, batches: Any, **hooks: Any
) -> tuple[list[dict[str, Tensor]], Run, SimpleNamespace]:
    """Two steps of two micro-batches each; returns the gradients that each had."""
    taken: list[dict[str, Tensor]] = []

    def take(model: Any) -> None:
        taken.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})

    settings = config(
        engine="accelerate", max_steps=2, gradient_accumulation_steps=2, save_strategy="no", eval_strategy="no",
        load_best_model_at_end=False, learning_rate=0.0, max_grad_norm=0.01,
    )  # fmt: skip
    run = Run.create(folder)
    hook = Hooks(on_model=add_head, loss_fn=losses, count_fn=counts, on_gradients=take, batches=batches, **hooks)
    train(settings, prepared, run, hooks=hook)
    return taken, run, settings


def test_named_losses_are_means_over_the_effective_batch_and_logged(
    batches: list[dict[str, Tensor]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    taken, run, settings = run_once(config, prepared, tmp_path / "run", batches, loss_weights=WEIGHTS)
    for gradients, some, record in zip(taken, (batches[:2], batches[2:]), read(run.metrics), strict=True):
        wanted = expected(settings, some, {"tokens": 1.0, "parity": 0.5})
        assert_close(gradients, wanted["gradients"])
        assert record.loss == pytest.approx(wanted["loss"], rel=1e-5)
        assert record.losses is not None
        assert record.losses["tokens"] + 0.5 * record.losses["parity"] == pytest.approx(record.loss, rel=1e-5)
        assert record.losses["parity"] == pytest.approx(expected(settings, some, {"parity": 1.0})["loss"], rel=1e-5)


def test_gradients_of_each_loss_are_combined_by_the_user(
    batches: list[dict[str, Tensor]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    seen: list[dict[str, Any]] = []

    def only_classes(gradients: dict[str, Any]) -> Any:
        seen.append(gradients)
        return gradients["parity"]

    taken, _, settings = run_once(
        config, prepared, tmp_path / "run", batches, loss_weights=WEIGHTS, combine_gradients=only_classes
    )
    assert [sorted(one) for one in seen] == [["parity", "tokens"]] * 2
    assert_close(taken[0], expected(settings, batches[:2], WEIGHTS)["gradients"])


def test_own_batches_begin_again_when_they_end(
    batches: list[dict[str, Tensor]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    class Counted:
        begun = 0

        def __iter__(self) -> Iterator[dict[str, Tensor]]:
            self.begun += 1
            return iter(batches[:3])

    own = Counted()
    taken, _, settings = run_once(config, prepared, tmp_path / "run", own)
    assert own.begun == 2
    assert_close(taken[1], expected(settings, [batches[2], batches[0]], {"tokens": 1.0, "parity": 1.0})["gradients"])


def one_row_each(rows: list[dict[str, Any]], count: int) -> list[dict[str, Tensor]]:
    return [Collator(0)([{key: rows[k][key] for key in ("input_ids", "labels")}]) for k in range(count)]


def token_loss(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].flatten(0, 1)
    return {"mine": functional.cross_entropy(logits, batch["labels"][:, 1:].flatten(), reduction="sum")}


LONG: dict[str, Any] = {
    "engine": "accelerate", "gradient_accumulation_steps": 2, "eval_strategy": "no", "load_best_model_at_end": False,
}  # fmt: skip
"""Two steps are an epoch of the prepared rows."""


def test_a_generator_gives_each_batch_once_over_all_epochs(
    rows: list[dict[str, Any]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    made = one_row_each(rows, 14)
    seen: list[Tensor] = []

    def loss(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        seen.append(batch["input_ids"])
        return token_loss(model, batch)

    hooks = Hooks(batches=(batch for batch in made), loss_fn=loss)
    outcome = train(config(**LONG, max_steps=6), prepared, Run.create(tmp_path / "run"), hooks=hooks)
    assert outcome.steps == 6
    assert not outcome.stopped_early
    assert [ids.tolist() for ids in seen] == [batch["input_ids"].tolist() for batch in made[:12]]


def test_a_generator_that_ends_too_early_ends_the_run_with_the_numbers(
    rows: list[dict[str, Any]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    hooks = Hooks(batches=iter(one_row_each(rows, 7)))
    run = Run.create(tmp_path / "run")
    with pytest.raises(ConfigError, match="ended after 7 micro-batches: enough for 3 of 6 steps"):
        train(config(**LONG, max_steps=6), prepared, run, hooks=hooks)
    assert not run.finished
    with pytest.raises(ConfigError, match="ended after 0 micro-batches: enough for 0 of 6 steps"):
        train(config(**LONG, max_steps=6), prepared, Run.create(tmp_path / "other"), hooks=Hooks(batches=[]))


def test_a_resumed_run_goes_on_in_its_generator(
    rows: list[dict[str, Any]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    made, whole, halted = one_row_each(rows, 12), Run.create(tmp_path / "a"), Run.create(tmp_path / "b")
    settings = config(**LONG, max_steps=6)
    train(settings, prepared, whole, hooks=Hooks(batches=iter(made)))
    stopping = Follower(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(settings, prepared, halted, stopping, hooks=Hooks(batches=iter(made)))
    train(settings, prepared, halted, hooks=Hooks(batches=iter(made)), resume=True)
    assert [(one.step, one.loss) for one in read(halted.metrics)] == [(r.step, r.loss) for r in read(whole.metrics)]


def test_losses_without_counts_are_divided_by_the_tokens_in_the_loss(
    prepared: Any, config: Config, tmp_path: Path
) -> None:
    settings, mine, ours = config(**LONG, max_steps=2), Run.create(tmp_path / "a"), Run.create(tmp_path / "b")
    train(settings, prepared, mine, hooks=Hooks(loss_fn=token_loss))
    train(settings, prepared, ours)
    for one, other in zip(read(mine.metrics), read(ours.metrics), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        assert one.losses == {"mine": pytest.approx(other.loss, rel=1e-5)}


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        (Hooks(loss_fn=token_loss, count_fn=lambda batch: {"other": 3}), "the loss 'mine'.* it has 'other'"),
        (Hooks(loss_fn=token_loss, batches=[{"ids": torch.ones(1, 3)}]), "have no labels, only ids"),
    ],
)
def test_items_that_nobody_counts_are_an_error_with_their_names(
    hooks: Hooks, message: str, prepared: Any, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(config(**LONG, max_steps=2), prepared, Run.create(tmp_path / "run"), hooks=hooks)


def test_a_head_of_the_users_own_is_in_checkpoint_and_model(
    batches: list[dict[str, Tensor]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    settings, run = config(engine="accelerate", max_steps=4), Run.create(tmp_path / "run")
    hooks = Hooks(on_model=add_head, loss_fn=losses, count_fn=counts, batches=batches)
    train(settings, prepared, run, hooks=hooks)
    for file in (run.checkpoints / "checkpoint-4" / "model.safetensors", run.model / "model.safetensors"):
        assert "head_of_classes.weight" in load_file(file)
    again = copy.deepcopy(settings)
    again.train.given["max_steps"] = 6
    assert train(again, prepared, run, hooks=hooks, resume=True).resumed_from == 4


def test_the_trl_engine_refuses_hooks(prepared: Any, config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no hooks"):
        train(config(), prepared, Run.create(tmp_path / "run"), hooks=Hooks())
