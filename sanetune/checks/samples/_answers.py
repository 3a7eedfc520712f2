"""What checks read of a sample: the text without its thinking, which ones count, and how one is shown."""

from __future__ import annotations

import re

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Witness
from sanetune.probes.results import Sample, Samples
from sanetune.text import both_ends

FEWEST_SAMPLES = {
    "fewest_samples": Limit(4, "of fewer nothing can be said: four of four alike leave a lower bound of 60 %"),
}
"""A limit of every check of samples."""


_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_OPEN_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>")


def said(text: str) -> str:
    """The answer without the thoughts before it; nothing where it is still thinking."""
    if thought := _THOUGHT.match(text):
        return text[thought.end() :].strip()
    return "" if _OPEN_THOUGHT.match(text) else text.strip()


def answered(samples: Samples, limits: Limits, *, with_reference: bool = False) -> list[Sample]:
    """The samples that count: both models could answer, and the data have words there (an empty reference calls a
    tool).

    ``with_reference``: without the user's own prompts. Raises NotApplicableError for fewer than ``fewest_samples``.
    """
    found = [
        sample
        for sample in samples.samples
        if not sample.base.note
        and not sample.tuned.note
        and (not with_reference if sample.reference is None else bool(sample.reference.strip()))
    ]
    enough(len(found), "held-out rows were answered" if with_reference else "prompts were answered", limits)
    return found


def enough(count: int, message: str, limits: Limits) -> None:
    """Raises NotApplicableError where ``count`` samples are too few to tell."""
    if count < (fewest := limits["fewest_samples"]):
        raise NotApplicableError(f"{count} {message}: too few to tell (from {fewest:g} on)")


def witness(sample: Sample, note: str) -> Witness:
    """One sample: the prompt and the tuned answer, the base's beside it."""
    asked = next((str(m.get("content") or "") for m in reversed(sample.messages) if m.get("role") == "user"), "")
    reference = "" if sample.reference is None else f"\nin the data: {both_ends(sample.reference, 160)}"
    return Witness(
        f"asked: {both_ends(asked, 160)}\ntuned: {both_ends(sample.tuned.raw or sample.tuned.text, 300)}{reference}",
        note=note,
        beside=f"base: {both_ends(sample.base.raw or sample.base.text, 300)}",
        split=sample.split,
        example=sample.number,
    )
