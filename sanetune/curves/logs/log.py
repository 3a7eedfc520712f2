"""A log as it was found: what program wrote it, and its entries under transformers' names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from sanetune.curves.changes import last_step
from sanetune.curves.logs.entries import VALIDATION_LOSS, Entry, curve_of, end_of, number, whole_number
from sanetune.curves.logs.names import renamed, validation_loss_names
from sanetune.curves.logs.row_kinds import by_kind
from sanetune.curves.logs.without_losses import without_losses
from sanetune.curves.robust import middle
from sanetune.curves.series import Curve
from sanetune.errors import DataError, Place

MOST_BYTES = 256 * 2**20
"""A million logged steps have about 150 MB."""

COUNTED_BY_EPOCH = "The log counts epochs and no steps: what is called a step is an epoch{}."
FROM_ZERO = ", one more than the log calls it, which counts from 0"

LAST_SAVED = 0.1
"""Of the planned steps: a checkpoint that lacks more than that is no last one, however seldom the run saves."""

LEFT = 0.15
"""Of the peak: schedules that end above 0 do so at a tenth of it."""

OTHER_METRIC = "another metric"
"""What decides which checkpoint is best where that is no validation loss."""
OURS = "metrics.jsonl of sanetune"
"""The kind of the logs of our own runs."""
RATIONALE = "A diagnosis needs the losses that a run logged."
FORMATS = (
    "Give a run's folder, a checkpoint, a trainer_state.json, metrics.jsonl, trainer_log.jsonl, TensorBoard event file,"
    " W&B run folder, CSV file, notebook, or the model card with its table of training results."
)


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one run.

    Attributes:
        path: The file or folder that it was read from.
        kind: What wrote it, in words.
        entries: In the order of logging, under the names that transformers' Trainer uses (``step``, ``loss``,
            ``eval_loss``, ``learning_rate``, ``grad_norm``, ``epoch``); other names as they were.
        total_steps: Steps of the whole run; None: not known.
        finished: Whether the log says that the run came to its end. Where it does not say how many steps were planned,
            that may be an early one.
        title: Tells several runs of one file apart; empty where there is one.
        notes: What a reader has to know about how it was read, one sentence each.
        is_truncated: Whether the end of the run is known to be missing: nothing follows from where the log ends.
        reached: The last step that was made, logged or not; None: not known.
        save_steps: Steps between two checkpoints; None: not known.
        decides: The name of the validation loss by which the trainer has chosen its best checkpoint,
            :data:`OTHER_METRIC` where it was none; empty: not known.
        arguments: The trainer's arguments by name, where the log has them.
        sampled: Whether each training loss is the last one that was logged before an evaluation, as tables show it.
        from_scratch: Whether the run is said to have begun from random weights.
        one_of_several: Whether it may be one chart of a run with several, since it has a single metric.
    """

    path: Path
    kind: str
    entries: Sequence[Entry]
    total_steps: int | None = None
    finished: bool = False
    title: str = ""
    notes: tuple[str, ...] = ()
    is_truncated: bool = False
    reached: int | None = None
    save_steps: int | None = None
    decides: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)
    sampled: bool = False
    from_scratch: bool = False
    one_of_several: bool = False

    @classmethod
    def of(
        cls,
        path: Path,
        kind: str,
        entries: Sequence[Mapping[str, object]],
        *,
        total_steps: int | None = None,
        title: str = "",
        notes: tuple[str, ...] = (),
    ) -> Log:
        """The log with these entries, whatever names the program that wrote them uses.

        Raises:
            DataError: No entry has both a step and a loss.
        """
        numbered = [_with_numbers(entry) for entry in entries]
        known = by_kind(renamed(numbered))
        if (by_epoch := counted_by_epoch(known)) is not None:
            from_zero = any(number(entry.get("epoch")) == 0 for entry in known)
            known, notes = by_epoch, (*notes, COUNTED_BY_EPOCH.format(FROM_ZERO if from_zero else ""))
        log = cls(path, kind, known, total_steps, end_of(known) is not None, title, notes)
        if not log.curve().points and not log.curve().validation:
            raise without_losses(path, numbered, RATIONALE, FORMATS)
        return log

    @property
    def validation_losses(self) -> list[str]:
        """The names of all validation losses that were logged, that of the curve first."""
        return sorted(validation_loss_names(self.entries), key=lambda name: name != self.decides)

    @property
    def other_sets(self) -> list[str]:
        """The names of the losses of validation sets beside that of the curve. A loss that is logged beside
        ``eval_loss`` may be a part of it; a set of its own took a time of its own."""
        first, *others = self.validation_losses or [""]
        if first != VALIDATION_LOSS or self.kind == OURS:
            return others
        known = {str(name) for entry in self.entries for name in entry}
        ends = {name.removeprefix("eval_").removesuffix("loss") + "runtime": name for name in others}
        return [name for end, name in ends.items() if any(one.endswith(end) for one in known)]

    def curve(self) -> Curve:
        """The losses, learning rates and norms by step."""
        names = self.validation_losses
        reached = max((step for entry in self.entries if (step := whole_number(entry.get("step")))), default=0)
        whole = self.finished and (self.total_steps is not None or _came_down(self.entries))
        total = self.total_steps or (reached if whole else None)
        curve = curve_of(
            self.entries,
            names[0] if names else None,
            self.other_sets,
            total_steps=total,
            finished=whole or bool(total and reached >= total),
            source=str(self.path),
        )
        return replace(
            curve,
            unlogged=self._unlogged(curve),
            max_grad_norm=number(self.arguments.get("max_grad_norm")),
            warmup_steps=self._warmup_steps(),
            planned_lr=curve.planned_lr or number(self.arguments.get("learning_rate")) or None,
            one_of_several=self.one_of_several,
            sampled=self.sampled,
            from_scratch=self.from_scratch,
        )

    def _warmup_steps(self) -> int | None:
        """The planned steps of warm-up, where the arguments say them; a number below one is a share of all. A constant
        schedule has none, whatever they say."""
        if self.arguments.get("lr_scheduler_type") == "constant":
            return 0
        steps, share = number(self.arguments.get("warmup_steps")), number(self.arguments.get("warmup_ratio"))
        if steps is not None and (steps >= 1 or steps == 0) and not share:
            return int(steps) if math.isfinite(steps) else None
        share = steps if steps else share
        return round(share * self.total_steps) if share and 0 < share < 1 and self.total_steps else None

    def _unlogged(self, curve: Curve) -> int:
        """The steps that a log of a whole run may lack at its end: one interval of logging, or of saving where the log
        is a checkpoint's, or as many as were made since."""
        gaps = [after.step - before.step for before, after in pairwise(curve.points)]
        saving = min(self.save_steps or 0, int(LAST_SAVED * (curve.total_steps or 0)))
        made = (self.reached or 0) - last_step(curve)
        return max(int(middle(gaps)) if gaps else last_step(curve), saving, made)


def _came_down(entries: Sequence[Entry]) -> bool:
    """Whether the learning rate says nothing against the end of the log being that of the plan: it is constant or not
    logged, or has come down but for one more interval of logging. Early stopping ends a run that returns, too."""
    logged = [value for entry in entries if (value := number(entry.get("learning_rate"))) is not None]
    lrs = [lr for lr in logged if math.isfinite(lr)]
    if not lrs or min(lrs) == max(lrs):
        return True
    before, last = lrs[-2:]
    return min(last, 2 * last - before) <= LEFT * max(lrs)


def _with_numbers(entry: Mapping[str, object]) -> Mapping[str, object]:
    """The entry with numbers where a program wrote them as texts."""
    if not any(isinstance(value, str) for value in entry.values()):
        return entry
    found = {name: number_in(value) if isinstance(value, str) else None for name, value in entry.items()}
    return {name: value if found[name] is None else found[name] for name, value in entry.items()}


def counted_by_epoch(entries: Sequence[Entry]) -> list[Entry] | None:
    """The entries of a log that counts epochs and no steps, each with its epoch as its step; None for other logs.

    Keras and hand-written loops count epochs from 0 or from 1; a record is of an epoch's end.

    >>> counted_by_epoch([{"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 1.5}])
    [{'epoch': 1, 'loss': 2.0, 'step': 1}, {'epoch': 2, 'loss': 1.5, 'step': 2}]
    """
    epochs = [number(entry.get("epoch")) for entry in entries]
    whole = [one for one in epochs if one is not None and one >= 0 and one.is_integer()]
    if any("step" in entry for entry in entries) or len(whole) < max(2, len(entries)):
        return None
    first = 1 if min(whole) == 0 else 0
    counted = [(entry, int(one) + first) for entry, one in zip(entries, whole, strict=True)]
    return [{**entry, "epoch": one, "step": one} for entry, one in counted]


def checked_size(path: Path) -> Path:
    """``path``, where it is a file that can be read and is not too large.

    Raises:
        DataError: It is not.
    """
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"the log cannot be read: {error.strerror or error}", RATIONALE, FORMATS, Place(path)) from None
    if size > MOST_BYTES:
        remedy = f"Give a log of at most {MOST_BYTES // 2**20} MB."
        raise DataError("the log is too large to be read", RATIONALE, remedy, Place(path))
    return path


def number_in(text: str) -> float | None:
    """The number that ``text`` is, NaN and infinity among them; None where it is none.

    >>> number_in("1.5e-4"), number_in("NaN"), number_in(""), number_in("abc")
    (0.00015, nan, None, None)
    """
    try:
        return float(text)
    except ValueError:
        return None
