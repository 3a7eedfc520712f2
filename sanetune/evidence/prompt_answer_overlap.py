"""Whether answers belong to their prompts, told from the words they share."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sanetune.data.conversation import Conversation, Message

if TYPE_CHECKING:
    from sanetune.evidence.conversations import ConversationStore
    from sanetune.probes.results import PromptSwapGain

ROWS = 2_000
"""Rows that are compared, spread over all."""
OTHERS = 10
"""Prompts of other rows that each answer is compared with."""
LONGEST = 20_000
"""Characters of a text that are read."""

_WORD = re.compile(r"\w+")

PairOf: TypeAlias = Callable[[Conversation], tuple[set[str], set[str]] | None]
"""Gives the words of a prompt and of its answer, or None where a row has none of either."""


@dataclass(frozen=True, slots=True)
class Association:
    """Over ``rows``: the weight of the words that an answer shares with its own prompt (``own``), how much more that is
    than with other rows' prompts (``more``), and that in standard errors (``t``). ``words``: of the median answer;
    ``different``: answers with other words than every one before, as a share."""

    rows: int
    own: float
    more: float
    t: float
    words: float
    different: float = 1.0


@dataclass(frozen=True, slots=True)
class PromptAnswerOverlap:
    """Whether answers belong to their prompts: by their words and by the model.

    Attributes:
        words: By the words that prompts and answers share.
        model: By the base model; None where it could not be measured.
        some: Rows to show.
        after: By the model after its trial, on validation rows; None where there was no trial.
    """

    words: Association
    model: PromptSwapGain | None
    some: list[Conversation]
    after: PromptSwapGain | None = None


def association(conversations: ConversationStore, pair_of: PairOf | None = None) -> Association:
    """Return how much more words answers share with their own prompts than with other rows' prompts.

    ``pair_of`` gives the words of a row's prompt and answer; unset, :func:`first_pair`.

    Words weigh by how rare they are among the rows, ln(rows / rows with it), as in document retrieval.
    """
    import numpy as np

    pair_of = pair_of or first_pair
    step = max(1, math.ceil(len(conversations.train) / ROWS))
    pairs = [
        pair
        for number, conversation in enumerate(conversations.train)
        if number % step == 0 and (pair := pair_of(conversation))
    ]
    count = len(pairs)
    if count < 2:
        return Association(count, 0.0, 0.0, 0.0, 0.0)
    rows_with = Counter(word for prompt, answer in pairs for word in prompt | answer)
    weight = {word: math.log(count / rows) for word, rows in rows_with.items()}

    def shared(prompt: set[str], answer: set[str]) -> float:
        return sum(weight[word] for word in prompt & answer)

    chance = random.Random(0)
    own, more = [], []
    for number, (prompt, answer) in enumerate(pairs):
        others = [other for other in chance.sample(range(count), min(OTHERS + 1, count)) if other != number][:OTHERS]
        own.append(shared(prompt, answer))
        more.append(own[-1] - sum(shared(pairs[other][0], answer) for other in others) / len(others))
    spread = float(np.std(more, ddof=1)) / math.sqrt(count)
    t = float(np.mean(more)) / spread if spread else 0.0
    sizes = float(np.median([len(answer) for _, answer in pairs]))
    different = len({frozenset(answer) for _, answer in pairs}) / count
    return Association(count, float(np.mean(own)), float(np.mean(more)), t, sizes, different)


def first_pair(conversation: Conversation) -> tuple[set[str], set[str]] | None:
    """The words of the user before the first answer, and of that answer; None where there are none of either."""
    at = next((number for number, message in enumerate(conversation.messages) if message["role"] == "assistant"), None)
    if at is None:
        return None
    asked = " ".join(str(message["content"]) for message in conversation.messages[:at] if message["role"] == "user")
    return _words(asked, conversation.messages[at])


def last_pair(conversation: Conversation) -> tuple[set[str], set[str]] | None:
    """The words of all that precedes the last answer, without the system message, and of that answer; None where a row
    has fewer than two answers."""
    places = [number for number, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    if len(places) < 2:
        return None
    before = (m for m in conversation.messages[: places[-1]] if m["role"] not in ("system", "developer"))
    return _words(" ".join(str(message["content"]) for message in before), conversation.messages[places[-1]])


def _words(asked: str, reply: Message) -> tuple[set[str], set[str]] | None:
    answered = f"{reply['content']} {reply.get('tool_calls') or ''}"
    prompt, answer = (set(_WORD.findall(text[-LONGEST:].casefold())) for text in (asked, answered))
    return (prompt, answer) if prompt and answer else None
