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
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sanetune.curves.logs.console_passes import Bar, Pass, Printed, passes_of
from sanetune.curves.logs.console_steps import at_epochs, counted, finer, made, once
from sanetune.curves.logs.entries import Entry
from sanetune.curves.logs.log import Log, number_in
from sanetune.curves.logs.passes import ended, split, went_on
from sanetune.curves.logs.plans import Plan, plans_in
from sanetune.curves.logs.watch_words import endings

KIND = "printed output of a Hugging Face Trainer"
PRINTED = re.compile(r"\{\s*(?:'[^{}\n]{1,4000}(?:\}|(?=\n|\Z))|\"[^{}]{1,4000}\})")
"""A mapping; one that is truncated at the width of a terminal ends with its line."""
BAR = re.compile(r"(?:^|[\r\n])\s*\d+%\|[^|\r\n]*\|\s*(\d{1,9})/(\d{1,9}) \[")
"""The bar of the training steps or of an evaluation: done and in all. Bars of other work begin with its name."""
COUNTED = "The output does not say at which step a loss was logged: steps are counted in {}."
IN_LOSSES, IN_EPOCHS = "logged losses", "the smallest distance between two epochs in it"
BY_SUMMARY = "Losses are placed by their epochs among the {:,} steps that the summary's time and speed come to."
RESUMED = "The epochs go back, as of a run that was resumed: {:,} entries before are left out."
OBJECT = re.compile(r"<[^<>]*>")
"""How Python prints what has no value: ``grad_fn=<NllLossBackward0>`` in a tensor."""
SPREAD = "The bars are not beside the losses: these are placed by epochs or at equal distances, up to step {:,}."

LONGEST = 200
"""Characters of what a launcher puts before a line."""


def runs_in(path: Path, text: str) -> list[Log]:
    """The logs in what a program printed, in the order of printing; none where no loss was printed.

    Args:
        path: The file that it is from.
        text: What was printed.
    """
    text = _without_prefix(text)
    losses = once(list(_printed(text)))
    if not losses:
        return []
    printed = sorted([*losses, *endings(text)], key=lambda one: one[0])
    bars = [Bar(found.start(), int(found[1]), int(found[2])) for found in BAR.finditer(text)]
    if not bars:
        plans = plans_in(text)
        return _by_epochs(path, printed, plans[0] if len(plans) == 1 else Plan(None))
    runs: list[list[_Placed]] = []
    for placed in map(_placed, passes_of(printed, bars)):
        if runs and placed.goes_on_from(runs[-1]):
            runs[-1].append(placed)
        else:
            runs.append([placed])
    return [_log(path, run, title) for run, title in zip(runs, titles(runs), strict=True)]


def _without_prefix(text: str) -> str:
    """The text without what a launcher or a cluster puts before each line (``[rank0]:``, a time): no bar would be at
    the beginning of one."""
    before = [text[max(0, found.start() - LONGEST) : found.start()] for found in PRINTED.finditer(text)]
    on_line = [one.rpartition("\n")[2] for one in before if "\n" in one]
    prefixes = Counter(
        re.sub(r"\d+", "0", one) for one in on_line if one.strip() and "\r" not in one and "%" not in one
    )
    if not prefixes:
        return text
    (prefix, _), *_ = prefixes.most_common(1)
    pattern = re.escape(prefix).replace("0", r"\d+")
    return re.sub(rf"^{pattern}", "", text, flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Placed:
    """The entries of a pass at their steps, of ``total`` ones, and what has to be known about them."""

    entries: list[dict[str, object]]
    total: int | None
    note: str = ""

    @property
    def losses(self) -> list[int]:
        """The steps of the training losses."""
        return [int(str(entry["step"])) for entry in self.entries if "loss" in entry]

    def goes_on_from(self, run: Sequence[_Placed]) -> bool:
        """Whether a run that was resumed made it: it begins later than a run's first logged step, within ``run`` or,
        with other steps in all, at its end at the latest."""
        earlier, losses = [step for one in run for step in one.losses], self.losses
        if not earlier or not losses:
            return False
        interval = min((after - before for before, after in pairwise(losses)), default=1)
        last = max(earlier) + 2 * interval
        return max(interval, earlier[0]) < losses[0] and (losses[0] <= last or self.total == run[-1].total)


def _placed(one: Pass) -> _Placed:
    """The entries of a pass at the steps of the bars beside them, or else at equal distances."""
    totals = Counter(bar.total for bar in one.bars)
    if not totals:
        return _Placed(counted(one.printed), None, COUNTED.format(IN_LOSSES))
    for total, _ in totals.most_common():
        if entries := _at_bars(one.printed, [(bar.at, bar.step) for bar in one.bars if bar.total == total]):
            return _Placed(entries, total)
    total = totals.most_common(1)[0][0]
    reached = max(bar.step for bar in one.bars if bar.total == total)
    # Bars of several lengths, or behind all losses, may be those of something else than the training.
    last = max(place for place, entry in one.printed if "loss" in entry) if one.printed else 0
    known = len(totals) == 1 and any(bar.at < last for bar in one.bars)
    if reached < sum("loss" in entry for _, entry in one.printed):
        # Only the first of its bars is in the output.
        if not (known and ended([entry for _, entry in one.printed])):
            return _Placed(counted(one.printed), None, COUNTED.format(IN_LOSSES))
        reached = total
    return _Placed(counted(one.printed, reached), total if known else None, SPREAD.format(reached))


def _log(path: Path, run: Sequence[_Placed], title: str) -> Log:
    entries = [entry for one in run for entry in one.entries]
    notes = tuple(dict.fromkeys(one.note for one in run if one.note))
    return Log.of(path, KIND, entries, total_steps=run[-1].total, title=title, notes=notes)


def titles(runs: Sequence[object]) -> list[str]:
    """What tells each of the runs of one file from the others; empty where there is one.

    >>> titles([1, 2]), titles([1])
    (['run 1 of 2', 'run 2 of 2'], [''])
    """
    count = len(runs)
    return [f"run {place} of {count}" if count > 1 else "" for place in range(1, count + 1)]


def _by_epochs(path: Path, printed: Printed, plan: Plan) -> list[Log]:
    """The logs of output without bars. Where the epoch goes back to the start another run begins; where it goes back in
    between the run was resumed, and what was printed last is what went on."""
    runs = split([entry for _, entry in printed], "epoch")
    found = []
    for entries, title in zip(runs, titles(runs), strict=True):
        kept = went_on(entries)
        again = (RESUMED.format(len(entries) - len(kept)),) if len(kept) < len(entries) else ()
        at_losses = counted([(0, one) for one in kept])
        if plan.per_epoch and (placed := at_epochs(at_losses, 1 / plan.per_epoch)):
            found.append(Log.of(path, KIND, placed, total_steps=plan.steps, title=title, notes=again))
            continue
        if reached := made(entries):
            at_steps = counted([(0, one) for one in kept], reached)
            note = BY_SUMMARY.format(reached)
            found.append(Log.of(path, KIND, at_steps, total_steps=reached, title=title, notes=(note, *again)))
            continue
        placed = finer(at_losses)
        notes = (COUNTED.format(IN_EPOCHS if placed else IN_LOSSES), *again)
        found.append(Log.of(path, KIND, placed or at_losses, title=title, notes=notes))
    return found


def _printed(text: str) -> Iterator[tuple[int, Entry]]:
    """Every printed mapping with a loss. Newer versions print numbers as texts."""
    for found in PRINTED.finditer(text):
        whole = found[0] if found[0].endswith("}") else f"{found[0].rpartition(',')[0]}}}"
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            entry = _mapping(ast.parse(OBJECT.sub("None", whole), mode="eval").body)
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
        besides = [bisect.bisect_left(places, end - 1) + shift for end, _ in printed]
        at = [bars[min(max(beside, 0), len(bars) - 1)][1] for beside in besides]
        steps = [step for step, (_, entry) in zip(at, printed, strict=True) if "loss" in entry]
        if all(after > before for before, after in pairwise(steps)):
            return [{"step": step, **entry} for step, (_, entry) in zip(at, printed, strict=True)]
    return []
