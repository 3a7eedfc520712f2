"""A tracker would stop the run to ask for a login.

Measures: for every tracker that sends its records away, whether a login or a mode without one is found in the
environment or in the files where its program looks. Nothing is sent, and no key is read out.

Matters: on a terminal the program waits for an answer that nobody gives; without one it ends the run with an error,
after the model is loaded and the machine is paid for (wandb#592).

Cause: report_to was left on "all" or copied, and this machine was never logged in.

Fix: log in before the run (wandb login, comet login, ...), switch the program to its offline mode (WANDB_MODE=offline),
or take it out of run.trackers: the run's own metrics file is always written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings


def measure(settings: RunSettings) -> Measurement:
    """``trackers``: each with what makes it ready, or "" where a login is missing."""
    from sanetune.checks.config._tracker_logins import readiness

    return Measurement({"trackers": {name: readiness(name) for name in settings.trackers if name != "none"}})


def judge(m: Measurement, limits: Limits) -> Judgement:
    """A missing login fails: the run would stop or wait."""
    trackers: dict[str, str] = m.numbers["trackers"]
    if not trackers:
        return passed("No tracker is used.")
    blocked = [name for name, ready in trackers.items() if not ready]
    if blocked:
        names = " and ".join(blocked)
        what = f"No login for {names} is found on this machine, and no offline mode is set."
        return failed(what, fix={"run.trackers": [name for name in trackers if name not in blocked]})
    return passed("Ready: " + "; ".join(f"{name} ({ready})" for name, ready in trackers.items()) + ".")
