"""What each act of the autopilot has found, as the journal keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, as far as decisions need it.

    Attributes:
        check: Its name.
        verdict: ``warn``, ``fail`` or ``crash``.
        message: What was measured.
        do: Its remedy, with the override that sets the value where one is known.
    """

    check: str
    verdict: str
    message: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an act has found.

    Attributes:
        config: Text of the configuration after it; "": it is as it was.
    """

    config: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Inspected(Facts):
    """The data as it is.

    Attributes:
        rows: Training rows that can be read.
        validation: Validation rows.
        unreadable: Rows that cannot be read.
        found: Findings of the checks that only read rows, template, tokens and settings.
        seconds: What reading and checking them took.
        usd_per_hour: What an hour of all devices costs in US dollars; None: no price is set.
        changes: Key -> value of what was fixed in the settings.
        named: Whether ``data.validation`` names data to validate on.
    """

    rows: int = 0
    validation: int = 0
    unreadable: int = 0
    found: tuple[Found, ...] = ()
    seconds: float = 0.0
    usd_per_hour: float | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    named: bool = False


@dataclass(frozen=True, slots=True)
class Copied(Facts):
    """The cleaned copy of the data.

    Attributes:
        folder: Where it is.
        rows: Training rows in it.
        validation: Validation rows in it.
        left_out: Check -> rows left out for it.
        changed: Check -> rows changed for it.
    """

    folder: str = ""
    rows: int = 0
    validation: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned(Facts):
    """The run as it is planned, forecast before anything of it was measured.

    Attributes:
        steps: Optimizer steps.
        epochs: Passes over the data.
        effective: Examples of one step.
        step_seconds: Seconds of a step at the slow end.
        run_seconds: Seconds of the whole run at the slow end, with its evaluations.
        check_steps: Steps of the run that a check at level trial makes.
        trial_steps: ``check.trial_steps``.
        level: ``check.level``.
        lr: The learning rate.
        assumed: What the forecast assumes, in words.
        by_steps: Whether ``train.max_steps`` says how long it is, and its epochs say nothing.
    """

    steps: int = 0
    epochs: float = 0.0
    effective: int = 1
    step_seconds: float = 0.0
    run_seconds: float = 0.0
    check_steps: int = 0
    trial_steps: int = 200
    level: str = "trial"
    lr: float = 0.0
    assumed: str = ""
    by_steps: bool = False


@dataclass(frozen=True, slots=True)
class Checked(Facts):
    """The check, after its fixes.

    Attributes:
        verdict: ``pass``, ``warn`` or ``fail``.
        level: How deep it went.
        found: Findings that are not passed.
        changes: Key -> value of what was fixed.
        cleared: Whether a clearance is in the run.
        note: What was said about the clearance.
        unusable: Why the input cannot be used; "": it can.
        run_seconds: Seconds of the whole run at the slow end, as measured; None: not measured.
        step_seconds: Seconds of one step at the slow end; None: not measured.
        steps: Optimizer steps of the run.
        lr: Its learning rate; 0: not known.
        start: Validation loss of the base in nats per token; None: not measured.
        held_out: Validation loss at the end of the trial.
        failing: Chance that the run does not get there; None: not forecast.
        outlook: The forecast's verdict.
        lrs: How many learning rates were compared on held-out rows.
        at_edge: Whether the planned one is the lowest or highest of those and beats the others.
        answer_seconds: What asking the model for answers took, of all that it took.
        seconds: What it took.
    """

    verdict: str = "fail"
    level: str = "static"
    found: tuple[Found, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    cleared: bool = False
    note: str = ""
    unusable: str = ""
    run_seconds: float | None = None
    step_seconds: float | None = None
    steps: int = 0
    lr: float = 0.0
    start: float | None = None
    held_out: float | None = None
    failing: float | None = None
    outlook: str = ""
    lrs: int = 0
    at_edge: bool = False
    answer_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Advised(Facts):
    """What the adviser proposed, and what became of it.

    Attributes:
        changes: Key -> value that it proposed, of the allowed knobs alone.
        argument: Its reason, as it gave it.
        accepted: Whether the gate passed with them, and the trial was no worse.
        reason: Why they were accepted or not.
        sent: Characters that were sent.
        check: The check with the accepted changes; None: nothing was accepted.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    argument: str = ""
    accepted: bool = False
    reason: str = ""
    sent: int = 0
    check: Checked | None = None


@dataclass(frozen=True, slots=True)
class Swept(Facts):
    """A sweep of the learning rate.

    Attributes:
        verdict: What it has found, in a sentence.
        best: Key -> value of the best trial.
        better: Whether the best is told apart from the planned one, or the planned one ended with no loss.
        reason: How it compares with the planned one, in words.
        trials: How many there are.
    """

    verdict: str = ""
    best: dict[str, Any] = field(default_factory=dict)
    better: bool = False
    reason: str = ""
    trials: int = 0


@dataclass(frozen=True, slots=True)
class Trained(Facts):
    """How training ended.

    Attributes:
        folder: The run's.
        ended: ``finished``, ``turned`` (the best checkpoint became the model), ``stopped`` by the watch, or ``refused``
            by the gate.
        step: Optimizer steps done.
        steps: Of so many.
        checks: Names of the checks that ended it.
        reason: In words.
        change: Key -> value that would have avoided it, where one is known.
        falling: Whether no evaluation of the run is lower than its last one.
    """

    folder: str = ""
    ended: str = "finished"
    step: int = 0
    steps: int = 0
    checks: tuple[str, ...] = ()
    reason: str = ""
    change: dict[str, Any] = field(default_factory=dict)
    falling: bool = False


@dataclass(frozen=True, slots=True)
class Compared(Facts):
    """Base and tuned model on held-out rows.

    Attributes:
        verdict: ``better``, ``worse``, ``mixed`` or ``no difference shown``.
        better: Measures in which the tuned model is better.
        worse: Measures in which it is worse.
        loss: How much higher its validation loss is, in nats per token; None: there are no rows.
        low: Lower end of the 95 % interval.
        high: Upper end.
        rows: Validation rows behind it.
        measures: Measure -> counts of base and tuned model: how many, of how many.
        cleared: Whether the clearance of the run holds for what was trained.
        uncleared: Why it does not; "": it does.
        forgot: Verdict of model-forgets: ``pass``, ``warn``, ``fail``, ``skip``, ``crash``, or "" where it is off.
        forgot_words: Its message.
    """

    verdict: str = "no difference shown"
    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    measures: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    cleared: bool = False
    uncleared: str = ""
    forgot: str = ""
    forgot_words: str = ""


@dataclass(frozen=True, slots=True)
class Judged(Facts):
    """The judge's votes between base and tuned answers, each pair asked in both orders.

    Attributes:
        wins: Pairs where it took the tuned answer in both orders.
        losses: Pairs where it took the base's in both.
        ties: Pairs where it took neither, or changed its mind with the order.
        same: Pairs of the same text, which it was not asked about.
        win_rate: Wins among the pairs that were decided; None: none was.
        low: Lower end of the 95 % interval (Wilson).
        high: Upper end.
        failed: Pairs whose answer could not be read.
        sent: Characters that were sent.
    """

    wins: int = 0
    losses: int = 0
    ties: int = 0
    same: int = 0
    win_rate: float | None = None
    low: float = 0.0
    high: float = 1.0
    failed: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Promoted(Facts):
    """Where the promoted model is."""

    folder: str = ""


@dataclass(frozen=True, slots=True)
class Changed(Facts):
    """The configuration with values that were decided on."""

    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed(Facts):
    """An act that could not be done, for a reason that a user can fix.

    Attributes:
        message: What is wrong.
        remedy: What to do.
        fix: Key -> value that fixes it, if one is known.
        spent: Whether the budget was spent before it was done.
        done: Optimizer steps that are in a checkpoint, where it was training.
    """

    message: str = ""
    remedy: str = ""
    fix: dict[str, Any] = field(default_factory=dict)
    spent: bool = False
    done: int = 0


KINDS: dict[str, type[Facts]] = {
    "inspect": Inspected,
    "copy": Copied,
    "plan": Planned,
    "check": Checked,
    "advise": Advised,
    "sweep": Swept,
    "change": Changed,
    "train": Trained,
    "compare": Compared,
    "judge": Judged,
    "promote": Promoted,
    "report": Facts,
}
"""Act -> what it finds."""
