"""Does what was decided, within the budget: a clock ends what would go beyond it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sanetune.events import AutoEnded, Event, StepFinished, to_all
from sanetune.workflows.auto.acts import change, check, compare, copy, inspection, plan, promote, sweep, train
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Facts
from sanetune.workflows.auto.forecasts import REPORT_SECONDS, reserve, train_seconds
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.machine import BudgetSpentError
from sanetune.workflows.auto.request import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from sanetune.workflows.auto.agent.client import Agent

Act = Callable[[Site, Known, Mapping[str, Any]], Facts]

ACTS: Mapping[str, Act] = {
    "inspect": inspection.inspection,
    "copy": copy.copy,
    "plan": plan.plan,
    "check": check.check,
    "sweep": sweep.sweep,
    "change": change.change,
    "train": train.train,
    "compare": compare.compare,
    "promote": promote.promote,
}
MARGIN = 0.01
"""Of the budget, by which an act is ended before it."""
LATE = 1.02
"""Times the seconds of a training step's end until which the engine may take to write its checkpoint."""


class RealWorld:
    """The package's own workflows, in a folder.

    Args:
        site: The folder.
        agent: Adviser and judge; None: there are none.
    """

    def __init__(self, site: Site, agent: Agent | None = None) -> None:
        self._guard = _Guard()
        self.site = Site(site.folder, to_all(self._guard, site.publish))
        self.agent = agent

    def do(self, act: str, known: Known, values: Mapping[str, Any]) -> Facts:
        """See :class:`sanetune.workflows.auto.machine.World`."""
        left = known.left
        if left is not None:
            # A signal is heard between two operations, which may be seconds apart on a busy machine.
            left -= REPORT_SECONDS + MARGIN * (known.limit or 0.0)
        if left is not None and act == "train":
            left -= min(reserve(known), left / 2)
        if left is not None and act in ("advise", "sweep"):
            left -= train_seconds(known) + reserve(known)  # it goes on without them
        try:
            with self._guard.within(None if act in ("report", "promote") else left, steps=act == "train"):
                return self._done(act, known, values)
        except BudgetSpentError as error:
            if act == "train":
                error.done = train.steps_kept(self.site.run(int(values["attempt"])))
            raise

    def _done(self, act: str, known: Known, values: Mapping[str, Any]) -> Facts:
        if act == "report":
            self.site.publish(AutoEnded(self.site.folder))
            return Facts()
        if act in ("advise", "judge"):
            return self._asked(act, known)
        return ACTS[act](self.site, known, values)

    def _asked(self, act: str, known: Known) -> Facts:
        from sanetune.workflows.auto.agent.adviser import advise
        from sanetune.workflows.auto.agent.judge import judge

        assert self.agent is not None
        return (advise if act == "advise" else judge)(self.site, known, self.agent)


class _Guard:
    """Ends an act that is beyond the budget: at a training step with a checkpoint, anywhere else at once."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._spent = False

    def __call__(self, event: Event) -> None:
        """Follow training: a signal at a step lets the engine write its checkpoint."""
        if not isinstance(event, StepFinished) or self._until is None or self._spent:
            return
        if time.monotonic() > self._until and threading.current_thread() is threading.main_thread():
            self._spent = True
            signal.raise_signal(signal.SIGINT)

    @contextmanager
    def within(self, seconds: float | None, *, steps: bool = False) -> Iterator[None]:
        """Allow what is inside so many seconds; None: as many as it takes.

        Args:
            seconds: From now on.
            steps: Whether it trains, and ends at a step.
        """
        self._spent, self._until = False, None if seconds is None else time.monotonic() + seconds
        try:
            with _alarm(seconds if seconds is None or not steps else seconds * LATE + 0.5):
                yield
        except BudgetSpentError:
            raise
        except KeyboardInterrupt:
            if self._spent:
                raise BudgetSpentError("the budget was spent during training; its last checkpoint is kept") from None
            raise
        finally:
            self._until = None


@contextmanager
def _alarm(seconds: float | None) -> Iterator[None]:
    """Raise :class:`BudgetSpentError` after so many seconds, where Python can: on the main thread of a Unix."""
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not main or not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise BudgetSpentError("the budget was spent before this was done")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, min(max(0.05, seconds), LONGEST))  # dollars at a low price buy centuries
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
