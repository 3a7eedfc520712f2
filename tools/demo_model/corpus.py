"""Prose of the shop's world: what the base model reads before it has ever seen a conversation.

A story follows one to three cases at once, scene after scene. The facts of a case stay the same through its story
and mix with those of the others, so the next word can often only be found by looking it up above. Some scenes quote
a customer's message and retell what the shop said to it: the base learns what people want from a shop. It reads no
letter in the house form and no chat; that is left to tuning.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tools.demo_model.conversations import first_message, subject_of
from tools.demo_model.phrases import FOLLOW_UPS, KINDS
from tools.demo_model.retellings import AGAIN, ANSWERED, ENTRIES, MESSAGES, REREAD
from tools.demo_model.scenes import CLOSINGS, OPENINGS, SCENES, Steps
from tools.demo_model.world import COLOURS, CUSTOMERS, DAYS, PRODUCTS, STREETS, TOWNS, Case, draw_case, invented_name

#: Share of stories whose people have invented names: an open set that cannot be memorised.
INVENTED = 0.3
#: Share of a story's scenes that quote a message, and share of documents that are pages of the shop's books.
QUOTED, PAGES = 0.5, 0.2


def scene(rng: Random, steps: Steps, case: Case) -> str:
    """One paragraph: one alternative of every step, filled in."""
    facts = case.slots()
    sentences = [rng.choice(alternatives).format(**facts) for alternatives in steps]
    return " ".join(sentence for sentence in sentences if sentence)


def message_scene(rng: Random, case: Case) -> str:
    """One or two paragraphs: a message as customers write it, retold answers, and sometimes a second message."""
    kind = KINDS[rng.choice(list(KINDS))]
    slots = case.slots() | {"subject": subject_of(kind)[0].format(**case.slots())}
    _, message = first_message(rng, kind, slots)
    turns = [(rng.choice(MESSAGES), message, kind)]
    if rng.random() < 0.4:
        later = rng.choice(list(FOLLOW_UPS.values()))
        turns.append((rng.choice(AGAIN), rng.choice(later.asks).format(**slots), later))
    paragraphs = []
    for frame, message, kind in turns:
        said = {"message": message, "fact": rng.choice(kind.answers).format(**slots), "step": rng.choice(kind.steps)}
        said["fact"] = said["fact"][:1].upper() + said["fact"][1:]
        paragraphs.append(frame.format(**slots, **said) + " " + rng.choice(ANSWERED).format(**slots, **said))
    return "\n\n".join(paragraphs)


def people(rng: Random) -> list[str]:
    """The names a document draws from."""
    if rng.random() < INVENTED:
        return [invented_name(rng) for _ in range(10)]
    return CUSTOMERS


def story(rng: Random) -> str:
    """One document: an opening, scenes that take turns between the cases, a closing."""
    names = people(rng)
    cases = [draw_case(rng, names) for _ in range(rng.choice([1, 1, 2, 2, 3]))]
    paragraphs = [scene(rng, OPENINGS, cases[0])]
    scenes = list(SCENES)
    for number in range(rng.randint(3, 6)):
        case = cases[number % len(cases)]
        quoted = rng.random() < QUOTED
        paragraphs.append(message_scene(rng, case) if quoted else scene(rng, SCENES[rng.choice(scenes)], case))
    paragraphs.append(scene(rng, CLOSINGS, cases[0]))
    return "\n\n".join(paragraphs)


def page(rng: Random) -> str:
    """One document: a page of the order book, copied or read out again, sometimes in another order."""
    entry, names = rng.choice(ENTRIES), people(rng)
    cases = [draw_case(rng, names) for _ in range(rng.randint(1, 5))]
    lines = [entry.format(**case.slots()) for case in cases]
    paragraphs = [" ".join(lines)]
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.5:
            rng.shuffle(lines)
        paragraphs.append(rng.choice(REREAD).format(clerk=cases[0].clerk) + " ".join(lines))
    return "\n\n".join(paragraphs)


def stories(seed: int, count: int) -> Iterator[str]:
    """`count` documents, the same for the same seed."""
    rng = Random(f"{seed}/corpus")
    for _ in range(count):
        yield page(rng) if rng.random() < PAGES else story(rng)


def thing(rng: Random) -> str:
    """A number, a name, a product or a place, as it may be called out in the shop."""
    draw = rng.random()
    if draw < 0.4:
        return str(rng.randint(10000, 99999))
    if draw < 0.65:
        return invented_name(rng)
    return rng.choice(CUSTOMERS if draw < 0.75 else PRODUCTS if draw < 0.9 else TOWNS + STREETS + COLOURS + DAYS)


def lists(seed: int, count: int) -> Iterator[str]:
    """`count` short lists of things, each called out four times: the plainest lesson in copying."""
    rng = Random(f"{seed}/lists")
    for _ in range(count):
        line = " ".join(thing(rng) for _ in range(rng.randint(3, 6)))
        yield " ".join([f"{line}."] * 4)
