"""What is wrong with an answer to a general prompt, by rules that need no reference answer."""

from __future__ import annotations

import ast
import json
import re

from sanetune.checks.samples._answers import said
from sanetune.checks.samples._ngrams import repeated, words
from sanetune.engine.answer import Answer
from sanetune.probes.results import GeneralAnswer

LOOP, LOOP_WORDS = 0.5, 16
"""An answer of so many words repeats itself where so much of its four-word runs stood in it before: the limits of
samples-degenerate."""

COMMON = {
    "de": "der die das und ist ich nicht ein eine zu in den mit es auf sich wir im wenn gern auch für scheint",
    "en": "the a an and is of to in it i that was for you are with be on this have not",
    "es": "el la los las de que y es en un una por con para se no lo su agua del al como porque",
    "fr": "le la les de des et est un une en que qui dans pour il elle je ne pas sur au du parce ils aiment",
    "it": "il lo la gli le di che e è un una in per con non si del della sono al",
    "pt": "o os as de que e é um uma em por com para não se do da no na são",
}
"""Frequent words, which tell apart the languages in which prompts ask."""

FENCE = re.compile(r"```[a-zA-Z]*\n(.*?)(?:```|\Z)", re.DOTALL)
ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)


def fault_of(answer: Answer, output_format: str = "", expects: tuple[str, ...] = ()) -> str:
    """Return what is wrong with ``answer``, in words; "" where nothing is.

    >>> fault_of(Answer("The capital is Paris.", True, 6), expects=("Paris",))
    ''
    >>> fault_of(Answer("Rome.", True, 2), expects=("Paris",))
    "lacks 'Paris'"
    >>> fault_of(Answer("{'a': 1}", True, 5), "json")
    'is no JSON'

    Args:
        answer: What a model wrote.
        output_format: What it has to be; see :class:`sanetune.probes.general.material.GeneralPrompt`.
        expects: Texts of which it has to contain one, in any case.
    """
    text = said(answer.text)
    if answer.note:
        return answer.note
    if not text:
        return "is empty"
    if not answer.ended:
        return "does not end"
    found = words(text)
    if len(found) >= LOOP_WORDS and repeated(found) >= LOOP:
        return "repeats itself"
    if wrong := _format_fault(text, output_format):
        return wrong
    if expects and not any(one.casefold() in text.casefold() for one in expects):
        return f"lacks {expects[0]!r}"
    return ""


def faults(answer: GeneralAnswer) -> tuple[str, str]:
    """What is wrong with the answers of base and tuned model."""
    base, tuned = (fault_of(one, answer.output_format, answer.expects) for one in (answer.base, answer.tuned))
    return base, tuned


def _format_fault(text: str, output_format: str) -> str:
    name, _, rest = output_format.partition(":")
    if name == "json" and not _parses_as_json(_unfenced(text)):
        return "is no JSON"
    if name == "list" and len(ITEM.findall(text)) < 2:
        return "is no list"
    if name == "number" and not re.search(r"\d", text):
        return "has no number"
    if name == "python" and not _parses_as_python(_unfenced(text)):
        return "is no Python"
    if name == "words" and len(text.split()) > int(rest):
        return f"has more than {rest} words"
    if name == "language" and _language(text) != rest:
        return f"is not in the language asked for ({rest})"
    return ""


def _unfenced(text: str) -> str:
    """The first fenced block, or the whole text where there is none."""
    block = FENCE.search(text)
    return block.group(1) if block else text


def _parses_as_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text.strip()), dict | list)
    except (ValueError, RecursionError):
        return False


def _parses_as_python(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False


def _language(text: str) -> str:
    """The language of which most frequent words occur in ``text``; "" where none does."""
    found = re.findall(r"\w+", text.casefold())
    counts = {name: sum(word in common.split() for word in found) for name, common in COMMON.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else ""
