"""Some answers are far longer or shorter than the rest, or one answer, opening or question dominates.

## What it does
Compares the length of every answer, in characters, with the quartiles of all answers (on a logarithmic scale, so that
data with both short and long answers have no outliers), and finds few answers, each over ten times the median, that
hold half of all characters. Counts how often the same answer, the same first sentence, or the same last question (with
other answers) is repeated. Answers that only call tools are left out, and so are repeated answers if few different ones
exist, as with labels.

## Why is this bad?
One answer fifty times as long weighs as much as fifty others and sets the memory of a batch. An answer that many rows
repeat becomes the answer to everything. A question that ends most rows, whatever was said before, often got there by a
mistake in the conversion.

## Example
A log file pasted into one answer; generated rows that all begin alike:

```jsonl
{"prompt": "Summarise.", "completion": "Certainly! Here is the ..."}
{"prompt": "Explain.", "completion": "Certainly! Here is the ..."}
```

## Use instead
Read the rows shown; shorten, complete or delete them, and thin out the repeated answer.

```jsonl
{"prompt": "Summarise.", "completion": "The disk was full."}
```

## Known problems
This is advice. Long answers and fixed openings can be intended.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, passed, warned
from sanetune.text import normalise, shorten

if TYPE_CHECKING:
    import numpy as np

    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

LIMITS = {
    "long": Limit(4.0, "interquartile ranges of log length above the upper quartile; at most 2.8 in clean real data"),
    "short": Limit(5.0, "interquartile ranges of log length below the lower quartile; at most 4.4 in clean real data"),
    "range": Limit(0.5, "ours: the least interquartile range of log length: answers of one length differ a little"),
    "heavy": Limit(50, "times the mean length, however wide the range is; the heaviest in clean real data: 5 (alpaca)"),
    "times": Limit(
        10, "ours: times the median, from which a single answer counts as very long; at most 8 in real data"
    ),
    "few": Limit(0.15, "ours: of the answers; more very long ones are a kind of answer"),
    "bulk": Limit(0.5, "ours: of all characters, held by few very long answers; none in clean real data"),
    "rare": Limit(0.01, "ours: of the answers; what more of them are is a kind of answer"),
    "same_length": Limit(20, "ours: characters from which a repeated answer is more than a label"),
    "opening_length": Limit(12, "ours: characters from which a repeated opening is more than a greeting"),
    "label_length": Limit(40, "ours: characters; few different answers of a lower median length are labels"),
    "label_kinds": Limit(20, "ours: so many different answers are few; see label_share"),
    "label_share": Limit(0.02, "ours: different answers among all, where that is more than label_kinds"),
    "fewest_answers": Limit(40, "ours: of fewer, quartiles and shares say little"),
    "same_warn": Limit(0.25, "the most repeated answer in clean real data: 17 % (a farewell in sharegpt's)"),
    "question_warn": Limit(0.25, "the most repeated last question in clean real data: 5 % (airline)"),
    "opening_warn": Limit(0.25, "the most repeated opening sentence in clean real data: 6 % (airline)"),
}

SHOWN_SHARE = 0.05
"""A repeated text is shown from this share of the answers on."""

# Headings and brackets that every answer has are its form; a sentence is something said.
_END = re.compile(r"[.!?](?=\s)")


def measure(conversations: ConversationStore, limits: Limits) -> Measurement:
    """Length and repetition of answers; witnesses are the longest, the shortest, and one with the repeated text."""
    import numpy as np

    from sanetune.checks.rows._last_questions import repeated_question

    lengths, whole, opening, where = _read(conversations, int(limits["opening_length"]))
    if len(lengths) < (fewest := limits["fewest_answers"]):
        raise NotApplicableError(f"{len(lengths)} answers are too few to tell an outlier (from {fewest:g} on)")
    logs = np.log(lengths)
    low, middle, high = (float(value) for value in np.quantile(logs, (0.25, 0.5, 0.75)))
    spread = max(limits["range"], high - low)
    long = np.flatnonzero((logs > high + limits["long"] * spread) | (lengths > limits["heavy"] * lengths.mean()))
    short = np.flatnonzero(logs < low - limits["short"] * spread)
    few = limits["rare"] * len(lengths)
    long, short = long if len(long) <= max(1, few) else long[:0], short if len(short) <= max(1, few) else short[:0]
    same, same_at = _most(whole, lengths >= limits["same_length"])
    first, first_at = _most(opening, opening != 0)
    very = lengths > limits["times"] * np.median(lengths)
    question = repeated_question(conversations, int(limits["same_length"]))
    numbers = {
        "answers": len(lengths),
        "median": round(math.exp(middle), 1),
        "longest": int(lengths.max()),
        "shortest": int(lengths.min()),
        "long": len(long),
        "short": len(short),
        "same": same,
        "opening": first,
        "different": len(np.unique(whole)),
        "very_long": int(very.sum()),
        "bulk": round(float(lengths[very].sum() / lengths.sum()), 4),
        "rows": question.rows,
        "question": question.count,
    }
    chosen = [(int(i), f"{lengths[i]:,} characters") for i in long[np.argsort(-lengths[long])][:2]]
    chosen += [(int(i), f"{units.many(int(lengths[i]), 'character')}") for i in short[np.argsort(lengths[short])][:1]]
    if lengths[very].sum() >= limits["bulk"] * lengths.sum() and not len(long):
        chosen += [(int(i), f"{lengths[i]:,} characters") for i in np.argsort(-lengths)[:2]]
    chosen += [(same_at, f"this answer comes {same:,} times")] if same > SHOWN_SHARE * len(lengths) else []
    chosen += [(first_at, f"this opening comes {first:,} times")] if first > SHOWN_SHARE * len(lengths) else []
    asked = question.witnesses if question.count > SHOWN_SHARE * question.rows else []
    return Measurement(numbers, [*_witnesses(conversations, where, chosen), *asked][:MOST_WITNESSES])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    answers = n["answers"]
    scope = f"{units.many(answers, 'answer')}, half of them above {n['median']:,.0f} characters"
    found = []
    if n["long"]:
        found.append(f"{n['long']:,} far longer than the rest (up to {n['longest']:,} characters)")
    if n["short"]:
        found.append(f"{n['short']:,} far shorter (down to {n['shortest']:,})")
    labels = n["different"] <= max(limits["label_kinds"], limits["label_share"] * answers)
    labels &= n["median"] < limits["label_length"]
    if n["same"] / answers >= limits["same_warn"] and not labels:
        found.append(f"one and the same answer {n['same']:,} times ({units.share(n['same'] / answers)})")
    elif n["opening"] / answers >= limits["opening_warn"] and not labels:
        found.append(f"the same first sentence {n['opening']:,} times ({units.share(n['opening'] / answers)})")
    if n["bulk"] >= limits["bulk"] and n["very_long"] <= limits["few"] * answers and not n["long"]:
        found.append(f"{n['very_long']:,} very long ones hold {units.share(n['bulk'])} of all characters")
    if n["rows"] and n["question"] / n["rows"] >= limits["question_warn"]:
        found.append(
            f"{n['question']:,} of {n['rows']:,} rows ({units.share(n['question'] / n['rows'])}) end with one and the"
            " same question, and other answers"
        )
    if not found:
        return passed(f"{scope}: none far longer or shorter ({n['shortest']:,} to {n['longest']:,}), none dominates.")
    return warned(f"{scope}: {', '.join(found)}.")


def _read(
    conversations: ConversationStore, opening_length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For every answer its length, the hash of it and of its first sentence (0: none worth comparing), and where it is:
    side, row, message."""
    from array import array

    import numpy as np
    import xxhash

    lengths, whole, opening, where = array("Q"), array("Q"), array("Q"), array("L")
    for number, side in enumerate(conversations.sides):
        for row, conversation in enumerate(side):
            for index, message in enumerate(conversation.messages):
                text = message["content"]
                if message["role"] != "assistant" or not text or text.isspace():
                    continue
                lengths.append(len(text))
                whole.append(xxhash.xxh3_64_intdigest(normalise(text).encode("utf-8", "replace")))
                start = normalise(first_sentence(text, opening_length)).encode("utf-8", "replace")
                opening.append(xxhash.xxh3_64_intdigest(start) if start else 0)
                where.extend((number, row, index))
    columns = [np.frombuffer(column, np.uint64) if column else np.zeros(0, np.uint64) for column in (whole, opening)]
    return np.array(lengths, np.int64), columns[0], columns[1], np.array(where, np.int64).reshape(-1, 3)


def first_sentence(text: str, shortest: int) -> str:
    """The first sentence of at least ``shortest`` characters; "" where there is no end of one in 200 characters."""
    start = text[:300].lstrip()
    end = _END.search(start, shortest, 200)
    return start[: end.end()] if end else ""


def _most(hashes: np.ndarray, counted: np.ndarray) -> tuple[int, int]:
    """How often the most repeated of the counted hashes comes, and the index of its first; (0, 0) without any."""
    import numpy as np

    places = np.flatnonzero(counted)
    if not len(places):
        return 0, 0
    _, first, counts = np.unique(hashes[places], return_index=True, return_counts=True)
    most = int(counts.argmax())
    return int(counts[most]), int(places[first[most]])


def _witnesses(conversations: ConversationStore, where: np.ndarray, chosen: list[tuple[int, str]]) -> list[Witness]:
    from sanetune.checks._excerpts import LENGTH, at

    shown = []
    for answer, note in chosen[:MOST_WITNESSES]:
        number, row, message = (int(value) for value in where[answer])
        side = conversations.sides[number]
        conversation = side[row]
        text = shorten(conversation.messages[message]["content"], LENGTH)
        shown.append(Witness(text, at(conversation, message), note, split=side.name))
    return shown
