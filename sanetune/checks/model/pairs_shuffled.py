"""Answers are no more likely after their own prompt than after another row's.

## What it does
Over the rows, compares the rare words that an answer shares with its own prompt with those it shares with other rows'
prompts. On the real model, compares the loss of answers after their own prompt, after another row's and after none,
paired by row; with a trial, again on validation rows after it.

## Why is this bad?
Training loss does not show this: shuffled answers are memorised with a falling loss, and the model answers something
else.

## Example
Two columns that were sorted or filtered separately:

```python
rows = zip(sorted(prompts), answers)
```

## Use instead
Join prompts and answers again by their key, and read the rows shown.

```python
rows = ((prompts[key], answers[key]) for key in prompts)
```

## Known problems
Data with few different answers (labels, set phrases) cannot be judged by words; the model decides then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, passed

if TYPE_CHECKING:
    from sanetune.evidence.prompt_answer_overlap import PromptAnswerOverlap

FIX = "none"

LIMITS = {
    "words_t": Limit(2.5, "standard errors; over six real data sets whole ones have 3 to 174, shuffled ones below 1.2"),
    "model_t": Limit(3.0, "standard errors; below 3 a gain may be chance (one in 700 for one test)"),
    "rows": Limit(50, "of fewer rows the words cannot tell"),
    "different": Limit(
        0.5,
        "share of different answers: one that stands with many prompts belongs to none of them"
        " (0.06 in a sharegpt set of set phrases, where whole and shuffled rows look alike)",
    ),
    "words": Limit(6, "words of the median answer: labels of a word or two share none with any prompt"),
    "trial_nats": Limit(
        0.08,
        "per token, on held-out rows after 200 steps: 0.39 on whole pairs and 0.04 on shuffled ones for a model of 260"
        " thousand weights",
    ),
}


def measure(prompt_answer_overlap: PromptAnswerOverlap) -> Measurement:
    words, model, after = prompt_answer_overlap.words, prompt_answer_overlap.model, prompt_answer_overlap.after
    if words.rows < 2:
        raise NotApplicableError("there are no two rows with a question and an answer")
    numbers: dict[str, Any] = {
        "rows": words.rows,
        "words": words.words,
        "words_own": words.own,
        "words_more": words.more,
        "words_t": words.t,
        "different": words.different,
        "model_rows": model.over_other_prompt.n if model else 0,
        "model_gain": model.over_other_prompt.mean if model else None,
        "model_t": model.over_other_prompt.t if model else None,
        "model_gain_over_none": model.over_no_prompt if model else None,
    }
    if after is not None:
        numbers |= {
            "trial_rows": after.over_other_prompt.n,
            "trial_gain": after.over_other_prompt.mean,
            "trial_t": after.over_other_prompt.t,
        }
    return Measurement(numbers, [_witness(conversation) for conversation in prompt_answer_overlap.some])


def _witness(conversation: Any) -> Witness:
    asked = next((m["content"] for m in conversation.messages if m["role"] == "user"), "")
    reply = next((m["content"] for m in conversation.messages if m["role"] == "assistant"), "")
    return Witness(
        str(asked)[:300], conversation.place, "a question and the answer that stands with it", str(reply)[:300]
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    telling = n["words"] >= limits["words"] and n["different"] >= limits["different"]
    by_words = n["rows"] >= limits["rows"] and telling
    words = (
        f"over {n['rows']:,} rows answers share {n['words_own']:.3g} of rare words with their own prompt,"
        f" {n['words_more']:+.3g} against other prompts ({n['words_t']:.1f} standard errors)"
    )
    model = (
        f"on {n['model_rows']:,} rows the model finds answers {n['model_gain']:+.3f} nats per token likelier after"
        f" their own prompt than after another's ({n['model_t']:.1f} standard errors)"
        if n["model_rows"]
        else "too few rows have a prompt and an answer for the model to tell"
    )
    trial = ""
    if n.get("trial_rows"):
        trial = (
            f"; after the trial, on {units.many(n['trial_rows'], 'held-out row')}, {n['trial_gain']:+.3f}"
            f" ({n['trial_t']:.1f})"
        )
    if n["model_rows"] and n["model_t"] >= limits["model_t"]:
        return passed(f"{model}{trial}; {words}")
    if by_words and n["words_t"] >= limits["words_t"]:
        return passed(f"{words}; the base model is too weak to tell: {model}{trial}")
    if n.get("trial_rows") and n["trial_t"] >= limits["model_t"] and n["trial_gain"] >= limits["trial_nats"]:
        return passed(f"the base model is too weak to tell, the trial is not: {model}{trial}")
    if by_words:
        return failed(f"{words}; and {model}{trial}")
    raise NotApplicableError(f"the base model is too weak to tell ({model}{trial}), and so are the words ({words})")
