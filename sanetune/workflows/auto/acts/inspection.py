"""Inspect the data: begin with a configuration, and check rows, template and tokens without the model's weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config import yaml_edit
from sanetune.config.load import load
from sanetune.finding import BAD, Finding, Report
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Found, Inspected
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.request import usd_per_hour

if TYPE_CHECKING:
    from sanetune.config.schema import Config

FAMILIES = ("rows", "template", "tokens")
"""Families of checks that read the data alone."""
SKIP = "data.on_bad_row=skip"
"""Rows that cannot be read are counted and left out of the copy, not an end."""


def inspection(site: Site, known: Known, values: Mapping[str, Any]) -> Inspected:
    """Write the first configuration, and check the rows.

    Raises:
        UserError: Model or data cannot be used.
    """
    from sanetune.workflows.check import evidence_of, run_checks

    config = _first(site, known)
    # From here on: what came before has loaded the libraries, once.
    began = time.perf_counter()
    with evidence_of(config, site.publish) as evidence:
        report = run_checks(config, evidence, FAMILIES, level="static")
        if report.unusable is not None:
            raise report.unusable
        prepared, rows = evidence["prepared"], evidence["rows"]
        counts = len(prepared.train), len(prepared.validation or ())
        unreadable = int(rows.bad)
    seconds = time.perf_counter() - began
    price = usd_per_hour(config)
    return Inspected(*counts, unreadable, found_in(report), round(seconds, 3), price, config=site.text())


def found_in(report: Report) -> tuple[Found, ...]:
    """Return the findings of ``report`` that are not passed."""
    return tuple(Found(one.check, one.verdict.value, one.message[:600], _what_to_do(one)) for one in report.of(*BAD))


def _what_to_do(finding: Finding) -> str:
    """Its remedy, with the override that sets the value where one is known."""
    values = " ".join(f"{key}={_scalar(value)}" for key, value in finding.fix.items())
    return " ".join(part for part in (finding.remedy[:400], values and f"As an override: {values}") if part)


def budget_keys(known: Known) -> dict[str, Any]:
    """Return key -> value of the budget as the gate's own check of it reads it; empty: there is no limit."""
    return {} if known.limit is None else {"budget.max_hours": round(known.limit / 3600, 4)}


def _first(site: Site, known: Known) -> Config:
    """The configuration that it begins with, in its file: the user's own, or one for model and data."""
    from sanetune.atomic import write_text
    from sanetune.workflows.configuration import open_config
    from sanetune.workflows.init import write_config

    asked = known.request
    overrides = [*_unasked(asked.overrides), *asked.overrides]
    overrides += [f"{key}={_scalar(value)}" for one in known.tried for key, value in one.items()]
    if not asked.source:
        site.folder.mkdir(parents=True, exist_ok=True)
        write_config(asked.model, list(asked.data), site.file, overrides=overrides, force=True)
    else:
        config, _ = open_config(Path(asked.source), overrides)
        write_text(site.file, yaml_edit.dump(config, defaults=False))
    text = yaml_edit.change(site.text(), {"run.output_dir": str(site.run(1).path), **budget_keys(known)})
    write_text(site.file, text)
    return load(site.file)


def _unasked(overrides: tuple[str, ...]) -> list[str]:
    return [] if any(one.startswith("data.on_bad_row=") for one in overrides) else [SKIP]


def _scalar(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
