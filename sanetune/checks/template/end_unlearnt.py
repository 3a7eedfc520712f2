"""The token that ends a turn is not in the loss, or generation does not stop at it.

## What it does
For every trained assistant turn in the trainer's own batches: whether an end token follows the text, whether it is in
the loss, and whether it is one of the tokens at which generation stops.

## Why is this bad?
A model that never learns to stop answers until the length limit and continues with the user's part. The loss curve
does not show it.

## Example
Padding with the end token, and a collator that masks padding by its id:

```python
tokenizer.pad_token = tokenizer.eos_token
collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
```

## Use instead
End each turn with the end token, give padding its own token, and list the end token in generation_config.json.

```yaml
model:
  chat_template: chatml     # ends turns with <|im_end|>
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.evidence.batch_stats import BatchStats
    from sanetune.evidence.conversations import ConversationStore

FIX = "sometimes"
VERSION = 2
DEPENDS_ON = ("rows",)

LIMITS = {
    "share": Limit(0.01, "a template does it to all turns of a kind; below 1 % it is a matter of single rows"),
}


def measure(
    batch_stats: BatchStats,
    stop_tokens: frozenset[int],
    tokenizer: PreTrainedTokenizerBase,
    conversations: ConversationStore,
) -> Measurement:
    turns = batch_stats.total("turns")
    if not turns:
        raise NotApplicableError("no assistant turn is trained")
    if batch_stats.total("shifted") > batch_stats.total("documents") / 2:
        raise NotApplicableError("labels are not those of their tokens, which labels-shifted reports")
    masked = batch_stats.total("turns_end_masked")
    if masked and batch_stats.pad in stop_tokens and not batch_stats.total("padding_in_loss"):
        if masked == turns:
            raise NotApplicableError("every end is masked as padding, which labels-on-padding reports")
        masked = 0  # one cause, one finding
    ends: dict[str, int] = {}
    other_ends: dict[str, int] = {}
    for side in batch_stats.splits:
        for token, count in side.ends.items():
            name = _name(tokenizer, token)
            ends[name] = ends.get(name, 0) + count
            if token not in stop_tokens:
                other_ends[name] = other_ends.get(name, 0) + count
    numbers = {
        "turns": turns,
        "without_end": batch_stats.total("turns_without_end"),
        "end_masked": masked,
        "not_a_stop": sum(other_ends.values()),
        "ends": _largest(ends),
        "foreign_ends": _largest(other_ends),
        "stops": sorted(_name(tokenizer, token) for token in stop_tokens),
        "plain": _plain(conversations) if batch_stats.total("turns_without_end") else None,
    }
    seen = [witness for name in ("turns_without_end", "turns_end_masked", "ends") for witness in batch_stats.seen(name)]
    return Measurement(numbers, seen[:5])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    turns, stops = n["turns"], ", ".join(n["stops"]) or "none"
    other_ends = ", ".join(list(n["foreign_ends"])[:3])
    faults = [
        (n["without_end"], "have no end token at all"),
        (n["end_masked"], "have an end token that is masked"),
        (n["not_a_stop"], f"end with {other_ends}, at which generation will not stop (it stops at: {stops})"),
    ]
    found = [(count, words) for count, words in faults if count]
    if not found:
        ends = ", ".join(f"{name} ({units.share(count / turns)})" for name, count in list(n["ends"].items())[:3])
        return passed(
            f"{turns:,} trained turns: each has its end token in the loss, and generation stops there: {ends or stops}."
        )
    listed = "; ".join(f"{count:,} ({units.share(count / turns)}) {words}" for count, words in found)
    message = f"Of {turns:,} trained turns {listed}."
    worst = max(count for count, _ in found) / turns
    if worst <= limits["share"]:
        return warned(message)
    # Stop tokens of generation_config.json count as ends by now: a template that relies on them is not replaced.
    endless = n["without_end"] / turns > limits["share"] and n["plain"]
    return failed(message, fix={"model.chat_template": "chatml"} if endless else {})


def _plain(conversations: ConversationStore) -> bool:
    """Whether the conversations hold nothing but roles and texts, which ChatML can render: it ends every turn."""
    from sanetune.checks.template._conversation_shapes import conversation_shapes

    seen = [conversation for _, conversation in conversation_shapes(conversations).examples()]
    fields = {field for conversation in seen for message in conversation.messages for field in message}
    return bool(seen) and fields <= {"role", "content"} and not any(conversation.tools for conversation in seen)


def _name(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    name = tokenizer.convert_ids_to_tokens(token)
    return str(name) if name is not None else f"id {token}"


def _largest(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:10])
