"""The last question of rows, and how often the same one comes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.finding import Witness
from sanetune.text import normalise

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.evidence.conversations import ConversationStore


@dataclass(frozen=True, slots=True)
class RepeatedQuestion:
    """The last question that most of ``rows`` have: ``count`` of them, not counting rows with the same answer to it."""

    rows: int
    count: int
    witnesses: list[Witness]


def repeated_question(conversations: ConversationStore, shortest: int) -> RepeatedQuestion:
    """Return the most repeated of the last questions that have ``shortest`` characters or more.

    Earlier turns may differ. Rows whose system messages differ are left out: there the question is an instruction, and
    the system message holds what it is about.
    """
    import xxhash

    rows = 0
    answers: dict[int, Counter[int]] = {}
    systems: dict[int, Counter[int]] = {}
    for side in conversations.sides:
        for conversation in side:
            found = _last_exchange(conversation)
            if found is None:
                continue
            rows += 1
            question, answer = (normalise(text).encode("utf-8", "replace") for text in found)
            if len(question) >= shortest:
                key, reply = xxhash.xxh3_64_intdigest(question), xxhash.xxh3_64_intdigest(answer)
                answers.setdefault(key, Counter())[reply] += 1
                systems.setdefault(key, Counter())[hash(_system(conversation))] += 1
    answers = {key: counts for key, counts in answers.items() if 2 * max(systems[key].values()) > systems[key].total()}
    most = max(answers, key=lambda key: len(answers[key]), default=None)
    if most is None or len(answers[most]) < 2:
        return RepeatedQuestion(rows, 0, [])
    count = len(answers[most])
    return RepeatedQuestion(rows, count, _witnesses(conversations, most, count))


def _system(conversation: Conversation) -> str:
    first = conversation.messages[0]
    return first["content"] if first["role"] in ("system", "developer") else ""


def _last_exchange(conversation: Conversation) -> tuple[str, str] | None:
    """What the user says last before the last answer, and that answer."""
    messages = conversation.messages
    last = next((i for i in reversed(range(len(messages))) if messages[i]["role"] == "assistant"), None)
    if last is None or last == 0 or messages[last - 1]["role"] != "user":
        return None
    return messages[last - 1]["content"], f"{messages[last]['content']} {messages[last].get('tool_calls') or ''}"


def _witnesses(conversations: ConversationStore, key: int, count: int) -> list[Witness]:
    """Two rows with the question."""
    import xxhash

    from sanetune.checks._excerpts import outline

    shown: list[Witness] = []
    for side in conversations.sides:
        for conversation in side:
            found = _last_exchange(conversation)
            if found and xxhash.xxh3_64_intdigest(normalise(found[0]).encode("utf-8", "replace")) == key:
                note = f"this question ends {count:,} rows with other answers"
                shown.append(Witness(outline(conversation), conversation.place, note, split=side.name))
                if len(shown) == 2:
                    return shown
    return shown
