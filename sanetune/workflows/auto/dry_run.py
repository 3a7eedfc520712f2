"""What the autopilot would do: the same machine, in a folder that goes away, where acts on the model only pretend."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sanetune.events import Publish, silent
from sanetune.typed_json import to_json
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.acts.world import RealWorld
from sanetune.workflows.auto.agent.client import agent_of
from sanetune.workflows.auto.facts import Advised, Checked, Compared, Facts, Judged, Promoted, Swept, Trained
from sanetune.workflows.auto.journal import Journal
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.machine import Machine
from sanetune.workflows.auto.request import Request, require_request, usd_per_hour

FREE = ("inspect", "copy", "plan", "change")
"""Acts that load no weights."""


class DryWorld:
    """Reads and plans, and takes for granted that everything else goes well."""

    def __init__(self, site: Site) -> None:
        self._real = RealWorld(site)

    def do(self, act: str, known: Known, values: Mapping[str, Any]) -> Facts:
        """See :class:`sanetune.workflows.auto.machine.World`."""
        if act in FREE:
            return self._real.do(act, known, values)
        level, read = str(values.get("level", "trial")), known.copied or known.inspected
        rows = read.validation if read else 0
        pretended: dict[str, Facts] = {
            "check": Checked(verdict="pass", level=level, cleared=True, lrs=3 if level == "trial" else 0),
            "advise": Advised(reason="nobody was asked"),
            "sweep": Swept(verdict="not made", reason="no trial was made"),
            "train": Trained(),
            "compare": Compared("better", ("validation loss",), rows=rows, cleared=True, forgot="pass"),
            "judge": Judged(),
            "promote": Promoted(),
        }
        return pretended.get(act, Facts())


def dry_run(request: Request, publish: Publish = silent) -> list[dict[str, Any]]:
    """Return the entries of the decisions that would be made.

    Args:
        request: What is asked.
        publish: Gets the progress of reading.

    Raises:
        UserError: The request cannot be carried out as it is.
    """
    settings = require_request(request)
    price = usd_per_hour(settings)
    with tempfile.TemporaryDirectory(prefix="sanetune-auto-") as name:
        journal = Journal(Path(name) / "auto")
        machine = Machine(journal, DryWorld(Site(Path(name) / "auto", publish)), tick=0)
        try:
            asks = agent_of(settings, journal.file.parent) is not None
            machine.write("began", request=to_json(request), agent=asks, usd_per_hour=price)
            machine.run()
        finally:
            journal.close()
        return [entry for entry in journal.entries if entry["kind"] == "decided"]
