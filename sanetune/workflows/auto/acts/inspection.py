"""Inspect the data: begin with a configuration, and check rows, template, tokens and settings without the model's
weights. Settings that no row survives are fixed first: otherwise nothing could be counted, nor forecast."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config import yaml_edit
from sanetune.config.load import load
from sanetune.errors import Place, UserError
from sanetune.finding import BAD, Finding, Report
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Found, Inspected
from sanetune.workflows.auto.known import INSTEAD, Known
from sanetune.workflows.auto.request import settings_of, usd_per_hour

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence
    from sanetune.gate.fixer import Round

FAMILIES = ("rows", "template", "tokens", "packs", "config")
"""Families of checks that need data and settings alone."""
SKIP = "data.on_bad_row=skip"
"""Rows that cannot be read are counted and left out of the copy, not an end."""


def inspection(site: Site, known: Known, values: Mapping[str, Any]) -> Inspected:
    """Write the first configuration, and check the rows.

    Raises:
        UserError: Model or data cannot be used.
    """
    try:
        return _inspected(site, known)
    except UserError as error:
        if not error.fix and _is_validation(known, error.place):
            error.fix = dict(INSTEAD)
        raise


def _inspected(site: Site, known: Known) -> Inspected:
    from sanetune.workflows.fix import correct

    config = _first(site, known)
    began = time.perf_counter()
    counts, seconds = (0, 0, 0), 0.0

    def on_round(settings: Config, evidence: Evidence, report: Report, before: Sequence[Round]) -> None:
        nonlocal began, counts, seconds
        if report.unusable is None:
            prepared, rows = evidence["prepared"], evidence["rows"]
            counts = len(prepared.train), len(prepared.validation or ()), int(rows.bad)
        seconds, began = max(seconds, time.perf_counter() - began), time.perf_counter()

    later = config.check.level
    done = correct(config, level="static", select=FAMILIES, later=later, publish=site.publish, on_round=on_round)
    if done.report.unusable is not None:
        raise done.report.unusable
    return Inspected(
        *counts,
        found=found_in(done.report),
        seconds=round(seconds, 3),
        usd_per_hour=usd_per_hour(config),
        changes={one.key: one.after for one in done.changes},
        named=bool(config.data.validation),
        config=site.text(),
    )


def _is_validation(known: Known, place: Place | None) -> bool:
    """Whether the data that cannot be used are those of ``data.validation`` alone."""
    if place is None or place.file is None:
        return False
    config = settings_of(known.request)
    sources, others = ({Path(one.path) for one in some or ()} for some in (config.data.validation, config.data.train))
    return bool({Path(place.file), *Path(place.file).parents} & sources - others)


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
