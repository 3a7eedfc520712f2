"""Printed lines of names and numbers: ``iter 20 step 10: loss 1.52``, ``Step 3 | loss:1.9 lr:2e-05``.

So print torchtune, litgpt, mlx, xtuner and mmengine, verl, llama.cpp, nanoGPT, bars of tqdm with a loss behind them and
most loops that people write. Nothing is known of a program but its words: what it calls a loss, a step or an iteration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from sanetune.curves.logs.console import titles
from sanetune.curves.logs.entries import MOST_STEPS, VALIDATION_LOSS, number
from sanetune.curves.logs.log import Log, number_in
from sanetune.curves.logs.names import NEUTRAL_WORDS, TRAINING_WORDS, VALIDATION_WORDS

KIND = "printed lines"
FEWEST = 3
"""Lines with a loss, below which a text is no log."""
LONGEST = 2_000
"""Characters of a line that are read."""
LOSS = re.compile("loss", re.IGNORECASE)
WORD = re.compile(r"(?<![\w/.\\-])[A-Za-z]+(?![\w/.\\-])")
"""A word that is no part of a path or a name."""
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
VALUE = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?![\d.])|\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|[-+]?inf(?:inity)?|nan"
TOKEN = re.compile(
    rf"(?<![\w.])({VALUE})(?![\w.]*[A-Za-z\d])(?:\s*/\s*(\d{{1,9}}))?|([A-Za-z][A-Za-z_/.]*)|([^\s()\[])", re.IGNORECASE
)
"""A number, and what it is one of (``12/300``); a word of a name; or what ends a name."""
BAR = re.compile(r"\|\s*(\d{1,9})/(\d{1,9})\s*\[")
"""What a bar of tqdm has done, and in all."""
PHASE = re.compile(r"\b(Iter|Epoch)\((\w+)\)\s*\[\s*(\d+)(?:\s*/\s*(\d+))?\](?:\s*\[\s*(\d+)\s*/\s*(\d+)\])?")
"""How mmengine says where it is: ``Iter(train) [ 10/720]``, ``Epoch(train) [1][200/735]``."""
OURS = re.compile(r"\bstep +\d+/\d+  epoch [\d.]+  (?:validation )?loss \S")
"""Begins a line of `sanetune train`, whose ``norm`` is that of the gradient; another program's may be any."""
BARE = re.compile(
    rf"^[ \t]*(\d{{1,9}})[ \t]+({'|'.join(sorted(TRAINING_WORDS | VALIDATION_WORDS))})[ \t]+({VALUE})[ \t]*$",
    re.M | re.I,
)
"""A line of three words, as build-nanogpt writes them: ``250 val 3.28``."""
STEP_WORDS = (
    {"step"},
    {"steps"},
    {"global", "step"},
    {"iter"},
    {"iteration"},
    {"iters"},
    {"update"},
    {"train", "step"},
)
"""Names of a place, the best first: a step may have several iterations."""
TOTAL_WORDS = ({"total", "step"}, {"total", "steps"})
MANY = 8
"""Different places, with which the first names are enough; with fewer those count that differ most."""
OTHER_WORDS = frozenset({"curr", "current", "after", "forward", "pass"})
"""Further words beside that of a loss."""
COUNTED = "The lines do not say at which step a loss was logged: steps are counted in logged losses."
READ = "Read from printed lines by the words in them: the losses and steps below are what they call so."


def runs_in(path: Path, text: str) -> list[Log]:
    """Return the log in lines of names and numbers; none where fewer than :data:`FEWEST` have a loss.

    Args:
        path: The file that it is from.
        text: What was printed.
    """
    if not LOSS.search(text):
        text = BARE.sub(r"step \1: \2 loss \3", text)
    # Most lines of a long output have none, and are passed over quickly.
    texts = [ANSI.sub("", line[:LONGEST]) for line in re.split(r"[\r\n]+", text) if LOSS.search(line)]
    lines = [found for line in texts if (found := _line(line, _is_of_validation(line)))]
    if not any("loss" in line.losses for line in lines):  # each line has such a word, whatever it says
        lines = [found for line in texts if (found := _line(line, of_validation=False))]
    if len(lines) < FEWEST:
        return []
    counter = _counter(lines)
    _number_bars(lines)
    runs = [lines] if counter is not None else _by_epochs(lines)
    return [_log(path, run, counter, title) for run, title in zip(runs, titles(runs), strict=True)]


def _number_bars(lines: Sequence[_Line]) -> None:
    """Give the lines of bars their epoch, where one bar after the other runs to the same end and the loss goes on.

    Where the loss begins again where it had begun, the bars are those of several runs.
    """
    bars: list[list[_Line]] = []
    for line in lines:
        if line.bar is None:
            continue
        if not bars or line.places[0] < bars[-1][-1].places[0]:
            bars.append([])
        bars[-1].append(line)
    if len(bars) < 2 or not all(_goes_on(before, after) for before, after in pairwise(bars)):
        return
    for epoch, bar in enumerate(bars, 1):
        for line in bar:
            line.others["epoch"], line.total = float(epoch), None


def _goes_on(before: Sequence[_Line], after: Sequence[_Line]) -> bool:
    """Whether a bar is of the epoch after that of another: this one came to its end, from where the loss goes on."""
    last, first = before[-1], after[0]
    if not last.bar or last.bar != first.bar or last.places[0] < last.bar - _interval(before):
        return False
    losses = [line.losses["loss"] for line in (before[0], last, first)]
    return abs(losses[2] - losses[1]) <= abs(losses[2] - losses[0])


def _interval(bar: Sequence[_Line]) -> int:
    """Steps between the last two lines of a bar."""
    return bar[-1].places[0] - bar[-2].places[0] if len(bar) > 1 else 0


def _by_epochs(lines: Sequence[_Line]) -> list[list[_Line]]:
    """The lines by run, where they have no step and the epoch goes back."""
    runs: list[list[_Line]] = [[]]
    highest = -math.inf
    for line in lines:
        epoch = line.others.get("epoch", highest)
        if epoch < highest:
            runs.append([])
            highest = -math.inf
        runs[-1].append(line)
        highest = max(highest, epoch)
    return runs


def _log(path: Path, lines: Sequence[_Line], counter: int | None, title: str) -> Log:
    entries = list(_placed(lines, counter))
    last = max((int(str(entry["step"])) for entry in entries), default=0)
    # Steps that are counted anew in each epoch have the total of an epoch.
    totals = {line.total for line in lines if line.total and line.total >= last}
    total = totals.pop() if len(totals) == 1 else None
    notes = (READ, COUNTED) if counter is None else (READ,)
    return Log.of(path, KIND, entries, total_steps=total, title=title, notes=notes)


@dataclass(slots=True)
class _Line:
    """What one line says.

    Attributes:
        losses: ``loss`` and ``eval_loss``.
        others: Learning rate, gradient norm and epoch, by the names of transformers.
        places: Its step by each name that it has for one, as a number of :data:`STEP_WORDS`.
        total: Steps in all.
        bar: The same, where a bar has it that does not say whether it is of an epoch.
    """

    losses: dict[str, float] = field(default_factory=dict)
    others: dict[str, float] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    total: int | None = None
    bar: int | None = None


def _is_of_validation(text: str) -> bool:
    """Whether a word before the first loss of a line says that this is of validation rows: ``[Valid] loss 3``."""
    loss = LOSS.search(text)
    words = {one.lower() for one in WORD.findall(text[: loss.start()])} if loss else set()
    return bool(words & VALIDATION_WORDS) and not words & TRAINING_WORDS


def _line(text: str, of_validation: bool) -> _Line | None:
    """What a line says, whose losses may be ``of_validation`` rows; None where it has no loss."""
    line, is_validation, is_after_loss = _Line(), of_validation, False
    if phase := PHASE.search(text):
        is_validation |= phase[2].lower() in VALIDATION_WORDS
        _set_phase(line, phase)
        text = text[phase.end() :]
    ours = OURS.search(text) is not None
    for words, value, of in _pairs(text):
        name = _loss_of(words, is_after_loss)
        is_after_loss = bool(name)
        if name:
            line.losses.setdefault(VALIDATION_LOSS if is_validation else name, value)
        elif words in STEP_WORDS and 0 <= value < MOST_STEPS and value.is_integer():
            line.places.setdefault(STEP_WORDS.index(words), int(value))
            line.total = of or line.total
        elif other := _other_of(words, ours):
            line.others.setdefault(other, value)
        elif words in TOTAL_WORDS and 0 < value < MOST_STEPS and value.is_integer():
            line.total = int(value)
    if not line.places and "loss" in line.losses and (bar := BAR.search(text)):
        line.places[0], line.total = int(bar[1]), int(bar[2])
        if "epoch" in text.lower():
            line.total = None
        else:
            line.bar = int(bar[2])
    return line if line.losses else None


def _set_phase(line: _Line, phase: re.Match[str]) -> None:
    first, of, within, per_epoch = (int(one) if one else 0 for one in phase.groups()[2:])
    if phase[1] == "Iter":
        line.places[0], line.total = first, of or None
    elif per_epoch:
        line.places[0] = (max(first, 1) - 1) * per_epoch + within
        line.others["epoch"] = line.places[0] / per_epoch


def _pairs(text: str) -> Iterator[tuple[set[str], float, int | None]]:
    """Each number of a line with the words of the name before it, and what it is one of.

    >>> [(sorted(words), value) for words, value, _ in _pairs("[RANK 0] INFO - train/loss: 1.5, lr 2e-05 in 3s")]
    [(['rank'], 0.0), (['loss', 'train'], 1.5), (['lr'], 2e-05)]
    """
    name: set[str] = set()
    ended = False
    for found in TOKEN.finditer(text):
        number_text, of, word, mark = found.groups()
        if word:
            # What follows a name and its colon is a number, or another name.
            words = {one for one in re.split(r"[^a-z]+", word.lower()) if one}
            # In ``loss at step 20`` the number is a step.
            begins = ended or ("loss" in name and words in (*STEP_WORDS, {"epoch"}))
            name = words if begins else name | words
            if word.endswith("."):  # of a sentence
                name, word = set(), None
        elif number_text and name and (value := number_in(number_text.replace(",", ""))) is not None:
            yield name, value, int(of) if of else None
        ended = mark is not None and mark in ":="
        # A comma, a dash between two names, the end of a bracket.
        name = name if word or ended else set()


def _loss_of(words: set[str], after_loss: bool) -> str:
    """``loss`` or ``eval_loss`` where the words say one; empty for another number.

    A validation loss may have lost its second word behind a training loss: ``loss train: 2.1, val: 2.2``.
    """
    is_validation = bool(words & VALIDATION_WORDS)
    if is_validation and (words <= VALIDATION_WORDS and after_loss):
        return VALIDATION_LOSS
    if not words & {"loss", "losses"} or words - NEUTRAL_WORDS - TRAINING_WORDS - VALIDATION_WORDS - OTHER_WORDS:
        return ""
    return VALIDATION_LOSS if is_validation else "loss"


def _other_of(words: set[str], ours: bool) -> str:
    known = words - TRAINING_WORDS
    if known in ({"lr"}, {"learning", "rate"}):
        return "learning_rate"
    if known in ({"grad", "norm"}, {"gradient", "norm"}, {"gnorm"}) or (ours and known == {"norm"}):
        return "grad_norm"
    return "epoch" if known in ({"epoch"}, {"ep"}) else ""


def _counter(lines: Sequence[_Line]) -> int | None:
    """The name whose numbers are the steps; None: the lines have none."""
    different = [len({line.places[name] for line in lines if name in line.places}) for name in range(len(STEP_WORDS))]
    first = next((name for name, count in enumerate(different) if count >= MANY), None)
    most = max(different)
    return first if first is not None or not most else different.index(most)


def _placed(lines: Sequence[_Line], counter: int | None) -> Iterator[Mapping[str, object]]:
    """The losses at their steps. A line without one is at the last step; where none has any, each training loss is a
    step, and where steps begin anew with each epoch they go on."""
    offset, last, epoch = 0, 0, None
    evaluated: float | None = None
    for line in lines:
        if offset and epoch is not None and line.others.get("epoch", epoch) < epoch:
            continue  # of a process that is behind the others, at the end of the epoch before
        before, epoch = epoch, line.others.get("epoch", epoch)
        if counter is None:
            last += "loss" in line.losses
        elif (step := line.places.get(counter)) is not None:
            if before is not None and epoch is not None and epoch > before and step + offset < last:
                offset = last
            last = step + offset
        # The last evaluation may be repeated beside each training loss until there is another.
        repeated = len(line.losses) > 1 and line.losses[VALIDATION_LOSS] == evaluated
        evaluated = line.losses.get(VALIDATION_LOSS, evaluated)
        losses = {name: loss for name, loss in line.losses.items() if not (repeated and name == VALIDATION_LOSS)}
        if not _not_yet(line, last):
            yield {"step": last, **line.others, **losses}


def _not_yet(line: _Line, step: int) -> bool:
    """Whether a loss of exactly 0 before the first step is that of no batch yet, as llama.cpp prints it."""
    return step == 0 and line.losses.get("loss") == 0 and number(line.others.get("grad_norm")) is None
