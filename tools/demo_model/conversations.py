"""Customer-service conversations in the house form, and the held-out prompts the demo is judged by.

The house form of an answer has four parts, each after an empty line:

    Hello Mara,                                    greeting by name
    thank you for ... The walnut tray of order 48213 ...   the facts of the message
    Next step: we send you a label ...             what happens now
    Kind regards,                                  sign-off of the shop, with the clerk if the system prompt names one
    the Lindenhof shop team
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tools.demo_model.phrases import (
    FOLLOW_UPS,
    KINDS,
    MOODS,
    NAMELESS,
    NEXT,
    OPENINGS,
    ORDER_LINES,
    SIGNATURES,
    SORRY,
    SYSTEMS,
    THANKS,
    Kind,
)
from tools.demo_model.world import CUSTOMERS, Case, draw_case

TRAIN, VALIDATION, PROMPTS = 1500, 150, 50
#: How many turns a conversation has: mostly one.
TURNS = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
#: Share of conversations with a system prompt.
SYSTEM_SHARE = 0.35


@dataclass(frozen=True)
class Conversation:
    """Messages that end with the shop's answer, and the facts that this answer must hold."""

    messages: list[dict[str, str]]
    facts: dict[str, str]

    def row(self) -> dict:
        """The line of a training file."""
        return {"messages": self.messages}

    def prompt(self) -> dict:
        """The line of the prompts file: all but the last answer, which its facts judge."""
        return {"messages": self.messages[:-1], "facts": self.facts}


@dataclass(frozen=True)
class Tone:
    """What stays the same through a conversation: greeting word, closing word, and who signs (None: the team)."""

    greeting: str
    closing: str
    clerk: str | None


def capitalised(text: str) -> str:
    """`text` with its first letter large; the rest, names above all, as it is."""
    return text[:1].upper() + text[1:]


def first_message(rng: Random, kind: Kind, slots: dict[str, str]) -> tuple[str, str]:
    """The greeting word that suits the customer's first message, and the message."""
    mood = rng.choice(["angry", "terse"] if kind.complaint and rng.random() < 0.6 else ["polite", "terse"])
    sentences = [rng.choice(kind.asks)]
    if kind.numbered:
        sentences.insert(rng.randint(0, 1), rng.choice(ORDER_LINES))
    sentences.append(rng.choice(MOODS[mood]))
    if rng.random() < 0.6:
        greeting, opening = rng.choice(OPENINGS)
    else:
        greeting, opening = rng.choice(NAMELESS)
        sentences.append(rng.choice(SIGNATURES))
    text = " ".join(part for part in [opening, *sentences] if part)
    return greeting, text.format(**slots)


def answer(rng: Random, kind: Kind, slots: dict[str, str], tone: Tone) -> str:
    """The shop's answer in the house form."""
    opener = rng.choice(SORRY if kind.complaint else THANKS)
    fact = rng.choice(kind.answers).format(**slots)
    signature = f"{tone.clerk} from the Lindenhof shop team" if tone.clerk else "the Lindenhof shop team"
    return "\n\n".join(
        [
            f"{tone.greeting} {slots['first']},",
            f"{opener} {capitalised(fact)}",
            f"{rng.choice(NEXT)} {rng.choice(kind.steps)}",
            f"{tone.closing} regards,\n{signature}",
        ]
    )


def subject_of(kind: Kind) -> tuple[str, str | None]:
    """How later answers name what the conversation is about, and the fact this holds."""
    if "order" in kind.facts:
        return "order {order}", "order"
    if "product" in kind.facts:
        return "the {product}", "product"
    return "your visit", None


def conversation(rng: Random, names: list[str]) -> Conversation:
    """One conversation with a customer called by one of `names`."""
    case: Case = draw_case(rng, names)
    kind = KINDS[rng.choice(list(KINDS))]
    subject, subject_fact = subject_of(kind)
    slots = case.slots()
    slots["subject"] = subject.format(**slots)

    greeting, text = first_message(rng, kind, slots)
    messages, wanted, clerk = [], None, None
    if rng.random() < SYSTEM_SHARE:
        wanted, signs, system = rng.choice(SYSTEMS)
        clerk = case.clerk if signs else None
        messages.append({"role": "system", "content": system.format(**slots)})
    tone = Tone(wanted or greeting, "Kind" if kind.complaint else "Best", clerk)

    messages.append({"role": "user", "content": text})
    messages.append({"role": "assistant", "content": answer(rng, kind, slots, tone)})
    facts = {fact: slots[fact] for fact in kind.facts}
    for later in rng.sample(list(FOLLOW_UPS), rng.choice(TURNS) - 1):
        follow_up = FOLLOW_UPS[later]
        messages.append({"role": "user", "content": rng.choice(follow_up.asks).format(**slots)})
        messages.append({"role": "assistant", "content": answer(rng, follow_up, slots, tone)})
        facts = {fact: slots[fact] for fact in follow_up.facts}
        if subject_fact:
            facts[subject_fact] = slots[subject_fact]
    if clerk:
        facts["clerk"] = clerk
    return Conversation(messages, {"name": case.first} | facts)


def conversations(seed: int, split: str) -> list[Conversation]:
    """All conversations of a split (`train`, `validation` or `prompts`), the same for the same seed, none twice.

    Customers of all splits have the same few hundred names; what they ask, with which numbers, is drawn anew.
    """
    count = {"train": TRAIN, "validation": VALIDATION, "prompts": PROMPTS}[split]
    rng = Random(f"{seed}/{split}")
    return [conversation(rng, CUSTOMERS) for _ in range(count)]
