"""What the autopilot knows at a moment: nothing but what the entries of its journal say, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sanetune.typed_json import from_json
from sanetune.workflows.auto.decision import END, Option
from sanetune.workflows.auto.facts import (
    KINDS,
    Advised,
    Checked,
    Compared,
    Copied,
    Facts,
    Failed,
    Inspected,
    Judged,
    Planned,
    Promoted,
    Swept,
    Trained,
)
from sanetune.workflows.auto.request import Budget, Request

START = "inspect"
"""The first state."""

LR = "train.learning_rate"

HELD_OUT: Mapping[str, Any] = {"data.holdout": 0.1}
"""Holds rows out where nobody has."""
INSTEAD: Mapping[str, Any] = {"data.validation": None, **HELD_OUT}
"""The same where the data of ``data.validation`` give no row: they would be in the way."""

OVER_BUDGET = "machine-over-budget"
"""The check whose verdict another budget changes."""

Entry = Mapping[str, Any]
"""One line of the journal."""


@dataclass(slots=True)
class Known:
    """What is known.

    Attributes:
        request: What was asked.
        state: In which a decision is due, or was made and not carried out yet.
        open: The option that was decided on and is not carried out yet.
        attempt: Number of the run that is prepared, from 1.
        config: Text of the configuration as it is now; "": there is none yet.
        spent: Seconds that were spent.
        tried: Changes of earlier attempts, and of inputs that were refused.
        outcome: ``promoted``, ``rejected`` or ``gave up``; "": it is not over.
        reason: Why it came to that.
        agent: Whether there is an adviser and judge.
        price: What an hour of all devices costs in US dollars, as the request says it; None: no price is set.
        failed: The act that could not be done last, and why.
        failed_in: The state that it was done in.
        done: Optimizer steps of this attempt that are in a checkpoint, where its training did not come to its end.
        shortened: Whether the run of this attempt was shortened to what the budget allows.
        closed_in: The state that decided on the outcome.
        short_of_budget: Whether it gave up since the budget was too small: with a larger one it goes on.
        cleared_with: What the gate had cleared this attempt with, where the best of a sweep was adopted after that.
    """

    request: Request = field(default_factory=Request)
    state: str = START
    open: Option | None = None
    attempt: int = 1
    config: str = ""
    spent: float = 0.0
    tried: list[dict[str, Any]] = field(default_factory=list)
    outcome: str = ""
    reason: str = ""
    agent: bool = False
    price: float | None = None
    failed: Failed | None = None
    failed_in: str = ""
    done: int = 0
    shortened: bool = False
    closed_in: str = ""
    short_of_budget: bool = False
    cleared_with: dict[str, Any] = field(default_factory=dict)
    inspected: Inspected | None = None
    copied: Copied | None = None
    planned: Planned | None = None
    checked: Checked | None = None
    advised: Advised | None = None
    swept: Swept | None = None
    trained: Trained | None = None
    compared: Compared | None = None
    judged: Judged | None = None
    promoted: Promoted | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state == END

    @property
    def lr(self) -> float:
        """The learning rate of the run as it was checked last, before that as it is planned; 0: not known."""
        planned = self.planned.lr if self.planned else 0.0
        if self.checked is None:
            return planned
        return self.checked.lr or float(self.checked.changes.get(LR, planned))

    @property
    def usd_per_hour(self) -> float | None:
        """What an hour of all devices costs in US dollars; None: no price is set."""
        return (self.inspected.usd_per_hour if self.inspected else None) or self.price

    @property
    def limit(self) -> float | None:
        """Seconds that may be spent; None: no limit."""
        budget = self.request.budget
        if budget.usd is not None and not self.usd_per_hour:
            return budget.seconds  # of a journal from before the price stood in its first line
        return budget.limit(self.usd_per_hour)

    @property
    def left(self) -> float | None:
        """Seconds that are left of the budget; None: no limit."""
        return None if self.limit is None else self.limit - self.spent

    @property
    def usd(self) -> float | None:
        """US dollars that were spent; None without a price."""
        return None if not self.usd_per_hour else self.spent / 3600 * self.usd_per_hour

    def add(self, entry: Entry) -> None:
        """Take over what one entry says.

        Raises:
            ValueError: It does not fit what was known before.
        """
        self.spent += float(entry.get("seconds", 0.0))
        match entry["kind"]:
            case "began" | "resumed":
                self._begin(entry)
            case "decided":
                self._decided(entry)
            case "did":
                self._did(entry)
            case "reopened":
                self._reopen()

    def _begin(self, entry: Entry) -> None:
        if "request" in entry:
            self.request = from_json(Request, entry["request"])
        if (budget := entry.get("budget")) is not None:
            before = self.request
            self.request = Request(
                before.model, before.data, before.source, before.overrides, from_json(Budget, budget), before.goal
            )
        self.agent = bool(entry.get("agent", self.agent))
        self.price = entry.get("usd_per_hour", self.price)

    def _reopen(self) -> None:
        """Go back to the state that decided on the outcome: there is more to spend now."""
        self.state = self.failed_in if self.closed_in == "failed" else self.closed_in
        if self.checked is not None and any(one.check == OVER_BUDGET for one in self.checked.found):
            self.state = "check" if self.state == "clearance" else self.state
        self.outcome = self.reason = self.closed_in = ""
        self.short_of_budget = False
        self.open = None

    def _decided(self, entry: Entry) -> None:
        named = next((one for one in entry["options"] if one["name"] == entry["chosen"]), None)
        if named is None or entry["state"] != self.state:
            raise ValueError(f"the decision in state {entry['state']} does not follow from what is before it")
        option = from_json(Option, named)
        if outcome := option.with_.get("outcome"):
            self.outcome, self.reason, self.closed_in = str(outcome), str(entry["reason"]), self.state
            spent = self.failed is not None and self.failed.spent
            barred = self.state in ("clean", "check", "train")  # they give up for no other reason
            self.short_of_budget = outcome == "gave up" and self.limit is not None and (spent or barred)
        if option.with_.get("tried"):
            self.tried.append(dict(option.with_["tried"]))
        self.shortened = self.shortened or bool(option.with_.get("shortened"))
        self.cleared_with = dict(option.with_.get("cleared_with", self.cleared_with))
        if option.with_.get("retry"):
            self.attempt += 1
            self.tried.append(dict(option.with_["changes"]))
            self.planned = self.checked = self.trained = self.compared = None
            self.advised = self.judged = None
            self.cleared_with = {}
            self.done, self.shortened = 0, False
        if option.act:
            self.open = option
        else:
            self.state = option.then

    def _did(self, entry: Entry) -> None:
        if self.open is None or entry["act"] != self.open.act:
            raise ValueError(f"the act {entry['act']} was not decided on")
        then, act = self.open.then, self.open.act
        self.open = None
        if "failed" in entry:
            self._failed(act, from_json(Failed, entry["failed"]))
            return
        self.state, self.failed = then, None
        self.done = 0 if act == "train" else self.done
        self._store(from_json(KINDS[act], entry["facts"]))

    def _failed(self, act: str, failed: Failed) -> None:
        if act == "report":
            self.state = END  # the outcome stands, whether or not its page could be written
            return
        self.failed, self.done = failed, failed.done
        # A fix that cannot be made either leads back to the state that it was for.
        self.failed_in = self.failed_in if self.state == "failed" else self.state
        self.state = "failed"

    def _store(self, facts: Facts) -> None:
        self.config = facts.config or self.config
        match facts:
            case Inspected():
                self.inspected = facts
            case Copied():
                self.copied = facts
            case Planned():
                self.planned = facts
            case Checked():
                self.checked = facts
            case Advised():
                self.advised = facts
                self.checked = facts.check or self.checked
            case Swept():
                self.swept = facts
            case Trained():
                self.trained = facts
            case Compared():
                self.compared = facts
            case Judged():
                self.judged = facts
            case Promoted():
                self.promoted = facts


def known_from(entries: Iterable[Entry]) -> Known:
    """Return what ``entries`` say together.

    Raises:
        ValueError: One does not follow from those before it.
        KeyError: One lacks what its kind has.
    """
    known = Known()
    for entry in entries:
        known.add(entry)
    return known
