"""The text of each token of an example, with the spaces that it has inside the example.

Decoded by itself, a token of SentencePiece loses the space in front of it, and a part of a character is no text. So
each token is decoded behind the ones before it, and a character belongs to the token that completes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What the beginning of a character is decoded to."""


def token_texts(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """Return the text of each token, which joined are the text of ``ids``; "" where a character is not complete yet.

    Args:
        tokenizer: The tokenizer that made the ids.
        ids: Token ids, from the beginning of an example on.
    """
    ids, texts = list(ids), []
    # Tokens from `begin` on are decoded again; those before `done` have their text.
    begin = done = 0
    known = ""
    for end in range(1, len(ids) + 1):
        text = _decoded(tokenizer, ids[begin:end])
        if text.endswith(INCOMPLETE) and end < len(ids):
            texts.append("")
            continue
        texts.append(text.removeprefix(known) if text.startswith(known) else _decoded(tokenizer, ids[done:end]))
        begin, done = done, end
        known = _decoded(tokenizer, ids[begin:done])
    return texts


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """Decode without the clean-up of English punctuation, which would change the text."""
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
