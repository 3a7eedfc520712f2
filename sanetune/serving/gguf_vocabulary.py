"""The tokenizer of a model folder in the form in which a GGUF file has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanetune.errors import ModelError, Place
from sanetune.serving.gguf_splits import SPLITS, require_split

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Kinds of tokens, as llama.cpp numbers them."""
MARK = "▁"
"""What stands for a blank in the texts of SentencePiece."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer as a GGUF file has it.

    Attributes:
        model: ``gpt2`` for pairs of bytes, ``llama`` for SentencePiece.
        pre: How a text is split into pieces first.
        tokens: The text of each id.
        roles: The kind of each id.
        merges: Pairs that are merged, the earliest first.
        scores: Of SentencePiece: what is merged first has the highest.
        space_prefix: Whether a blank is put before a text.
        adds_bos: Whether the tokenizer itself begins a text with its own token.
        specials: ``bos``, ``unk``, … -> the id.
    """

    model: str
    pre: str
    tokens: list[str]
    roles: list[int]
    merges: list[str]
    scores: list[float]
    space_prefix: bool
    adds_bos: bool
    specials: Mapping[str, int]


def vocabulary_of(folder: Path, size: int, pre: str = "") -> Vocabulary:
    """Return the tokenizer of the model in ``folder``.

    Args:
        folder: A transformers folder with a tokenizer.json.
        size: Rows of the embedding; ids beyond the tokenizer's last are filled up.
        pre: llama.cpp's name for how a text is split into pieces; "": as the tokenizer's pattern says.

    Raises:
        ModelError: It is of a kind that is not known here, or cuts texts by a pattern that llama.cpp may not have;
            or llama.cpp does not know ``pre``.
    """
    if pre:
        require_split(pre)
    file = folder / "tokenizer.json"
    plain = _read(file)
    model = plain.get("model") or {}
    if model.get("type") != "BPE":
        raise _unknown(file, f"is of the kind {model.get('type')!r}, not BPE")
    by_text = dict(model["vocab"]) | {one["content"]: one["id"] for one in plain.get("added_tokens") or ()}
    by_id = {number: text for text, number in by_text.items()}
    count = max(size, max(by_id, default=-1) + 1)
    tokens = [by_id.get(number, f"[PAD{number}]") for number in range(count)]
    merges = [one if isinstance(one, str) else " ".join(one) for one in model.get("merges") or ()]
    pieces = bool(model.get("byte_fallback"))
    specials = _specials(folder, by_text)
    return Vocabulary(
        "llama" if pieces else "gpt2",
        pre or ("default" if pieces else _split_name(plain, file)),
        tokens,
        _roles(plain, by_id, count, specials.get("unk"), pieces),
        [] if pieces else merges,
        _scores(tokens, merges) if pieces else [],
        pieces and '"Prepend"' in json.dumps(plain.get("normalizer")),
        _adds_bos(plain, specials.get("bos"), tokens),
        specials,
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"tokenizer.json cannot be read: {error}.", place=Place(file)) from None
    return found if isinstance(found, dict) else {}


def _unknown(file: Path, words: str) -> ModelError:
    return ModelError(
        f"The tokenizer {words}.",
        "llama.cpp would cut texts into other tokens than the model was trained on.",
        "Use llama.cpp's own converter (--converter convert_hf_to_gguf.py), or name the closest kind with --pre NAME,"
        " and let the file be verified.",
        Place(file),
    )


def _split_name(plain: Mapping[str, Any], file: Path) -> str:
    """llama.cpp's name for how the tokenizer cuts texts into pieces."""
    given = plain.get("pre_tokenizer") or {}
    steps = given.get("pretokenizers") or [given]
    roles = [one.get("type") for one in steps]
    if roles == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    if roles == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        return "smollm"
    if roles == ["Split", "ByteLevel"]:
        pattern = (steps[0].get("pattern") or {}).get("Regex", "")
        if name := SPLITS.get(pattern):
            return name
    raise _unknown(file, "cuts texts into pieces by a pattern that is not known here")


def _roles(
    plain: Mapping[str, Any], by_id: Mapping[int, str], count: int, unknown: int | None, pieces: bool
) -> list[int]:
    roles = [NORMAL if number in by_id else UNUSED for number in range(count)]
    for number, text in by_id.items():
        if pieces and len(text) == 6 and text.startswith("<0x"):
            roles[number] = BYTE
    for one in plain.get("added_tokens") or ():
        roles[one["id"]] = CONTROL if one.get("special") else USER
    if pieces and unknown is not None:
        roles[unknown] = UNKNOWN
    return roles


def _scores(tokens: list[str], merges: list[str]) -> list[float]:
    """SentencePiece merges what scores highest; the earliest pair to be merged gets the highest score here."""
    ranks = {merge.replace(" ", "", 1): number for number, merge in reversed(list(enumerate(merges)))}
    return [-float(ranks.get(token, len(merges))) for token in tokens]


def _specials(folder: Path, by_text: Mapping[str, int]) -> dict[str, int]:
    config = _read(folder / "tokenizer_config.json")
    found = {}
    for name in ("bos", "eos", "unk", "pad"):
        given = config.get(f"{name}_token")
        text = given.get("content") if isinstance(given, dict) else given
        if isinstance(text, str) and text in by_text:
            found[name] = by_text[text]
    return found


def _adds_bos(plain: Mapping[str, Any], bos: int | None, tokens: list[str]) -> bool:
    if bos is None:
        return False
    return f'"id": {json.dumps(tokens[bos])}' in json.dumps(plain.get("post_processor") or {})
