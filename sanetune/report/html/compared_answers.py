"""Answers of several runs side by side: those that were made to be compared, else what each run has of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.report.html.trained import verdict_text
from sanetune.workflows.comparing.result import Compared
from sanetune.workflows.comparing.stored import read_stored

if TYPE_CHECKING:
    from sanetune.engine.answer import Answer
    from sanetune.report.html.view import RunView
    from sanetune.runs import Run

PROMPTS = 12
"""Prompts whose answers are shown."""
ENDED = "ended by themselves: "


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One prompt with the answer of each run's tuned model.

    Attributes:
        prompt: Its last message.
        before: How many messages are before that one.
        answers: One for each run.
    """

    prompt: str
    before: int
    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class ComparedAnswers:
    """The answers of all runs.

    Attributes:
        counts: How many answers of each run end by themselves; "" where it has none.
        prompts: Prompts that all runs answered.
        notes: How the answers were made, and what of them does not compare, one sentence each.
        verdicts: What `sanetune compare` has found of each run beside the first; "" where it was not asked.
    """

    counts: Sequence[str] = ()
    prompts: Sequence[PromptRow] = ()
    notes: Sequence[str] = ()
    verdicts: Sequence[str] = ()


def compared_answers(runs: Sequence[Run], names: Sequence[str], views: Sequence[RunView | None]) -> ComparedAnswers:
    """Return the answers of ``runs`` to the same prompts, those of `sanetune compare` with these runs where it has any.

    Args:
        runs: The runs.
        names: What each is called on the page.
        views: What the folder of each has; None: it was not trained.
    """
    found = _stored(runs) if len(runs) > 1 else None
    return _own(names, views) if found is None else _together(found, names[0])


def _stored(runs: Sequence[Run]) -> Compared | None:
    """What was stored in the folder of whichever run was named first then, its models in the order of ``runs``."""
    return next((found for run in runs if (found := read_stored(run, runs))), None)


def _together(found: Compared, first: str) -> ComparedAnswers:
    counts = [f"{sum(one.ended for one in model.asked):,} of {len(model.asked):,}" for model in found.models]
    prompts = [
        _row(prompt.messages, [model.answers[n] for model in found.models])
        for n, prompt in enumerate(found.prompts[:PROMPTS])
    ]
    limit = f", at most {units.many(found.max_new_tokens, 'token')} for each answer" if found.max_new_tokens else ""
    note = (
        f"Answers are those of sanetune compare: {units.many(len(found.prompts), 'prompt')}, the same for all{limit}."
    )
    return ComparedAnswers(
        counts, prompts, [note, *found.notes], ["", *(verdict_text(pair, first) for pair in found.pairs)]
    )


def _own(names: Sequence[str], views: Sequence[RunView | None]) -> ComparedAnswers:
    """What each run was asked by itself: the prompts that all have, and what does not compare."""
    answered = [{str(one.messages): one for one in view.samples} if view else {} for view in views]
    shared = [key for key in answered[0] if all(key in other for other in answered)] if all(answered) else []
    prompts = [_row(answered[0][key].messages, [one[key].tuned for one in answered]) for key in shared[:PROMPTS]]
    counts = [view.samples_text.removeprefix(ENDED) if view else "" for view in views]
    of_each = dict.fromkeys(note for view in views if view for note in view.answer_notes)
    return ComparedAnswers(counts, prompts, [*_incomparable(names, views, answered), *of_each])


def _incomparable(
    names: Sequence[str], views: Sequence[RunView | None], answered: Sequence[Mapping[str, object]]
) -> list[str]:
    asked = [(name, some) for name, some in zip(names, answered, strict=True) if some]
    limits = [(name, view.answer_limit) for name, view in zip(names, views, strict=True) if view and view.answer_limit]
    notes = []
    if len({frozenset(some) for _, some in asked}) > 1:
        numbers = ", ".join(f"{len(some):,} of {name}" for name, some in asked)
        notes.append(
            f"The counts of answers that end by themselves are over different prompts ({numbers}): they do not compare."
        )
    if len({limit for _, limit in limits}) > 1:
        numbers = ", ".join(f"{limit:,} of {name}" for name, limit in limits)
        notes.append(
            f"Answers were truncated at different lengths (tokens: {numbers}): where one was, they do not compare."
        )
    return notes


def _row(messages: Sequence[Mapping[str, object]], answers: Sequence[Answer]) -> PromptRow:
    last = str(messages[-1].get("content") or "") if messages else ""
    return PromptRow(last, max(0, len(messages) - 1), answers)
