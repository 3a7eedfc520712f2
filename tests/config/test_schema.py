"""The schema: every key is described, and its examples can be used."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from sanetune.config.keys import SECTIONS
from sanetune.config.schema import AdapterSection, Config, SourceSection

FIELDS = {
    f"{name}.{key}": (section, key, field)
    for name, section in (SECTIONS | {"adapter": AdapterSection, "source": SourceSection}).items()
    for key, field in section.model_fields.items()
}


@pytest.mark.parametrize("path", FIELDS)
def test_a_key_has_a_description_that_says_what_unset_means(path: str) -> None:
    _, _, field = FIELDS[path]
    words = field.description or ""
    assert words.endswith((".", "..."))
    assert len(words) > 20
    if field.default is None:
        assert "Unset: " in words or "Unset," in words


@pytest.mark.parametrize("path", FIELDS)
def test_a_key_without_a_telling_default_has_examples_that_are_valid(path: str) -> None:
    section, key, field = FIELDS[path]
    wants_one = field.default in (None, [], {}) and not _choices(field) and path != "train.given"
    assert field.examples or not wants_one
    for example in field.examples or ():
        values: dict[str, Any] = {"name": "m"} if path.startswith("model.") else {}
        values |= {"train": "d"} if path.startswith("data.") else {"path": "p"} if path.startswith("source.") else {}
        section.model_validate(values | {key: example})


def _choices(field: FieldInfo) -> bool:
    """Whether the type itself lists the values."""
    schema = str(TypeAdapter(field.annotation).json_schema())
    return "enum" in schema or "boolean" in schema


def test_sections_read_like_mappings() -> None:
    config = Config.model_validate({"model": {"name": "m"}, "data": {"train": "d"}})
    assert dict(config.run)["trackers"] == config.run["trackers"] == ["tensorboard"]
    assert (config.model.get("revision", "main"), config.model.get("nothing")) == ("main", None)
    with pytest.raises(KeyError):
        config.model["nothing"]
