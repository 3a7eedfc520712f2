"""What a model has forgotten, as a gauge of two bars: prompts that it still answers, and its loss on texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sanetune import units
from sanetune.checks.model import forgets
from sanetune.checks.model.forgets import LIMITS
from sanetune.probes.results.forgetting import names_of

if TYPE_CHECKING:
    from sanetune.probes.results import Forgetting

WIDTH = 20
"""Columns of a bar."""
WHOLE_RISE = 0.5
"""Nats per token at which the bar of the loss is full."""


def numbers_of(found: Forgetting) -> dict[str, Any]:
    """Return what model-forgets measures of ``found``."""
    return forgets.compare(found).numbers


def lines(numbers: Mapping[str, Any], limits: Mapping[str, float] | None = None) -> list[Text]:
    """Return the gauge of one comparison; nothing where too little could be measured.

    Args:
        numbers: The numbers of model-forgets.
        limits: Its limits (shares of prompts, nats per token, counts), where they are not the usual ones.
    """
    limits = {name: one.value for name, one in LIMITS.items()} | dict(limits or {})
    found: list[Text] = []
    prompts, text = names_of(numbers.get("source", "general"))
    able, missed = numbers.get("base_answered") or 0, numbers.get("no_longer") or 0
    if able >= limits["fewest_answers"]:
        kept = able - missed
        gained = f", {numbers['gained']} gained" if numbers.get("gained") else ""
        share = (missed - numbers["gained"]) / able
        words = f"{kept} of {able} {prompts} still answered well{gained}"
        words += f" (warns from {units.share(limits['answers'])} lost)"
        found.append(_bar(kept / able, words, bad=share >= limits["answers"] and bool(numbers["rarer"])))
    rise = numbers.get("text_rise")
    if rise is not None and numbers["texts"] >= limits["fewest_texts"]:
        words = f"{rise:+.3f} nats per token of {text} (full bar: no rise; warns from {limits['rise']:+.3g})"
        is_number = math.isfinite(rise)
        kept_share = min(1.0, max(0.0, 1 - rise / WHOLE_RISE)) if is_number else 0.0
        risen = rise >= limits["rise"] and numbers["text_errors"] >= limits["errors"]
        found.append(_bar(kept_share, words, bad=risen or not is_number))
    return found


def _bar(share: float, words: str, *, bad: bool) -> Text:
    full = round(share * WIDTH)
    return Text.assemble(("█" * full, "yellow" if bad else "green"), ("░" * (WIDTH - full), "dim"), f" {words}")
