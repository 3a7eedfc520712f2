"""Write values that were decided on into the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Changed
from sanetune.workflows.auto.known import Known


def change(site: Site, known: Known, values: Mapping[str, Any]) -> Changed:
    """Make ``values["changes"]``.

    Raises:
        ConfigError: They cannot stand together with what is there.
    """
    changes = dict(values["changes"])
    site.changed(known, changes, "decided by the autopilot")
    return Changed(changes, config=site.text())
