"""Sizes of model, machine and data for plans, given side by side."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sanetune.config.sizes import RunSizes


def sizes(base: RunSizes | None = None, **values: Any) -> RunSizes:
    """``base`` (or unknown sizes) with these values, each in its part."""
    found = base or RunSizes()
    parts = {}
    for part in fields(RunSizes):
        old = getattr(found, part.name)
        known = {field.name for field in fields(old)} & values.keys()
        parts[part.name] = replace(old, **{name: values.pop(name) for name in known})
    assert not values, values
    return RunSizes(**parts)
