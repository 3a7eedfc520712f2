"""What a row says is not to be learned is masked: whole turns and parts of them, under any usual name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from sanetune.data.conversation import Conversation, MaskedPart
from sanetune.data.labels import IGNORE_INDEX, Labeller
from sanetune.data.masking.turns import TurnFinder
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.data.turn_weights import LEARN, LEAVE_OUT, flagged_messages, masked_parts
from sanetune.evidence.roles_from_text import RoleFinder
from sanetune.evidence.template_literals import Literals
from sanetune.evidence.token_roles import EITHER, IN_LOSS, OUTSIDE_LOSS
from tests.data.one_row import PLACE, REPLY, USER, read

THINKING = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{%- if m.reasoning_content %}<think>{{ m.reasoning_content }}"
    "</think>\n{%- endif %}{{ m.content }}<|im_end|>\n{%- endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{%- endif %}"
)


@pytest.mark.parametrize(
    "flag",
    [
        *({name: value} for name in LEARN for value in (0, False, 0.0, "false")),
        *({name: True} for name in LEAVE_OUT),
    ],
)
def test_a_turn_that_is_not_to_be_learned_is_masked_under_any_name(flag: dict[str, Any]) -> None:
    conversation = read({"messages": [USER, {**REPLY, **flag}, USER, REPLY], "system": "Be kind."})
    assert conversation.masked == [MaskedPart(2)]
    assert conversation.messages[2] == REPLY, "the template never sees the flag"


def test_flags_that_learn_or_are_on_other_turns_change_nothing() -> None:
    flagged = [{**USER, "weight": 0}, {**REPLY, "weight": 1, "masked": False}, {**USER, "train": None}, REPLY]
    assert read({"messages": flagged}).masked == []


def test_data_fields_name_a_flag_of_the_files_own() -> None:
    row = {"talk": [{"who": "Al", "said": "Hi?"}, {"who": "Bo", "said": "Hello.", "keep": "no"}]}
    fields = {"messages": "talk", "role": "who", "content": "said", "train": "keep"}
    conversation = read(row, {**fields, "role.user": "Al", "role.assistant": "Bo, Cy"})
    assert (conversation.messages, conversation.masked) == ([USER, REPLY], [MaskedPart(1)])


@given(st.text(min_size=1, max_size=12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.booleans())))
def test_exactly_the_characters_of_parts_that_train_are_learned(
    content: str, parts: list[tuple[int, int, bool]]
) -> None:
    details = [
        {"begin_offset": min(a, b), "end_offset": max(a, b), "train": train}
        for a, b, train in parts
        if max(a, b) < len(content)
    ]
    expected = {at for d in details if d["train"] for at in range(int(d["begin_offset"]), int(d["end_offset"]) + 1)}
    masked = {at for start, end in masked_parts(content, details) for at in range(start, end)}
    assert masked == set(range(len(content))) - expected


def masked_row() -> Conversation:
    part = {"content": " One two three. ", "train_detail": [{"begin_offset": 5, "end_offset": 7, "train": True}]}
    messages = [
        USER,
        {"role": "assistant", "reasoning": "One two three.", **part},
        USER,
        {**REPLY, "weight": 0},
        USER,
        {"role": "assistant", "content": "Last."},
    ]
    return read({"messages": messages})


@pytest.mark.parametrize("loss_on", ["assistant", "last", "all"])
def test_labels_and_the_independent_route_leave_out_what_the_row_masks(shared: Path, loss_on: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(shared / "tokenizers" / "minimind"))
    template = ChatTemplate(THINKING)
    labeller = Labeller(tokenizer.backend_tokenizer, TurnFinder(template, ("<|im_end|>",)), loss_on, "<|im_end|>")
    conversation = masked_row()
    (example,) = labeller.examples([conversation])
    text = tokenizer.decode([token for token in example.labels if token != IGNORE_INDEX])
    learned = {
        "assistant": "<think>One two three.</think> two<|im_end|>Last.<|im_end|>",
        "last": "Last.<|im_end|>",
    }
    if loss_on != "all":
        assert text.replace("\n", "") == learned[loss_on]
    assert "Hello." not in text and "three. " not in text
    literals = Literals.of(template, ("<|im_end|>",))
    finder = RoleFinder(template, tokenizer.backend_tokenizer, literals, loss_on, "<|im_end|>")
    found = finder.roles_of(conversation)
    assert found is not None
    ids, roles, _ = found
    assert ids == example.ids
    for label, expected in zip(example.labels, roles.expected_T, strict=True):
        assert expected == EITHER or (expected == IN_LOSS) == (label != IGNORE_INDEX)
    assert (roles.expected_T == OUTSIDE_LOSS).sum() > 0


def test_a_cleaned_copy_says_the_same() -> None:
    conversation = masked_row()
    again = read(json.loads(json.dumps({"messages": flagged_messages(conversation)})))
    assert (again.messages, again.masked) == (conversation.messages, conversation.masked)
    assert flagged_messages(Conversation([USER, REPLY], PLACE)) == [USER, REPLY]
    assert read({"messages": [USER, {**REPLY, "train_detail": [{"begin_offset": 0, "end_offset": 0, "train": 0}]}]})


def test_chatml_masks_a_whole_turn_with_its_end(shared: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(shared / "tokenizers" / "minimind"))
    finder = TurnFinder(ChatTemplate(CHATML), ("<|im_end|>",))
    labeller = Labeller(tokenizer.backend_tokenizer, finder, "assistant", "<|im_end|>")
    (example,) = labeller.examples([read({"messages": [USER, {**REPLY, "loss": False}]})])
    assert example.loss_tokens == 0
