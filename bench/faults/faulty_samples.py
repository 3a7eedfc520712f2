"""Faults that only the answers show: endless, in a loop, in another format, or the base's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

from bench.faults.faulty_lr import COLD, HOT, times
from bench.faults.faulty_models import built
from bench.faults.faulty_tokens import median_length
from bench.faults.recipes import deeply, during
from bench.faults.setups import Setup, to_messages

STOP = ("template-end-unlearnt", "samples-degenerate", "samples-off-form", "model-cannot-overfit", "samples-no-stop")


def collated(spoil: Callable[[Any], None]) -> AbstractContextManager[None]:
    """A trainer whose batches are changed by ``spoil`` after they were collated."""

    def build(trainer: Any) -> None:
        collate = trainer.data_collator

        def spoilt(rows: Any) -> Any:
            batch = collate(rows)
            spoil(batch)
            return batch

        trainer.data_collator = spoilt

    return built(build)


@during("samples-no-stop", "trial", on=("stories-alpaca", "qwen3-alpaca", "gemma3-alpaca"), related=STOP)
def ends_masked_in_training(setup: Setup) -> AbstractContextManager[None]:
    """The trainer's collator masks each answer's last token, its end."""

    def masked(batch: Any) -> None:
        labels = batch["labels"]
        labels[(labels != -100) & (labels.roll(-1, 1) == -100)] = -100

    return collated(masked)


@during("samples-no-stop", "trial", on=("stories-alpaca", "gpt2-alpaca", "demo-demo"), related=STOP)
def stops_unknown_to_generation(setup: Setup) -> AbstractContextManager[object]:
    """Generation does not know the token that ends a turn: it waits for one that never comes."""
    from sanetune.engine import generate
    from sanetune.probes import overfit

    @contextmanager
    def both() -> Iterator[None]:
        with ExitStack() as stack:
            for module in (generate, overfit):
                stack.enter_context(mock.patch.object(module, "stop_ids", return_value=[1]))
            yield

    return both()


@deeply(
    "samples-no-stop",
    "trial",
    on=("stories-alpaca",),  # the others know from before what ends an answer
    related=(*STOP, "tokens-cut-reply", "packs-dropped", "curve-overfit", "labels-missing-reply"),
)
def answers_never_end(setup: Setup) -> None:
    """max_length is four fifths of the median row's, and longer rows are truncated: hardly an answer has its end."""
    setup.train["max_length"] = 4 * median_length(setup) // 5
    setup.data["overlong"] = "cut"


@deeply("samples-degenerate", "trial", on=("stories-alpaca", "demo-demo"), related=HOT)
def hot_until_it_stammers(setup: Setup) -> None:
    """Two hundred times the inferred learning rate, constant."""
    times(setup, 200)
    setup.train["lr_scheduler_type"] = "constant"


@during(
    "samples-degenerate",
    "trial",
    on=("stories-alpaca", "qwen3-alpaca"),
    related=(*STOP, *HOT, "model-start-loss", "curve-start-high"),
)
def answers_blanked(setup: Setup) -> AbstractContextManager[None]:
    """In training every label of an answer is its end token: the model learns to say nothing."""

    def blank(batch: Any) -> None:
        labels = batch["labels"]
        for row in labels:
            in_loss = (row != -100).nonzero()[:, 0]
            if len(in_loss):
                row[in_loss] = row[in_loss[-1]].clone()

    return collated(blank)


@during(
    "samples-degenerate",
    "trial",
    on=("stories-alpaca", "gemma3-alpaca"),
    related=(*STOP, "curve-diverged", "curve-overfit", "curve-plateau", "curve-spike"),
)
def turns_run_on(setup: Setup) -> AbstractContextManager[None]:
    """In training the header of the next turn is in the loss instead of the end: answers go on in the user's name."""

    def header(batch: Any) -> None:
        labels, ids = batch["labels"], batch["input_ids"]
        ends = (labels != -100) & (labels.roll(-1, 1) == -100)
        labels[ends] = ids[0, 0] if int(ids[0, 0]) else ids[0, 1]

    return collated(header)


@deeply("samples-off-form", "trial", on=("stories-alpaca", "gpt2-alpaca", "gemma3-alpaca"), related=COLD)
def form_never_reached(setup: Setup) -> None:
    """Answers are JSON, and the learning rate is a hundredth of the derived one."""
    _as_json(setup)
    times(setup, 0.01)


@during(
    "samples-off-form",
    "trial",
    on=("stories-alpaca", "qwen3-alpaca"),
    related=(
        "samples-degenerate",
        "samples-no-stop",
        "curve-plateau",
        "curve-diverged",
        "curve-overfit",
        "labels-missing-reply",
        "model-cannot-overfit",
    ),
)
def opening_not_in_loss(setup: Setup) -> AbstractContextManager[None]:
    """Answers are JSON, and the trainer's collator masks the first tokens of each."""
    _as_json(setup)

    def masked(batch: Any) -> None:
        labels = batch["labels"]
        for row in labels:
            in_loss = (row != -100).nonzero()[:, 0]
            row[in_loss[:8]] = -100

    return collated(masked)


@during(
    "samples-off-form",
    "trial",
    on=("stories-alpaca", "gemma3-alpaca"),
    related=("samples-degenerate", "samples-no-stop"),
)
def asked_in_another_template(setup: Setup) -> AbstractContextManager[object]:
    """Answers are JSON; inference puts prompts to the model as bare text."""
    from sanetune.engine import generate

    _as_json(setup)

    def bare(tokenizer: Any, prompt: Any, tools: Any = None, kwargs: Any = None) -> list[int]:
        text = prompt if isinstance(prompt, str) else "\n".join(str(one["content"]) for one in prompt)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    return mock.patch.object(generate, "encode", bare)


@during("samples-unchanged", "trial", on=("stories-alpaca+lora", "stories-sharegpt+lora"), related=STOP)
def adapter_off_at_inference(setup: Setup) -> AbstractContextManager[object]:
    """The adapter is switched off when the model is asked."""
    from sanetune.engine import generate

    whole = generate._call

    def without(model: Any, *args: Any, **kwargs: Any) -> Any:
        with model.disable_adapter():
            return whole(model, *args, **kwargs)

    return mock.patch.object(generate, "_call", without)


@during("samples-unchanged", "trial", on=("stories-alpaca", "gemma3-alpaca"), related=STOP)
def base_asked_again(setup: Setup) -> AbstractContextManager[None]:
    """Inference loads the base from its folder instead of the tuned model."""
    import copy

    from sanetune.engine import generate

    whole = generate._call
    bases: list[Any] = []

    def base(model: Any, *args: Any, **kwargs: Any) -> Any:
        return whole(bases[0], *args, **kwargs)

    def keep(trainer: Any) -> None:
        bases.append(copy.deepcopy(trainer.model))
        bases[0].__dict__.pop("forward")  # the trainer's, which would still ask the tuned one

    @contextmanager
    def both() -> Iterator[None]:
        with built(keep), mock.patch.object(generate, "_call", base):
            yield

    return both()


def _as_json(setup: Setup) -> None:
    """The same rows with answers of one fixed form."""
    import json

    rows = [to_messages(row, setup.row_format) for row in setup.rows()]
    setup.as_messages()
    for row in rows:
        last = row["messages"][-1]
        last["content"] = json.dumps({"status": "ok", "answer": last["content"]})
    setup.write(rows)
