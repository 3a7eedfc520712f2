"""Rows cannot be read as conversations.

## What it does
Reads every row of every source. It counts lines that do not parse, text in another encoding than UTF-8, rows without
a prompt and a reply or with unknown columns, and unknown roles, each with its file and line.

## Why is this bad?
A row that cannot be read is not trained on, and many of them point to a fault of the whole file.

## Example
A file that was truncated, and a column under another name:

```jsonl
{"conversation": [{"role": "user", "content": "Hi"}, ...]}
{"messages": [{"role": "user", "conte
```

## Use instead
Repair or delete these rows; name your own columns in `data.fields`. To train
without them: `data.on_bad_row: skip`, which lists them, or the copy of the data
that `sanetune check CONFIG --write-clean DIR` writes.

```yaml
data:
  train: support.jsonl
  fields: {messages: conversation}
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limits
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.conversations import Rows

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True


def measure(rows: Rows) -> Measurement:
    """How many rows there are and how many of them are bad; witnesses are the first errors, one of each kind first."""
    messages: dict[str, int] = {}
    for error in rows.errors:
        messages.setdefault(error.message, len(messages))
    first = {error.message: error for error in reversed(rows.errors)}
    firsts = sorted(first.values(), key=lambda error: messages[error.message])
    others = [error for error in rows.errors if error is not first[error.message]]
    witnesses = [Witness(error.message, error.place, error.remedy) for error in (*firsts, *others)[: most_witnesses()]]
    numbers = {"read": rows.read, "bad": rows.bad, "files": len(rows.files), "forms": dict(rows.formats)} | {
        "skipped": rows.skipped
    }
    return Measurement(numbers, witnesses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if not n["read"]:
        return failed("There are no rows.", "Name a file with rows in `data.train`.")
    if not n["bad"]:
        formats = ", ".join(f"{format_} {count:,}" for format_, count in sorted(n["forms"].items()))
        return passed(f"{units.many(n['read'], 'row')}: all can be read{f' ({formats})' if formats else ''}.")
    message = f"{n['bad']:,} of {units.many(n['read'], 'row')} ({units.share(n['bad'] / n['read'])}) cannot be read"
    if m.witnesses:
        one = m.witnesses[0]
        message += f"; the first: {f'{one.place}: ' if one.place and str(one.place) else ''}{one.text}"
    message = f"{message.rstrip('.')}."
    return warned(f"{message} They are left out (data.on_bad_row: skip).") if n["skipped"] else failed(message)
