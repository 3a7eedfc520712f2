from __future__ import annotations

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import changes_content as check
from sanetune.data.template.chat_template import CHATML
from sanetune.finding import Verdict
from tests.checks.template_material import conversations, judged, plain, shipped, template
from tests.data.chats import reply, user

TRIMS = CHATML.replace("message.content", "message.content | trim")


def test_an_answer_that_loses_its_indentation_is_shown_with_what_is_rendered() -> None:
    found = check.measure(template(TRIMS), conversations([user("Go on:"), reply("    x = 0")]))
    assert judged(check, found).verdict is Verdict.WARN
    assert found.numbers["changed"] == {"indent assistant": 1}
    assert (found.witnesses[0].text, found.witnesses[0].beside) == ("    x = 0", "x = 0")


@pytest.mark.parametrize("answer", [" one", "one\n", "one  "])
def test_line_breaks_and_a_space_that_are_trimmed_are_counted_and_pass(answer: str) -> None:
    found = check.measure(template(TRIMS), conversations([user("one?"), reply(answer)]))
    assert judged(check, found).verdict is Verdict.PASS
    assert found.numbers["changed"] == {"blank assistant": 1}


def test_a_text_that_is_written_otherwise_is_rewritten() -> None:
    chat = [user("What is it?"), reply("It left on Monday, at 9:30, they say.")]
    found = check.measure(template(CHATML.replace("message.content", "message.content | upper")), conversations(chat))
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.WARN
    assert "1 texts of assistant written otherwise" in judgement.message


def test_a_text_inside_json_is_not_changed() -> None:
    source = "{% for m in messages %}{{ m | tojson }}{% endfor %}"
    found = check.measure(template(source), conversations([user('a "b"'), reply("  naïve\n\tx")]))
    assert judged(check, found).verdict is Verdict.PASS


def test_llama_3_1_trims_and_chatml_does_not() -> None:
    chat = conversations([user("Go on:"), reply("\tx = 0")])
    assert judged(check, check.measure(template(shipped()["llama3_1"]), chat)).verdict is Verdict.WARN
    assert judged(check, check.measure(template(CHATML), chat)).verdict is Verdict.PASS


def test_nothing_rendered_is_no_verdict() -> None:
    for store, source in ((plain(), CHATML), (conversations([user("a"), reply("b")]), "{{ raise_exception('no') }}")):
        with pytest.raises(NotApplicableError):
            check.measure(template(source), store)
    with pytest.raises(NotApplicableError):
        check.measure(None, plain())
