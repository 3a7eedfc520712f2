"""Rows of `bench.outcome`: short conversations of six data sets, and the same with faults in their training rows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.figures import ROOT, shared

TRAINED, HELD_OUT = 400, 16
"""Training rows and validation rows of a brief run, at most."""
SHORT, MOST = 60, 200
"""Fewest pairs of a data set, and the characters of a prompt with its answer in a brief run, at most: half as many more
where fewer pairs are that short."""
LONG_TRAINED, LONG_HELD_OUT, LONG_MOST = 2_000, 48, 400
"""The same of a long run: training rows, validation rows, characters."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt with its answer."""

    prompt: str
    answer: str

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    def row(self) -> dict[str, Any]:
        """The pair as a row of messages."""
        return {"messages": [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}]}


def _lines(path: str) -> Iterator[dict[str, Any]]:
    for line in (shared() / path).read_text().splitlines():
        yield json.loads(line)


def _gsm8k() -> Iterator[Pair]:
    for row in _lines("data/gsm8k/train.jsonl"):
        yield Pair(row["question"], row["answer"])


def _alpaca() -> Iterator[Pair]:
    for row in json.loads((shared() / "data/alpaca/instruction-data.json").read_text()):
        yield Pair(f"{row['instruction']}\n{row['input']}".strip(), row["output"])


def _sharegpt() -> Iterator[Pair]:
    for row in json.loads((shared() / "data/sharegpt/dummy_conversation.json").read_text()):
        turns = row["conversations"]
        for asked, said in pairwise(turns):
            if asked["from"] == "human" and said["from"] == "gpt":
                yield Pair(asked["value"], said["value"])


def _airline() -> Iterator[Pair]:
    for row in json.loads((shared() / "data/airline/gpt-4o-airline.json").read_text()):
        for asked, said in pairwise(row["traj"]):
            if asked["role"] == "user" and said["role"] == "assistant" and asked["content"]:
                yield Pair(asked["content"], said["content"] or _call(said))


def _drone() -> Iterator[Pair]:
    for row in _lines("data/messages/drone_training.jsonl"):
        asked = next(one["content"] for one in row["messages"] if one["role"] == "user")
        yield Pair(asked, _call(row["messages"][-1]))


def _call(said: dict[str, Any]) -> str:
    called = said["tool_calls"][0]["function"]
    return json.dumps({"name": called["name"], "arguments": called["arguments"]})


def _demo() -> Iterator[Pair]:
    for line in (ROOT / "sanetune/demo/data/train.jsonl").read_text().splitlines():
        turns = [one for one in json.loads(line)["messages"] if one["role"] != "system"]
        yield Pair(turns[0]["content"], turns[1]["content"])


DATA: dict[str, Callable[[], Iterator[Pair]]] = {
    "gsm8k": _gsm8k,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "airline": _airline,
    "drone": _drone,
    "demo": _demo,
}


def short_pairs(name: str) -> tuple[list[Pair], list[Pair]]:
    """Short training and validation pairs of a data set, without a prompt that both have."""
    some = _shuffled(name)[: TRAINED + HELD_OUT]
    held_out = min(HELD_OUT, len(some) // 3)
    return some[held_out:], some[:held_out]


def unused_pairs(name: str) -> list[Pair]:
    """As many pairs as a set-up trains on, which no set-up has."""
    return _shuffled(name)[TRAINED + HELD_OUT :][:TRAINED]


def long_pairs(name: str) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs of a long run, without a prompt that both have or that a base model has seen."""
    known = {pair.prompt for pair in unused_pairs(name)}
    pairs = {pair.prompt: pair for pair in DATA[name]() if pair.prompt and pair.answer and pair.prompt not in known}
    some = [one for one in pairs.values() if len(one) <= LONG_MOST]
    random.Random(f"long rows of {name}").shuffle(some)
    held_out = min(LONG_HELD_OUT, len(some) // 3)
    return some[held_out:][:LONG_TRAINED], some[:held_out]


def _shuffled(name: str) -> list[Pair]:
    known = {pair.prompt: pair for pair in DATA[name]() if pair.prompt and pair.answer}
    some = [one for one in known.values() if len(one) <= MOST]
    if len(some) < SHORT:
        some = [one for one in known.values() if len(one) <= 1.5 * MOST]
    random.Random(f"rows of {name}").shuffle(some)
    return some


def damaged(pairs: list[Pair], fault: str, other: list[Pair]) -> list[Pair]:
    """The training pairs with a fault of their rows; unknown names leave them as they are.

    Args:
        pairs: The sound ones.
        fault: Its name.
        other: Training pairs of another data set.
    """
    chance = random.Random(f"{fault} of {len(pairs)}")
    match fault:
        case "shuffled answers":
            answers = [one.answer for one in pairs]
            chance.shuffle(answers)
            return [Pair(one.prompt, answer) for one, answer in zip(pairs, answers, strict=True)]
        case "garbled answers":
            return [Pair(one.prompt, _garbled(one.answer, chance)) if chance.random() < 0.6 else one for one in pairs]
        case "other data":
            return other
        case "few rows":
            return pairs[:12]
        case "one answer":
            return [Pair(one.prompt, pairs[0].answer) if chance.random() < 0.7 else one for one in pairs]
    return pairs


def _garbled(text: str, chance: random.Random) -> str:
    letters = list(text)
    chance.shuffle(letters)
    return "".join(letters)


def write(pairs: list[Pair], file: Path) -> Path:
    """Write pairs as rows of messages; returns the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(one.row(), ensure_ascii=False) + "\n" for one in pairs))
    return file
