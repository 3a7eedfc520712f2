"""Templates render as in transformers, and cannot run away."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
import trl
from transformers.utils.chat_template_utils import render_jinja_template

from bench.fuzz import templates
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import TemplateError
from tests.data.chats import KINDS, TOOLS, reply, user

TEMPLATES = sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
CHAT = [user("hello"), reply("hi")]


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.stem)
def test_renders_what_transformers_renders(file: Path) -> None:
    source = file.read_text()
    template = ChatTemplate(source, SPECIALS)
    for kind, messages in KINDS.items():
        tools = TOOLS if kind == "tools" else None
        for prompted in (False, True):
            try:
                theirs = render_jinja_template(
                    [template.adapted(messages)],
                    tools=tools,
                    chat_template=source,
                    add_generation_prompt=prompted,
                    **SPECIALS,
                )[0][0]
            except Exception:
                with pytest.raises(TemplateError):
                    template.render(messages, tools, add_generation_prompt=prompted)
                continue
            assert template.render(messages, tools, add_generation_prompt=prompted) == theirs, kind


_GROWING = "{% set n = namespace(x=START) %}{% for i in range(60) %}{% set n.x = STEP %}{% endfor %}{{ END }}"


def growing(start: str, step: str, end: str = "n.x") -> str:
    return _GROWING.replace("START", start).replace("STEP", step).replace("END", end)


BOMBS = {
    "endless loop": "{% for i in range(99999) %}{% for j in range(99999) %}{% set x = 1 %}{% endfor %}{% endfor %}",
    "endless output": "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "repetition": "{{ 'a' * 10 ** 9 }}",
    "doubling with +": growing("'a'", "n.x + n.x"),
    "doubling with ~": growing("'a'", "n.x ~ n.x"),
    "nesting": growing("['a']", "[n.x, n.x]", "n.x | tojson"),
    "nesting printed": growing("['a']", "[n.x, n.x]"),
    "join": "{{ range(99999) | join('x' * 9999999) }}",
    "replace": "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
    "width": "{{ '%1000000000d' % 1 }}",
    "format width": "{{ '{:>1000000000}'.format(1) }}",
    "center": "{{ 'x' | center(10 ** 9) }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "recursion": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(1) }}",
    "branching recursion": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}",
}
ESCAPES = {
    "class": "{{ ''.__class__.__mro__ }}",
    "globals": "{{ messages[0].content.__init__.__globals__ }}",
    "mutation": "{{ messages.append(1) }}",
    "namespace": "{% set n = namespace(__class__=1) %}{{ n.__init__.__globals__ }}",
    "format": "{{ '{0.__class__}'.format(messages) }}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_a_template_without_bound_is_stopped(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sanetune.data.template.limits.SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(TemplateError):
        ChatTemplate(source).render(CHAT)
    assert time.monotonic() - began < 5


HIDDEN = {
    "memory": [
        "ljust", "ljust of bytes", "expandtabs by name", "to_bytes", "indent", "indent by text", "batch", "split by a",
        "wordwrap's text", "list of text", "translate", "nest as text", "nest by pprint", "replace of nothing",
        "many names", "set block", "locals of calls", "many slices", "list of texts", "join of map", "upper",
    ],
    "formats": ["format, many", "format, repeated text", "format, nested", "format, nested text", "many widths"],
    "loops": [
        "slice", "squares", "block calls twice", "sum of lists", "comparison", "hash", "strip of many characters",
    ],
    "broken": ["deep loops"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in HIDDEN.items() for name in names])
def test_a_bomb_inside_one_operation_is_stopped_before_it_builds_anything(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters, methods and operators that take long or build much without any loop of the template's own."""
    monkeypatch.setattr("sanetune.data.template.limits.SECONDS", 0.5)
    began, peak = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TemplateError):
        ChatTemplate(templates.KINDS[kind][name]).render(CHAT)
    assert time.monotonic() - began < 5
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < 800


def test_a_template_that_is_slow_for_every_row_is_stopped_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rendering stays below the limit, and ten thousand of them would take hours."""
    monkeypatch.setattr("sanetune.data.template.limits.SLOW_TOTAL", 0.2)
    monkeypatch.setattr("sanetune.data.template.limits.SLOW_EACH", 0.02)
    template = ChatTemplate("{% for i in range(99999) %}{% set x = i + 1 %}{% endfor %}x")

    def render() -> None:
        for _ in range(50):
            template.render(CHAT)

    with pytest.raises(TemplateError, match="for one conversation"):
        render()


def test_a_template_as_long_as_a_book_is_not_compiled() -> None:
    with pytest.raises(TemplateError, match="3,000,000 characters"):
        ChatTemplate("x" * 3_000_000)


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES.keys())
def test_a_template_cannot_leave_its_sandbox(source: str) -> None:
    try:
        text = ChatTemplate(source).render(CHAT)
    except TemplateError:
        return
    assert "class" not in text and "function" not in text


@pytest.mark.parametrize("source", [r"{{ '\ud800' }}", "{{ '%c' % 0xd800 }}"])
def test_a_template_that_writes_half_a_character_is_refused(source: str) -> None:
    """No tokenizer takes such text."""
    with pytest.raises(TemplateError, match="UnicodeEncodeError"):
        ChatTemplate(source).render(CHAT)


def test_a_template_that_does_not_parse_names_the_line() -> None:
    with pytest.raises(TemplateError, match="line 2"):
        ChatTemplate("{{ messages }}\n{% for")


def test_a_template_refusal_carries_its_own_words() -> None:
    with pytest.raises(TemplateError, match="no system role here"):
        ChatTemplate("{{ raise_exception('no system role here') }}").render(CHAT)


def test_chatml_is_plain_chatml() -> None:
    text = ChatTemplate(CHATML).render(CHAT, add_generation_prompt=True)
    assert text == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_content_is_given_as_parts_only_to_templates_that_need_it() -> None:
    parts = ChatTemplate("{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}")
    assert parts.takes_parts and parts.render(CHAT) == "hellohi"
    assert not ChatTemplate(CHATML).takes_parts
