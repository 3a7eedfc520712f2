"""The tuned model's answers repeat themselves, are empty, or contain pieces of the chat template.

## What it does
For each answer after the trial: the share of four-word sequences that occurred before, compared with the reference
answers (and whether the answer was truncated inside a repeating phrase); whether it has any text; whether special
tokens or the start of another turn occur in it. The base model's answers are measured alike.

## Why is this bad?
Such answers are worthless, and the loss, measured after correct beginnings, does not show them.

## Example
A learning rate far too high or too low, labels on the template or the user's turns, an end token that is not in the
loss:

```yaml
train:
  learning_rate: 1.0e-2
```

## Use instead
Read the answers; see curve-rate-beaten, template-end-unlearnt and the tokens in the loss (`sanetune data`).

```yaml
train:
  learning_rate: 2.0e-5
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limit, Limits
from sanetune.checks.samples._answers import FEWEST_SAMPLES
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.engine.answer import Answer
    from sanetune.probes.results import Samples

FIX = "none"

KINDS = {
    "loop": "repeat themselves",
    "empty": "are empty",
    "debris": "hold pieces of the chat template",
}

LIMITS = {
    "fail": Limit(
        0.5, "most answers; on stories260k after 200 steps at good and at high learning rates 0 of 20 are such"
    ),
    "fail_hard": Limit(0.2, "emptiness and template pieces are no clumsiness: a weak model has none of them"),
    "warn": Limit(0.1, "a greedy answer of a small model loops now and then"),
    "warn_hard": Limit(0.05, "3 of 20; one alone may be chance"),
    "fewest_steps": Limit(50, "after fewer steps the answers are still the base's"),
    "loop": Limit(
        0.5,
        'of its four-word runs stood in a loop before: "It was a big, shiny book." told until the limit has 0.74, the'
        ' dialogues of a small model that says "I\'m sorry" to everything 0.4',
    ),
    "above": Limit(0.25, "a loop repeats itself so much more than the references: lists, verses and tables do, too"),
    "loop_words": Limit(16, "ours: a shorter text is no loop"),
    **FEWEST_SAMPLES,
}


def measure(
    samples: Samples, template: ChatTemplate | None, tokenizer: PreTrainedTokenizerBase, limits: Limits
) -> Measurement:
    """Answers by kind, of either model; ``improved``: the kind became rarer, beyond chance."""
    from sanetune.checks.samples._answers import answered, witness
    from sanetune.checks.samples._proportions import bounds, rarer
    from sanetune.checks.samples._template_fragments import in_turns, telling

    counted = answered(samples, limits)
    references = [sample.reference for sample in counted if sample.reference]
    known = "\n".join([in_turns(samples, template), *references])
    usual, specials = usual_repetition(references), telling(samples, tokenizer)
    faults: list[tuple[dict[str, str], dict[str, str]]] = []
    for sample in counted:
        asked = "\n".join(str(message.get("content") or "") for message in sample.messages)
        around = f"{known}\n{asked}"
        own = max(usual, _repeats(sample.reference or ""))
        base, tuned = (_faults(one, specials, around, own, limits) for one in (sample.base, sample.tuned))
        faults.append((base, tuned))
    total = len(counted)
    numbers: dict[str, Any] = {"samples": total, "steps": samples.steps, "usual": round(usual, 3)}
    for kind in KINDS:
        ones = sum(kind in tuned for _, tuned in faults)
        numbers[kind] = ones
        numbers[f"{kind}_at_least"] = bounds(ones, total)[0]
        numbers[f"base_{kind}"] = sum(kind in base for base, _ in faults)
        numbers[f"{kind}_improved"] = rarer((kind in base, kind in tuned) for base, tuned in faults)
        numbers[f"{kind}_grown"] = rarer((kind in tuned, kind in base) for base, tuned in faults)
    bad = sum(bool(tuned) for _, tuned in faults)
    numbers["any"], numbers["any_at_least"] = bad, bounds(bad, total)[0]
    numbers["any_improved"] = rarer((bool(base), bool(tuned)) for base, tuned in faults)
    numbers["any_grown"] = rarer((bool(tuned), bool(base)) for base, tuned in faults)
    worst = sorted(
        ((sample, tuned) for sample, (_, tuned) in zip(counted, faults, strict=True) if tuned),
        key=lambda one: (-len(one[1]), "loop" in one[1]),
    )
    return Measurement(
        numbers, [witness(sample, "; ".join(tuned.values())) for sample, tuned in worst[:MOST_WITNESSES]]
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    found = [kind for kind in KINDS if n[kind]]
    if not found:
        return passed(f"{n['samples']:,} answers: none loops, is empty or holds pieces of the template")
    listed = "; ".join(f"{n[kind]:,} {_verb(kind, n[kind])} (of the base's {n[f'base_{kind}']:,})" for kind in found)
    message = f"Of {n['samples']:,} answers after {n['steps']:,} steps {listed}"
    grades = [_grade(n, kind, limits) for kind in found]
    grades.append(_grade(n, "any", limits))
    if max(grades) == 2 and n["steps"] >= limits["fewest_steps"]:
        return failed(message)
    return warned(message) if max(grades) else passed(message)


def _grade(n: dict[str, Any], kind: str, limits: Limits) -> int:
    """0 pass, 1 warn, 2 fail. What is clearly rarer than in the base's answers is improving; loops of a few answers,
    as a weak base has them too, are none of the run's doing unless they have become clearly more."""
    hard = "_hard" if kind in ("empty", "debris") else ""
    at_least = n[f"{kind}_at_least"]
    if at_least > limits["fail" + hard]:
        return 1 if n[f"{kind}_improved"] else 2
    if not hard and n["base_loop"] and not n[f"{kind}_grown"]:
        return 0
    return 1 if at_least > limits["warn" + hard] else 0


def _faults(answer: Answer, specials: tuple[str, ...], known: str, usual: float, limits: Limits) -> dict[str, str]:
    """What is wrong with one answer: kind -> in words."""
    from sanetune.checks.samples._answers import said
    from sanetune.checks.samples._template_fragments import template_fragments

    found = {}
    if piece := template_fragments(answer.raw or answer.text, specials, known):
        found["debris"] = f"holds {piece!r}"
    # An answer that is still thinking at the limit, or that only calls a tool in special tokens, is not empty.
    if not said(answer.text) and not answer.text.strip() and "debris" not in found:
        found["empty"] = "nothing was written" if answer.ended else "only blanks up to the limit"
    if words := loops(answer, usual, limits):
        found["loop"] = words
    return found


def loops(answer: Answer, usual: float, limits: Limits) -> str:
    """Return how an answer repeats itself, in words; "" when it does not.

    Args:
        answer: What a model wrote.
        usual: Fraction of four-word runs, from 0 to 1, that the references repeat.
        limits: Those of this check.
    """
    from sanetune.checks.samples._ngrams import repeated, tail, words

    shortest = limits["loop_words"]
    blanks = len(answer.text) - len(answer.text.rstrip())
    if not answer.ended and blanks >= shortest:
        return f"ends in {blanks} blanks"
    found = words(answer.text)
    if len(found) < shortest:
        return ""
    share = repeated(found)
    if share >= max(limits["loop"], usual + limits["above"]):
        return f"{share:.0%} of its four-word runs stood in it before"
    if not answer.ended:
        # The last word may be split.
        length, period = max(tail(found), tail(found[:-1]))
        if length >= max(shortest, len(found) * (usual + limits["above"])):
            return f"ends in one phrase of {period} {'word' if period == 1 else 'words'} for {length} words"
    return ""


def _repeats(text: str) -> float:
    from sanetune.checks.samples._ngrams import repeated, words

    return repeated(words(text))


def usual_repetition(references: list[str]) -> float:
    """How much the references repeat themselves: the ninth decile."""
    from math import ceil

    degrees = sorted(map(_repeats, references))
    return degrees[ceil(0.9 * len(degrees)) - 1] if degrees else 0.0


def _verb(kind: str, count: int) -> str:
    words = KINDS[kind]
    if count != 1:
        return words
    return {"loop": "repeats itself", "empty": "is empty", "debris": "holds pieces of the chat template"}[kind]
