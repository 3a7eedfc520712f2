"""Rows that cannot be read as conversations.

Measures: every row of every source. Counted are lines that do not parse, text in the wrong encoding, rows without a
prompt and a reply or with columns that are not understood, and unknown roles; each with its file and line.

Matters: a row that cannot be read is not learnt, and where many are affected something is wrong with the whole file.

Cause: a file that was cut off or joined badly, a column under another name, a role of another tool's, an export in
another encoding than UTF-8.

Fix: mend or delete these rows; name columns of your own in `data.fields`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limits
from sanetune.finding import Judgement, Measurement, Witness, failed, passed

if TYPE_CHECKING:
    from sanetune.evidence.conversations import Rows

SHOWN = 5


def measure(rows: Rows) -> Measurement:
    """How many rows there are and how many of them are bad; witnesses are the first errors, one of each kind first."""
    kinds: dict[str, int] = {}
    for error in rows.errors:
        kinds.setdefault(error.what, len(kinds))
    first = {error.what: error for error in reversed(rows.errors)}
    firsts = sorted(first.values(), key=lambda error: kinds[error.what])
    others = [error for error in rows.errors if error is not first[error.what]]
    witnesses = [Witness(error.what, error.place, error.fix) for error in (*firsts, *others)[:SHOWN]]
    numbers = {"read": rows.read, "bad": rows.bad, "files": len(rows.files), "forms": dict(rows.forms)}
    return Measurement(numbers, witnesses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if not n["read"]:
        return failed("There are no rows.", "Name a file with rows in `data.train`.")
    if not n["bad"]:
        forms = ", ".join(f"{form} {count:,}" for form, count in sorted(n["forms"].items()))
        return passed(f"{units.many(n['read'], 'row')}: all can be read{f' ({forms})' if forms else ''}.")
    what = f"{n['bad']:,} of {units.many(n['read'], 'row')} ({units.share(n['bad'] / n['read'])}) cannot be read"
    if m.witnesses:
        one = m.witnesses[0]
        what += f"; the first: {f'{one.place}: ' if one.place and str(one.place) else ''}{one.text}"
    return failed(f"{what.rstrip('.')}.")
