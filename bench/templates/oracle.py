"""What a right mask is, by texts alone: no code of the masks is used.

Every text is of one message only, so a character in the loss that belongs to a user shows at once.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from sanetune.evidence.from_config import PreparationResult

Row = dict[str, Any]

_ENDED = re.compile(r"(?:<[^<>\s]+>|\[[^\s\[\]]+[\]\[])$")
"""A text that ends with what looks like a token of its own."""


@dataclass(slots=True)
class Rendered:
    """What transformers itself renders.

    Attributes:
        refused: Why it renders none of the rows.
        texts: (role, field) of texts that are in no row's rendering.
        partly: Those that are missing in some rows or turns.
        without_tools: Whether a row with tools renders as it does without them.
        made: Headers that the template makes out of the name of a role, and that it does not know as tokens.
        parted: How prompts of inference differ from the rendering of the whole row: ``white space``, ``text``.
        header: What inference appends before a reply.
    """

    rows: list[Row] = field(default_factory=list)
    refused: str = ""
    texts: set[tuple[str, str]] = field(default_factory=set)
    partly: set[tuple[str, str]] = field(default_factory=set)
    without_tools: bool = False
    made: set[str] = field(default_factory=set)
    parted: set[str] = field(default_factory=set)
    header: str = ""

    def explains(self, check: str, message: str) -> bool:
        """Whether a finding is true of the template."""
        if check == "template-drops-content":
            return bool(self.texts or self.partly or self.without_tools)
        if check == "tokens-split-specials":
            return any(f"splits {header} into" in message for header in self.made) and " and " not in message
        if check == "template-drift":
            return "text" in self.parted if message.startswith("fail") else bool(self.parted)
        return False


def rendered(data: list[Row], tokenizer: PreTrainedTokenizerFast) -> Rendered:
    """Render every row as transformers does, and look for every text."""
    found, there = Rendered(data), {}
    for row in data[:6]:
        try:
            text = _apply(tokenizer, row["messages"], row.get("tools"))
        except Exception as error:  # a template is a program, and may raise anything
            return Rendered(data, refused=f"{type(error).__name__}: {error}"[:200])
        if row.get("tools"):
            with contextlib.suppress(Exception):  # some templates cannot do without tools
                found.without_tools |= text == _apply(tokenizer, row["messages"], None)
        found.parted |= set(_partings(row, text, tokenizer))
        headers = {f"<|{message['role']}|>" for message in row["messages"]}
        found.made |= {one for one in headers if one in text and one not in str(tokenizer.chat_template)}
        for role, name, piece in pieces(row):
            there.setdefault((role, name), []).append(contains(piece, text))
    found.texts = {key for key, seen in there.items() if not any(seen)}
    found.partly = {key for key, seen in there.items() if not all(seen)} - found.texts
    found.header = _header(tokenizer, data[0])
    return found


def _partings(row: Row, text: str, tokenizer: PreTrainedTokenizerFast) -> Iterator[str]:
    """How the prompts of inference for each reply differ from the beginning of the whole rendering."""
    for number, message in enumerate(row["messages"]):
        if message["role"] != "assistant":
            continue
        try:
            prompt = _apply(tokenizer, row["messages"][:number], row.get("tools"), add_generation_prompt=True)
        except Exception:
            yield "text"
            continue
        if not text.startswith(prompt):
            yield "white space" if _dense(text).startswith(_dense(prompt)) else "text"


def _dense(text: str) -> str:
    return re.sub(r"\s+", "", text)


def contains(piece: str, text: str) -> bool:
    """Whether a text is in a rendering: as it is, escaped as in JSON, or as a JSON value whose parts are all there."""
    if any(spelling in text for spelling in spellings(piece)):
        return True
    try:
        value = json.loads(piece)
    except ValueError:
        return False
    return isinstance(value, dict) and all(
        any(spelling in text for spelling in spellings(str(part))) for part in value.values()
    )


def spellings(piece: str) -> list[str]:
    """A text as it is, and as it is within JSON."""
    return [piece, json.dumps(piece, ensure_ascii=False)[1:-1], json.dumps(piece)[1:-1]]


def pieces(row: Row) -> Iterator[tuple[str, str, str]]:
    """(role, field, text) of a row."""
    for message in row["messages"]:
        role = message["role"]
        for name in ("reasoning_content", "content"):
            if message.get(name):
                yield role, name, message[name].strip()
        for call in message.get("tool_calls") or ():
            yield role, "tool_calls", str(call["function"]["arguments"]["expression"])


def faults(prepared: PreparationResult, tokenizer: PreTrainedTokenizerFast, found: Rendered, loss_on: str) -> list[str]:
    """What is wrong with the tokens in the loss; nothing: they are right."""
    if prepared.prepared is None:
        return [f"not prepared: {prepared.error}"]
    if prepared.refused.count:
        return [f"not prepared: {prepared.refused.count} rows: {prepared.refused.errors[0].message}"]
    data, wrong = prepared.prepared, []
    for split, rows in (("train", data.train), ("validation", data.validation)):
        for number in range(min(4, len(rows or ()))):
            assert rows is not None
            row = _row_of(found.rows, data.conversation(split, number))
            example = rows[number]
            spans = _spans(example["input_ids"], example["labels"])
            wrong += _of_row(spans, row, tokenizer, found, loss_on)
    return wrong


def _row_of(rows: list[Row], conversation: Any) -> Row:
    said = [message["content"] for message in conversation.messages]
    return next(row for row in rows if [message["content"] for message in row["messages"]] == said)


def _spans(ids: list[int], labels: list[int]) -> list[list[int]]:
    spans: list[list[int]] = []
    before = False
    for token, label in zip(ids, labels, strict=True):
        if label >= 0:
            spans[-1:] = [[*spans[-1], token]] if before else [*spans[-1:], [token]]
        before = label >= 0
    return spans


def _of_row(
    spans: list[list[int]], row: Row, tokenizer: PreTrainedTokenizerFast, found: Rendered, loss_on: str
) -> Iterator[str]:
    texts = [tokenizer.decode(span, skip_special_tokens=False) for span in spans]
    trained = "\n".join(texts)
    last = max(number for number, message in enumerate(row["messages"]) if message["role"] == "assistant")
    for number, message in enumerate(row["messages"]):
        alone = {"messages": [message]}
        for role, name, piece in pieces(alone):
            there = contains(piece, trained)
            if role != "assistant" and there and not _quoted(piece, row, number):
                yield f"a text of {role} is in the loss: {piece[:60]!r}"
            skipped = loss_on == "last" and number != last
            dropped = (role, name) in found.texts | found.partly
            if role == "assistant" and not there and not skipped and not dropped:
                yield f"{name} of message {number} is not in the loss: {piece[:60]!r}"
            if role == "assistant" and there and skipped and not _quoted(piece, row, number):
                yield f"{name} of message {number} is in the loss, which is not the last"
    header = found.header.strip()
    for text in texts:
        if header and text.strip().startswith(header):
            yield f"the header is in the loss: {text[:60]!r}"
        elif header and text.strip().endswith(header):
            yield f"the next header is in the loss: {text[-60:]!r}"
    stops = {tokenizer.eos_token, *_stops(tokenizer)}
    ended = bool(texts) and (texts[-1].endswith(tuple(stop for stop in stops if stop)) or _ENDED.search(texts[-1]))
    if spans and not ended:
        yield f"the last turn's end is not in the loss: {texts[-1][-40:]!r}"


def _stops(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    return list(tokenizer.init_kwargs.get("bench_stops", ()))


def _quoted(piece: str, row: Row, own: int) -> bool:
    """Whether another message says the same."""
    others = [one for number, one in enumerate(row["messages"]) if number != own]
    return any(contains(piece, text) or piece in text for _, _, text in pieces({"messages": others}))


def _header(tokenizer: PreTrainedTokenizerFast, row: Row) -> str:
    """What inference appends before a reply, without a block of reasoning."""
    asked = [{"role": "user", "content": "bench question"}]
    try:
        plain, prompted = (_apply(tokenizer, asked, None, add_generation_prompt=flag) for flag in (False, True))
    except Exception:
        return ""
    header = prompted[len(plain) :] if prompted.startswith(plain) else ""
    return header.partition("<think>")[0]


def _apply(
    tokenizer: PreTrainedTokenizerFast,
    messages: list[dict[str, Any]],
    tools: Any,
    *,
    add_generation_prompt: bool = False,
) -> str:
    given = [dict(one, thinking=one["reasoning_content"]) if "reasoning_content" in one else one for one in messages]
    try:
        return _text(tokenizer, given, tools, add_generation_prompt)
    except Exception:
        parts = [
            dict(one, content=[{"type": "text", "text": one["content"]}] if one["content"] else []) for one in given
        ]
        return _text(tokenizer, parts, tools, add_generation_prompt)


def _text(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, Any]], tools: Any, prompted: bool) -> str:
    text = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=prompted)
    assert isinstance(text, str)
    return text
