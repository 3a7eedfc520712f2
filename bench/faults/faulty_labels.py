"""Faults of the labels, injected in built trainers: sanetune's own pipeline makes none of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from bench.faults.recipes import builds
from bench.faults.setups import Setup
from bench.faults.trainers import Batch, Kit

ON = ("demo-demo/plain", "stories-alpaca/rows", "llama3-sharegpt/plain", "gemma-gsm8k/rows")
PLAIN = ("demo-demo/plain", "llama3-sharegpt/plain", "minimind-alpaca/plain")
ROWS = ("demo-demo/rows", "stories-alpaca/rows", "gemma-gsm8k/rows")
TURNS = ("demo-demo/plain", "llama3-sharegpt/rows", "stories-sharegpt/plain")
"""Conversations of several turns."""

# Whatever is wrong with labels, the two routes to them differ on some token: labels-disagree says so in general.
ANY = ("labels-disagree",)


def each_row(kind: str, new: Callable[[list[int], list[int]], list[int]], **more: Any) -> Kit:
    """New labels for each row out of its ids and labels."""
    return Kit.of(kind, spoil_rows=lambda row: {**row, "labels": new(row["input_ids"], row["labels"])}, **more)


def runs(labels: list[int]) -> list[tuple[int, int]]:
    """Where spans in the loss begin and end."""
    edges = [
        n for n in range(len(labels) + 1) if (n > 0 and labels[n - 1] >= 0) != (n < len(labels) and labels[n] >= 0)
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))


@builds("labels-on-prompt", on=ON, related=ANY)
def prompts_in_loss(setup: Setup, kind: str) -> Kit:
    """Labels are a copy of the ids."""
    return each_row(kind, lambda ids, labels: list(ids))


@builds(
    "labels-on-prompt", on=("demo-demo/messages", "stories-alpaca/messages", "llama3-sharegpt/messages"), related=ANY
)
def trl_default(setup: Setup, kind: str) -> Kit:
    """SFTTrainer on messages as it comes, without assistant_only_loss."""
    return Kit.of(kind, assistant_only_loss=False)


@builds("labels-on-prompt", on=TURNS, related=ANY)
def all_after_first_reply(setup: Setup, kind: str) -> Kit:
    """A response template that is looked for once: everything after the first is in the loss."""

    def new(ids: list[int], labels: list[int]) -> list[int]:
        start = runs(labels)[0][0]
        return [-100] * start + ids[start:]

    return each_row(kind, new)


@builds("labels-none", on=PLAIN, related=(*ANY, "labels-missing-reply"))
def response_template_not_found(setup: Setup, kind: str) -> Kit:
    """A response template that does not is in the text: every label is masked."""
    return each_row(kind, lambda ids, labels: [-100] * len(ids))


# SFTTrainer leaves out rows without labels. Without any row there is no step, and nothing to evaluate.
@builds("labels-none", on=ROWS, related=("config-few-steps", "config-no-validation"))
def every_row_left_out(setup: Setup, kind: str) -> Kit:
    """The same in rows for SFTTrainer, which leaves out each of them."""
    return each_row(kind, lambda ids, labels: [-100] * len(ids))


@builds("labels-none", on=ROWS, related=(*ANY, "labels-missing-reply"))
def masked_and_packed(setup: Setup, kind: str) -> Kit:
    """Every label of every third row or so is masked, and packing keeps them."""
    short = {"packing": True, "max_length": 320, "per_device_train_batch_size": 1, "num_train_epochs": 4}
    return each_row(kind, lambda ids, labels: [-100] * len(ids) if sum(ids) % 3 == 0 else labels, arguments=short)


@builds("labels-none", on=PLAIN, related=(*ANY, "labels-missing-reply"))
def some_rows_masked(setup: Setup, kind: str) -> Kit:
    """Every label of every sixth row or so is masked."""
    return each_row(kind, lambda ids, labels: [-100] * len(ids) if sum(ids) % 6 == 0 else labels)


@builds("labels-missing-reply", on=ON, related=ANY)
def half_of_each_answer(setup: Setup, kind: str) -> Kit:
    """The first half of each answer is masked."""

    def new(ids: list[int], labels: list[int]) -> list[int]:
        labels = list(labels)
        for start, stop in runs(labels):
            labels[start : (start + stop) // 2] = [-100] * ((start + stop) // 2 - start)
        return labels

    return each_row(kind, new)


@builds("labels-missing-reply", on=ON, related=ANY)
def first_token_masked(setup: Setup, kind: str) -> Kit:
    """The first token of each answer is masked: a mask that begins one too late."""

    def new(ids: list[int], labels: list[int]) -> list[int]:
        labels = list(labels)
        for start, _ in runs(labels):
            labels[start] = -100
        return labels

    return each_row(kind, new)


@builds("labels-missing-reply", on=TURNS, related=ANY)
def last_turn_only(setup: Setup, kind: str) -> Kit:
    """Only the last answer is in the loss, although all were intended."""

    def new(ids: list[int], labels: list[int]) -> list[int]:
        start = runs(labels)[-1][0]
        return [-100] * start + labels[start:]

    return each_row(kind, new, loss_on="assistant")


# Labels one place early are on the header's last token and not on the end: each of these checks sees its part.
@builds("labels-shifted", on=ON, related=(*ANY, "template-end-unlearnt", "labels-missing-reply", "labels-on-prompt"))
def shifted_to_the_left(setup: Setup, kind: str) -> Kit:
    """The collator shifts the labels by one, as loops for plain PyTorch do."""

    def spoil(batch: Batch) -> Batch:
        labels = batch["labels"]
        batch["labels"] = labels.roll(-1, dims=1)
        batch["labels"][:, -1] = -100
        return batch

    return Kit.of(kind, spoil_batch=spoil)


@builds("labels-shifted", on=ON, related=(*ANY, "template-end-unlearnt", "labels-missing-reply", "labels-on-prompt"))
def shifted_to_the_right(setup: Setup, kind: str) -> Kit:
    """The rows' labels are shifted to the right by one."""
    return each_row(kind, lambda ids, labels: [-100, *labels[:-1]])


# What is masked with the padding is the end of each turn: template-end-unlearnt is the consequence.
@builds("labels-on-padding", on=ON, related=(*ANY, "template-end-unlearnt"))
def pad_is_eos_and_masked(setup: Setup, kind: str) -> Kit:
    """The pad token is the end token, and the collator masks every pad id."""

    def pads(tokenizer: Any) -> None:
        tokenizer.pad_token = tokenizer.eos_token
        kit.spoil_batch = lambda batch: _masked(batch, tokenizer.pad_token_id)

    kit = Kit.of(kind, tokenizer=pads)
    return kit


@builds("labels-on-padding", on=ON)
def padding_in_loss(setup: Setup, kind: str) -> Kit:
    """The collator gives padding its own id as label."""

    def spoil(batch: Batch) -> Batch:
        padding = batch["attention_mask"] == 0
        batch["labels"][padding] = batch["input_ids"][padding]
        return batch

    return Kit.of(kind, spoil_batch=spoil)


@builds("template-end-unlearnt", on=ON, related=ANY)
def ends_masked(setup: Setup, kind: str) -> Kit:
    """The last token of each span in the loss, the end of the turn, is masked."""

    def new(ids: list[int], labels: list[int]) -> list[int]:
        labels = list(labels)
        for _, stop in runs(labels):
            at = stop - 1 if labels[stop - 1] == ids[stop - 1] else stop - 2
            labels[at] = -100
        return labels

    return each_row(kind, new)


@builds("labels-disagree", on=ON)
def headers_in_loss(setup: Setup, kind: str) -> Kit:
    """The header before each answer is in the loss with it."""

    def new(ids: list[int], labels: list[int]) -> list[int]:
        labels = list(labels)
        for start, _ in runs(labels):
            labels[start - 3 : start] = ids[start - 3 : start]
        return labels

    return each_row(kind, new)


# Masks that flip at random hit prompts and answers alike.
@builds("labels-disagree", on=ON, related=("labels-missing-reply", "labels-on-prompt", "template-end-unlearnt"))
def mask_with_noise(setup: Setup, kind: str) -> Kit:
    """One mask in fifty is flipped."""

    def new(ids: list[int], labels: list[int]) -> list[int]:
        chance = random.Random(sum(ids))
        flip = [chance.random() < 0.02 for _ in ids]
        return [
            (-100 if label >= 0 else token) if flipped else label
            for token, label, flipped in zip(ids, labels, flip, strict=True)
        ]

    return each_row(kind, new)


def _masked(batch: Batch, pad: int) -> Batch:
    batch["labels"][batch["input_ids"] == pad] = -100
    return batch
