"""``openai-harmony``: OpenAI's own tokenization of conversations for gpt-oss.

It has no loss masks. A turn is what follows ``<|start|>assistant``, the prompt that it gives at inference, up to and
with the token that ends the turn. The package fetches its vocabulary from the network; ``TIKTOKEN_ENCODINGS_BASE``
names a folder with ``o200k_base.tiktoken`` where there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.templates.oracles import Family, Sample, turns
from bench.templates.shapes import loss_on
from bench.templates.sources import Source

if TYPE_CHECKING:
    from openai_harmony import HarmonyEncoding, Message
    from transformers import PreTrainedTokenizerFast

    from bench.templates.tokenizers import Tokenizers

NAME = "openai_harmony"
FOLDER = "TIKTOKEN_ENCODINGS_BASE"
FILE = "o200k_base.tiktoken"
WORDS = 199_998
"""Tokens of the vocabulary before the special ones."""
SPECIALS = 90
"""Special tokens after them that a conversation can have."""


def families(sources: Sequence[Source], tokenizers: Tokenizers) -> Iterator[Family]:
    """The template of gpt-oss."""
    from openai_harmony import HarmonyEncodingName, load_harmony_encoding

    if FOLDER not in os.environ:
        raise SystemExit(f"openai-harmony: set {FOLDER} to a folder with {FILE}")
    encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
    tokenizer = _tokenizer(Path(os.environ[FOLDER]) / FILE, encoding)
    for source in sources:
        if source.origin == "trl" and source.name == "gptoss":
            tokenizer.chat_template = source.text
            yield Family(source, tokenizer, partial(_rendered, encoding))


def _tokenizer(file: Path, encoding: HarmonyEncoding) -> PreTrainedTokenizerFast:
    """The vocabulary as a tokenizer of transformers, with the special tokens at their ids."""
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    specials = [encoding.decode([WORDS + number]) for number in range(SPECIALS)]
    pattern = (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    made = TikTokenConverter(vocab_file=str(file), pattern=pattern, extra_special_tokens=specials).converted()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|return|>", pad_token="<|endoftext|>")
    tokenizer.init_kwargs["own_eos"] = tokenizer.eos_token
    return tokenizer


def _rendered(encoding: HarmonyEncoding, row: dict[str, Any], kind: str) -> Sample | None:
    from openai_harmony import Conversation, RenderConversationConfig, Role

    messages = _without_earlier_reasoning(row["messages"])
    keep = RenderConversationConfig(auto_drop_analysis=False)
    try:
        conversation = Conversation.from_messages(_messages(row, messages))
        whole = list(encoding.render_conversation_for_training(conversation, keep))
        loss = [False] * len(whole)
        for place in turns(messages, loss_on(kind) == "last"):
            before = Conversation.from_messages(_messages(row, messages[:place]))
            start = len(encoding.render_conversation_for_completion(before, Role.ASSISTANT, keep))
            through = Conversation.from_messages(_messages(row, messages[: place + 1]))
            end = len(encoding.render_conversation_for_training(through, keep))
            loss[start:end] = [True] * (end - start)
    except Exception:
        return None
    return whole, loss


def _without_earlier_reasoning(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reasoning before the last question is left out, as the format asks for
    (https://developers.openai.com/cookbook/articles/openai-harmony)."""
    last = max(number for number, message in enumerate(messages) if message["role"] == "user")
    return [
        {key: value for key, value in message.items() if number > last or key != "reasoning_content"}
        for number, message in enumerate(messages)
    ]


def _messages(row: dict[str, Any], messages: list[dict[str, Any]]) -> list[Message]:
    """The conversation in harmony's messages: reasoning, calls and the answer are messages of their own."""
    from openai_harmony import DeveloperContent, Message, Role, SystemContent, ToolDescription

    today = datetime.now(tz=UTC).date().isoformat()
    system = SystemContent.new().with_conversation_start_date(today)
    made = [Message.from_role_and_content(Role.SYSTEM, system)]
    own = [message["content"] for message in messages if message["role"] in ("system", "developer")]
    if own or row.get("tools"):
        developer = DeveloperContent.new()
        developer = developer.with_instructions(own[0]) if own else developer
        if tools := row.get("tools"):
            functions = [one["function"] for one in tools]
            described = [ToolDescription.new(one["name"], one["description"], one["parameters"]) for one in functions]
            developer = developer.with_function_tools(described)
        made.append(Message.from_role_and_content(Role.DEVELOPER, developer))
    for message in messages:
        made += _of_message(message)
    return made


def _of_message(message: dict[str, Any]) -> list[Message]:
    import json

    from openai_harmony import Author, Message, Role

    if message["role"] == "user":
        return [Message.from_role_and_content(Role.USER, message["content"])]
    if message["role"] == "tool":
        author = Author.new(Role.TOOL, f"functions.{message['name']}")
        answer = Message.from_author_and_content(author, message["content"])
        return [answer.with_channel("commentary").with_recipient("assistant")]
    if message["role"] != "assistant":
        return []
    made = []
    if reasoning := message.get("reasoning_content"):
        made.append(Message.from_role_and_content(Role.ASSISTANT, reasoning).with_channel("analysis"))
    for call in message.get("tool_calls") or ():
        function = call["function"]
        one = Message.from_role_and_content(Role.ASSISTANT, json.dumps(function["arguments"]))
        one = one.with_channel("commentary").with_recipient(f"functions.{function['name']}")
        made.append(one.with_content_type("json"))
    if message.get("content"):
        made.append(Message.from_role_and_content(Role.ASSISTANT, message["content"]).with_channel("final"))
    return made
