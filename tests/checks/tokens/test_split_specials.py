"""tokens-split-specials: the template's tags as tokens of the tokenizer."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.tokens import split_specials as check
from sanetune.data.template.chat_template import CHATML
from sanetune.finding import Judgement, Verdict
from tests.checks.template_material import all_kinds, conversations, judged, plain, shipped, template
from tests.data.chats import KINDS, reply, user

GEMMA = shipped()["gemma"]
LLAMA2 = shipped()["llava_next"]


@cache
def bytes_only(*added: str) -> Any:
    """A tokenizer of single bytes (so every tag falls apart), with these tokens added."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", bos_token="<s>")
    tokenizer.add_special_tokens({"extra_special_tokens": list(added)})
    return tokenizer


def verdict(source: str, *added: str, rows: Any = None) -> Judgement:
    return judged(check, check.measure(template(source), bytes_only(*added), rows or all_kinds()))


def test_chatml_without_its_tokens_fails_and_can_be_fixed() -> None:
    judgement = verdict(CHATML, rows=conversations(KINDS["several turns"]))
    assert judgement.verdict is Verdict.FAIL
    assert "<|im_start|> into 12 tokens" in judgement.message and "A turn ends with <|im_end|>" in judgement.message
    assert judgement.fix == {"model.chat_template": "chatml"}


def test_chatml_with_its_tokens_passes() -> None:
    assert verdict(CHATML, "<|im_start|>", "<|im_end|>").verdict is Verdict.PASS


def test_one_missing_token_is_named_alone() -> None:
    judgement = verdict(CHATML, "<|im_start|>")
    assert judgement.verdict is Verdict.FAIL
    assert "<|im_end|> into 10 tokens" in judgement.message and "<|im_start|>" not in judgement.message


def test_no_fix_where_plain_chatml_would_lose_tools_or_is_not_the_template() -> None:
    assert not verdict(CHATML).fix
    assert not verdict(shipped()["phi3"], rows=conversations(KINDS["one turn"])).fix


def test_a_split_end_of_turn_fails_whatever_it_looks_like() -> None:
    rows = conversations(KINDS["one turn"])
    judgement = verdict(GEMMA, rows=rows)
    assert judgement.verdict is Verdict.FAIL
    assert "<end_of_turn>" in judgement.message
    assert verdict(GEMMA, "<end_of_turn>", rows=rows).verdict is Verdict.WARN
    assert verdict(GEMMA, "<end_of_turn>", "<start_of_turn>", rows=rows).verdict is Verdict.PASS


def test_a_tag_around_a_token_of_the_vocabulary_is_several_tokens_by_design() -> None:
    source = "{% for m in messages %}<｜DSML｜turn>{{ m.content }}</s>{% endfor %}"
    rows = conversations(KINDS["several turns"])
    assert verdict(source, "｜DSML｜", rows=rows).verdict is Verdict.PASS
    without = verdict(source, rows=rows)
    assert without.verdict is Verdict.FAIL and "<｜DSML｜turn>" in without.message


def test_headers_in_plain_words_pass() -> None:
    alpaca = (
        "{% for m in messages %}{{ '### ' ~ m.role ~ ':\\n' ~ m.content }}"
        "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n\\n' }}{% endfor %}"
    )
    assert verdict(alpaca, rows=conversations(KINDS["several turns"])).verdict is Verdict.PASS
    judgement = verdict(LLAMA2, rows=conversations(KINDS["several turns"]))
    assert judgement.verdict is Verdict.PASS
    assert "[INST]" in judgement.message and "by design" in judgement.message


def test_tags_in_the_users_texts_and_tools_do_not_count() -> None:
    texts = [user("What is <|endoftext|> or <|foo|>?"), reply("A <|token|> [INST] </s>.")]
    assert verdict(CHATML, "<|im_start|>", "<|im_end|>", rows=conversations(texts)).verdict is Verdict.PASS
    tools = [{"type": "function", "function": {"name": "x", "description": "writes <|odd|>", "parameters": {}}}]
    qwen = shipped()["qwen2_5"]
    rows = conversations(KINDS["one turn"], tools=tools)
    assert verdict(qwen, "<|im_start|>", "<|im_end|>", rows=rows).verdict is Verdict.PASS


def test_special_strings_that_this_data_never_shows_are_only_noted() -> None:
    source = CHATML + "{% if messages[0].image %}{{ '<|vision_start|>' }}{% endif %}"
    found = check.measure(template(source), bytes_only("<|im_start|>", "<|im_end|>"), all_kinds())
    assert judged(check, found).verdict is Verdict.PASS
    assert found.numbers["unused"] == ["<|vision_start|>"]


def test_witnesses_show_the_pieces_and_the_place_the_end_first() -> None:
    found = check.measure(template(CHATML), bytes_only(), conversations(KINDS["one turn"]))
    first = found.witnesses[0]
    assert first.note.startswith("<|im_end|> is 10 tokens") and "<|im_end|>" in first.text
    assert first.place is not None and first.place.line == 1


def test_a_long_conversation_without_end_of_tags_is_quick() -> None:
    text = "<|" + "a" * 40_000 + "<" * 40_000
    assert verdict(CHATML, "<|im_start|>", "<|im_end|>", rows=conversations([user(text), reply(text)])).verdict is (
        Verdict.PASS
    )


def test_real_tokenizers(shared: Any) -> None:
    from transformers import PreTrainedTokenizerFast

    from sanetune.data.tokenizer import chat_template

    tokenizer = PreTrainedTokenizerFast.from_pretrained(shared / "tokenizers/minimind")
    own = chat_template(tokenizer)
    assert own is not None
    for each in (own, template(CHATML)):
        found = check.measure(each, tokenizer, all_kinds())
        assert judged(check, found).verdict is Verdict.PASS


def test_plain_text_or_no_template_is_not_judged() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(template(), bytes_only(), plain())
    with pytest.raises(NotApplicableError):
        check.measure(None, bytes_only(), all_kinds())
