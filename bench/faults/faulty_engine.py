"""Faults of the engine: what a trainer, a collator or an attention kernel can do wrong under a sound configuration."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from bench.faults.faulty_models import built, layers
from bench.faults.recipes import deeply, during
from bench.faults.setups import Setup

FOUR = ("stories-alpaca", "qwen3-sharegpt", "gemma3-alpaca+lora", "gpt2-alpaca")


def losses(change: Callable[[Any, Any, Any, Any], Any]) -> AbstractContextManager[None]:
    """The loss is what ``change(whole, model, inputs, items)`` makes of it; ``whole`` is the trainer's own."""

    def spoil(trainer: Any) -> None:
        whole = trainer.compute_loss

        def spoilt(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            return change(whole, model, inputs, num_items_in_batch)

        trainer.compute_loss = spoilt

    return built(spoil)


def _count(inputs: Any) -> Any:
    return (inputs["labels"][:, 1:] != -100).sum()


# ---- accumulation ----


@during("model-accumulation-bias", "probe", on=(*FOUR, "demo-demo+accumulated"))
def micro_batches_weigh_alike(setup: Setup) -> AbstractContextManager[None]:
    """Each micro-batch's mean counts the same, as in transformers before 4.46."""
    return losses(lambda whole, model, inputs, items: whole(model, inputs, num_items_in_batch=_count(inputs)) / 2)


@during("model-accumulation-bias", "probe", on=("stories-alpaca", "gpt2-alpaca"))
def divided_twice(setup: Setup) -> AbstractContextManager[None]:
    """The loss is divided by the number of micro-batches a second time."""
    return losses(lambda whole, model, inputs, items: whole(model, inputs, num_items_in_batch=items) / 2)


@during("model-accumulation-bias", "probe", on=("stories-alpaca", "gemma3-alpaca"))
def last_micro_batch_only(setup: Setup) -> AbstractContextManager[None]:
    """Gradients are cleared before each micro-batch."""

    def spoil(trainer: Any) -> None:
        whole = trainer.training_step

        def spoilt(model: Any, *args: Any, **kwargs: Any) -> Any:
            model.zero_grad()
            return whole(model, *args, **kwargs)

        trainer.training_step = spoilt

    return built(spoil)


@during("model-accumulation-bias", "probe", on=("stories-alpaca", "qwen3-alpaca"))
def divided_by_all_tokens(setup: Setup) -> AbstractContextManager[None]:
    """The loss is divided by all tokens, the prompts' and the padding's too."""
    return losses(
        lambda whole, model, inputs, items: (
            whole(model, inputs, num_items_in_batch=items) * (items / inputs["labels"].numel())
        )
    )


# ---- neighbours ----


# What mixes rows is in no file: the saved folder, loaded plainly, does without it.
MIXED = ("model-save-reload",)


@during(
    "model-examples-mix",
    "probe",
    on=("stories-alpaca", "qwen3-alpaca", "gpt2-alpaca", "gemma3-alpaca+lora"),
    related=MIXED,
)
def rows_share_their_mean(setup: Setup) -> AbstractContextManager[None]:
    """A layer adds a part of the batch's mean, as a norm over the batch does."""
    return _mixing(lambda hidden: hidden + 0.05 * hidden.mean(dim=0, keepdim=True))


@during("model-examples-mix", "probe", on=("stories-alpaca", "demo-demo"), related=MIXED)
def rows_see_their_neighbour(setup: Setup) -> AbstractContextManager[None]:
    """A layer lets the states of the next row in."""
    return _mixing(lambda hidden: 0.9 * hidden + 0.1 * hidden.roll(1, 0))


@during("model-examples-mix", "probe", on=("qwen3-alpaca", "gpt2-alpaca"), related=MIXED)
def padding_is_seen(setup: Setup) -> AbstractContextManager[None]:
    """A layer lets the states of all later places in, the padding's too."""
    return _mixing(lambda hidden: hidden + 0.2 * hidden.mean(dim=1, keepdim=True))


def _mixing(change: Callable[[Any], Any]) -> AbstractContextManager[None]:
    def mix(trainer: Any) -> None:
        def hook(layer: Any, given: Any, out: Any) -> Any:
            return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

        layers(trainer.model)[0].register_forward_hook(hook)

    return built(mix)


# ---- packs ----

PACKED = ("stories-alpaca+packed", "qwen3-alpaca+packed", "gemma3-sharegpt+packed", "stories-alpaca+lora+packed")


@during("packs-leak", "probe", on=PACKED)
def positions_dropped(setup: Setup) -> AbstractContextManager[None]:
    """The positions that tell documents apart do not reach the model."""
    return _given_to(lambda keywords: keywords.pop("position_ids", None))


@during("packs-leak", "probe", on=PACKED[:2])
def positions_counted_through(setup: Setup) -> AbstractContextManager[None]:
    """Positions count through the whole pack."""
    import torch

    def through(keywords: dict[str, Any]) -> None:
        if (found := keywords.get("position_ids")) is not None:
            keywords["position_ids"] = torch.arange(found.shape[1], device=found.device).expand_as(found)

    return _given_to(through)


# The forward pass that measures losses has the cache off of itself, that of the trainer has not.
@during(
    "packs-leak",
    "probe",
    on=("stories-alpaca+packed", "gemma3-sharegpt+packed"),
    related=("model-accumulation-bias", "model-save-reload"),
)
def cache_left_on(setup: Setup) -> AbstractContextManager[None]:
    """The cache is on: transformers then lets the documents of a pack see each other."""
    return _given_to(lambda keywords: keywords.update(use_cache=True))


def _given_to(change: Callable[[dict[str, Any]], Any]) -> AbstractContextManager[None]:
    def spoil(trainer: Any) -> None:
        def before(model: Any, args: Any, keywords: dict[str, Any]) -> Any:
            change(keywords)
            return args, keywords

        base = trainer.model.get_base_model() if hasattr(trainer.model, "get_base_model") else trainer.model
        base.register_forward_pre_hook(before, with_kwargs=True)

    return built(spoil)


# A fresh model knows nothing.
@deeply("packs-leak", "probe", on=("qwen3-alpaca+packed",), related=("model-start-loss",))
def an_architecture_that_leaks(setup: Setup) -> None:
    """A Falcon, whose attention ignores positions, is trained on packs."""
    import shutil

    import torch
    from transformers import AutoTokenizer, FalconConfig, FalconForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(setup.model["name"])
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 0}
    folder = setup.folder / "falcon"
    FalconForCausalLM(FalconConfig(**sizes, **ids)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    shutil.rmtree(setup.folder / "model", ignore_errors=True)
    setup.model["name"] = str(folder)


# ---- updates ----


@during("model-update-lost", "probe", on=("stories-alpaca", "gemma3-alpaca+lora", "demo-demo"))
def optimizer_without_the_weights(setup: Setup) -> AbstractContextManager[None]:
    """The optimizer holds copies of the weights, made before they were moved."""

    def spoil(trainer: Any) -> None:
        import torch

        whole = trainer.create_optimizer

        def spoilt() -> Any:
            optimizer = whole()
            for group in optimizer.param_groups:
                group["params"] = [torch.nn.Parameter(weight.detach().clone()) for weight in group["params"]]
            return optimizer

        trainer.create_optimizer = spoilt

    return built(spoil)


@during("model-update-lost", "probe", on=("stories-alpaca", "qwen3-alpaca", "gpt2-alpaca"))
def half_of_the_weights_forgotten(setup: Setup) -> AbstractContextManager[None]:
    """The optimizer was given every second weight."""

    def spoil(trainer: Any) -> None:
        whole = trainer.create_optimizer

        def spoilt() -> Any:
            optimizer = whole()
            for group in optimizer.param_groups:
                group["params"] = group["params"][::2]
            return optimizer

        trainer.create_optimizer = spoilt

    return built(spoil)


@during("model-update-lost", "probe", on=("stories-alpaca", "qwen3-alpaca+lora"))
def steps_that_do_nothing(setup: Setup) -> AbstractContextManager[None]:
    """The optimizer's step returns before it does anything, as with a scaler that always skips."""

    def spoil(trainer: Any) -> None:
        whole = trainer.create_optimizer

        def spoilt() -> Any:
            optimizer = whole()
            mock.patch.object(optimizer, "step", return_value=None).start()
            return optimizer

        trainer.create_optimizer = spoilt

    return built(spoil)
