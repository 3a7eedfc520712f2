"""``mistral-common``: Mistral's own tokenization of conversations.

It has no loss masks. A turn is what follows the prompt that it would give at inference (the messages before), up to and
with the end-of-sequence token.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.templates.oracles import Family, Sample, turns
from bench.templates.shapes import loss_on
from bench.templates.sources import Source

if TYPE_CHECKING:
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
    from transformers import PreTrainedTokenizerFast

    from bench.templates.tokenizers import Tokenizers

NAME = "mistral_common"
SENTENCEPIECE = {
    "v1_spm": "tokenizer.model.v1",
    "v3_spm": "mistral_instruct_tokenizer_240323.model.v3",
    "v7_spm": "mistral_instruct_tokenizer_241114.model.v7",
}
"""Template of mistral-common -> its vocabulary in the package."""
TEKKEN = ("v3", "v7", "v11", "v13")
"""Templates with the tokens of tekken. Version 15 needs settings of a model that the package does not carry."""
TEKKEN_FILE = "tekken_240911.json"
"""The package's vocabulary for tekken. It says that it is of version 3; the words of all versions are the same."""


def families(sources: Sequence[Source], tokenizers: Tokenizers) -> Iterator[Family]:
    """The plain templates of mistral-common's own set, one after another: they share tokenizers."""
    for source in sources:
        if source.origin == "mistral-common" and source.name in {*SENTENCEPIECE, *TEKKEN}:
            _, tokenizer = tokenizers.of_template(source)
            whole, prompt = _official(source.name, "finetuning"), _official(source.name, "test")
            yield Family(source, tokenizer, partial(_rendered, whole, prompt, _ids(whole, tokenizer)))


def _official(version: str, mode: str) -> MistralTokenizer:
    """The tokenizer of a version, for whole conversations (``finetuning``) or for prompts (``test``)."""
    import mistral_common
    from mistral_common.protocol.instruct.validator import ValidationMode
    from mistral_common.tokens.tokenizers.base import SpecialTokens
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    data = Path(mistral_common.__file__).parent / "data"
    if version in SENTENCEPIECE:
        return MistralTokenizer.from_file(str(data / SENTENCEPIECE[version]), mode=ValidationMode(mode))
    vocabulary = json.loads((data / TEKKEN_FILE).read_text())
    vocabulary["config"]["version"] = version
    vocabulary["special_tokens"] = [
        {"rank": rank, "token_str": str(token.value), "is_control": True} for rank, token in enumerate(SpecialTokens)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tekken.json"
        file.write_text(json.dumps(vocabulary))
        return MistralTokenizer.from_file(str(file), mode=ValidationMode(mode))


def _ids(official: MistralTokenizer, tokenizer: PreTrainedTokenizerFast) -> dict[int, int]:
    """The ids of official tokens that have another id in ours: of tekken, whose special tokens are last there."""
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    words = official.instruct_tokenizer.tokenizer
    if not isinstance(words, Tekkenizer):
        return {}
    special = words.num_special_tokens
    known = tokenizer.get_vocab()
    ids = {rank: known[piece] for rank in range(special) if (piece := words.id_to_piece(rank)) in known}
    return ids | {id: id - special for id in range(special, words.n_words)}


def _rendered(
    whole: MistralTokenizer, prompt: MistralTokenizer, ids: dict[int, int], row: dict[str, Any], kind: str
) -> Sample | None:
    messages = [_message(message) for message in row["messages"]]
    try:
        tokens = _encoded(whole, messages, row)
        loss = [False] * len(tokens)
        for place in turns(row["messages"], loss_on(kind) == "last"):
            before = _encoded(prompt, messages[:place], row)
            start = len(before)
            if before != tokens[:start]:
                return None  # the prompt of inference is another text: there is no turn to compare
            end = tokens.index(whole.instruct_tokenizer.tokenizer.eos_id, start)
            loss[start : end + 1] = [True] * (end + 1 - start)
    except Exception:
        return None
    return [ids.get(token, token) for token in tokens], loss


def _encoded(official: MistralTokenizer, messages: list[dict[str, Any]], row: dict[str, Any]) -> list[int]:
    from mistral_common.protocol.instruct.request import ChatCompletionRequest

    request = ChatCompletionRequest(messages=messages, tools=row.get("tools"))
    return list(official.encode_chat_completion(request).tokens)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """The message in the words of Mistral's protocol: arguments of calls are a text of JSON."""
    if not message.get("tool_calls"):
        return message
    calls = [
        call | {"function": call["function"] | {"arguments": json.dumps(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return message | {"tool_calls": calls}
