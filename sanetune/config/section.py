"""What all sections of the configuration have in common, and the types of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A section of the configuration.

    Unknown keys are refused, and types are not converted ("3" is no number). A field's docstring is its description;
    ``None`` as default means unset, and the description says what happens then.
    """

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, validate_assignment=True)

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None

    def get(self, key: str, default: object = None) -> Any:
        """Return the value of ``key``, or ``default`` where it is unset or the section has no such key."""
        value = getattr(self, key, None)
        return default if value is None else value

    def keys(self) -> Iterator[str]:
        """Return the names of the fields, so that ``dict(section)`` and ``**section`` work."""
        return iter(type(self).model_fields)


def as_list(value: object) -> object:
    """One text as a list of it."""
    return [value] if isinstance(value, str) else value


def _plain_dtype(value: object) -> object:
    """``bf16``, ``fp16``, ``torch.float32`` and their like, by the names that transformers takes."""
    names = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}
    if isinstance(value, str):
        short = value.strip().removeprefix("torch.").lower()
        return names.get(short, short)
    return value


Texts = Annotated[list[str], BeforeValidator(as_list)]
"""A list of texts; one text stands for a list of one."""
Share = Annotated[float, Field(ge=0, lt=1)]
"""A share of something: from 0 to below 1."""
Dtype = Annotated[Literal["auto", "float32", "bfloat16", "float16"], BeforeValidator(_plain_dtype)]
"""A number format; short names (``bf16``) and torch's (``torch.bfloat16``) are understood."""
LossOn = Literal["assistant", "last", "all"]
"""Which tokens are in the loss: those of every assistant turn, of the last one, or all."""
