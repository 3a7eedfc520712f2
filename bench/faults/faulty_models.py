"""Faults of the model's weights, of what of it is trained, and of what it is saved as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from bench.faults.recipes import deeply, during
from bench.faults.setups import Setup, prompt, to_messages

FIVE = ("demo-demo", "stories-alpaca", "qwen3-alpaca", "gemma3-alpaca", "gpt2-alpaca")
OPEN = ("stories-alpaca", "qwen3-alpaca", "gemma3-alpaca", "gpt2-alpaca")
"""Models that have to learn something yet."""

# A model whose weights are worthless starts high, has strange gradients, and cannot be told from prompts.
WORTHLESS = ("curve-start-high", "model-start-loss", "model-gradients-bad")


def weights(setup: Setup, change: Callable[[Any], None]) -> None:
    """Changes the weights of the model on disk."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = setup.own_model()
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        change(model)
    model.save_pretrained(folder)


@contextmanager
def built(change: Callable[[Any], None]) -> Iterator[None]:
    """Every trainer of the real model is changed before anything reads it."""
    from sanetune.engine.trl.engine import TrlEngine

    whole = TrlEngine.build

    def spoilt(*args: Any, **kwargs: Any) -> Any:
        session = whole(*args, **kwargs)
        change(session.trainer)
        return session

    with mock.patch.object(TrlEngine, "build", spoilt):
        yield


def layers(model: Any) -> Any:
    """The list of the model's layers, below an adapter too."""
    from torch import nn

    lists = [part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part) > 1]
    return lists[0]


# ---- what is trained ----


@during("model-nothing-trainable", "probe", on=FIVE[:4], related=("model-new-tokens-frozen",))
def everything_frozen(setup: Setup) -> AbstractContextManager[None]:
    """All weights are frozen after the trainer was built."""

    def freeze(trainer: Any) -> None:
        for weight in trainer.model.parameters():
            weight.requires_grad_(False)

    return built(freeze)


@during("model-nothing-trainable", "probe", on=(*OPEN[:2], "gemma3-alpaca+lora", "stories-alpaca+lora"))
def graph_cut(setup: Setup) -> AbstractContextManager[None]:
    """What comes out of the last layer but one is detached: nothing below it gets a gradient."""

    def cut(trainer: Any) -> None:
        layers(trainer.model)[-2].register_forward_hook(lambda layer, given, out: _through(out, lambda h: h.detach()))

    return built(cut)


# A model without half of its layers is another one when it is loaded plainly, and none that was pre-trained.
@during(
    "model-nothing-trainable",
    "probe",
    on=("stories-alpaca", "demo-demo", "qwen3-alpaca+lora"),
    related=("model-save-reload", "model-start-loss"),
)
def layers_left_out(setup: Setup) -> AbstractContextManager[None]:
    """Half of the layers are passed over in the forward pass, and train with the rest."""

    def skip(trainer: Any) -> None:
        some = layers(trainer.model)
        for layer in list(some)[len(some) // 2 :]:
            layer.forward = lambda hidden, *args, **kwargs: hidden

    return built(skip)


@deeply("model-nothing-trainable", "probe", on=("stories-alpaca", "gemma3-alpaca"), refused="model.adapter.target")
def adapter_on_nothing(setup: Setup) -> None:
    """A LoRA whose target is a module of another architecture."""
    setup.model["adapter"] = {"type": "lora", "target": ["query_key_value"]}


@deeply("model-nothing-trainable", "probe", on=("stories-alpaca", "qwen3-alpaca"), refused="model.freeze")
def all_matched_by_freeze(setup: Setup) -> None:
    """A pattern to freeze that matches every weight."""
    setup.model["freeze"] = ["*"]


@during(
    "model-nothing-trainable",
    "probe",
    on=("qwen3-alpaca+lora", "stories-alpaca+lora"),
    related=("model-save-reload",),  # the merged folder has what the forward pass goes round
)
def adapter_switched_off(setup: Setup) -> AbstractContextManager[None]:
    """The adapter's layers are there, and the forward pass goes round them."""

    def disable(trainer: Any) -> None:
        for part in trainer.model.modules():
            if hasattr(part, "lora_A") and hasattr(part, "base_layer"):
                part.forward = part.base_layer.forward

    return built(disable)


# ---- weights ----


@deeply("model-start-loss", "probe", on=FIVE, related=("curve-start-high", "tokens-outside-vocabulary"))
def another_vocabulary(setup: Setup) -> None:
    """The rows of the embedding belong to a tokenizer with the same words in another order."""
    import torch

    def shuffle(model: Any) -> None:
        head = model.get_output_embeddings().weight
        order = torch.randperm(len(head), generator=torch.Generator().manual_seed(0))
        for part in {id(w): w for w in (head, model.get_input_embeddings().weight)}.values():
            part.copy_(part[order].clone())

    weights(setup, shuffle)


@deeply("model-start-loss", "probe", on=("demo-demo", "stories-alpaca", "qwen3-alpaca"), related=("curve-start-high",))
def ids_off_by_one(setup: Setup) -> None:
    """A token was put in at the front of the vocabulary: every id is one too high for the weights."""

    def shift(model: Any) -> None:
        for part in {
            id(w): w for w in (model.get_output_embeddings().weight, model.get_input_embeddings().weight)
        }.values():
            part.copy_(part.roll(1, 0).clone())

    weights(setup, shift)


@deeply("model-start-loss", "probe", on=("demo-demo", "stories-alpaca", "gemma3-alpaca"), related=("curve-start-high",))
def head_upside_down(setup: Setup) -> None:
    """The last norm's scale has the wrong sign and size, as after a faulty conversion."""
    weights(setup, lambda model: model.model.norm.weight.copy_(-3 * model.model.norm.weight - 3))


# Between such weights hardly any gradient comes through.
@deeply("model-start-loss", "probe", on=OPEN, related=("curve-start-high", "model-update-lost", "model-gradients-bad"))
def weights_never_loaded(setup: Setup) -> None:
    """Freshly drawn weights, as wide as an initialiser of another framework makes them."""
    import torch

    def draw(model: Any) -> None:
        torch.manual_seed(0)
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.4)

    weights(setup, draw)


# A loss that is no number is above every limit.
@deeply("model-gradients-bad", "probe", on=FIVE[:3], related=("model-start-loss",))
def a_weight_not_a_number(setup: Setup) -> None:
    """One entry of a weight in the file is NaN."""
    weights(setup, lambda model: next(iter(layers(model)[0].parameters())).view(-1)[:1].fill_(float("nan")))


@deeply("model-gradients-bad", "probe", on=("stories-alpaca", "gpt2-alpaca"), related=("model-start-loss",))
def a_weight_infinite(setup: Setup) -> None:
    """One row of a matrix in the file overflowed in float16."""

    def overflow(model: Any) -> None:
        matrix = next(weight for weight in layers(model)[1].parameters() if weight.dim() > 1)
        matrix[0].fill_(float("inf"))

    weights(setup, overflow)


@during("model-gradients-bad", "probe", on=("stories-alpaca", "qwen3-alpaca+lora", "gemma3-alpaca"))
def a_gradient_not_a_number(setup: Setup) -> AbstractContextManager[None]:
    """The backward pass of one matrix gives NaN, as some kernels do on padding."""

    def spoil(trainer: Any) -> None:
        weight = next(one for one in trainer.model.parameters() if one.requires_grad and one.dim() > 1)
        weight.register_hook(lambda grad: grad * float("nan"))

    return built(spoil)


@during("model-gradients-bad", "probe", on=("stories-alpaca", "demo-demo", "gpt2-alpaca"))
def a_layer_that_vanishes(setup: Setup) -> AbstractContextManager[None]:
    """The gradients of one layer are scaled to nothing."""

    def shrink(trainer: Any) -> None:
        for weight in layers(trainer.model)[0].parameters():
            weight.register_hook(lambda grad: grad * 1e-9)

    return built(shrink)


# ---- added tokens ----


@deeply("model-new-tokens-frozen", "probe", on=("stories-alpaca", "stories-sharegpt+packed"))
def embedding_frozen(setup: Setup) -> None:
    """The embedding is frozen beside a template with new tokens."""
    setup.model["freeze"] = ["*embed_tokens*"]


@deeply("model-new-tokens-frozen", "probe", on=("stories-alpaca", "stories-alpaca+packed"))
def only_layers_trained(setup: Setup) -> None:
    """Only the layers are trained beside a template with new tokens."""
    setup.model["train_only"] = ["*layers*"]


@during("model-new-tokens-frozen", "probe", on=("stories-alpaca+lora", "stories-sharegpt+lora"))
def lora_without_the_new_tokens(setup: Setup) -> AbstractContextManager[object]:
    """A LoRA as peft makes it: the rows of new tokens stay as they were drawn."""
    from sanetune.engine import building

    return mock.patch.object(building, "new_tokens", return_value=[])


# ---- prompts and answers ----


@deeply(
    "model-pairs-shuffled",
    "probe",
    on=("stories-alpaca", "demo-demo", "gemma3-gsm8k", "qwen3-alpaca+lora"),
    related=("rows-pairs-mixed",),
)
def answers_shuffled(setup: Setup) -> None:
    """The answers were shuffled apart from their prompts."""
    import random

    _rejoined(setup, lambda answers: random.Random(0).sample(answers, len(answers)))


@deeply(
    "model-pairs-shuffled", "probe", on=("stories-alpaca", "gemma3-gsm8k", "gpt2-alpaca"), related=("rows-pairs-mixed",)
)
def answers_off_by_one(setup: Setup) -> None:
    """Each prompt has the answer of the row before it."""
    _rejoined(setup, lambda answers: answers[-1:] + answers[:-1])


@deeply("model-pairs-shuffled", "probe", on=("stories-alpaca", "qwen3-gsm8k"), related=("rows-pairs-mixed",))
def answers_sorted(setup: Setup) -> None:
    """The column of answers was sorted, that of prompts was not."""
    _rejoined(setup, sorted)


@deeply("model-pairs-shuffled", "trial", on=("stories-alpaca", "qwen3-gsm8k"), related=("rows-pairs-mixed",))
def answers_shuffled_before_a_trial(setup: Setup) -> None:
    """The answers were shuffled apart from their prompts; a trial shows how well they are memorised."""
    answers_shuffled(setup)


def _rejoined(setup: Setup, order: Callable[[list[str]], list[str]]) -> None:
    rows = [to_messages(row, setup.row_format) for row in setup.rows()]
    pairs = [(row["messages"][-2:]) for row in rows]
    answers = order([pair[1]["content"] for pair in pairs])
    setup.as_messages()
    setup.write(
        [
            {"messages": [pair[0], {"role": "assistant", "content": answer}]}
            for pair, answer in zip(pairs, answers, strict=True)
        ]
    )


def _through(out: Any, change: Callable[[Any], Any]) -> Any:
    """``change`` on the hidden states of a layer's output."""
    return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)


__all__ = ["built", "layers", "prompt", "weights"]
