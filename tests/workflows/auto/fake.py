"""A world without models: acts take seconds of a clock that only they move, and find what a test wants them to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sanetune.errors import UserError
from sanetune.workflows.auto.facts import (
    Advised,
    Changed,
    Checked,
    Compared,
    Copied,
    Facts,
    Found,
    Inspected,
    Judged,
    Planned,
    Promoted,
    Swept,
    Trained,
)
from sanetune.workflows.auto.journal import Journal
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.machine import BudgetSpentError, Machine
from sanetune.workflows.auto.request import Budget, Request

Finds = dict[str, list[Facts | UserError]]
"""Act -> what it finds, the first time, the second time, and so on."""
SOUND: Mapping[str, Facts] = {
    "inspect": Inspected(300, 30, 0, (), 1.0),
    "copy": Copied("data", 290, 30, {"rows-duplicated": 10}),
    "plan": Planned(steps=200, epochs=2.0, effective=4, step_seconds=1.0, run_seconds=220.0, check_steps=250, lr=1e-3),
    "check": Checked(
        verdict="pass",
        level="trial",
        cleared=True,
        run_seconds=210.0,
        step_seconds=1.0,
        steps=200,
        lrs=3,
        failing=0.05,
        answer_seconds=10.0,
        seconds=400.0,
    ),
    "advise": Advised({}, "", False, "it proposes no change", 100),
    "sweep": Swept("best", {"train.learning_rate": 2e-3}, True, "told apart", 5),
    "train": Trained("runs/attempt-1", "finished", 200, 200),
    "compare": Compared(
        "better", ("validation loss",), (), -0.5, -0.6, -0.4, 30, {"ends by itself": (3, 30, 29, 30)}, True, "", "pass"
    ),
    "judge": Judged(20, 5, 5, 2, 0.8, 0.6, 0.9),
    "promote": Promoted("model"),
}
"""Act -> what it finds where nothing is wrong."""
SECONDS = {
    "report": 0.0,
    "inspect": 2.0,
    "copy": 2.0,
    "plan": 1.0,
    "check": 400.0,
    "sweep": 600.0,
    "train": 220.0,
    "compare": 40.0,
}


@dataclass
class Clock:
    """Seconds that only acts move."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeWorld:
    """Finds ``finds``, or else what is sound; takes ``takes`` seconds, and no more than is left.

    Attributes:
        finds: Act -> what it finds, or an error, the first time, the second time, and so on; the last one stays.
        made: Acts that were done, in their order.
    """

    clock: Clock
    finds: Mapping[str, list[Facts | UserError]] = field(default_factory=dict)
    takes: Mapping[str, float] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda act: None
    after: Callable[[str], None] = lambda act: None

    def do(self, act: str, known: Known, values: Mapping[str, Any]) -> Facts:
        self.before(act)
        takes = self.takes.get(act, SECONDS.get(act, 0.1))
        if known.left is not None and takes > known.left and act != "report":
            self.clock.now += max(0.0, known.left)
            raise BudgetSpentError("the budget is spent")
        self.clock.now += takes
        # By what is known, not by what this object has counted: a resumed machine has another one.
        turn = sum(one.get("act") == act for one in self.entries)
        found = self.finds.get(act, [SOUND.get(act, Facts())])
        facts = found[min(turn, len(found) - 1)]
        self.made.append(act)
        self.after(act)
        if isinstance(facts, UserError):
            raise facts
        if act == "change":
            facts = Changed(dict(values["changes"]))
        return replace(facts, config=f"{known.config}{act} {dict(values)}\n")

    entries: list[dict[str, Any]] = field(default_factory=list)


def machine(
    folder: Path, finds: Mapping[str, list[Facts | UserError]] | None = None, budget: float | None = None, **more: Any
) -> Machine:
    """Return a machine on the journal in ``folder``, which it begins where there is none."""
    journal = Journal.read(folder)
    clock = Clock()
    takes = more.pop("takes", {})
    agent, goal = more.pop("agent", False), more.pop("goal", "")
    usd, price = more.pop("usd", None), more.pop("price", None)
    hooks = {name: more.pop(name) for name in ("before", "after") if name in more}
    world = FakeWorld(clock, finds or {}, takes, **hooks)
    made = Machine(journal, world, clock=clock, tick=0, **more)
    world.entries = journal.entries
    if not journal.entries:
        asked = Request("model", ("rows.jsonl",), budget=Budget(budget, usd), goal=goal)
        made.write("began", request=_plain(asked), agent=agent, usd_per_hour=price)
    return made


def _plain(request: Request) -> dict[str, Any]:
    from sanetune.typed_json import to_json

    return to_json(request)


def failing(*checks: str) -> Checked:
    """A check that refuses."""
    found = tuple(Found(name, "fail", "It is wrong.") for name in checks)
    return Checked(verdict="fail", level="trial", found=found, seconds=100.0)


def stopped(**change: Any) -> Trained:
    """A run that the watch has stopped."""
    changes = {f"train.{key}": value for key, value in change.items()}
    return Trained("runs", "stopped", 50, 200, ("curve-diverged",), "the watch has stopped it", changes)


def decisions(folder: Path) -> list[tuple[str, str]]:
    """State and what was chosen, of each decision in the journal of ``folder``."""
    return [(one["state"], one["chosen"]) for one in Journal.read(folder).entries if one["kind"] == "decided"]


def compared(**values: Any) -> Compared:
    """A comparison that is sound but for ``values``."""
    sound = SOUND["compare"]
    assert isinstance(sound, Compared)
    return replace(sound, **values)
