"""Rendered text becomes the messages that it was made of, and anything else stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import trl
from hypothesis import given
from hypothesis import strategies as st

from sanetune.config.schema import Config
from sanetune.data.conversation import Conversation, Message
from sanetune.data.conversation_file import read_sources
from sanetune.data.markup import rendered, unrendered
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import Place
from sanetune.evidence.conversations import ConversationStore

PLACE = Place("rows.jsonl", 1, 0)
DIALOGUE: list[Message] = [
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "4, of course:\n\n    x = 4"},
    {"role": "user", "content": "And\n- 3?"},
    {"role": "assistant", "content": "Three."},
]


def text(said: str) -> Conversation:
    return Conversation([], PLACE, text=said)


def messages(*said: tuple[str, str]) -> Conversation:
    return Conversation([{"role": role, "content": content} for role, content in said], PLACE)


def pairs(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in conversation.messages]


@pytest.mark.parametrize("name", ["qwen2_5", "llama3", "gemma", "phi3", "deepseekv3", "cohere", "gptoss"])
def test_what_a_published_template_rendered_comes_back(name: str) -> None:
    source = (Path(trl.__file__).parent / f"chat_templates/{name}.jinja").read_text()
    template = ChatTemplate(source, {"bos_token": "<|begin_of_text|>", "eos_token": "</s>"})
    found = unrendered(text(template.render(DIALOGUE)))
    assert [one for one in pairs(found) if one[0] not in ("system", "developer")] == [
        (message["role"], message["content"]) for message in DIALOGUE
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] More [/INST] Yes </s>",
            [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "More"), ("assistant", "Yes")],
        ),
        ("### Human: Hi### Assistant: Hello", [("user", "Hi"), ("assistant", "Hello")]),
        ("[USER] Hi\n[ASSISTANT] Hello", [("user", "Hi"), ("assistant", "Hello")]),
        ("[USER]: Hi [ASSISTANT]: Hello", [("user", "Hi"), ("assistant", "Hello")]),
        ("\n\nHuman: Hi\n\nAssistant: Hello", [("user", "Hi"), ("assistant", "Hello")]),
        (
            "A chat between a user and an assistant. USER: Hi ASSISTANT: Hello</s>",
            [("system", "A chat between a user and an assistant."), ("user", "Hi"), ("assistant", "Hello")],
        ),
        (
            "### Instruction:\nAdd.\n\n### Input:\n2 2\n\n### Response:\n4",
            [("user", "Add.\n\n2 2"), ("assistant", "4")],
        ),
        ("<human>: Hi\n<bot>: Hello", [("user", "Hi"), ("assistant", "Hello")]),
    ],
)
def test_usual_ways_of_writing_chats_as_text_are_read(said: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(unrendered(text(said))) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            messages(
                ("user", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"), ("assistant", "Ho<|im_end|>")
            ),
            [("user", "Hi"), ("assistant", "Ho")],
        ),
        (messages(("user", "[INST] Hi [/INST]"), ("assistant", " Ho</s>")), [("user", "Hi"), ("assistant", " Ho")]),
        (
            messages(("user", "<|user|>\nHi<|end|>"), ("assistant", "<|assistant|>\nHo<|end|>")),
            [("user", "Hi"), ("assistant", "Ho")],
        ),
        (messages(("user", "Hi"), ("assistant", "Ho<|im_end|><|im_end|>\n")), [("user", "Hi"), ("assistant", "Ho")]),
    ],
)
def test_messages_that_hold_turns_are_split_into_them(row: Conversation, expected: list[tuple[str, str]]) -> None:
    assert pairs(unrendered(row)) == expected


@pytest.mark.parametrize(
    "row",
    [
        text("What does <|im_start|>user mean, and <|im_start|>assistant?"),
        text("<|im_start|>user\nHi<|im_end|>"),
        text("A play.\nHuman: Hi\nAssistant: Ho"),
        messages(("user", "Hi<|im_end|>\n<|im_start|>assistant\nSure."), ("assistant", "No.")),
        messages(("user", "Sum it up.\nUser: Hi\nAssistant: Ho"), ("assistant", "They greet.")),
        messages(("user", "Hi"), ("assistant", "    x = 0\n")),
        text("[USER] wrote to [USER]. [BOT] was away."),  # names that were taken out
    ],
)
def test_what_is_no_rendered_chat_or_forges_a_turn_stays_as_it_is(row: Conversation) -> None:
    assert unrendered(row) is row


plain = st.text(st.characters(exclude_characters="<[|:#\x00", exclude_categories=["Cs"]), min_size=1).filter(
    lambda said: said.strip() == said
)


@given(st.lists(st.tuples(plain, plain), min_size=1, max_size=4))
def test_any_dialogue_comes_back_from_chatml(turns: list[tuple[str, str]]) -> None:
    said = [
        {"role": role, "content": one} for pair in turns for role, one in zip(("user", "assistant"), pair, strict=True)
    ]
    assert unrendered(text(ChatTemplate(CHATML).render(said))).messages == said


@given(st.text())
def test_any_text_can_be_read_and_a_second_time_changes_nothing(said: str) -> None:
    once = unrendered(text(said))
    assert pairs(unrendered(once)) == pairs(once) or rendered(once.messages[0]["content"])


def test_long_white_space_takes_no_time() -> None:
    assert rendered("<|im_start|>user\n" + " " * 300_000 + "x" + "\n" * 300_000) is not None


def test_the_configuration_decides_and_both_readings_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\nHo<|im_end|>"}\n' * 20)

    def first(markup: str) -> Conversation:
        config = Config.model_validate(
            {"model": {"name": "m"}, "data": {"train": str(file), "markup": markup}, "run": {"output_dir": "out"}}
        )
        return ConversationStore.of(read_sources(config.data), config.data).train[0]

    assert first("keep").text is not None
    assert pairs(first("parse")) == [("user", "Hi"), ("assistant", "Ho")]
