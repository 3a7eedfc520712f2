"""Search the learning rate in short runs, and read the trials that were made before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Swept
from sanetune.workflows.auto.known import LR, Known

if TYPE_CHECKING:
    from sanetune.workflows.sweep.result import Sweep


def sweep(site: Site, known: Known, values: Mapping[str, Any]) -> Swept:
    """Make ``values["trials"]`` trials, the planned learning rate's among them, and compare the best with it.

    Raises:
        UserError: There are too few rows, or no step changes the loss.
    """
    from sanetune.workflows.sweep.run import sweep as made

    config = site.open_config(known)
    trials = int(values["trials"])
    searched = made(config, ["learning_rate=auto"], trials=trials - 1, jobs=1, out=site.sweep, publish=site.publish)
    lr = known.lr
    lrs = sorted({one.lr for one in searched.trials} | {lr})
    # The planned one beside all others, on the same rows; those that are there are read.
    words = f"learning_rate={','.join(f'{one:g}' for one in lrs)}"
    found = made(config, [words], jobs=1, out=site.sweep, publish=site.publish)
    better, reason = _against_plan(found, lr)
    best = found.best
    return Swept(
        verdict=found.verdict,
        best={} if best is None else {LR: best.lr},
        better=better,
        reason=reason,
        trials=len(found.trials),
    )


def _against_plan(found: Sweep, lr: float) -> tuple[bool, str]:
    """Whether the best trial is told apart from the planned learning rate, and in words how they compare."""
    best = found.best
    if best is None:
        return False, "no trial made all its steps"
    planned = min(found.trials, key=lambda one: abs(math.log(one.lr / lr)) if one.lr and lr else math.inf)
    if best is planned:
        return False, f"the planned learning rate of {lr:g} has the lowest loss, {best.loss:.4f}"
    if not planned.comparable:
        return True, f"the planned learning rate of {lr:g} {planned.state}: {planned.reason}"
    against = next(one for one in found.against_best() if one.trial is planned)
    words = f"{best.lr:g} ends at {best.loss:.4f}, the planned {lr:g} at {planned.loss:.4f} (p = {against.p:.2g})"
    return against.differs, words if against.differs else f"{words}: not told apart"
