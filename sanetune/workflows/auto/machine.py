"""The machine: decide, write it down, do it, and write down what was found, until nothing is left to do.

What it knows between two steps is what the journal says, so that it may be killed anywhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sanetune.errors import UserError
from sanetune.events import AutoDecided, AutoDone, Publish, silent
from sanetune.finding import GateError
from sanetune.typed_json import to_json
from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.facts import Facts, Failed
from sanetune.workflows.auto.journal import Journal
from sanetune.workflows.auto.known import Known, known_from
from sanetune.workflows.auto.states.table import STATES

TICK = 5.0
"""Seconds after which what was spent is written down while an act is under way: a kill loses no more than that."""
MOST = 400
"""Decisions of one autopilot: the states lead to an end long before."""

Ask = Callable[[str, Decision], tuple[str, str]]
"""Gets a state and its decision; returns the name of an option, and who chose it."""
Decide = Callable[[Known], Decision]


class World(Protocol):
    """Does what was decided."""

    def do(self, act: str, known: Known, values: Mapping[str, Any]) -> Facts:
        """Do ``act`` and return what it has found; done twice, it gives the same.

        Args:
            act: One of :data:`sanetune.workflows.auto.facts.KINDS`.
            known: What is known; the configuration is the one in there, whatever is in the folder.
            values: What the option is done with.

        Raises:
            UserError: It cannot be done, for a reason that a user can fix.
            BudgetSpentError: The budget was spent before it was done.
        """


class BudgetSpentError(KeyboardInterrupt):
    """The budget is spent. Like Ctrl-C, so that no check takes it for a fault, and a run leaves its checkpoint.

    Attributes:
        done: Optimizer steps that are in a checkpoint, where it was training.
    """

    done: int = 0


def by_default(state: str, decision: Decision) -> tuple[str, str]:
    """Take the option that the state's own rules chose."""
    return decision.chosen, "policy"


class Machine:
    """Goes from state to state.

    Args:
        journal: Its entries are what is known at the beginning.
        world: Does what was decided.
        ask: Chooses an option.
        publish: Gets each decision, and each act that is done.
        states: State -> its function.
        clock: Seconds that only grow.
        tick: Seconds between two notes of what was spent; 0: none is written while an act is under way.
    """

    def __init__(
        self,
        journal: Journal,
        world: World,
        *,
        ask: Ask = by_default,
        publish: Publish = silent,
        states: Mapping[str, Decide] = STATES,
        clock: Callable[[], float] = time.monotonic,
        tick: float = TICK,
    ) -> None:
        self.journal, self.world, self.ask, self.publish = journal, world, ask, publish
        self.states, self._clock, self._tick = states, clock, tick
        self.known = known_from(journal.entries)
        self._at = clock()
        self._lock = threading.Lock()

    def run(self) -> Known:
        """Go on until nothing is left to do, and return what is known then."""
        while not self.known.over:
            if self.known.open is None:
                self._decide()
            else:
                self._do(self.known.open)
        return self.known

    def write(self, kind: str, **values: object) -> dict[str, Any]:
        """Write an entry with what was spent since the one before, and know it."""
        with self._lock:
            now = self._clock()
            seconds, self._at = max(0.0, now - self._at), now
            entry = self.journal.add(kind, seconds=round(seconds, 3), **values)
            self.known.add(entry)
            return entry

    def charge(self, seconds: float) -> None:
        """Count ``seconds`` as spent that no entry has: those between the last one and a kill."""
        self._at -= seconds

    def _decide(self) -> None:
        known = self.known
        if sum(one["kind"] == "decided" for one in self.journal.entries) > MOST:
            raise AssertionError(f"no end after {MOST} decisions")
        decision = self.states[known.state](known)
        before = self._clock()
        name, by = self.ask(known.state, decision)
        self._at += self._clock() - before  # a person who thinks costs nothing
        reason = decision.reason if name == decision.chosen else f"chosen by {by} in place of {decision.chosen}"
        entry = self.write(
            "decided",
            state=known.state,
            attempt=known.attempt,
            known=dict(decision.known),
            options=[to_json(one) for one in decision.options],
            chosen=decision.option(name).name,
            by=by,
            reason=reason,
            spent=round(known.spent, 1),
            limit=known.limit,
            usd=known.usd,
        )
        self.publish(AutoDecided(entry))

    def _do(self, option: Option) -> None:
        state = self.known.state
        with _Ticking(self):
            try:
                found: dict[str, Any] = {"facts": to_json(self.world.do(option.act, self.known, option.with_))}
            except BudgetSpentError as error:
                found = {"failed": to_json(Failed(str(error) or "the budget is spent", spent=True, done=error.done))}
            except GateError as error:
                found = {"failed": to_json(Failed(message=error.headline, remedy=error.remedy))}
            except UserError as error:
                found = {"failed": to_json(Failed(message=error.headline, remedy=error.remedy, fix=error.fix))}
        entry = self.write("did", state=state, act=option.act, forecast=option.seconds, **found)
        self.publish(AutoDone(entry, self.known.spent))


class _Ticking:
    """Notes what is spent while an act is under way."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._done = machine, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        if self._machine._tick:
            self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()
        if error[0] is not None:
            self._machine.write("spent")

    def _run(self) -> None:
        while not self._done.wait(self._machine._tick):
            try:
                self._machine.write("spent")
            except UserError:  # a full disk is said by the next entry that matters
                return
