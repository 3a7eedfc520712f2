"""The tuned model's answers do not end before the token limit.

## What it does
After the trial, counts answers truncated by the token limit, among the prompts whose reference answer (or the base
model's) is well below it; shows the base model's beside them; and checks whether a token that closes a turn occurs
inside an answer that went on.

## Why is this bad?
A model that does not stop is unusable, and each answer costs as much as the longest.

## Example
The end token is not in the loss, or generation does not stop at it:

```json
{"eos_token_id": 151643}
```

## Use instead
See template-end-unlearnt, tokens-cut-reply and curve-rate-beaten for the reason.

List the token that closes a turn in `eos_token_id` of generation_config.json.

```json
{"eos_token_id": [151643, 151645]}
```
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.samples._answers import FEWEST_SAMPLES
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.probes.results import Sample, Samples

FIX = "none"
LISTED = "List the token that closes a turn in eos_token_id of generation_config.json."

LIMITS = {
    "fail": Limit(
        0.5, "most answers; of stories260k's after 200 steps, at a good learning rate and at a high one, 0 of 20"
    ),
    "warn": Limit(0.1, "more than a few loops of a small model; on the demo 0 of 20"),
    "lost": Limit(0.25, "answers that the base ended and the tuned model does not: nothing should make these more"),
    "fewest_steps": Limit(50, "of a shorter trial it cannot be asked that it has taught the end"),
    "room": Limit(1.5, "times its reference's tokens have to be allowed: half again as long is still an answer"),
    **FEWEST_SAMPLES,
}


def measure(samples: Samples, tokenizer: PreTrainedTokenizerBase, limits: Limits) -> Measurement:
    """Counts among the samples with room; ``improved``: more end by themselves than the base's, beyond chance."""
    from sanetune.checks.samples._answers import answered, enough, witness
    from sanetune.checks.samples._proportions import bounds, rarer
    from sanetune.checks.samples._template_fragments import telling

    counted = answered(samples, limits)
    kept = [sample for sample in counted if _has_room(sample, samples.max_new_tokens, tokenizer, limits["room"])]
    enough(len(kept), f"answers in the data are well below the limit of {samples.max_new_tokens:,} tokens", limits)
    open_ones = [sample for sample in kept if not sample.tuned.ended]
    dropped = [sample for sample in open_ones if sample.base.ended]
    specials = telling(samples, tokenizer)
    passed_by = Counter(mark for sample in open_ones if (mark := _closing(sample, specials)))
    numbers = {
        "samples": len(kept),
        "open": len(open_ones),
        "open_at_least": bounds(len(open_ones), len(kept))[0],
        "base_open": sum(not sample.base.ended for sample in kept),
        "lost": len(dropped),
        "lost_at_least": bounds(len(dropped), len(kept))[0],
        "improved": rarer((not sample.base.ended, not sample.tuned.ended) for sample in kept),
        "most_tokens": samples.max_new_tokens,
        "steps": samples.steps,
        "stops": len(samples.stop_token_ids),
        "passed_by": dict(passed_by.most_common(3)),
    }
    open_ones.sort(key=lambda sample: (not _closing(sample, specials), not sample.base.ended))
    return Measurement(numbers, [witness(sample, _note(sample, specials)) for sample in open_ones[:MOST_WITNESSES]])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if not n["open"]:
        return passed(f"all {n['samples']:,} answers end by themselves (of the base's {_ended(n)})")
    message = (
        f"{n['open']:,} of {n['samples']:,} answers run to the limit of {n['most_tokens']:,} tokens after"
        f" {n['steps']:,} steps, though the data's are well below it; of the base's {n['base_open']:,} do"
    )
    if n["passed_by"]:
        marks = ", ".join(f"{mark} ({units.many(count, 'answer')})" for mark, count in n["passed_by"].items())
        message += f"; special tokens stand inside, behind which they go on: {marks}"
    if not n["stops"]:
        message += "; no token ends an answer here: generation has no stop token"
    remedy = LISTED if n["passed_by"] or not n["stops"] else ""
    most = n["open_at_least"] > limits["fail"] or n["lost_at_least"] > limits["lost"]
    if most and n["steps"] >= limits["fewest_steps"] and not n["improved"]:
        return failed(message, remedy)
    if n["improved"] and n["open_at_least"] > limits["warn"]:
        return warned(f"{message}, so the model is learning to stop", remedy)
    # Fewer than the base's, and not most: the model is learning to stop.
    some = n["open_at_least"] > limits["warn"] and n["open"] >= n["base_open"]
    return warned(message, remedy) if most or some else passed(message)


def _has_room(sample: Sample, limit: int, tokenizer: PreTrainedTokenizerBase, room: float) -> bool:
    """Whether an answer of ``room`` times the usual length ends below ``limit`` (tokens).

    For the user's own prompts only the base can tell.
    """
    if not sample.tuned.ended:  # a long prompt leaves less room in the model's context
        limit = min(limit, sample.tuned.tokens)
    if sample.base.ended and sample.base.tokens * room <= limit:
        return True
    if sample.reference is None:
        return False
    ids = tokenizer(sample.reference, add_special_tokens=False)["input_ids"]
    return (len(ids) + 1) * room <= limit


def _closing(sample: Sample, specials: tuple[str, ...]) -> str:
    """A special token inside an answer that went on: its turn may have been meant to end there."""
    raw = sample.tuned.raw
    reference = sample.reference or ""
    found = [
        (at, special)
        for special in specials
        if special not in reference and (at := raw.find(special)) > 0 and raw[:at].strip()
    ]
    return min(found)[1] if found else ""


def _ended(n: dict[str, Any]) -> str:
    ended = n["samples"] - n["base_open"]
    return f"{ended:,} {'does' if ended == 1 else 'do'}"


def _note(sample: Sample, specials: tuple[str, ...]) -> str:
    if mark := _closing(sample, specials):
        return f"{sample.tuned.tokens:,} tokens; goes on behind {mark}"
    return f"{sample.tuned.tokens:,} tokens, truncated" + ("; the base ended by itself" if sample.base.ended else "")
