"""Turns pydantic's validation errors into errors of the configuration."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sanetune.config.messages import EXAMPLES, meant, wrong_value
from sanetune.config.schema import Config
from sanetune.errors import ConfigError, Place

EXPECTED = {
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "finite_number": "a finite number",
    "too_short": "a list with at least one entry",
}
"""pydantic's kinds of error -> what would have been right."""


Where = Callable[[str], Place | None]
"""``section.key`` -> where its value is written."""


def config_error(error: ValidationError, where: Where) -> ConfigError:
    """All of pydantic's errors as one: the first in full, the others named."""
    problems = [_problem(detail, where) for detail in _essential(error.errors(include_url=False))]
    first, rest = problems[0], problems[1:]
    more = "".join(f"\nAlso: {other.headline}" for other in rest[:4])
    return ConfigError(first.message, first.rationale, first.remedy + more, first.place)


def _essential(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """One error per value: a union reports one for each of its types."""
    seen: dict[str, ErrorDetails] = {}
    for detail in details:
        seen.setdefault(_path(detail), detail)
    return list(seen.values())


def _path(detail: ErrorDetails) -> str:
    """``section.key`` of an error, without pydantic's names for the types of a union."""
    model: type[BaseModel] | None = Config
    parts: list[str] = []
    for part in detail["loc"]:
        fields = model.model_fields if model is not None else {}
        if isinstance(part, str) and part in fields:
            model = _model_in(fields[part].annotation)
            parts.append(part)
        elif isinstance(part, int) or (detail["type"] in ("extra_forbidden", "missing") and part == detail["loc"][-1]):
            parts.append(str(part))
        elif isinstance(part, str) and not fields and parts[-1:] == ["fields"]:
            parts.append(part)
    return ".".join(parts)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation such as ``list[SourceSection]`` or ``AdapterSection | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _problem(detail: ErrorDetails, where: Where) -> ConfigError:
    path, value, kind = _path(detail), detail["input"], detail["type"]
    place = where(path)
    if kind == "missing":
        section = path.split(".")[0]
        return ConfigError(
            f"{path} is missing" if "." in path else f"the section {path!r} is missing",
            "There is nothing to start from without it.",
            f"Add it:\n{EXAMPLES.get(section, '')}",
            where(section),
        )
    if kind == "extra_forbidden":
        above, _, key = path.rpartition(".")
        names = [f"{above}.{name}" for name in _fields_at(above)]
        return ConfigError(
            f"there is no key {path!r}",
            "An unknown key would be ignored, and the run would not be what the file says.",
            _called(path) or meant(key, names) or f"Known here: {', '.join(name.split('.')[-1] for name in names)}",
            place,
        )
    return wrong_value(path, value, _expected(detail), place)


def _called(path: str) -> str:
    from sanetune.config.keys import key_for

    found = key_for(path)
    return f"It is called {found} here." if found else ""


def _fields_at(path: str) -> list[str]:
    model: type[BaseModel] | None = Config
    for part in path.split("."):
        if model is not None and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields) if model is not None else []


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        return "one of " + str(context["expected"]).replace("'", "").replace(" or ", ", ")
    bounds = {"greater_than_equal": ("ge", "from"), "greater_than": ("gt", "above")}
    bounds |= {"less_than_equal": ("le", "up to"), "less_than": ("lt", "below")}
    if kind in bounds:
        name, word = bounds[kind]
        return f"a number {word} {context[name]:g}"
    return EXPECTED.get(kind, detail["msg"].lower().removeprefix("input should be "))
