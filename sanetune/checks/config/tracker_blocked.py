"""A tracker would stop the run: it is not known, not installed, or would ask for a login.

## What it does
Looks whether transformers knows each tracker and its package is installed. For every one that sends records over the
network, looks for a login, or for a mode without one, in the environment and in the files that its program reads.
Nothing is sent, and no key is printed.

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
VERSION = 2


def measure(run_settings: RunSettings) -> Measurement:
    """Find for each tracker what makes it ready, "" where a login is missing, and why others cannot be used at all."""
    from sanetune.checks.config._tracker_logins import readiness
    from sanetune.engine.trackers import refusal

    names = [name for name in run_settings.monitoring.trackers if name != "none"]
    refused = {name: error for name in names if (error := refusal(name))}
    return Measurement(
        {
            "trackers": {name: readiness(name) for name in names if name not in refused},
            "refused": {name: f"{error.message.rstrip('.')}. {error.remedy}" for name, error in refused.items()},
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Fail where a tracker cannot be used or a login is missing: the run would stop or wait."""
    trackers: dict[str, str] = m.numbers["trackers"]
    refused: dict[str, str] = m.numbers["refused"]
    ready = [name for name, how in trackers.items() if how]
    if refused:
        return failed("The run would stop: " + " ".join(refused.values()), fix={"run.trackers": ready})
    if not trackers:
        return passed("No tracker is used.")
    blocked = [name for name, how in trackers.items() if not how]
    if blocked:
        names = " and ".join(blocked)
        message = f"No login for {names} is found on this machine, and no offline mode is set."
        return failed(message, fix={"run.trackers": ready})
    return passed("Ready: " + "; ".join(f"{name} ({how})" for name, how in trackers.items()) + ".")
