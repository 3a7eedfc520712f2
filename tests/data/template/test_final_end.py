"""The end of a last reply that a template leaves out."""

from __future__ import annotations

import pytest

from sanetune.data.conversation import Conversation
from sanetune.data.labels import IGNORE_INDEX, Labeller
from sanetune.data.masking.turns import TurnFinder
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.data.template.final_end import FinalEnd
from sanetune.errors import Place
from tests.data.chats import call, reply, result, user

LATE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}A: {{ m.content }}{% else %}"
    "{% if not loop.first %}<end>{% endif %}Q: {{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}A: {% endif %}"
)
"""Ends a reply where the next question begins."""

HEADERS = (
    "{% for m in messages %}<|{{ 'observation' if m.role == 'tool' else m.role }}|>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<call>{{ c.function.name }}</call>{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Has no ends: the model stops at the next header."""

STOPS = ("<|endoftext|>", "<|user|>", "<|observation|>")


def test_an_end_that_is_written_before_the_next_question_is_put_behind_the_last_reply() -> None:
    end = FinalEnd.of(ChatTemplate(LATE), (), ())
    assert end is not None
    assert end.completed("Q: oneA: two", [user("one"), reply("two")]) == "Q: oneA: two<end>"


def test_a_header_at_which_the_model_stops_is_its_end_and_after_a_call_another_one() -> None:
    end = FinalEnd.of(ChatTemplate(HEADERS), STOPS, STOPS)
    assert end is not None
    assert (end.after_text, end.after_call) == ("<|user|>", "<|observation|>")
    assert end.completed("…<call>find_order</call>", [user("one"), call("A-17")]).endswith("<|observation|>")


def test_a_template_that_ends_its_replies_gets_nothing() -> None:
    assert FinalEnd.of(ChatTemplate(CHATML), ("<|im_end|>",), ("<|im_end|>",)) is None


def test_a_stop_that_only_the_generation_config_names_is_used() -> None:
    bare = ChatTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    assert FinalEnd.of(bare, ("</s>",), ()) is None
    end = FinalEnd.of(bare, ("</s>",), ("</s>",))
    assert end is not None
    assert end.completed("user: one\nassistant: two\n", [user("one"), reply("two")]).endswith("two</s>")


def test_a_conversation_that_ends_on_a_question_or_has_its_end_stays_as_it_is() -> None:
    end = FinalEnd.of(ChatTemplate(LATE), (), ())
    assert end is not None
    assert end.completed("Q: one", [user("one")]) == "Q: one"
    assert end.completed("Q: oneA: two<end>\n", [user("one"), reply("two")]) == "Q: oneA: two<end>\n"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([user("one"), reply("two")], ["two<|user|>"]),
        ([user("one"), reply("two"), user("three"), reply("four")], ["two<|user|>", "four<|user|>"]),
        (
            [user("one"), call("A"), result("three"), reply("four")],
            ["<call>find_order</call><|observation|>", "four<|user|>"],
        ),
    ],
)
def test_every_turn_of_a_template_without_ends_stops_at_what_follows(
    messages: list[dict[str, object]], expected: list[str]
) -> None:
    template = ChatTemplate(HEADERS)
    finder = TurnFinder(template, STOPS, FinalEnd.of(template, STOPS, STOPS))
    rendering = finder.find(Conversation(messages, Place()))
    assert [rendering.text[turn.start : turn.end] for turn in rendering.turns] == expected


def test_the_appended_end_is_in_the_loss() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    template = ChatTemplate(LATE)
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "<end>": 1, "two": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<end>"])
    labeller = Labeller(tokenizer, TurnFinder(template, (), FinalEnd.of(template, (), ())), "assistant", None)
    example = labeller.examples([Conversation([user("one"), reply("two")], Place())])[0]
    assert [label for label in example.labels if label != IGNORE_INDEX][-1] == 1
    assert example.ends == [1]
