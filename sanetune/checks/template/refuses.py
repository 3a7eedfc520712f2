"""The chat template raises an error on rows of the data.

## What it does
Counts rows that cannot be rendered, or that are rendered so that their replies cannot be found in the text, by
reason.

## Why is this bad?
Training stops at these rows, or continues without them, and the model never sees that kind of conversation.

## Example
A template that accepts no system role:

```jinja
{% if messages[0].role == 'system' %}
  {{ raise_exception('System role not supported') }}
{% endif %}
```

## Use instead
Change those rows, or use a template that accepts them (`model.chat_template: FILE` or `chatml`).

```yaml
model:
  chat_template: chatml
```
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed
from sanetune.text import shorten

if TYPE_CHECKING:
    from sanetune.errors import TemplateError
    from sanetune.evidence.data_loss import RefusedRows

FIX = "none"
DEPENDS_ON = ("rows",)


def measure(refused_rows: RefusedRows) -> Measurement:
    if not refused_rows.rows:
        raise NotApplicableError("there are no rows")
    reasons: Counter[str] = Counter()
    first: dict[str, list[TemplateError]] = {}
    for error in refused_rows.errors:
        reason = _reason(error)
        reasons[reason] += 1
        first.setdefault(reason, []).append(error)
    chosen = [error for reason, _ in reasons.most_common(3) for error in first[reason][:2]][:MOST_WITNESSES]
    witnesses = [Witness(error.message[:300], error.place, _reason(error)[:120]) for error in chosen]
    numbers: dict[str, Any] = {
        "rows": refused_rows.rows,
        "refused": refused_rows.count,
        "seen": len(refused_rows.errors),
        "reasons": dict(reasons.most_common(10)),
    }
    return Measurement(numbers, witnesses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    refused, rows = m.numbers["refused"], m.numbers["rows"]
    of = f"{refused:,} of {rows:,} rows"
    if not refused:
        return passed(f"{rows:,} rows: the template takes every one of them.")
    reasons = [f"{count:,} × {_short(reason)}" for reason, count in m.numbers["reasons"].items()]
    most = "; ".join(reasons[:2]) + (f"; and {len(reasons) - 2} more reasons" if len(reasons) > 2 else "")
    among = f" (of the first {m.numbers['seen']:,})" if m.numbers["seen"] < refused else ""
    return failed(f"The chat template refuses {of}: {most}{among}.")


def _reason(error: TemplateError) -> str:
    """What is wrong, without what is only of this row."""
    message = error.message.removeprefix("The chat template refuses the conversation: ")
    if message.startswith("The assistant's message "):
        return "a reply cannot be found in what it renders: " + message.partition("renders: ")[2][:160]
    return message[:200]


def _short(reason: str) -> str:
    return shorten(" ".join(reason.split()).rstrip("."), 100)
