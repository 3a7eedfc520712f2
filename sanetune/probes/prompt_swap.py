"""Are answers likelier after their own prompt than after another row's?"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sanetune.curves.paired import PairedDifference
from sanetune.data.collator import Collator
from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import on_device
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import PromptSwapGain

PAIRS = 64
"""Rows that are asked; half of them without a trial, where only a gain is looked for and not the lack of one."""
PROMPT_TOKENS, ANSWER_TOKENS = 200, 128
HEADER = 4
"""Tokens of a prompt that stay where it is left out: what opens the answer's turn."""
FEWEST = 8
FIRST, PASSES = 12, 8
"""A large model on a processor is asked for so many pairs first, or what so many of its cut batches have of tokens."""
CLEAR = 5.0
"""Standard errors of a gain from which on no further pairs are asked; model-pairs-shuffled needs 3."""


def prompt_swap_gain(harness: ProbeHarness, split: str = "train", most: int = PAIRS // 2) -> PromptSwapGain | None:
    """Compare the losses of answers after their own prompt, another row's and none, in pairs over rows.

    Args:
        harness: The model, which stays as it is.
        split: Where the rows are from.
        most: Most rows that are asked.

    Returns:
        The gain; None where fewer than :data:`FEWEST` rows have a prompt and an answer.
    """
    pairs = _pairs(harness, split, most)
    if len(pairs) < FEWEST:
        return None
    few = _affordable(harness, pairs)
    found = _gain(harness, few)
    if len(few) < len(pairs) and found is not None and found.over_other_prompt.t < CLEAR:
        return _gain(harness, pairs)
    return found


def _affordable(harness: ProbeHarness, pairs: list[tuple[list[int], list[int]]]) -> list[tuple[list[int], list[int]]]:
    """As many pairs, evenly spread, as a processor works through in seconds; all where it is fast."""
    if harness.most_tokens is None:
        return pairs
    tokens = 3 * sum(len(prompt) + len(answer) for prompt, answer in pairs)
    count = max(FIRST, len(pairs) * PASSES * harness.most_tokens // tokens)
    return [pairs[at * len(pairs) // count] for at in range(count)] if count < len(pairs) else pairs


def _gain(harness: ProbeHarness, pairs: list[tuple[list[int], list[int]]]) -> PromptSwapGain | None:
    count = len(pairs)
    other = [(number + count // 2) % count for number in range(count)]
    with harness.untouched():
        own = _losses(harness, pairs)
        swapped = _losses(harness, [(pairs[other[number]][0], pairs[number][1]) for number in range(count)])
        none = _losses(harness, [(prompt[-HEADER:], answer) for prompt, answer in pairs])
    over_other = PairedDifference.of([a - b for a, b in zip(swapped, own, strict=True)], [1] * count)
    return None if over_other is None else PromptSwapGain(over_other, (sum(none) - sum(own)) / count)


def _pairs(harness: ProbeHarness, split: str, most: int) -> list[tuple[list[int], list[int]]]:
    """Ids of prompts (their last tokens) and of the first answers, of rows spread over the split."""
    origin = harness.prepared.origins[split]
    step = max(1, origin.own // (2 * most))
    found = []
    for number in range(0, origin.own, step):
        row = origin.example(number)
        ids, labels = row["input_ids"], row["labels"]
        start = next((at for at, label in enumerate(labels) if label != IGNORE_INDEX), len(labels))
        stop = next((at for at in range(start, len(labels)) if labels[at] == IGNORE_INDEX), len(labels))
        if start > HEADER and stop - start >= 4:
            found.append((ids[max(0, start - PROMPT_TOKENS) : start], ids[start:stop][:ANSWER_TOKENS]))
        if len(found) == most:
            break
    return found


def _losses(harness: ProbeHarness, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """The loss per token of each answer after its prompt."""
    collate = Collator(harness.prepared.tokenizer.pad_token_id)
    losses = [0.0] * len(pairs)
    order = sorted(range(len(pairs)), key=lambda number: len(pairs[number][0]) + len(pairs[number][1]))
    with torch.no_grad():
        for start in range(0, len(order), 8):
            some = order[start : start + 8]
            rows = [
                {"input_ids": prompt + answer, "labels": [IGNORE_INDEX] * len(prompt) + answer}
                for prompt, answer in (pairs[number] for number in some)
            ]
            batch = on_device(collate(rows), harness.device)
            for number, row in zip(some, harness.token_losses(batch), strict=True):
                losses[number] = float(row.sum()) / len(pairs[number][1])
    return losses
