"""What is measured of each answer: its end, its form, repetition, whether it is right, and its tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sanetune.checks.samples._answers import said
from sanetune.checks.samples._ngrams import repeated, words
from sanetune.checks.samples._output_format import OutputFormat, output_formats
from sanetune.checks.samples.degenerate import LIMITS as REPEATS
from sanetune.checks.samples.degenerate import loops, usual_repetition
from sanetune.checks.samples.off_form import LIMITS as FORM
from sanetune.checks.samples.off_form import READ
from sanetune.workflows.comparing.answer_calls import answer_in_data, calls_rightly
from sanetune.workflows.comparing.result import AskedPrompt, Model
from sanetune.workflows.comparing.right_answers import Right, right_answers

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.engine.answer import Answer
    from sanetune.engine.generate import Tools

ENDS, FORMAT_KEPT, REPEATS_ITSELF, CALLS = (
    "ends by itself",
    "keeps the format",
    "repeats itself",
    "calls a tool rightly",
)


@dataclass(frozen=True, slots=True)
class AnswerMeasures:
    """What is measured of answers to these prompts.

    Attributes:
        prompts: What is asked.
        tools: Schemas of each prompt's tools.
        calls: Whether the answer in the data calls a tool, for each prompt.
        formats: Formats that the training answers share.
        right: What makes an answer right, in words, and the test; None: the data says nothing about it.
        usual: How much references repeat themselves, from 0 to 1.
    """

    prompts: list[AskedPrompt]
    tools: list[Tools | None]
    calls: list[bool]
    formats: list[OutputFormat]
    right: tuple[str, Right] | None
    usual: float

    @classmethod
    def of(cls, prompts: list[AskedPrompt], tools: list[Tools | None], prepared: Prepared) -> AnswerMeasures:
        """Read from the data what answers are measured by."""
        replies, calls = _replies(prepared), [_calls(prepared, one) for one in prompts]
        fewest, shared, times = (float(FORM[name].value) for name in ("fewest_answers", "shared", "length_times"))
        formats = output_formats(replies, shared, times) if len(replies) >= fewest else []
        references = [one.reference for one in prompts if one.reference]
        return cls(prompts, tools, calls, formats, right_answers(references), usual_repetition(references))

    def marked(self, model: Model) -> Model:
        """Return ``model`` with its marks; measures that apply to no prompt are left out."""
        marks: dict[str, list[bool | None]] = {ENDS: [None if one.note else one.ended for one in model.answers]}
        marks[REPEATS_ITSELF] = [None if one.note else self._repeats(one) for one in model.answers]
        marks[FORMAT_KEPT] = [self._format(*one) for one in self._asked(model)]
        marks[CALLS] = [
            calls_rightly(answer, tools) if calls and not answer.note else None
            for answer, tools, calls in zip(model.answers, self.tools, self.calls, strict=True)
        ]
        if self.right is not None:
            name, right = self.right
            marks[name] = [
                right(said(answer.text), prompt.reference) if prompt.reference and not answer.note else None
                for prompt, answer in self._asked(model)
            ]
        some = [repeated(words(one.text)) for one in model.asked]
        kept = {name: found for name, found in marks.items() if any(mark is not None for mark in found)}
        return replace(model, marks=kept, repeated=sum(some) / len(some) if some else 0.0)

    def _asked(self, model: Model) -> list[tuple[AskedPrompt, Answer]]:
        return list(zip(self.prompts, model.answers, strict=True))

    def _repeats(self, answer: Answer) -> bool:
        return bool(loops(answer, self.usual, {name: one.value for name, one in REPEATS.items()}))

    def _format(self, prompt: AskedPrompt, answer: Answer) -> bool | None:
        """Whether an answer has every format that its reference has, too."""
        if answer.note or not prompt.reference or not prompt.reference.strip():
            return None
        wanted = [one for one in self.formats if one.has(prompt.reference.strip())]
        if not wanted:
            return None
        text = said(answer.text)
        return all(one.has(text) and (answer.ended or not one.whole) for one in wanted)


def _calls(prepared: Prepared, prompt: AskedPrompt) -> bool:
    """Whether the answer in the data calls a tool."""
    last = answer_in_data(prepared, prompt)
    return bool(last.get("tool_calls")) or "<tool_call>" in str(last.get("content") or "")


def _replies(prepared: Prepared) -> Sequence[str]:
    """The last answers of evenly spread training conversations; calls of tools left out."""
    total = prepared.origins["train"].own
    wanted = min(total, READ)
    found = []
    for number in range(wanted):
        messages = prepared.conversation("train", number * total // wanted).messages
        last = next((one for one in reversed(messages) if one["role"] == "assistant"), None)
        if last is not None and not last.get("tool_calls") and (text := said(str(last.get("content") or ""))):
            found.append(text)
    return found
