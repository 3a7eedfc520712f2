"""What a training loop printed in words: lines such as ``step 1/200 | loss 3.99 | lr 1e-4``.

A line is read as pairs of a name and a number. Lines are untrusted: of long ones nothing is read, and the pattern takes
a bounded number of characters at each place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sanetune.curves.logs.log import number_in
from sanetune.curves.logs.names import is_known

LONGEST = 2000
"""Characters of a line that is read."""
NUMBER = (
    r"\d{1,3}(?:,\d{3}){1,4}(?![\d.])|[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"
    r"|[-+]?(?:[nN]a[nN]|[iI]nf(?:inity)?)"
)
PAIR = re.compile(
    r"(?<![\w.])(?P<first>[A-Za-z][\w./-]{0,40} )?(?P<name>[A-Za-z][\w./-]{0,40})['\"]?"
    rf"(?:[ \t]{{0,6}}[:=]|[ \t])[ \t]{{0,6}}[\[(]?(?P<number>{NUMBER})(?!\w)"
    r"(?:[ \t]?/[ \t]{0,6}(?P<total>\d{1,12}))?"
)
BAR = re.compile(r"(?<!\d)(\d{1,9})/(\d{1,9}) \[")
"""The steps of a progress bar: done and in all."""
COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
STEPS = frozenset({"step", "steps", "global_step", "iter", "iters", "iteration", "it", "batch", "update"})


@dataclass(frozen=True, slots=True)
class Lines:
    """The entries of printed lines.

    Attributes:
        entries: One for each line with a loss, under the names that were printed, in lower case.
        total_steps: Steps of the whole run; None: not printed.
        counted: Whether no step was printed, so that they are counted in losses.
    """

    entries: list[dict[str, object]]
    total_steps: int | None = None
    counted: bool = False


@dataclass(slots=True)
class _Line:
    """One line: its step and epoch with their totals, and its other numbers."""

    step: float | None = None
    epoch: float | None = None
    steps: int | None = None
    epochs: int | None = None
    values: dict[str, object] = field(default_factory=dict)


def read_plain(text: str) -> Lines:
    """The losses in the lines of ``text``, each at its step.

    Steps that begin anew with each epoch are added up. Where only epochs are printed, once
    each, an epoch is one step.

    >>> read_plain("step 1/9 | loss 3.5\\nstep 2/9 | loss 3.25").entries
    [{'loss': 3.5, 'step': 1}, {'loss': 3.25, 'step': 2}]
    """
    lines = list(_with_losses(text))
    if any(line.step is not None for line in lines):
        return _at_steps(lines)
    each = [(line.epoch, name) for line in lines for name in line.values if "loss" in name]
    if any(line.epoch is not None for line in lines) and len(set(each)) == len(each):
        entries: list[dict[str, object]] = [{**line.values, "step": int(line.epoch or 0)} for line in lines]
        return Lines(entries, max((line.epochs or 0 for line in lines), default=0) or None)
    return Lines([{**line.values, "step": count} for count, line in enumerate(lines, 1)], counted=True)


def _with_losses(text: str) -> Iterator[_Line]:
    """The lines with a loss. What a line does not say was printed in one before it."""
    before = _Line()
    for raw in re.split(r"[\r\n]+", text):
        low = raw[: LONGEST + 1].lower()
        if len(low) > LONGEST or not ("loss" in low or "epoch" in low):
            continue
        line = _line(COLOUR.sub("", raw))
        has_epoch = line.epoch is not None
        if not has_epoch:
            line.epoch, line.epochs = before.epoch, before.epochs
        if line.step is None and not has_epoch:
            line.step, line.steps = before.step, before.steps
        if any("loss" in name for name in line.values):
            yield line
        before = line


def _line(raw: str) -> _Line:
    line = _Line()
    for found in PAIR.finditer(raw):
        number = number_in(found["number"].replace(",", ""))
        total = int(found["total"]) if found["total"] else None
        name = found["name"].lower()
        both = f"{found['first'] or ''}{name}".lower()
        if number is None:
            continue
        if name in STEPS and number >= 0:
            line.step, line.steps = number, total
        elif name == "epoch" and number >= 0:
            line.epoch, line.epochs = number, total
        elif is_known(both) or is_known(name):
            line.values.setdefault(both if is_known(both) else name, number)
    if line.step is None and (bar := BAR.search(raw)):
        line.step, line.steps = float(bar[1]), int(bar[2])
    return line


def _at_steps(lines: Sequence[_Line]) -> Lines:
    known = [line for line in lines if line.step is not None]
    per_epoch = _steps_per_epoch(known)
    total = max((line.steps or 0 for line in known), default=0)
    if not per_epoch:
        exact = any(line.epoch is not None and line.epoch % 1 for line in known)
        return Lines(
            [_entry(line, int(line.step or 0), line.epoch if exact else None) for line in known], total or None
        )
    first = min(line.epoch or 0 for line in known)
    entries = []
    for line in known:
        done = ((line.epoch or 0) - first) * per_epoch + (line.step or 0)
        entries.append(_entry(line, int(done), done / per_epoch))
    epochs = max((line.epochs or 0 for line in known), default=0)
    return Lines(entries, epochs * per_epoch or None)


def _steps_per_epoch(lines: Sequence[_Line]) -> int:
    """Steps of an epoch where they begin anew with each; 0 where they do not."""
    anew = any((b.epoch or 0) > (a.epoch or 0) and (b.step or 0) < (a.step or 0) for a, b in pairwise(lines))
    if not anew:
        return 0
    steps = [line.step or 0 for line in lines]
    return max([line.steps or 0 for line in lines]) or int(max(steps)) + (min(steps) == 0)


def _entry(line: _Line, step: int, epoch: float | None) -> dict[str, object]:
    return {**line.values, "step": step, **({"epoch": epoch} if epoch is not None else {})}
