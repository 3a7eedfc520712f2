"""Answers to the same prompts at each evaluation of a run, from `samples.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.engine.appending import json_objects
from sanetune.typed_json import from_json

if TYPE_CHECKING:
    from sanetune.runs import Run

MOST = 12
"""Steps whose answers are shown: the first, the last, and others at even distances."""
PROMPTS = 8
"""Prompts that are shown."""
LARGEST = 20_000_000
"""Bytes of a file that is read."""


@dataclass(frozen=True, slots=True)
class AnswerAt:
    """A prompt and what the model answered at one step.

    Attributes:
        prompt: The prompt, as text: all its messages.
        answer: The answer.
        ended: Whether it ended by itself.
        tokens: How many tokens it has; 0: not known, as the next two are in files of earlier versions.
        asked: The last message of the prompt, to which it is the answer; "": not known.
        earlier: How many messages are before that one.
    """

    prompt: str
    answer: str
    ended: bool
    tokens: int = 0
    asked: str = ""
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class AnswersAt:
    """All answers after so many optimizer steps."""

    step: int
    samples: tuple[AnswerAt, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptOverTime:
    """One prompt.

    Attributes:
        prompt: Its text.
        answers: Step and answer, by rising step.
    """

    prompt: str
    answers: Sequence[tuple[int, AnswerAt]]


def answers_over_time(run: Run) -> list[AnswersAt]:
    """Return the answers of ``run`` by rising step; a line that is being written, or is none of ours, is left out."""
    try:
        if not run.samples_over_time.is_file() or run.samples_over_time.stat().st_size > LARGEST:
            return []
        objects = json_objects(run.samples_over_time)
    except OSError:
        return []
    found = {one.step: one for one in _read(objects)}
    return [found[step] for step in sorted(found)]


def by_prompt(steps: Sequence[AnswersAt]) -> list[PromptOverTime]:
    """Return each prompt with its answers at some of the steps.

    >>> first, last = (AnswersAt(step, (AnswerAt("Hm?", f"at {step}", True),)) for step in (0, 10))
    >>> [(one.prompt, [(step, answer.answer) for step, answer in one.answers]) for one in by_prompt([first, last])]
    [('Hm?', [(0, 'at 0'), (10, 'at 10')])]
    """
    shown = _spread(steps)
    prompts = dict.fromkeys(sample.prompt for one in shown for sample in one.samples)
    return [
        PromptOverTime(
            prompt, [(one.step, sample) for one in shown for sample in one.samples if sample.prompt == prompt]
        )
        for prompt in list(prompts)[:PROMPTS]
    ]


def _read(objects: Sequence[object]) -> Iterator[AnswersAt]:
    for one in objects:
        try:
            yield from_json(AnswersAt, one)
        except ValueError:
            continue


def _spread(steps: Sequence[AnswersAt]) -> list[AnswersAt]:
    if len(steps) <= MOST:
        return list(steps)
    return [steps[round(n * (len(steps) - 1) / (MOST - 1))] for n in range(MOST)]
