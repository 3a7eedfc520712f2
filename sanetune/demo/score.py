"""The judge of the demo: does a reply keep the house form, copy the facts right, and end by itself?

Pure text, no model: form and facts are judged apart, so that a polite letter with a wrong order number is counted
as what it is. In doubt a reply is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = r"[^\W\d_]+"
#: The four parts of the house form, in order, and nothing else before, between or after them.
HOUSE_FORM = re.compile(
    rf"(?:Hello|Dear|Good morning|Good evening) {NAME},\n\n"
    r"(?P<body>[^\n]+[.!?])\n\n"
    r"(?:Next step:|As the next step,|Next,) (?P<step>[^\n]+\.)\n\n"
    rf"(?:Kind|Best) regards,\n(?:{NAME} from )?the Lindenhof shop team"
)
#: A body or a next step shorter than this many words says nothing.
FEWEST_WORDS = 4
NUMBER = re.compile(r"\d+(?:[.:]\d+)*")


@dataclass(frozen=True)
class Reply:
    """What a model wrote for one prompt, and whether it stopped by a stop token (and not because room ran out)."""

    text: str
    ended: bool


def in_form(text: str) -> bool:
    """Whether `text` is a letter in the house form, whole: greeting by name, body, next step, sign-off."""
    letter = HOUSE_FORM.fullmatch(text.strip())
    return letter is not None and all(len(letter[part].split()) >= FEWEST_WORDS for part in ("body", "step"))


def holds(text: str, fact: str) -> bool:
    """Whether `fact` is in `text` as whole words, letter by letter: 4821 is not in 48213, Mara not in Marat."""
    return re.search(rf"(?<![\w.:]){re.escape(fact)}(?![.:]?\w)", text) is not None


def facts_right(text: str, prompt: dict) -> bool:
    """Whether `text` holds every fact of the prompt, and no number that nobody in the prompt has written."""
    facts = prompt["facts"]
    if not facts:
        raise ValueError("a prompt without facts cannot be judged")
    written = {number for message in prompt["messages"] for number in NUMBER.findall(message["content"])}
    invented = set(NUMBER.findall(text)) - written
    return not invented and all(holds(text, fact) for fact in facts.values())


def score(replies: list[Reply], prompts: list[dict]) -> dict[str, float]:
    """Shares from 0 to 1 over all prompts: replies in form, with right facts, and ended by themselves."""
    if not prompts or len(replies) != len(prompts):
        raise ValueError(f"{len(replies)} replies for {len(prompts)} prompts: each prompt needs one")
    count = len(prompts)
    return {
        "in_form": sum(in_form(reply.text) for reply in replies) / count,
        "facts_right": sum(map(facts_right, (reply.text for reply in replies), prompts)) / count,
        "ends_itself": sum(reply.ended for reply in replies) / count,
    }
