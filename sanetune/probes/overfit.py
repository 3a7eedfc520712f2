"""Can the model learn at all? It must memorise twenty examples in fifty steps and reproduce their answers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import Batch
from sanetune.engine.generate import Decoding, stop_ids, write
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.lr_search import set_lr
from sanetune.probes.results import CriticalLearningRate, Overfit, OverfitAttempt, RecitedReply, StuckToken

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STARTS = (0.5, 1.5, 0.15)
"""Learning rates that are tried one after the other, as shares of the critical one."""
WARMUP, DECAY = 5, 0.4
"""Steps of warm-up, and the share of the steps at the end over which the learning rate falls to a tenth."""
STUCK = 10
"""A token is stuck when its loss is so many times the target, and the others' is not."""
ENOUGH = 0.3
"""An attempt ends early when the loss is this share of the target for two steps."""

FEWEST = 8
"""Examples at least where a large model on a processor takes fewer: as many as a cut batch has tokens for."""

Row = dict[str, list[int]]
"""``input_ids`` and ``labels``, equally long."""


def overfit(
    harness: ProbeHarness,
    critical: CriticalLearningRate,
    planned: float,
    *,
    examples: int = 20,
    steps: int = 50,
    target_loss: float = 0.1,
    publish: Publish = silent,
) -> Overfit | None:
    """Try to bring the loss of a few training examples to a target; everything is undone.

    Args:
        harness: The model.
        critical: The critical learning rate, from which those of the attempts are taken.
        planned: Peak learning rate of the run, which is tried too where the device is fast.
        examples: How many training examples.
        steps: Most optimizer steps of one attempt.
        target_loss: Loss per token at which the examples count as memorised, in nats.
        publish: Called with each step.

    Returns:
        What was found; None where every label of every example is masked.
    """
    rows = choose_examples(harness, examples)
    if not rows:
        return None
    batches = _batches(harness, rows)
    base = critical.lr or planned
    attempts: list[OverfitAttempt] = []
    replies: list[RecitedReply] = []
    stuck: list[StuckToken] = []
    other_loss = 0.0
    for share in STARTS:
        with harness.untouched():
            attempts.append(_attempt(harness, batches, share * base, steps, target_loss, publish))
            stuck, other_loss = _stuck(harness, batches, STUCK * target_loss)
            if attempts[-1].final_loss <= target_loss or other_loss <= target_loss:
                replies = _replies(harness, rows)
                break
    at_planned = None
    # It decides nothing, and is left out where an attempt takes minutes.
    if harness.most_tokens is None and planned > 0 and not 0.7 < planned / attempts[-1].lr < 1.4:
        with harness.untouched():
            at_planned = _attempt(harness, batches, planned, steps, target_loss, publish)
    in_loss = sum(label != IGNORE_INDEX for row in rows for label in row["labels"][1:])
    return Overfit(
        len(rows), in_loss, steps, target_loss, critical.lr, attempts, at_planned, replies, stuck, other_loss
    )


def choose_examples(harness: ProbeHarness, count: int) -> list[Row]:
    """Choose ``count`` training examples, spread over the split, each with another prompt.

    Two answers to one prompt cannot both be memorised. None is longer than half of all are, where there are enough:
    length is not what is tested.
    """
    import numpy as np

    origin, longest = harness.prepared.origins["train"], int(harness.prepared.max_length or 2**31)
    step = max(1, origin.own // (8 * count))
    found: dict[tuple[int, ...], Row] = {}
    for at in range(0, origin.own, step):
        row = {name: values[:longest] for name, values in origin.example(at).items()}
        start, stop = answer_span(row["labels"])
        if stop > start:
            found.setdefault(tuple(row["input_ids"][: max(start, 1)]), row)
        if len(found) >= 4 * count:
            break
    rows = list(found.values())
    if len(rows) > count:
        middle = float(np.median([len(row["input_ids"]) for row in rows]))
        short = [row for row in rows if len(row["input_ids"]) <= middle]
        rows = short if len(short) >= count else rows
        rows = [rows[index * len(rows) // count] for index in range(count)]
    return rows if harness.most_tokens is None else _affordable(rows, harness.most_tokens)


def _affordable(rows: list[Row], most: int) -> list[Row]:
    """The shortest of ``rows`` that have at most so many tokens together, and FEWEST of them in any case."""
    ordered = sorted(range(len(rows)), key=lambda number: len(rows[number]["input_ids"]))
    tokens = itertools.accumulate(len(rows[number]["input_ids"]) for number in ordered)
    count = max(FEWEST, sum(total <= most for total in tokens))
    return [rows[number] for number in sorted(ordered[:count])]


def answer_span(labels: list[int]) -> tuple[int, int]:
    """Return where the last span of tokens in the loss begins and ends."""
    stop = len(labels)
    while stop and labels[stop - 1] == IGNORE_INDEX:
        stop -= 1
    start = stop
    while start and labels[start - 1] != IGNORE_INDEX:
        start -= 1
    return start, stop


def _batches(harness: ProbeHarness, rows: list[Row]) -> list[Batch]:
    """In as few batches as fit into the memory of the run's own largest one: the examples are short, and each batch
    has its price."""
    ordered = sorted(rows, key=lambda row: len(row["input_ids"]))
    largest = harness.longest_batch(harness.prepared.train, harness.settings.per_device_train_batch_size)
    room = largest["input_ids"].numel()
    parts: list[list[Row]] = [[]]
    for row in ordered:  # by rising length: the last of a batch is its width
        if parts[-1] and (len(parts[-1]) + 1) * len(row["input_ids"]) > room:
            parts.append([])
        parts[-1].append(row)
    return [harness.collate(part) for part in parts]


def _attempt(
    harness: ProbeHarness, batches: list[Batch], lr: float, steps: int, target_loss: float, publish: Publish
) -> OverfitAttempt:
    losses: list[float] = []
    with harness.optimizer() as optimizer:
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0
        for step in range(steps):
            losses.append(harness.gradients(batches, label_smoothing=False))
            if losses[-1] != losses[-1] or _enough(losses, target_loss):
                break
            harness.clip()
            set_lr(optimizer, lr * _share(step, steps))
            optimizer.step()
            optimizer.zero_grad()
            publish(ProbeStep("overfit", step + 1, steps))
        losses.append(harness.loss(batches))
    return OverfitAttempt(lr, losses)


@torch.no_grad()
def _stuck(harness: ProbeHarness, batches: list[Batch], limit: float) -> tuple[list[StuckToken], float]:
    """Tokens whose mean loss is above ``limit``, most of the loss first; and the mean loss on all others."""
    tokenizer = harness.prepared.tokenizer
    ends = stop_ids(tokenizer, harness.prepared.stop_token_ids)
    labels, losses = [], []
    for batch in batches:
        counted = batch["labels"][:, 1:] != IGNORE_INDEX
        labels.append(batch["labels"][:, 1:][counted].cpu())
        losses.append(harness.token_losses(batch)[:, 1:][counted].double().cpu())
    ids, which = torch.cat(labels).unique(return_inverse=True)
    sums = torch.zeros(len(ids), dtype=torch.float64).index_add_(0, which, torch.cat(losses))
    counts = torch.bincount(which, minlength=len(ids))
    above = sums / counts > limit
    found = [
        StuckToken(
            tokenizer.convert_ids_to_tokens(int(ids[k])),
            int(counts[k]),
            float(sums[k] / counts[k]),
            int(ids[k]) in ends,
        )
        for k in above.nonzero()[:, 0].tolist()
    ]
    rest = int(counts[~above].sum())
    elsewhere = float(sums[~above].sum()) / rest if rest else float("inf")
    return sorted(found, key=lambda one: -one.count * one.loss), elsewhere


def _enough(losses: list[float], target_loss: float) -> bool:
    return len(losses) > 1 and max(losses[-2:]) < ENOUGH * target_loss


def _share(step: int, steps: int) -> float:
    """Share of the learning rate: a short warm-up, then level, then down to a tenth."""
    falling = (step - (1 - DECAY) * steps) / (DECAY * steps)
    return min((step + 1) / WARMUP, 1.0, 1.0 - 0.9 * falling)


@torch.no_grad()
def _replies(harness: ProbeHarness, rows: list[Row]) -> list[RecitedReply]:
    """Greedy answers to the rows' own prompts. Rows without a prompt (plain text) cannot be asked."""
    tokenizer = harness.prepared.tokenizer
    stops = stop_ids(tokenizer, harness.prepared.stop_token_ids)
    asked = [
        (row["input_ids"][: answer_span(row["labels"])[0]], row) for row in rows if answer_span(row["labels"])[0] > 1
    ]
    replies = []
    for start in range(0, len(asked), 10):
        some = asked[start : start + 10]
        answers = [_ended(row["input_ids"][slice(*answer_span(row["labels"]))], stops) for _, row in some]
        decoding = Decoding(max_new_tokens=max(map(len, answers)) + 8)
        written = write(harness.model, tokenizer, [prompt for prompt, _ in some], decoding, stops)
        for (prompt, _), answer, ids in zip(some, answers, written, strict=True):
            replies.append(_reply(tokenizer, prompt, answer, ids, stops))
    return replies


def _ended(answer: list[int], stops: list[int]) -> list[int]:
    """``answer`` up to its end: templates that write a line break behind it have that in the loss, too."""
    end = next((at for at, token in enumerate(answer) if token in stops), len(answer))
    return answer[: end + 1]


def _reply(
    tokenizer: PreTrainedTokenizerBase, prompt: list[int], answer: list[int], ids: list[int], stops: list[int]
) -> RecitedReply:
    agreed = next(
        (at for at, (a, b) in enumerate(zip(answer, ids, strict=False)) if a != b), min(len(answer), len(ids))
    )
    asked, expected, written = (tokenizer.decode(one) for one in (prompt, answer, ids))
    ended = bool(ids) and ids[-1] in stops
    return RecitedReply(asked, expected, written, ids == answer, agreed, len(answer), ended)
