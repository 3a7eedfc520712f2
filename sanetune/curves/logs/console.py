"""What a Hugging Face Trainer printed: lines such as ``{'loss': 1.5, 'learning_rate': 2e-05, 'epoch': 0.1}``.

A line is parsed and never run: numbers count as Python prints them, ``nan`` and ``inf``, ``np.float64(1.5)`` and
``tensor(1.5)`` among them. It does not say its step; the number of the step is in the progress bar, where there is
one.
"""

from __future__ import annotations

import ast
import bisect
import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sanetune.curves.logs.decoded import text_of
from sanetune.curves.logs.entries import Entry
from sanetune.curves.logs.log import Log, number_in
from sanetune.curves.logs.passes import split, went_on

KIND = "printed output of a Hugging Face Trainer"
PRINTED = re.compile(r"\{\s*'[^{}\n]{1,4000}\}")
BAR = re.compile(r"(?:^|[\r\n])\s*\d+%\|[^|\r\n]*\|\s*(\d{1,9})/(\d{1,9}) \[")
"""The bar of the training steps or of an evaluation: done and in all. Bars of other work begin with its name."""
COUNTED = "The output does not say at which step a loss was logged: steps are counted in logged losses."
RESUMED = "The epochs go back, as of a run that was resumed: {:,} entries before are left out."
OBJECT = re.compile(r"<[^<>]*>")
"""How Python prints what has no value: ``grad_fn=<NllLossBackward0>`` in a tensor."""
SPREAD = "The output was written out of order: its losses are taken as logged at equal distances up to step {:,}."

Printed = Sequence[tuple[int, Entry]]
"""Each printed mapping with the place of its end in the text."""


def read(path: Path) -> list[Log]:
    """The logs in the printed output of a training run, or of several after one another.

    Raises:
        DataError: It holds no printed loss.
    """
    text = text_of(path)
    printed = list(_printed(text))
    every = [(found.start(), int(found[1]), int(found[2])) for found in BAR.finditer(text)]
    totals = Counter(total for _, _, total in every)
    if not totals:
        return _by_epochs(path, printed)
    total = totals.most_common(1)[0][0]
    bars = [(at, step) for at, step, of in every if of == total]
    if entries := _at_bars(printed, bars):
        return [Log.of(path, KIND, entries, total_steps=total)]
    reached = max(step for _, step in bars)
    return [Log.of(path, KIND, _counted(printed, reached), total_steps=total, notes=(SPREAD.format(reached),))]


def _by_epochs(path: Path, printed: Printed) -> list[Log]:
    """The logs of output without bars. Where the epoch goes back to the start another run begins; where it goes back in
    between the run was resumed, and what was printed last is what went on."""
    runs = split([entry for _, entry in printed], "epoch")
    found = []
    for place, entries in enumerate(runs, 1):
        kept = went_on(entries)
        notes = (COUNTED,) if len(kept) == len(entries) else (COUNTED, RESUMED.format(len(entries) - len(kept)))
        title = f"run {place} of {len(runs)}" if len(runs) > 1 else ""
        found.append(Log.of(path, KIND, _counted([(0, one) for one in kept]), title=title, notes=notes))
    return found


def _printed(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Every printed mapping with a loss. Newer versions print numbers as texts."""
    for found in PRINTED.finditer(text):
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            entry = _mapping(ast.parse(OBJECT.sub("None", found[0]), mode="eval").body)
            if any(name.endswith("loss") for name in entry):
                yield found.end(), entry


def _mapping(node: ast.expr) -> dict[str, object]:
    """The names and numbers of a parsed mapping; empty where it is none."""
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {str(key.value): _number(value) for key, value in pairs if isinstance(key, ast.Constant)}


def _number(node: ast.expr) -> object:
    """The value of a parsed expression, where it is a number or a text with one; None for anything else.

    >>> [_number(ast.parse(text, mode="eval").body) for text in ("1.5", "-inf", "np.float64(1.5)", "'1.5'", "True")]
    [1.5, -inf, 1.5, 1.5, True]
    """
    match node:
        case ast.Constant(str(text)) | ast.Name(text) | ast.Attribute(attr=text):
            return number_in(text)
        case ast.Constant(constant):
            return constant
        case ast.UnaryOp(ast.USub(), operand) if isinstance(positive := _number(operand), int | float):
            return -positive
        case ast.Call(args=[first, *_]):
            return _number(first)
    return None


def _at_bars(printed: Printed, bars: Sequence[tuple[int, int]]) -> list[dict[str, object]]:
    """The entries, each at the step of the bar that is drawn anew right after it was printed, or else of the one before
    it; none where two training losses would come to one step either way: a program whose output is buffered prints
    them out of order."""
    places = [at for at, _ in bars]
    for shift in (0, -1):
        entries: list[dict[str, object]] = []
        for end, entry in printed:
            beside = bisect.bisect_left(places, end - 1) + shift
            entries.append({"step": bars[min(max(beside, 0), len(bars) - 1)][1], **entry})
        steps = [entry["step"] for entry in entries if "loss" in entry]
        if len(set(steps)) == len(steps):
            return entries
    return []


def _counted(printed: Printed, reached: int | None = None) -> list[dict[str, object]]:
    """The entries at equal distances up to step ``reached``; None: one step per training loss."""
    losses = sum("loss" in entry for _, entry in printed)
    distance = max(1, reached // losses) if reached and losses else 1
    entries, count = [], 0
    for _, entry in printed:
        count += "loss" in entry
        entries.append({"step": count * distance, **entry})
    return entries
