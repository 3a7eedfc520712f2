"""Hand-made evidence for the checks on templates and tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from sanetune.data.conversation import Conversation
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import Place
from sanetune.evidence.batch_stats import BatchStats, SplitStats
from sanetune.evidence.conversations import ConversationStore
from sanetune.evidence.run_settings import RunSettings
from sanetune.evidence.saved_template import SavedTemplate
from sanetune.finding import Judgement, Measurement
from tests.checks.run_numbers import run_settings
from tests.data.chats import KINDS, TOOLS

SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def conversations(*many: list[dict[str, Any]], **more: Any) -> ConversationStore:
    """These messages as training rows."""
    train: Any = [Conversation(messages, Place("chats.jsonl", n + 1, n), **more) for n, messages in enumerate(many)]
    return chats(train)


def chats(train: Iterable[Conversation], validation: Iterable[Conversation] = ()) -> ConversationStore:
    sides: Any = (list(train), list(validation))
    return ConversationStore(*sides)


def plain() -> ConversationStore:
    return chats([Conversation([], Place("text.jsonl", 1, 0), text="Once upon a time")])


def all_kinds() -> ConversationStore:
    rows = [
        Conversation(messages, Place("chats.jsonl", n + 1, n), tools=TOOLS if kind == "tools" else None)
        for n, (kind, messages) in enumerate(KINDS.items())
    ]
    return chats(rows)


def template(source: str = CHATML) -> ChatTemplate:
    return ChatTemplate(source, SPECIALS)


def saved(source: str | None, trained: str | None = None) -> SavedTemplate:
    return SavedTemplate(source, trained if trained is not None else source)


@cache
def shipped() -> dict[str, str]:
    """TRL's templates by name, without those that it made for training."""
    import trl

    files = (Path(trl.__file__).parent / "chat_templates").glob("*.jinja")
    return {file.stem: file.read_text() for file in sorted(files) if not file.stem.endswith("_training")}


class Words:
    """What the checks ask of a tokenizer."""

    def __init__(self, **values: Any) -> None:
        self.chat_template: Any = CHATML
        self.special_tokens_map = SPECIALS
        self.bos_token, self.bos_token_id = "<s>", 1
        self.eos_token, self.eos_token_id = "</s>", 2
        self.unk_token, self.unk_token_id = "<unk>", 0
        self.pad_token_id: int | None = 3
        self.__dict__.update(values)

    def convert_ids_to_tokens(self, token: int) -> str | None:
        return {0: "<unk>", 1: "<s>", 2: "</s>", 3: "<pad>", 4: "<|im_end|>"}.get(token)


def batch_stats(validation: dict[str, Any] | None = None, **train: Any) -> BatchStats:
    """100 documents of 1,000 tokens and 100 turns in all, with these counters."""
    return BatchStats(_side("train", train), None if validation is None else _side("validation", validation))


def _side(name: str, counters: dict[str, Any]) -> SplitStats:
    values: dict[str, Any] = {"rows": 100, "documents": 100, "tokens": 1000, "turns": 100, "ends": Counter({2: 100})}
    return SplitStats(name, **(values | counters))


def settings(**values: Any) -> RunSettings:
    """Settings with nothing in them but these."""
    return run_settings(**values)


def judged(check: Any, measurement: Measurement, **limits: Any) -> Judgement:
    """The verdict with the check's own limits, or these."""
    values = {name: limit.value for name, limit in getattr(check, "LIMITS", {}).items()}
    judgement: Judgement = check.judge(measurement, values | limits)
    assert len(judgement.message) < 420
    return judgement
