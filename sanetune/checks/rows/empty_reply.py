"""Answers are empty, blank, a placeholder, or a copy of the question.

## What it does
Reads every assistant turn that calls no tool, and counts rows without an answer. Placeholders are texts such as
`TODO`, `[insert answer]`, `lorem ipsum`, `null` or `N/A`. Words that can be an answer (`None`, `N/A`, `...`) count
only if answers are usually sentences. Answers that repeat the question word for word are counted apart: a few may
have a reason (nothing to correct, nothing to translate).

## Why is this bad?
The model learns to stop at once or to write the placeholder, and does so later when a question is hard.

## Example
```jsonl
{"prompt": "How do I reset my password?", "completion": ""}
{"prompt": "What are your opening hours?", "completion": "TODO"}
```

## Use instead
Write these answers or delete the rows. `sanetune check CONFIG --write-clean DIR` writes a copy without the empty
ones.

```jsonl
{"prompt": "What are your opening hours?", "completion": "9 to 5."}
```
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Verdict, Witness, failed, most_witnesses, passed, warned

if TYPE_CHECKING:
    from sanetune.data.conversation import Message
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True

LIMITS = {
    "fail": Limit(0.05, "ours: one row in twenty; clean real data have none"),
    "echo_warn": Limit(0.05, "ours: at most 0.2 % in the clean real data"),
    "echo_fail": Limit(0.5, "ours: what most rows teach is to repeat"),
    "weak_warn": Limit(0.005, "ours: in sentences such a word may rarely be the answer; clean real data have none"),
    "sentence": Limit(25, "ours: characters of the median answer from which answers are sentences, not labels"),
    "greeting": Limit(12, "ours: a shorter answer that is the question again is a greeting; characters"),
    "longest": Limit(60, "ours: a longer answer is no placeholder; characters"),
}

_STRONG = re.compile(
    r"""(todo|tbd|tba|fixme|xxx+|null|nan|undefined|placeholder|<empty>|<no\s?output>|<noinput>|lorem\ ipsum\b.{0,50}
    |(insert|your|write|add|put)\ ([\w']+\ ){0,3}(answer|response|reply|output|text|content)(\ here)?
    |[\[<{(]+\ ?(insert|your|answer|response|reply|output|text|todo|tbd|placeholder|completion|blank|empty|redacted)
    (\ [\w']+){0,5}\ ?[\]>})]+)[.!:]*""",
    re.VERBOSE | re.IGNORECASE,
)
_WEAK = re.compile(r"(n\.?\s?/\s?a|na|none|nil|nothing|empty|no (answer|response|output|reply)|[-–—_.…?*#]+)\.?", re.I)


def measure(conversations: ConversationStore, limits: Limits) -> Measurement:
    """Rows with a blank answer, a placeholder, a word that may be one, and with no answer at all; a row counts
    once, for the worst."""
    from array import array

    import numpy as np

    from sanetune.checks._excerpts import at, outline

    counts = dict.fromkeys(NOTES, 0)
    seen: dict[str, list[Witness]] = {kind: [] for kind in counts}
    rows, lengths = 0, array("I")
    for side in conversations.sides:
        for conversation in side:
            if conversation.text is not None:
                continue
            rows += 1
            worst, where = "", len(conversation.messages) - 1
            answered = False
            for index, message in enumerate(conversation.messages):
                if message["role"] != "assistant":
                    continue
                answered = True
                lengths.append(min(2**32 - 1, len(message["content"])))
                kind = emptiness(message, limits["longest"]) or echo(
                    conversation.messages[:index][-1:], message, limits["greeting"]
                )
                if kind and (not worst or list(counts).index(kind) < list(counts).index(worst)):
                    worst, where = kind, index
            worst = worst if answered else "absent"
            if worst:
                counts[worst] += 1
                if len(seen[worst]) < most_witnesses():
                    note = NOTES[worst]
                    seen[worst].append(Witness(outline(conversation), at(conversation, where), note, split=side.name))
    if not rows:
        raise NotApplicableError("plain text has no answers")
    median = float(np.median(np.frombuffer(lengths, np.uint32))) if lengths else 0.0
    shown = [witness for kind in counts for witness in seen[kind] if kind != "weak" or median >= limits["sentence"]]
    return Measurement({"rows": rows, "answers": len(lengths), "median": median, **counts}, shown[: most_witnesses()])


NOTES = {
    "absent": "no answer at all",
    "blank": "a blank answer",
    "placeholder": "a placeholder",
    "weak": "a word that stands for no answer",
    "echo": "the question again",
}


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, rows = m.numbers, m.numbers["rows"]
    said = _nothing_said(n, limits)
    if n["echo"] / rows < limits["echo_warn"]:
        return said
    message = (
        f"In {n['echo']:,} of {units.many(rows, 'row')} ({units.share(n['echo'] / rows)}) an answer is the question"
    )
    message += " again, word for word."
    if said.verdict is not Verdict.PASS:
        message += f" {said.message}"
    bad = n["echo"] / rows >= limits["echo_fail"] or said.verdict is Verdict.FAIL
    return failed(message) if bad else warned(message)


def _nothing_said(n: dict[str, Any], limits: Limits) -> Judgement:
    rows, labels = n["rows"], n["median"] < limits["sentence"]
    empty = [kind for kind in NOTES if kind != "echo" and not (kind == "weak" and labels)]
    counted = {kind: n[kind] for kind in empty if n[kind]}
    scope = f"{units.many(rows, 'row')} with {units.many(n['answers'], 'answer')}"
    if not counted:
        return passed(f"{scope}: none is empty, blank or a placeholder.")
    parts = [f"{count:,} with {NOTES[kind]}" for kind, count in counted.items()]
    total = sum(counted.values())
    message = f"{total:,} of {units.many(rows, 'row')} ({units.share(total / rows)}) say nothing: {', '.join(parts)}."
    sure = total - counted.get("weak", 0)
    if sure / rows >= limits["fail"]:
        return failed(message)
    if sure or counted.get("weak", 0) / rows >= limits["weak_warn"]:
        return warned(message)
    return passed(f"{message} That is too few to matter.")


def echo(before: Sequence[Message], message: Message, greeting: float = LIMITS["greeting"].value) -> str:
    """``echo`` where an answer is the user's message before it, word for word; a greeting, of fewer than ``greeting``
    characters, may be given back."""
    words = message["content"].strip()
    again = before and before[0]["role"] == "user" and before[0]["content"].strip() == words
    return "echo" if again and len(words) >= greeting else ""


def emptiness(message: Message, longest: float = LIMITS["longest"].value) -> str:
    """``blank``, ``placeholder``, ``weak`` (a word that may be an answer), or nothing. A turn that calls tools needs no
    words; of more than ``longest`` characters an answer is no placeholder."""
    if message.get("tool_calls"):
        return ""
    text = message["content"]
    if len(text) > longest and not text[: int(longest)].isspace():
        return ""
    text = text.strip()
    if not text:
        return "blank"
    if len(text) > longest:
        return ""
    if _STRONG.fullmatch(text):
        return "placeholder"
    return "weak" if _WEAK.fullmatch(text) else ""
