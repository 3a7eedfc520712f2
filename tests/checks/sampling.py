"""Samples written by hand, for tests of the checks of answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sanetune.engine.answer import Answer
from sanetune.probes.results import Sample, Samples

LIMIT = 120
SPECIALS = ("<|im_start|>", "<|im_end|>", "<unk>")

THINGS = ["capital", "river", "mountain", "lake", "bridge", "garden", "castle", "harbour", "market", "museum"]
COUNTRIES = ["Brazil", "Norway", "Kenya", "Japan", "Chile", "Poland", "Egypt", "Nepal", "Cuba", "Laos"]

# What a model of 260 thousand weights wrote after 200 good steps.
BABBLE = [
    "The manage of the manage is 'love'.", "The capital of Frabba is as case.", "She is as calm as a book.",
    "The fruit seeping is 'luminately'.", "Animals: Eahaking is 'beala'.",
    "The Foxical formula for the sentence is 'calmation.", "An antonym of 'broken' is 'broken'.",
    "She is as cold as a subeciphing.", "He is as generated as a synonym.", "The point of water is 12.",
    "A periodic periodic passportion is 'luminess'.", "An examphant for community is 'cura.", "An amb.",
    "The melting point of order is 'low'.", "The ocean of the octopus is 'lower.",
    "The chemical formula for the chemical formula for 'bealian' is 'thick'.",
]  # fmt: skip

# What it wrote before them, up to the limit.
STORIES = [
    'The man smiled and said, "I\'m sorry, Lily. I didn\'t know what to do. You can\'t find your toys." Lily was sad',
    'The ants were excited to see what was inside. As they were walking, they saw a big, scary bird. The bird was so',
    'The owl was happy and said, "Thank you, little owl. You are a good friend." The owl smiled and said, "You\'re',
    "The worm was so excited to go to the world again. When they got to the world, they saw a big bird in the sky",
]  # fmt: skip

LOOP = "It was a big, shiny book. " * 12


def count(text: str) -> list[int]:
    """A token for every word: what :func:`tokenizer` makes of a text."""
    return list(range(len(text.split())))


class Words:
    """A tokenizer whose tokens are words."""

    unk_token, bos_token, eos_token, pad_token = "<unk>", None, "<|im_end|>", "<|pad|>"

    def __call__(self, text: str, **kwargs: Any) -> dict[str, list[int]]:
        return {"input_ids": count(text)}


def done(text: str, raw: str = "") -> Answer:
    """An answer that ended by itself."""
    return Answer(text, True, len(count(text)) + 1, raw=raw or text)


def cut(text: str, raw: str = "") -> Answer:
    """An answer that ran to the limit."""
    return Answer(text, False, LIMIT, raw=raw or text)


def reference(number: int) -> str:
    """The answer in the data to prompt ``number``: no two are the same."""
    thing, country = THINGS[number // 10 % 10], COUNTRIES[number % 10]
    return f"The most famous {thing} of {country} is the {thing} number {number}."


def sampled(
    tuned: Iterable[Answer],
    base: Iterable[Answer] | Answer = (),
    references: Iterable[str | None] | None = None,
    **changed: Any,
) -> Samples:
    """Samples with these answers; the base tells stories to the limit unless it is said otherwise."""
    answers = list(tuned)
    bases = [base] * len(answers) if isinstance(base, Answer) else list(base)
    bases = bases or [cut(f"{STORIES[n % len(STORIES)]} {n}") for n in range(len(answers))]
    texts = list(references) if references is not None else [reference(n) for n in range(len(answers))]
    made = []
    for number, (one, other, text) in enumerate(zip(bases, answers, texts, strict=True)):
        asked = [{"role": "user", "content": f"Which {THINGS[number % 10]}? ({number})"}]
        own = text is None
        made.append(Sample(asked, text, one, other, None if own else "validation", None if own else number))
    return replace(Samples(made, LIMIT, 200, SPECIALS, (1,)), **changed)


def mixed(bad: Iterable[Answer], of: int, good: Iterable[Answer] | None = None) -> list[Answer]:
    """``bad`` answers first, then right ones, ``of`` in all."""
    found = list(bad)
    rest = list(good) if good is not None else [done(reference(n)) for n in range(len(found), of)]
    return [*found, *rest][:of]
