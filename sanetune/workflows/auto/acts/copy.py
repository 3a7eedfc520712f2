"""Clean a copy of the data, and let the configuration read it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from sanetune.atomic import write_text
from sanetune.config import yaml_edit
from sanetune.config.load import load
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Copied
from sanetune.workflows.auto.known import Known

READ_ALREADY = ("data.fields", "data.holdout", "data.max_examples", "data.markup")
"""Keys that say how the rows are read or split: the copy has them as they were read."""


def copy(site: Site, known: Known, values: Mapping[str, Any]) -> Copied:
    """Write the cleaned copy, whole or not at all.

    Raises:
        RunError: It cannot be written.
    """
    from sanetune.workflows.check import evidence_of
    from sanetune.workflows.clean import write

    config = site.open_config(known)
    partial = site.folder / ".data.partial"
    for there in (partial, site.data):
        shutil.rmtree(there, ignore_errors=True)
    with evidence_of(config, site.publish) as evidence:
        done = write(evidence, partial)
    partial.rename(site.data)
    names = {split: str(site.data / f"{split}.jsonl") for split in ("train", "validation")}
    changes: dict[str, Any] = {"data.train": names["train"]}
    if done.kept["validation"]:
        changes["data.validation"] = names["validation"]
        text = yaml_edit.without(known.config, READ_ALREADY)
    else:
        text = yaml_edit.without(known.config, [key for key in READ_ALREADY if key != "data.holdout"])
    write_text(site.file, yaml_edit.change(text, changes, dict.fromkeys(changes, "the cleaned copy")))
    load(site.file)
    left_out, changed = ({name: count for name, count in one.items() if count} for one in (done.left_out, done.changed))
    return Copied(str(site.data), done.kept["train"], done.kept["validation"], left_out, changed, config=site.text())
