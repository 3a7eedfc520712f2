"""Real rows as token ids and labels: what is in the loss is an assistant's answer, the same for every system."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bench.figures import shared

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row = dict[str, list[int]]
SYSTEM_TOKENS = 500
LONGEST = 2048
"""Tokens of a row; longer ones are left out."""


def alpaca(tokenizer: PreTrainedTokenizerBase, system: str = "") -> Iterator[Row]:
    """One question and answer per row, of some 57 tokens."""
    first = [{"role": "system", "content": system}] if system else []
    for row in json.loads((shared() / "data/alpaca/instruction-data.json").read_text()):
        question = {"role": "user", "content": f"{row['instruction']}\n{row['input']}".strip()}
        yield encoded(tokenizer, [*first, question], {"role": "assistant", "content": row["output"]})


def alpaca_system(tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
    """The same under a system prompt of some 500 tokens: the beginning of the airline's policy."""
    policy = airline_conversations()[0][0]["content"]
    cut = tokenizer.decode(tokenizer(policy)["input_ids"][:SYSTEM_TOKENS])
    return alpaca(tokenizer, cut)


def gsm8k(tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
    """School mathematics."""
    for line in (shared() / "data/gsm8k/train.jsonl").read_text().splitlines():
        row = json.loads(line)
        question, answer = ({"role": role, "content": row[name]} for role, name in ROLES)
        yield encoded(tokenizer, [question], answer)


ROLES = (("user", "question"), ("assistant", "answer"))


def airline(tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
    """A customer service with tools, unrolled into one row per assistant turn, in random order.

    A batch has turns of different conversations then, which share the policy alone.
    """
    draw = random.Random(0)
    conversations = airline_conversations()
    draw.shuffle(conversations)
    for messages in conversations:
        answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
        row = turn(tokenizer, messages, draw.choice(answers))
        if len(row["input_ids"]) <= LONGEST:
            yield row


def airline_in_order(tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
    """The same in the order of the conversations, so that a batch has several turns of one."""
    for messages in airline_conversations():
        for number, message in enumerate(messages):
            if message["role"] == "assistant":
                row = turn(tokenizer, messages, number)
                if len(row["input_ids"]) > LONGEST:
                    break
                yield row


def turn(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], number: int) -> Row:
    """The row of one assistant turn: all messages before it are its prompt."""
    return encoded(tokenizer, messages[:number], messages[number])


def airline_conversations() -> list[list[dict[str, str]]]:
    """Messages of role and content; a tool call is the JSON that calls it."""
    file = shared() / "data/airline/gpt-4o-airline.json"
    return [
        [
            {
                "role": message["role"],
                "content": json.dumps([call["function"] for call in message["tool_calls"]])
                if message.get("tool_calls")
                else str(message["content"]),
            }
            for message in row["traj"]
        ]
        for row in json.loads(file.read_text())
    ]


def encoded(tokenizer: PreTrainedTokenizerBase, prompt: list[dict[str, str]], answer: dict[str, str]) -> Row:
    """A row with the answer, and what ends it, in the loss."""
    options: dict[str, Any] = {"tokenize": True, "return_dict": False}
    start = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, **options)
    ids = tokenizer.apply_chat_template([*prompt, answer], **options)
    assert ids[: len(start)] == start, "the prompt is not a beginning of the whole"
    return {"input_ids": ids, "labels": [-100] * len(start) + ids[len(start) :]}


DATA: dict[str, Callable[[PreTrainedTokenizerBase], Iterator[Row]]] = {
    "alpaca": alpaca,
    "gsm8k": gsm8k,
    "alpaca-system": alpaca_system,
    "airline": airline,
    "airline-in-order": airline_in_order,
}
"""Name of the data -> its rows."""
