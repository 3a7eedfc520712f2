"""Answers stop in mid-sentence in the data itself.

## What it does
Reads the end of every answer whose last line is a sentence (four words or more) or that stops inside a block of code.
It counts those that stop after a word that ends no sentence of these data (as *the* or *of*), inside a word, after a
comma, or inside the block. Which
words end sentences is counted over all answers, so that no language has to be known. About half of truncated answers
can be told in this way for certain. Of texts truncated anywhere a known share stops after such a word: where the
answers without a mark at their end do so nearly as often, the others of them are counted too, as probable. Skipped
where fewer than 20 answers have a text.

## Why is this bad?
The model learns to stop in mid-sentence, and the token that ends a turn after any word.

It is what is left of a limit on new tokens, or on the length of a cell, where the answers were made.

## Example
```json
{"prompt": "Where is it wettest?", "completion": "It rains most in the"}
```

## Use instead
Generate these answers again with room for their end, or remove the rows.

```json
{"prompt": "Where is it wettest?", "completion": "In Mawsynram."}
```

## Known problems
Where sentences of whole answers have no mark at their end (lists of steps, say), an answer that was truncated after a
word that may end a sentence is not found: the share is then a lower bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.evidence.conversations import ConversationStore, Rows

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True
VERSION = 3

FAULTS = {
    "word": "after a word that ends no sentence",
    "letter": "inside a word",
    "mark": "after a comma or inside code",
}
"""Where answers stop, in words."""

SIGNATURE = 3
"""Answers with the same last line from which it is a signature: it needs no mark at its end."""

LIMITS = {
    "last": Limit(0.05, "ours: of the uses of a word that are at the end of a sentence; 0 to 2 % for *the* and *of*"),
    "warn": Limit(0.002, "none of 13,000 answers of clean real data; a set of which 5 % are truncated has 1 to 4 %"),
    "unmarked": Limit(
        0.03,
        "of the answers whose last sentence has no mark at its end: 1 % of titles, 4 to 40 % of truncated answers",
    ),
    "alike": Limit(
        0.35,
        "how often answers without a mark stop after such a word, in parts of how often truncated ones do: 0 to 0.02 on"
        " whole answers, 0.4 to 1.3 where 2 to 50 % are truncated and sentences have marks, else 0.03 to 0.4",
    ),
    "fail": Limit(0.1, "ours: at least a tenth"),
    "fewest": Limit(3, "ours: one or two answers are slips, whatever share they are"),
    "fewest_answers": Limit(20, "ours: of fewer it cannot be said which words end sentences"),
}


def measure(conversations: ConversationStore, rows: Rows, limits: Limits) -> Measurement:
    """Answers that stop in mid-sentence, by where they stop. ``rows`` are there where they were read from files: what a
    trainer holds may be truncated, which other checks report."""
    from sanetune.checks._excerpts import at, interleave
    from sanetune.checks.rows._sentence_ends import (
        SentenceEnds,
        beginnings_of,
        broken_off,
        has_end,
        is_open_code,
        is_sentence,
    )

    del rows
    ends = SentenceEnds.of(text for _, _, _, text in _answers(conversations))
    beginnings = beginnings_of(ends)
    lines = Counter(hash(_last_line(text)) for _, _, _, text in _answers(conversations))
    expected = ends.without_end(limits["last"])
    counts: Counter[str] = Counter()
    seen: dict[str, list[Witness]] = {kind: [] for kind in (*FAULTS, "probable")}
    for split, conversation, index, text in _answers(conversations):
        counts["answers"] += 1
        if not (is_sentence(text) or is_open_code(text)):
            continue
        unmarked = not has_end(text) and lines[hash(_last_line(text))] < SIGNATURE
        counts["unmarked"] += unmarked
        kind = broken_off(text, ends, beginnings, limits["last"]) or ("probable" if unmarked else "")
        if kind:
            counts[kind] += 1
        if kind and len(seen[kind]) < most_witnesses():
            shown = "…" + text.rstrip()[-200:] if len(text) > 200 else text
            note = f"stops {FAULTS[kind]}" if kind in FAULTS else "has no mark at its end"
            seen[kind].append(Witness(shown, at(conversation, index), note, split=split))
    if counts["answers"] < limits["fewest_answers"]:
        raise NotApplicableError(f"{units.many(counts['answers'], 'answer')} with a text are too few to tell")
    numbers: dict[str, float] = {name: counts[name] for name in ("answers", "unmarked", *FAULTS)}
    numbers["alike"] = round(_alike(counts, expected), 3)
    if numbers["alike"] >= limits["alike"]:
        numbers["probable"] = counts["probable"]
    else:
        del seen["probable"]
    return Measurement(numbers, interleave(seen.values()))


def _alike(counts: Counter[str], expected: float) -> float:
    """How often answers without a mark stop where no sentence ends, in parts of how often truncated ones would.

    One that stops inside a word tells by itself.
    """
    if not expected or not counts["unmarked"]:
        return 0.0
    return (counts["word"] / expected + counts["letter"]) / counts["unmarked"]


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, answers = m.numbers, m.numbers["answers"]
    broken = sum(n[kind] for kind in FAULTS)
    probable = n.get("probable", 0)
    scope = units.many(answers, "answer")
    if not broken:
        return passed(f"{scope}: none stops in mid-sentence.")
    parts = ", ".join(f"{n[kind]:,} {words}" for kind, words in FAULTS.items() if n[kind])
    message = f"{broken:,} of {scope} ({units.share(broken / answers)}) stop in mid-sentence: {parts}."
    if probable:
        message = f"{message[:-1]}; {probable:,} more, without a mark at their end, probably do."
    few = broken < limits["fewest"] or broken / answers < limits["warn"]
    if few or broken < limits["unmarked"] * n["unmarked"]:
        return passed(f"{message} That is too few to matter.")
    return failed(message) if (broken + probable) / answers >= limits["fail"] else warned(message)


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _answers(conversations: ConversationStore) -> Iterator[tuple[str, Conversation, int, str]]:
    """Split, conversation, index and text of every answer with a text."""
    for side in conversations.sides:
        for conversation in side:
            for index, message in enumerate(conversation.messages):
                if message["role"] == "assistant" and message["content"].strip() and not message.get("tool_calls"):
                    yield side.name, conversation, index, message["content"]
