"""Read off a small conversation what a chat template writes around messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.data.conversation import Message
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError

PROBES = ("sanetune zero", "sanetune one", "sanetune two", "sanetune three")
"""Texts that no template and no data contain."""

_THOUGHT = re.compile(r"(?<=\S)\s*<[^<>]{0,20}(?:think|thought|reason|channel)[^<>]{0,20}>", re.IGNORECASE)

_TAG = re.compile(r"<\|[^<>\s]{1,60}\|>|<[^<>\s|]{1,60}>|\[[A-Z_/]{2,40}\]|<[^<>]{1,20}>")


@dataclass(frozen=True, slots=True)
class Literals:
    """What a template writes around messages: the header before a user's and an assistant's text, and the strings that
    end an assistant turn (the first that fits counts); ``prompts``: what inference may give before a reply, longest
    first."""

    headers: dict[str, str]
    ends: tuple[str, ...]
    prompts: tuple[str, ...] = ()

    @classmethod
    def of(cls, template: ChatTemplate, stops: Sequence[str]) -> Literals:
        """Read off a rendered conversation of :data:`PROBES`; ``stops`` are strings that end generation anyway."""
        pieces = _around(template, PROBES) or _around(template, PROBES[:2])
        if pieces is None:
            return cls({}, tuple(stops))
        begin, header, *between, tail = pieces
        last = _first_tag(tail)
        first = _first_tag(between[0]) if between else ""
        own = bool(between) and first != last and first not in stops and begin.endswith(between[0].lstrip())
        tags = ["" if own else first, last]  # all of what follows a reply may be the next question's header
        closing = tuple(dict.fromkeys(tag for tag in (*tags, *stops) if tag))
        headers = {"assistant": _header(header, closing), "user": _header(between[0] if between else begin, closing)}
        return cls(
            {role: header for role, header in headers.items() if header.strip()}, closing, _prompts(template, closing)
        )


def _around(template: ChatTemplate, probes: Sequence[str]) -> list[str] | None:
    """What the template writes before, between and after ``probes``; None where it does not render them in order
    (some take one question only)."""
    messages: list[Message] = [
        {"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(probes)
    ]
    try:
        text = template.render(messages)
    except TemplateError:
        return None
    places = [text.find(probe) for probe in probes]
    if min(places) < 0 or places != sorted(places):
        return None
    starts = [0, *(at + len(probe) for at, probe in zip(places, probes, strict=True))]
    return [text[start:stop] for start, stop in zip(starts, [*places, len(text)], strict=True)]


def _first_tag(text: str) -> str:
    """The tag that comes first, when nothing but white space is before it."""
    found = _TAG.match(text.lstrip())
    return found[0] if found else ""


def _header(text: str, ends: Sequence[str]) -> str:
    """The last turn's header out of what is between two texts: without the end of the turn before, and without an
    empty block of reasoning, which is the model's to write.

    Kept long enough to be told from data: from the last tag but one, or the last line that says something.
    """
    for end in ends:
        text = text.lstrip().removeprefix(end) if text.lstrip().startswith(end) else text
    if (thought := text.find("<think>")) > 0 and text[:thought].strip():
        text = text[:thought]
    tags = list(_TAG.finditer(text))
    if tags:
        first = tags[-2] if len(tags) > 1 and not text[tags[-1].end() :].strip() else tags[-1]
        return text[first.start() :]
    lines = text.rstrip("\n ").rfind("\n")
    return text[lines + 1 :]


def _prompts(template: ChatTemplate, ends: Sequence[str]) -> tuple[str, ...]:
    """The generation prompt behind a question, whole, and without white space and an opened thought at its end."""
    messages: list[Message] = [{"role": "user", "content": PROBES[0]}]
    try:
        plain, prompted = (template.render(messages, add_generation_prompt=flag) for flag in (False, True))
    except TemplateError:
        return ()
    tail = prompted[prompted.rfind(PROBES[0]) + len(PROBES[0]) :]
    behind = plain[plain.rfind(PROBES[0]) + len(PROBES[0]) :]
    shared = next((at for at, (a, b) in enumerate(zip(tail, behind, strict=False)) if a != b), len(behind))
    torn = [tag for tag in _TAG.finditer(tail) if tag.start() < shared < tag.end()]
    whole = tail[torn[0].start() if torn else shared :]
    if tail == behind:  # some templates write the prompt without being asked for it
        whole = _header(tail, ends)
    thought = _THOUGHT.search(whole)
    thoughtless = whole[: thought.start()] if thought else whole
    return tuple(dict.fromkeys(one for one in (whole, thoughtless, thoughtless.rstrip()) if one.strip()))
