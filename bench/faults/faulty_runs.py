"""Faults that show in the course of a run: what the curve does when data, schedule or engine go wrong on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from bench.faults.faulty_engine import losses
from bench.faults.faulty_lr import COLD, HOT, times
from bench.faults.faulty_models import built, layers
from bench.faults.recipes import deeply, during
from bench.faults.setups import Setup

# What a trained model that is broken says.
ANSWERS = ("samples-no-stop", "samples-degenerate", "samples-off-form", "samples-unchanged")
# A run that is broken on the way looks so in several ways.
BROKEN = ("curve-diverged", "curve-spike", "curve-oscillating", "curve-plateau", "curve-norm-growth", "curve-overfit")


def in_training(change: Callable[[Any, dict[str, Any], int], None]) -> AbstractContextManager[None]:
    """``change(trainer, batch, step)`` before each step of the trainer's own loop; probes do not come by."""

    def spoil(trainer: Any) -> None:
        taken = trainer.get_batch_samples

        def spoilt(*args: Any, **kwargs: Any) -> Any:
            batches, items = taken(*args, **kwargs)
            for batch in batches:
                change(trainer, batch, trainer.state.global_step)
            return batches, items

        trainer.get_batch_samples = spoilt

    return built(spoil)


def poisoned(batch: dict[str, Any], seed: int) -> None:
    """Answers of random tokens."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    in_loss = batch["labels"] != -100
    noise = torch.randint(10, int(batch["input_ids"].max()) + 1, batch["labels"].shape, generator=generator)
    batch["labels"][in_loss] = noise[in_loss]


# ---- not a number, zero ----


@during("curve-nan", "trial", on=("stories-alpaca", "qwen3-alpaca"), related=(*BROKEN, *ANSWERS))
def not_a_number_on_the_way(setup: Setup) -> AbstractContextManager[None]:
    """At step 60 one weight becomes NaN, as after an overflow."""

    def break_(trainer: Any, batch: dict[str, Any], step: int) -> None:
        if step == 60:
            next(iter(layers(trainer.model)[0].parameters())).data.view(-1)[:1] = float("nan")

    return in_training(break_)


@during("curve-nan", "trial", on=("stories-alpaca+lora",), related=(*BROKEN, *ANSWERS))
def infinite_on_the_way(setup: Setup) -> AbstractContextManager[None]:
    """At step 30 the scale of a trained matrix overflows."""

    def break_(trainer: Any, batch: dict[str, Any], step: int) -> None:
        if step == 30:
            next(one for one in trainer.model.parameters() if one.requires_grad).data.mul_(float("inf"))

    return in_training(break_)


@during(
    "curve-zero-loss",
    "trial",
    on=("stories-alpaca", "gpt2-alpaca"),
    related=(
        *COLD,
        "model-nothing-trainable",
        "model-new-tokens-frozen",
        "model-cannot-overfit",
        "model-gradients-bad",
        "model-accumulation-bias",
        "curve-unchanged",
    ),
)
def loss_of_zero(setup: Setup) -> AbstractContextManager[None]:
    """The loss is multiplied by a mask that is all zeros."""
    return losses(lambda whole, model, inputs, items: whole(model, inputs, num_items_in_batch=items) * 0.0)


@during("curve-zero-loss", "trial", on=("stories-alpaca+packed", "qwen3-alpaca"), related=COLD)
def labels_dropped_in_the_loader(setup: Setup) -> AbstractContextManager[None]:
    """From the second epoch on, every label of a batch is masked."""

    def mask(trainer: Any, batch: dict[str, Any], step: int) -> None:
        if step > 40:
            batch["labels"].fill_(-100)

    return in_training(mask)


# ---- schedules ----


def scheduled(share: Callable[[int], float]) -> AbstractContextManager[None]:
    """The learning rate of each step is ``share(step)`` of the peak."""

    def spoil(trainer: Any) -> None:
        from torch.optim.lr_scheduler import LambdaLR

        def create(num_training_steps: int, optimizer: Any = None) -> Any:
            trainer.lr_scheduler = LambdaLR(optimizer or trainer.optimizer, share)
            return trainer.lr_scheduler

        trainer.create_scheduler = create

    return built(spoil)


@during("curve-rate-zero", "trial", on=("stories-alpaca", "gpt2-alpaca"), related=COLD)
def schedule_ends_at_a_third(setup: Setup) -> AbstractContextManager[None]:
    """The schedule was made for a third of the steps; the learning rate is 0 afterwards."""
    return scheduled(lambda step: max(0.0, 1 - step / 60))


@during("curve-rate-zero", "trial", on=("qwen3-alpaca+packed",), related=COLD)
def scheduler_never_stepped(setup: Setup) -> AbstractContextManager[None]:
    """The warm-up starts at 0, and nobody steps the scheduler."""
    return scheduled(lambda step: 0.0)


@during("curve-oscillating", "trial", on=("stories-alpaca", "gemma3-alpaca"), related=(*HOT, "curve-rate-restarts"))
def lr_swings(setup: Setup) -> AbstractContextManager[None]:
    """A cyclic schedule whose peaks are sixty times the inferred learning rate."""
    return scheduled(lambda step: 60.0 if step > 20 and step % 20 < 4 else 1.0)


@during("curve-oscillating", "trial", on=("stories-alpaca", "qwen3-alpaca"), related=(*HOT, "curve-rate-restarts"))
def lr_swings_fast(setup: Setup) -> AbstractContextManager[None]:
    """A schedule by batches instead of steps: every tenth step is at a hundred times the learning rate."""
    return scheduled(lambda step: 100.0 if step > 10 and step % 10 == 0 else 1.0)


@during("curve-spike", "trial", on=("stories-alpaca", "gpt2-alpaca"), related=HOT)
def lr_jumps_once(setup: Setup) -> AbstractContextManager[None]:
    """For three steps after a restart the learning rate is two hundred times as high."""
    return scheduled(lambda step: 200.0 if 60 <= step < 63 else 1.0)


# ---- batches that are wrong ----


@during("curve-spike", "trial", on=("stories-alpaca", "qwen3-alpaca", "demo-demo"), related=HOT)
def batches_poisoned(setup: Setup) -> AbstractContextManager[None]:
    """Four batches in a row hold answers of random tokens: a broken shard of the data."""
    return in_training(lambda trainer, batch, step: poisoned(batch, step) if 60 <= step < 64 else None)


@during("curve-diverged", "trial", on=("stories-alpaca", "gemma3-alpaca"), related=(*HOT, "samples-unchanged"))
def poisoned_from_the_middle(setup: Setup) -> AbstractContextManager[None]:
    """From step 50 on all answers are random tokens."""
    return in_training(lambda trainer, batch, step: poisoned(batch, step) if step >= 50 else None)


@during(
    "curve-diverged",
    "trial",
    on=("stories-alpaca", "qwen3-alpaca"),
    related=(*HOT, "model-accumulation-bias", "model-cannot-overfit", "model-rate-critical"),
)
def uphill(setup: Setup) -> AbstractContextManager[None]:
    """The loss has the wrong sign from the first step on."""
    return losses(lambda whole, model, inputs, items: -whole(model, inputs, num_items_in_batch=items))


@deeply("curve-diverged", "trial", on=("stories-alpaca", "qwen3-alpaca", "gpt2-alpaca"), related=HOT)
def lr_of_one_without_clipping(setup: Setup) -> None:
    """A learning rate of 1 and no clipping."""
    setup.train.update({"learning_rate": 1.0, "max_grad_norm": 0.0})


# ---- growth ----


@deeply("curve-norm-growth", "trial", on=("stories-alpaca", "stories-sharegpt"), related=HOT)
def weights_run_away(setup: Setup) -> None:
    """Five hundred times the inferred learning rate, constant, without clipping."""
    times(setup, 500)
    setup.train.update({"lr_scheduler_type": "constant", "max_grad_norm": 0.0})


@during("curve-norm-growth", "trial", on=("stories-alpaca", "qwen3-alpaca"), related=(*HOT, "model-accumulation-bias"))
def loss_scale_grows(setup: Setup) -> AbstractContextManager[None]:
    """A loss scale is never taken back: gradients grow by three percent in each step."""

    def spoil(trainer: Any) -> None:
        whole = trainer.compute_loss

        def spoilt(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            scale = 1.03**trainer.state.global_step
            found = whole(model, inputs, num_items_in_batch=num_items_in_batch)
            return found * scale

        trainer.compute_loss = spoilt

    return built(spoil)


# ---- too few rows, random answers ----


@deeply(
    "curve-overfit",
    "trial",
    on=("stories-alpaca", "gemma3-alpaca", "qwen3-alpaca"),  # the set phrases of sharegpt are held out, too
    related=(
        "config-epochs-many",
        "config-rate-unusual",
        "curve-staircase",
        "curve-rate-beaten",
        "curve-unfinished",
        "config-no-validation",
    ),
)
def few_rows_many_epochs(setup: Setup) -> None:
    """Forty rows, and two hundred steps over them at three times the inferred learning rate."""
    kept, validation = setup.split()
    setup.write(kept[:40])
    setup.write(validation, "validation")
    setup.train["num_train_epochs"] = 20
    times(setup, 3)


# From noise its letters are learned: training falls, and the held-out rows, which are whole, rise.
@during("curve-overfit", "trial", on=("stories-alpaca", "qwen3-alpaca"), related=(*COLD, *HOT, "curve-start-high"))
def answers_of_noise(setup: Setup) -> AbstractContextManager[None]:
    """All answers are random tokens, others in every epoch."""
    return in_training(lambda trainer, batch, step: poisoned(batch, step))


# Each evaluation is of a single step from the base, at whatever learning rate the schedule has there.
@during("curve-plateau", "trial", on=("stories-alpaca",), related=(*COLD, "curve-overfit"))
def weights_put_back(setup: Setup) -> AbstractContextManager[None]:
    """After every step the weights are overwritten with the loaded ones, as a wrapper that holds a copy does."""

    def spoil(trainer: Any) -> None:
        kept = [weight.detach().clone() for weight in trainer.model.parameters()]
        taken = trainer.get_batch_samples

        def spoilt(*args: Any, **kwargs: Any) -> Any:
            for weight, old in zip(trainer.model.parameters(), kept, strict=True):
                weight.data.copy_(old)
            return taken(*args, **kwargs)

        trainer.get_batch_samples = spoilt

    return built(spoil)


@deeply("curve-unfinished", "trial", on=("demo-demo", "demo-demo+lora"), related=(*COLD, "config-few-steps"))
def stopped_while_it_falls(setup: Setup) -> None:
    """Forty steps at a constant learning rate, half of the derived one: the loss is on its steepest part."""
    setup.train.update({"max_steps": 40, "lr_scheduler_type": "constant", "warmup_steps": 0})
    setup.config["check"] = {**setup.config.get("check", {}), "trial_eval_steps": 10}
    times(setup, 0.5)


# ---- the first loss ----

START = ("model-start-loss", *HOT, "samples-unchanged", "model-cannot-overfit", "model-gradients-bad")


@deeply("curve-start-high", "trial", on=("stories-alpaca", "qwen3-alpaca"), related=START)
def another_vocabulary_in_a_trial(setup: Setup) -> None:
    """The embedding's rows are in another order than the tokenizer's words; then a trial."""
    from bench.faults.faulty_models import another_vocabulary

    another_vocabulary(setup)


@deeply("curve-start-high", "trial", on=("gemma3-alpaca",), related=START)
def head_upside_down_in_a_trial(setup: Setup) -> None:
    """The last norm has the wrong sign; then a trial."""
    from bench.faults.faulty_models import head_upside_down

    head_upside_down(setup)


# ---- learning from memory ----

HEART = (*COLD, *HOT, "model-nothing-trainable", "model-new-tokens-frozen", "model-update-lost")


@during("model-cannot-overfit", "trial", on=("stories-alpaca", "qwen3-alpaca"), related=HEART)
def only_norms_learn(setup: Setup) -> AbstractContextManager[None]:
    """Everything but the scales of the norms is frozen after the trainer was built."""

    def freeze(trainer: Any) -> None:
        for weight in trainer.model.parameters():
            weight.requires_grad_(weight.dim() == 1)

    return built(freeze)


@during(
    "model-cannot-overfit",
    "trial",
    on=("stories-alpaca", "gemma3-alpaca"),
    related=(*HEART, "template-end-unlearnt", "labels-disagree"),
)
def the_end_is_never_in_loss(setup: Setup) -> AbstractContextManager[object]:
    """The collator takes the end token for padding, and masks it."""
    from unittest import mock

    from sanetune.data.collator import Collator

    whole = Collator.__call__

    def masked(self: Any, rows: Any) -> Any:
        batch = whole(self, rows)
        labels = batch["labels"]
        last = (labels != -100) & (labels.roll(-1, 1) == -100)
        labels[last] = -100
        return batch

    return mock.patch.object(Collator, "__call__", masked)


SHIFTED = (*HEART, "model-accumulation-bias", "curve-start-high")


@during("model-cannot-overfit", "trial", on=("stories-alpaca", "gpt2-alpaca"), related=SHIFTED)
def labels_shifted_twice(setup: Setup) -> AbstractContextManager[None]:
    """The loss shifts labels that were shifted already: each token is to tell the one after the next."""

    def shifted(whole: Any, model: Any, inputs: Any, items: Any) -> Any:
        labels = inputs["labels"].roll(-1, 1)
        labels[:, -1] = -100
        return whole(model, {**inputs, "labels": labels}, num_items_in_batch=items)

    return losses(shifted)


@deeply("model-cannot-overfit", "trial", on=("stories-alpaca", "gpt2-alpaca"), related=HEART)
def a_few_weights_only(setup: Setup) -> None:
    """A LoRA of rank 1 on one kind of matrix: it cannot hold twenty answers."""
    target = "attn.c_attn" if setup.name.startswith("gpt2") else "q_proj"
    setup.model["adapter"] = {"type": "lora", "r": 1, "alpha": 1, "target": [target]}
