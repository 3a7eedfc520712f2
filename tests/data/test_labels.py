"""Labels: the tokens in the loss decode to exactly the assistant's turns, for every template and tokenizer."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sanetune.data.conversation import Conversation
from sanetune.data.labels import IGNORE_INDEX, Example, Labeller
from sanetune.data.masking.turns import TurnFinder
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import Place, TemplateError
from tests.data.chats import KINDS, conversation, reply, user
from tests.data.masking.test_turns import BY_NAME, ORIGINALS
from tests.data.template.test_chat_template import SPECIALS

TOKENIZERS = ("gpt2", "dolma2", "minimind")


@lru_cache
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def labeller(shared: Path, source: str, name: str = "minimind", loss_on: str = "assistant") -> Labeller:
    turns = TurnFinder(ChatTemplate(source, SPECIALS))
    return Labeller(tokenizer(shared / "tokenizers" / name), turns, loss_on, "<|endoftext|>")  # type: ignore[arg-type]


def texts_in_loss(example: Example, tokens: Tokenizer) -> list[str]:
    """The spans of tokens in the loss as text, by a plain walk over ids and labels."""
    runs: list[list[int]] = []
    running = False
    for token, label in zip(example.ids, example.labels, strict=True):
        assert label in (IGNORE_INDEX, token)
        if label != IGNORE_INDEX and not running:
            runs.append([])
        if label != IGNORE_INDEX:
            runs[-1].append(token)
        running = label != IGNORE_INDEX
    return [tokens.decode(run, skip_special_tokens=False) for run in runs]


@pytest.mark.parametrize("name", ORIGINALS)
def test_loss_tokens_decode_to_the_turns_for_every_template_and_tokenizer(shared: Path, name: str) -> None:
    rendered = 0
    for which in TOKENIZERS:
        judge = labeller(shared, BY_NAME[name], which)
        assert judge.turns is not None
        for kind in KINDS:
            try:
                rendering = judge.turns.find(conversation(kind))
            except TemplateError:
                continue
            example = judge.examples([conversation(kind)])[0]
            expected = [rendering.text[turn.start : turn.end] for turn in rendering.turns]
            assert texts_in_loss(example, judge.tokenizer) == expected, (which, kind)
            rendered += 1
    assert rendered >= 2 * len(TOKENIZERS)


def test_the_ids_are_the_tokenizers_own_where_no_border_falls_inside_a_token(shared: Path) -> None:
    judge = labeller(shared, CHATML)
    example = judge.examples([conversation("several turns")])[0]
    assert example.ids == judge.tokenizer.encode(example.text, add_special_tokens=False).ids
    assert example.shared_tokens == 0


def test_a_border_inside_a_token_splits_it_as_inference_does(shared: Path) -> None:
    """With GPT-2's vocabulary the header's line break and the answer's own melt into one token, were they not kept
    apart."""
    judge = labeller(shared, CHATML, "gpt2")
    example = judge.examples([Conversation([user("a"), reply("\nb")], Place())])[0]
    assert texts_in_loss(example, judge.tokenizer) == ["\nb<|im_end|>"]
    assert judge.tokenizer.decode(example.ids, skip_special_tokens=False) == example.text


def test_loss_on_last_learns_the_last_turn_only(shared: Path) -> None:
    judge = labeller(shared, CHATML, loss_on="last")
    assert texts_in_loss(judge.examples([conversation("system")])[0], judge.tokenizer) == ["Goodbye!<|im_end|>"]


def test_loss_on_all_learns_everything_but_the_first_token(shared: Path) -> None:
    example = labeller(shared, CHATML, loss_on="all").examples([conversation("one turn")])[0]
    assert example.labels == [IGNORE_INDEX, *example.ids[1:]]


def test_loss_on_all_ends_where_the_last_turn_does(shared: Path) -> None:
    ends = [labeller(shared, CHATML, loss_on=on).examples([conversation("one turn")])[0].ends for on in ("last", "all")]
    assert ends[0] == ends[1] == [tokenizer(shared / "tokenizers/minimind").token_to_id("<|im_end|>")]


def test_plain_text_is_in_the_loss_whole_and_ends(shared: Path) -> None:
    judge = labeller(shared, CHATML)
    example = judge.examples([Conversation([], Place(), text="Once upon a time")])[0]
    assert example.labels[1:] == example.ids[1:] and example.ids[-1] == judge.tokenizer.token_to_id("<|endoftext|>")


def test_a_batch_may_mix_chats_and_plain_text(shared: Path) -> None:
    judge = labeller(shared, CHATML)
    conversations = [conversation("one turn"), Conversation([], Place(), text="plain"), conversation("system")]
    assert judge.examples(conversations) == [judge.examples([one])[0] for one in conversations]


def test_without_a_template_conversations_are_refused_with_the_way_out(shared: Path) -> None:
    judge = Labeller(tokenizer(shared / "tokenizers" / "gpt2"), None, "assistant", None)
    with pytest.raises(TemplateError, match="chatml"):
        judge.examples([conversation("one turn")])


texts = st.text(st.characters(codec="utf-8", exclude_characters=[chr(c) for c in range(0xFDD0, 0xFDE0)]), min_size=1)


@settings(max_examples=200, deadline=None)
@given(asked=texts, answered=texts, which=st.sampled_from(TOKENIZERS))
def test_any_reply_is_in_the_loss_to_the_byte(shared: Path, asked: str, answered: str, which: str) -> None:
    if not answered.strip():
        return
    judge = labeller(shared, CHATML, which)
    example = judge.examples([Conversation([user(asked), reply(answered)], Place())])[0]
    tokens = judge.tokenizer
    # Tokenizers may normalise (dolma2 composes Unicode): both sides go through it.
    expected = tokens.decode(
        tokens.encode(f"{answered}<|im_end|>", add_special_tokens=False).ids, skip_special_tokens=False
    )
    assert "".join(texts_in_loss(example, tokens)) == expected
