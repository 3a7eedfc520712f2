"""Who wrote each token of a built trainer's rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.demo import MODEL
from sanetune.errors import Place
from sanetune.evidence.roles_from_ids import IdRoleFinder
from sanetune.evidence.token_roles import EITHER, IN_LOSS, TokenRole

THINKING = CHATML.replace("'<|im_start|>assistant\\n'", "'<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n'")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(MODEL))


def roles(tokenizer: Any, text: str, template: str = CHATML) -> Any:
    scanner = IdRoleFinder.of(ChatTemplate(template, {}), tokenizer, ("<|im_end|>",), "assistant")
    assert scanner is not None
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return scanner, ids, scanner.roles_of(ids)


def test_an_empty_thought_before_a_reply_may_be_in_the_loss_or_not(tokenizer: Any) -> None:
    thought = "<think>\n\n</think>\n\n"
    text = f"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{thought}Hello<|im_end|>\n"
    scanner, ids, found = roles(tokenizer, text, THINKING)
    reply = len(tokenizer(text.partition("Hello")[0], add_special_tokens=False)["input_ids"])
    before = len(tokenizer(text.partition(thought)[0], add_special_tokens=False)["input_ids"])
    assert set(found.expected_T[before:reply]) == {EITHER}
    assert found.roles_T[reply] == TokenRole.ASSISTANT and found.expected_T[reply] == IN_LOSS
    assert scanner.conversation(ids, Place()).messages[-1] == {"role": "assistant", "content": "Hello"}


def test_a_thought_with_words_is_the_models(tokenizer: Any) -> None:
    text = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\nwell\n</think>\n\nHello<|im_end|>\n"
    _, _, found = roles(tokenizer, text)
    assert EITHER not in found.expected_T[found.roles_T == TokenRole.ASSISTANT]


def test_all_blanks_that_end_a_header_may_be_in_the_loss(tokenizer: Any) -> None:
    template = CHATML.replace("'\\n' + message.content", "'\\n\\n' + message.content")
    text = "<|im_start|>user\n\nHi<|im_end|>\n<|im_start|>assistant\n\nHello<|im_end|>\n"
    _, ids, found = roles(tokenizer, text, template)
    blanks = [n for n, token in enumerate(ids) if not tokenizer.decode([token]).strip()]
    start = int(np.flatnonzero(found.roles_T == TokenRole.ASSISTANT)[0])
    header = [n for n in blanks if n < start and all(m in blanks for m in range(n, start))]
    assert header and all(found.expected_T[n] == EITHER for n in header)


def test_negative_ids_are_nobodys_text(tokenizer: Any) -> None:
    scanner, ids, before = roles(tokenizer, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n")
    after = scanner.roles_of([*ids, -1, -1])
    assert (after.roles_T[: len(ids)] == before.roles_T).all()
    assert scanner.conversation([*ids, -1], Place()).messages == scanner.conversation(ids, Place()).messages


def test_all_blanks_behind_an_end_may_be_in_the_loss(tokenizer: Any) -> None:
    text = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|> \n \n"
    _, ids, found = roles(tokenizer, text)
    end = int(np.flatnonzero(found.roles_T == TokenRole.END)[-1])
    assert len(ids) > end + 2 and set(found.expected_T[end + 1 :]) == {EITHER}


def test_white_space_behind_an_end_is_nobodys_however_many_tokens_it_takes(shared: Path) -> None:
    """Tools that train on prompt and completion learn it; sentencepiece makes two tokens of one line break."""
    from sanetune.config.schema import ModelSection
    from sanetune.data.tokenizer import chat_template, load_tokenizer
    from sanetune.evidence.token_roles import EITHER, IN_LOSS

    tokenizer = load_tokenizer(ModelSection(name=str(shared / "models/stories260k"), chat_template="chatml"))
    template = chat_template(tokenizer)
    assert template is not None
    text = template.render([{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}])
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    scanner = IdRoleFinder.of(template, tokenizer, (), "assistant")
    assert scanner is not None
    wanted = scanner.roles_of(ids).expected_T.tolist()
    end = len(ids) - 1 - ids[::-1].index(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    assert len(ids) - end > 2
    assert wanted[end] == IN_LOSS
    assert wanted[end + 1 :] == [EITHER] * (len(ids) - end - 1)
