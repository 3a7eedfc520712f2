"""Put the tuned model where a promoted one is looked for, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sanetune.errors import RunError
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Promoted
from sanetune.workflows.auto.known import Known


def promote(site: Site, known: Known, values: Mapping[str, Any]) -> Promoted:
    """Link or copy the run's model into the folder ``model``.

    Raises:
        RunError: It cannot be written.
    """
    run, partial = site.run(known.attempt), site.folder / ".model.partial"
    try:
        for there in (partial, site.model):
            shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(run.model, partial, copy_function=_linked)
        if run.clearance.is_file():
            shutil.copy2(run.clearance, partial / run.clearance.name)
        partial.rename(site.model)
    except OSError as error:
        raise RunError(
            f"{site.model} cannot be written: {error.strerror or error}.",
            "The model is in the run's folder all the same.",
            "Free some space, and go on with --resume.",
        ) from None
    return Promoted(str(site.model))


def _linked(source: str, target: str) -> str:
    """Link a file where the disk can, so that weights are not there twice; copy it elsewhere."""
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copy2(source, target)
    return target
