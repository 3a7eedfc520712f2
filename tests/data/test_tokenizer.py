"""The tokenizer of a run gets the chat template that the configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.data.tokenizer import load_tokenizer
from sanetune.errors import TemplateError

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo" / "model"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"


def template_of(value: str) -> str:
    config = load({"model": {"name": str(DEMO), "chat_template": value}, "data": {"train": "rows.jsonl"}})
    return str(load_tokenizer(config.model).chat_template)


def test_a_template_is_given_as_a_file_or_as_its_own_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(TEMPLATE)
    assert template_of(str(file)) == template_of(TEMPLATE) == TEMPLATE


def test_a_text_that_does_not_parse_is_told_with_its_line() -> None:
    with pytest.raises(TemplateError, match="does not parse: line 2"):
        template_of("{% for m in messages %}\n{% endif %}")


def test_a_file_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(TemplateError, match=r"nowhere\.jinja cannot be read"):
        template_of("nowhere.jinja")
