"""Answers are no likelier after their own prompt than after another row's.

Measures: Two routes: over the rows, the weight of the rare words that an answer shares with its own prompt against
those of other rows; on the real model, the loss of answers after their own prompt, after another row's and after none,
in pairs over rows.
Matters: The training curve cannot see this. Shuffled answers are learnt by heart with a falling loss, and the model
answers beside the point.
Cause: Two columns that were sorted, filtered or shuffled apart, or an index that is off by one.
Fix: Join prompts and answers again by their key, and look at the rows shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune.checks import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, passed

if TYPE_CHECKING:
    from sanetune.audit.talks import Talks
    from sanetune.engine.lab import Lab

LIMITS = {
    "words_t": Limit(2.5, "standard errors; over six real data sets whole ones have 3 to 174, shuffled ones below 1.2"),
    "model_t": Limit(3.0, "standard errors; below 3 a gain may be chance (one in 700 for one look)"),
    "rows": Limit(50, "of fewer rows neither route can tell"),
    "words": Limit(6, "words of the median answer: labels of a word or two share none with any prompt"),
}

PAIRS = 32
PROMPT_TOKENS, ANSWER_TOKENS = 200, 128


def measure(lab: Lab, talks: Talks) -> Measurement:
    from sanetune.audit.pairing import association

    words = association(talks)
    if words.rows < 2:
        raise NotApplicableError("there are no two rows with a question and an answer")
    gain, t, prompted, rows = _model_gain(lab)
    numbers = {
        "rows": words.rows,
        "words": words.words,
        "words_own": words.own,
        "words_more": words.more,
        "words_t": words.t,
        "model_rows": rows,
        "model_gain": gain,
        "model_t": t,
        "model_gain_over_none": prompted,
    }
    return Measurement(numbers, [_witness(talks.train[number]) for number in range(min(3, len(talks.train)))])


def _witness(talk: Any) -> Witness:
    asked = next((m["content"] for m in talk.messages if m["role"] == "user"), "")
    reply = next((m["content"] for m in talk.messages if m["role"] == "assistant"), "")
    return Witness(str(asked)[:300], talk.place, "a question and the answer that stands with it", str(reply)[:300])


def _model_gain(lab: Lab) -> tuple[float, float, float, int]:
    """(nats per token by which an answer is likelier after its own prompt than after another's, that in standard
    errors, the gain over no prompt, rows)."""
    import numpy as np

    pairs = _pairs(lab)
    count = len(pairs)
    if count < 8:
        return 0.0, 0.0, 0.0, count
    other = [(number + count // 2) % count for number in range(count)]
    with lab.untouched():
        own = _losses(lab, [(prompt, answer) for prompt, answer in pairs])
        swapped = _losses(lab, [(pairs[other[number]][0], pairs[number][1]) for number in range(count)])
        none = _losses(lab, [(prompt[-4:], answer) for prompt, answer in pairs])
    more = np.array(swapped) - np.array(own)
    spread = float(more.std(ddof=1)) / count**0.5
    return (
        float(more.mean()),
        float(more.mean()) / spread if spread else 0.0,
        float(np.mean(none) - np.mean(own)),
        count,
    )


def _pairs(lab: Lab) -> list[tuple[list[int], list[int]]]:
    """Ids of prompts (their last tokens) and of the first answers, of rows spread over the training split."""
    origin = lab.prepared.origins["train"]
    step = max(1, len(origin.rows) // (2 * PAIRS))
    found = []
    for number in range(0, len(origin.rows), step):
        row = origin.table.slice(origin.rows[number], 1).select(["input_ids", "labels"]).to_pylist()[0]
        ids, labels = row["input_ids"], row["labels"]
        start = next((at for at, label in enumerate(labels) if label != -100), len(labels))
        stop = next((at for at in range(start, len(labels)) if labels[at] == -100), len(labels))
        if start >= 5 and stop - start >= 4:
            found.append((ids[max(0, start - PROMPT_TOKENS) : start], ids[start:stop][:ANSWER_TOKENS]))
        if len(found) == PAIRS:
            break
    return found


def _losses(lab: Lab, pairs: list[tuple[list[int], list[int]]]) -> list[float]:
    """The loss per token of each answer after its prompt."""
    import torch

    from sanetune.data.batches import Collator

    collate = Collator(lab.prepared.tokenizer.pad_token_id)
    losses = [0.0] * len(pairs)
    order = sorted(range(len(pairs)), key=lambda number: len(pairs[number][0]) + len(pairs[number][1]))
    with torch.no_grad():
        for start in range(0, len(order), 8):
            some = order[start : start + 8]
            rows = [
                {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}
                for prompt, answer in (pairs[number] for number in some)
            ]
            batch = {name: value.to(lab.device) for name, value in collate(rows).items()}
            for number, row in zip(some, lab.token_losses(batch), strict=True):
                losses[number] = float(row.sum()) / len(pairs[number][1])
    return losses


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    by_words = n["rows"] >= limits["rows"] and n["words"] >= limits["words"]
    words = (
        f"over {n['rows']:,} rows answers share {n['words_own']:.3g} of rare words with their own prompt,"
        f" {n['words_more']:+.3g} against other prompts ({n['words_t']:.1f} standard errors)"
    )
    model = (
        f"on {n['model_rows']:,} rows the model finds answers {n['model_gain']:+.3f} nats per token likelier after"
        f" their own prompt than after another's ({n['model_t']:.1f} standard errors)"
    )
    if n["model_t"] >= limits["model_t"]:
        return passed(f"{model}; {words}")
    if by_words and n["words_t"] >= limits["words_t"]:
        return passed(f"{words}; the base model is too weak to tell: {model}")
    if by_words:
        return failed(f"{words}; and {model}")
    raise NotApplicableError(f"the base model is too weak to tell ({model}), and so are the words ({words})")
