"""A tracker would stop the run to ask for a login.

## What it does
For every tracker that sends records over the network, looks for a login, or for a mode without one, in the
environment and in the files that its program reads. Nothing is sent, and no key is printed.

## Why is this bad?
On a terminal the tracker waits for input. Without a terminal it ends the run with an error, after the model is loaded
and the machine is paid for.

## Example
```yaml
run:
  trackers: [wandb]         # on a machine that was never logged in
```

## Use instead
Log in before the run (`wandb login`), set the offline mode (`WANDB_MODE=offline`), or remove the tracker from
`run.trackers`.

```yaml
run:
  trackers: []    # metrics.jsonl is always written
```

## References
- [wandb#592](https://github.com/wandb/wandb/issues/592)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "always"


def measure(run_settings: RunSettings) -> Measurement:
    """Find for each tracker what makes it ready; "" where a login is missing."""
    from sanetune.checks.config._tracker_logins import readiness

    return Measurement(
        {"trackers": {name: readiness(name) for name in run_settings.monitoring.trackers if name != "none"}}
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Fail where a login is missing: the run would stop or wait."""
    trackers: dict[str, str] = m.numbers["trackers"]
    if not trackers:
        return passed("No tracker is used.")
    blocked = [name for name, ready in trackers.items() if not ready]
    if blocked:
        names = " and ".join(blocked)
        message = f"No login for {names} is found on this machine, and no offline mode is set."
        return failed(message, fix={"run.trackers": [name for name in trackers if name not in blocked]})
    return passed("Ready: " + "; ".join(f"{name} ({ready})" for name, ready in trackers.items()) + ".")
