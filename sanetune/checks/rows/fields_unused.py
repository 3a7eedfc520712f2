"""Columns or keys of messages hold text, and nothing reads them.

## What it does
Notes while reading which columns, keys of messages and parts of typed content no conversation takes anything from, and
counts their rows, words and characters. Reported are: text of several words that differs from row to row and is not in
the conversation under another name; a column that is usually a part of the question; a column that may say which
answers are rejected; weights of rows; and a label beside a plain text, which a classifier answers. Names, numbers,
other labels and links are listed by `sanetune data`.

## Why is this bad?
A question without its passage, its options or its attachment teaches the model to invent them.

A column of reasoning or instructions that nobody reads was written for nothing.

## Example
```json
{"instruction": "Answer.", "question": "Who made it?", "output": "Rosa."}
```

Only `instruction` is the prompt: every question is lost.

## Use instead
Name the columns in `data.fields`; several are joined with `+`.

```yaml
data:
  train: books.jsonl
  fields: {prompt: instruction, input: question, completion: output}
```

If the model shall not see a column, take it out of the file, or ignore the check.

## Known problems
Whether a title or a summary belongs to the question is for you to say. `rejected` answers of preference pairs are left
out on purpose, and never reported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.data.preferences import REJECTED
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned
from sanetune.text import quote_name

if TYPE_CHECKING:
    from sanetune.data.unread_columns import UnreadColumn
    from sanetune.evidence.conversations import Rows

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

LIMITS = {
    "rows": Limit(0.01, "ours: rarer columns are slips of single rows, and `sanetune data` lists them"),
    "words": Limit(4, "ours: names, labels and links have fewer; words of text in a row, on average"),
    "copied": Limit(0.5, "ours: text that is read under another name in most rows"),
    "repeated": Limit(0.9, "ours: fixed texts, such as a description of the task, come back in nearly every row"),
    "answers": Limit(0.9, "ours: what is to be answered is in nearly every row"),
    "question_fail": Limit(0.05, "ours: one question in twenty without a part of it"),
}

QUESTION = frozenset(("question", "query", "instruction", "prompt", "input", "options", "choices", "problem"))
"""Columns that beside a prompt are a part of the question."""

ANSWER = frozenset(("label", "labels", "class", "sentiment", "emotion", "intent", "target", "answer", "answers"))
"""Columns that beside a text are what a classifier answers, however short."""

LABELS = re.compile(r"(?:is_)?(?:label|correct|accepted|good|chosen|desirable|valid)|kto_\w+|thumbs_?up")
"""Columns that may say which answers are wanted."""

WEIGHTS = re.compile(r"(?:\w+_)?(?:weights?|loss|mask|masks|train|trained|learn|supervised)(?:_\w+)?")
"""Columns, and keys of messages, that may say how much a row or a turn weighs, or which turns are learned."""

ABOUT = re.compile(
    r"(?:\w+_)?(?:ids?|uuid|hash|url|uri|links?|source|sources|license|licence|author|file|filename|path|date|time"
    r"|timestamp|model|generator|version|metadata|meta|info|extra|debug|lang|language|tags?|labels|emojis|created\w*|updated\w*)"
)
"""Names of what is said about a row."""


def measure(rows: Rows, limits: Limits) -> Measurement:
    """Columns that nothing reads, and why each of them is reported; a row counts in each of its columns."""
    if not rows.read:
        raise NotApplicableError("there are no rows")
    reported = {column.path: kind for column in rows.unread if (kind := kind_of(column, rows.read, limits))}
    columns = {column.path: column for column in rows.unread}
    numbers = {
        "read": rows.read,
        "unread": {path: column.rows for path, column in columns.items()},
        "reported": reported,
        "characters": sum(columns[path].characters for path in reported),
        "notes": dict(rows.notes),
        "left_out": dict(rows.left_out),
        "mapping": _mapping(reported, rows),
    }
    witnesses = [_witness(columns[path], reported[path]) for path in reported]
    return Measurement(numbers, witnesses[:MOST_WITNESSES])


def kind_of(column: UnreadColumn, rows: int, limits: Limits) -> str:
    """Why a column is reported: ``question``, ``answer``, ``text``, ``flag``; "" where it is not."""
    name = column.path.split(".")[-1].lower()
    if column.rows / rows < limits["rows"] or column.path.split(".")[0] in (*REJECTED, "replies", "mapping"):
        return ""
    if column.formats.keys() <= {"chat-export"}:
        return ""  # what else an export says is about the conversation
    if not column.formats.keys() <= {"text"} and _is_flag(name, column):
        return "flag"
    if column.formats.keys() <= {"text"} and name in ANSWER and "." not in column.path:
        return "answer" if column.rows / rows >= limits["answers"] else ""
    if not column.texts or column.copies / column.sampled > limits["copied"]:
        return ""
    if name in QUESTION and "." not in column.path and "text" not in column.formats:
        return "question"
    if ABOUT.fullmatch(name) or column.words / column.sampled < limits["words"]:
        return ""
    if column.sampled > len(column.values) and column.repeated / column.sampled > limits["repeated"]:
        return ""
    return "text"


def _is_flag(name: str, column: UnreadColumn) -> bool:
    """Whether its values are yes and no, or weights, and some of them are not yes."""
    values = {word for value in column.values for word in re.findall(r"[\w.]+", value.lower())}
    plain = values <= {"true", "false", "0", "1", "0.0", "1.0"}
    yes = values <= {"true", "1", "1.0"}
    if LABELS.fullmatch(name):
        return plain and not yes and "." not in column.path
    return bool(WEIGHTS.fullmatch(name)) and not yes and (plain or ("weight" in name and not column.texts))


def _mapping(reported: dict[str, str], rows: Rows) -> str:
    """An example of ``data.fields`` that reads a reported column."""
    if answer := next((path for path, kind in reported.items() if kind == "answer"), None):
        return f"completion: {answer}"
    parts = [path for path, kind in reported.items() if kind == "question"]
    names = {path: path.split(".")[-1] for path in reported}
    flag = next((path for path, kind in reported.items() if kind == "flag"), None)
    if parts:
        return f"input: {' + '.join(parts[:3])}"
    if flag:
        return f"label: {flag}" if LABELS.fullmatch(flag) else ""
    text = next((path for path in reported if "." not in path), None)
    if text is None or rows.formats.keys() <= {"messages", "sharegpt"}:
        return ""
    return f"{'reasoning' if names[text] in ('explanation', 'solution', 'steps') else 'input'}: {text}"


def _witness(column: UnreadColumn, kind: str) -> Witness:
    note = {
        "question": "part of the question",
        "answer": "may be the answer to the text",
        "flag": "may mark rejected answers",
        "text": "text",
    }[kind]
    if kind == "flag" and not LABELS.fullmatch(column.path.lower()):
        note = "may say what is learned"
    return Witness(
        column.example, column.place, f"`{quote_name(column.path)}` in {units.many(column.rows, 'row')}: {note}"
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    scope = units.many(n["read"], "row")
    if not n["reported"]:
        return passed(" ".join((f"Of {scope} no text of conversations is left unread{_listed(n)}.", *_done(n))))
    listed = ", ".join(
        f"`{quote_name(path, 30)}` ({n['unread'][path]:,}, {units.share(n['unread'][path] / n['read'])})"
        for path in list(n["reported"])[:4]
    )
    more = f" and {len(n['reported']) - 4} more" if len(n["reported"]) > 4 else ""
    text = f": {units.many(n['characters'], 'character')} of text" if n["characters"] else ""
    message = f"Of {scope} nothing reads {listed}{more}{text}."
    remedy = "Write them into the content of their messages, or take them out of the file."
    if any("." not in path for path in n["reported"]):
        remedy = "Map them in `data.fields`, or take them out of the file."
    if n["mapping"]:
        named = "prompt: …, " if n["mapping"].startswith("completion") else "prompt: …, completion: …, "
        remedy = f"Name the columns, as in `data.fields: {{{named}{n['mapping']}}}`, or delete them."
    missing = [path for path, kind in n["reported"].items() if kind == "question"]
    if any(n["unread"][path] / n["read"] >= limits["question_fail"] for path in missing):
        return failed(message, remedy)
    return warned(message, remedy)


def _listed(n: dict[str, object]) -> str:
    unread = n["unread"]
    assert isinstance(unread, dict)
    return f"; not needed are {', '.join(f'`{quote_name(path, 30)}`' for path in list(unread)[:6])}" if unread else ""


def _done(n: dict[str, object]) -> list[str]:
    """What reading has left out and changed, in sentences."""
    done = [n["left_out"], n["notes"]]
    return [
        f"{units.many(count, 'row')}: {words}." for one in done if isinstance(one, dict) for words, count in one.items()
    ]
