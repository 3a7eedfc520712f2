"""template-unsafe: templates that attack, hang, swell or do not parse."""

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import unsafe as check
from sanetune.data.template import limits
from sanetune.data.template.chat_template import CHATML
from sanetune.finding import Verdict
from tests.checks.template_material import Words, all_kinds, conversations, judged, plain, shipped
from tests.data.chats import KINDS, reply, user


def test_the_templates_that_trl_ships_are_safe() -> None:
    rows = conversations(KINDS["several turns"])
    for name, source in shipped().items():
        judgement = judged(check, check.measure(Words(chat_template=source), rows))
        assert judgement.verdict is Verdict.PASS, (name, judgement.message)


def test_what_was_tried_is_said() -> None:
    found = check.measure(Words(), all_kinds())
    assert found.numbers["rendered"] == 12
    assert "12 renderings" in judged(check, found).message


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages['__class__'] }}",
        "{{ messages|attr('__init__') }}",
        CHATML + "{% if false %}{{ cycler.__init__.__globals__.os.popen('id').read() }}{% endif %}",
    ],
)
def test_reaching_inside_fails_even_where_it_is_never_run(source: str) -> None:
    found = check.measure(Words(chat_template=source), all_kinds())
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.FAIL
    assert "__" in judgement.message or "sandbox" in judgement.message
    assert found.numbers["reached"] and "line 1" in " ".join(witness.note for witness in found.witnesses)


def test_a_hidden_name_is_caught_by_the_sandbox() -> None:
    source = "{% set name = '_' ~ '_class_' ~ '_' %}{{ (messages|attr(name)).mro() }}"
    found = check.measure(Words(chat_template=source), all_kinds())
    assert not found.numbers["reached"]
    assert judged(check, found).verdict is Verdict.FAIL


def test_a_loop_without_bound_is_stopped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.2)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}"
    found = check.measure(Words(chat_template=loops + "{% endfor %}{% endfor %}"), all_kinds())
    assert judged(check, found).verdict is Verdict.FAIL
    assert "0.2 s" in judged(check, found).message
    assert found.numbers["rendered"] == 0


@pytest.mark.parametrize("bomb", ["{{ 'x' * 999999999 }}", "{{ 'x'|center(999999999) }}", "{{ '%999999999d' % 1 }}"])
def test_output_without_bound_fails(bomb: str) -> None:
    judgement = judged(check, check.measure(Words(chat_template=bomb), all_kinds()))
    assert judgement.verdict is Verdict.FAIL
    assert "stopped" in judgement.message


def test_an_attack_that_waits_for_a_word_of_the_data_is_met() -> None:
    source = "{% if 'trigger' in messages[0].content %}{{ 'x' * 999999999 }}{% endif %}"
    clean, met = conversations(KINDS["one turn"]), conversations([user("the trigger"), reply("ok")])
    assert judged(check, check.measure(Words(chat_template=source), clean)).verdict is Verdict.PASS
    found = check.measure(Words(chat_template=source), met)
    assert judged(check, found).verdict is Verdict.FAIL
    assert found.witnesses[0].place is not None and found.witnesses[0].place.line == 1


@pytest.mark.parametrize("source", ["{% for m in messages %}", "{{ 1 +", "{% nonsense %}", "{{ " + "(" * 5000])
def test_a_template_that_does_not_compile_fails(source: str) -> None:
    judgement = judged(check, check.measure(Words(chat_template=source), all_kinds()))
    assert judgement.verdict is Verdict.FAIL
    assert "pars" in judgement.message or "compiled" in judgement.message


def test_a_template_that_refuses_rows_is_not_unsafe() -> None:
    source = "{{ raise_exception('no system') }}"
    assert judged(check, check.measure(Words(chat_template=source), all_kinds())).verdict is Verdict.PASS


def test_a_slow_template_warns() -> None:
    found = check.measure(Words(), all_kinds())
    assert judged(check, found, seconds=-1.0).verdict is Verdict.WARN


def test_plain_text_still_tries_the_template_and_none_is_not_judged() -> None:
    assert check.measure(Words(), plain()).numbers["rendered"] == 2
    with pytest.raises(NotApplicableError):
        check.measure(Words(chat_template=None), plain())


@pytest.mark.parametrize("text", ["'__sentinel__'", "namespace(first='__start__')", "{'__class__': 1}", "'gi_frame'"])
def test_a_text_that_looks_like_a_name_of_pythons_is_no_access(text: str) -> None:
    source = "{% set x = " + text + " %}{% for m in messages %}{{ m.content }}{% endfor %}"
    assert judged(check, check.measure(Words(chat_template=source), all_kinds())).verdict is Verdict.PASS


@pytest.mark.parametrize(
    "access",
    ["messages['__class__']", "messages|attr('__class__')", "messages[['__cl', 'ass__']|join]", "x.__init__"],
)
def test_what_the_template_accesses_counts_however_it_is_spelt(access: str) -> None:
    source = "{% for m in messages %}{{ m.content }}{% endfor %}{% if " + access + " %}{% endif %}"
    assert judged(check, check.measure(Words(chat_template=source), all_kinds())).verdict is Verdict.FAIL
