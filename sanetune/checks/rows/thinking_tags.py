"""Thinking tags in answers are not in pairs, or surround the reasoning twice.

## What it does
Reads the tags of reasoning in every answer (`<think>`, `<thinking>`, `<reasoning>`, `[THINK]` and others). It counts
answers in which a tag is never closed, one is opened inside another, one is closed without being opened, and answers
whose reasoning has a field of its own and tags, too. Tags in code and in the middle of a sentence are only spoken of. A
closing tag alone is right where the chat template writes the opening one. Skipped where no answer has reasoning.

## Why is this bad?
The model learns to think without an end, or its answer is read as reasoning.

Templates and servers split an answer at these tags. What they cannot split is shown to the user, or dropped from the
turns before.

## Example
```json
{"prompt": "2 + 2?", "completion": "<think>Two and two is"}
```

## Use instead
Close every tag, or put the reasoning into `reasoning_content`, without tags, and let the chat template write them.

```json
{"messages": [{"role": "user", "content": "2 + 2?"},
  {"role": "assistant", "content": "4",
   "reasoning_content": "Two and two is four."}]}
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True

FAULTS = {
    "unclosed": "never close a tag",
    "nested": "open a tag inside another",
    "unopened": "close a tag that they do not open",
    "twice": "have tags around reasoning that has a field of its own",
}
"""What is counted, in words."""

LIMITS = {
    "broken_fail": Limit(0.1, "ours: a tenth of the answers is no slip of single rows but of how they were made"),
    "fewest_answers": Limit(3, "ours: one or two answers are slips, whatever share they are"),
}


def measure(conversations: ConversationStore, template: ChatTemplate | None) -> Measurement:
    """Answers of each kind of fault among those with reasoning; an answer may be of several kinds."""
    from sanetune.checks._excerpts import interleave
    from sanetune.checks.rows._thinking import has_tags, tag_faults

    counts = dict.fromkeys(FAULTS, 0)
    answers = broken = 0
    seen: dict[str, list[Witness]] = {kind: [] for kind in FAULTS}
    for side in conversations.sides:
        for conversation in side:
            for index, message in enumerate(conversation.messages):
                if message["role"] != "assistant" or not has_tags(message):
                    continue
                answers += 1
                found = tag_faults(message, template)
                broken += bool(found)
                for kind, start in found.items():
                    counts[kind] += 1
                    if len(seen[kind]) < most_witnesses():
                        seen[kind].append(_witness(conversation, index, start, kind, side.name))
    if not answers:
        raise NotApplicableError("no answer has reasoning or thinking tags")
    return Measurement({"answers": answers, **counts, "broken": broken}, interleave(seen[kind] for kind in FAULTS))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, answers = m.numbers, m.numbers["answers"]
    scope = units.many(answers, "answer with reasoning", "answers with reasoning")
    parts = [f"{n[kind]:,} ({units.share(n[kind] / answers)}) {words}" for kind, words in FAULTS.items() if n[kind]]
    if not parts:
        return passed(f"{scope}: every thinking tag is opened and closed.")
    message = f"Of {scope}: {', '.join(parts)}."
    if n["broken"] >= limits["fewest_answers"] and n["broken"] / answers >= limits["broken_fail"]:
        return failed(message)
    return warned(message)


def _witness(conversation: Conversation, index: int, start: int, kind: str, split: str) -> Witness:
    from sanetune.checks._excerpts import around, at

    text = conversation.messages[index]["content"]
    return Witness(around(text, start, start + 12, 150), at(conversation, index), FAULTS[kind], split=split)
