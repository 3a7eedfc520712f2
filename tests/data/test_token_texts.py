"""The texts of an example's tokens, joined, are the text of the example, whatever the tokenizer does with spaces."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from sanetune.data.token_texts import token_texts

FOLDERS = ("models/stories260k", "tokenizers/gpt2", "tokenizers/dolma2", "tokenizers/minimind")
"""The first is of SentencePiece, with a space before each word and bytes for unknown characters."""
TEXTS = (
    "Hello there ,  two  spaces.",
    " leading",
    "a\ufffdb \ufffd",
    "",
    "\n\n  indent\n\tcode()",
    "日本 ไทย 👩‍👩‍👧 é",
)


@lru_cache
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
    return loaded


def ids_of(made: PreTrainedTokenizerBase, *texts: str) -> list[int]:
    """Ids of texts behind each other, each ended by a special token."""
    end = [made.eos_token_id] if made.eos_token_id is not None else []
    return [token for text in texts for token in [*made(text, add_special_tokens=False)["input_ids"], *end]]


@pytest.mark.parametrize("name", FOLDERS)
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.one_of(st.sampled_from(TEXTS), st.text(max_size=30)), min_size=1, max_size=3))
def test_joined_they_are_the_text(shared: Path, name: str, texts: list[str]) -> None:
    made = tokenizer(shared / name)
    ids = ids_of(made, *texts)
    found = token_texts(made, ids)
    assert len(found) == len(ids)
    assert "".join(found) == made.decode(ids, clean_up_tokenization_spaces=False)


def test_a_word_of_sentencepiece_keeps_the_space_before_it(shared: Path) -> None:
    made = tokenizer(shared / FOLDERS[0])
    found = token_texts(made, ids_of(made, "Once upon a time", "there was"))
    assert " upon" in found
    assert "".join(found).count(" ") >= 4


def test_a_character_of_several_tokens_belongs_to_the_last(shared: Path) -> None:
    made = tokenizer(shared / "tokenizers/gpt2")
    ids = made("🚲")["input_ids"]
    assert token_texts(made, ids) == [*[""] * (len(ids) - 1), "🚲"]
    assert token_texts(made, ids[:-1])[-1] == "\ufffd"
