"""Whether the arguments of a tool call keep the schema that the tool declares.

Schemas are data of strangers: nothing is fetched, no pattern of theirs is matched, and references are followed a
limited number of times. Dialects that tools are described in (``"type": "dict"``, ``"STRING"``, ``nullable``) are
understood, and what is no JSON Schema is not counted against the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from sanetune.data.json_types import Json
from sanetune.text import shorten

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

LONGEST = 100_000
"""Bytes of arguments and of schemas that are read; longer ones are not judged."""

MOST_REFERENCES = 2_000
"""References of a schema that are followed for one call."""

TYPES = {
    **{name: name for name in ("string", "number", "integer", "boolean", "array", "object", "null")},
    **dict.fromkeys(("str", "text"), "string"),
    **dict.fromkeys(("float", "double"), "number"),
    **dict.fromkeys(("int", "long"), "integer"),
    "bool": "boolean",
    **dict.fromkeys(("list", "tuple"), "array"),
    **dict.fromkeys(("dict", "map"), "object"),
    "none": "null",
}
"""Names of types that tools are described with -> JSON Schema's."""

_BY_NAME = ("properties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose keys are names, each with a schema."""
_ALONE = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")


class _TooManyReferencesError(Exception):
    pass


def refusal(schema: Json, arguments: dict[str, Json]) -> str:
    """Return why ``schema`` refuses ``arguments``, in one line; "" where it does not, or where it cannot be used.

    >>> refusal({"type": "object", "required": ["city"]}, {})
    "'city' is a required property"
    >>> refusal({"type": "dict", "properties": {"n": {"type": "int"}}}, {"n": "two"})
    "n: 'two' is not of type 'integer'"
    """
    try:
        written = orjson.dumps(schema)
        if len(written) > LONGEST or len(orjson.dumps(arguments)) > LONGEST:
            return ""
        validator, followed = _validator(written)
        followed.clear()
        error = next(validator.iter_errors(_given(arguments, validator.schema)), None)
    except Exception:  # noqa: BLE001 -- a schema that breaks its own validation says nothing about the call
        return ""
    if error is None:
        return ""
    path = ".".join(str(part) for part in error.absolute_path)
    return shorten(f"{path}: {error.message}" if path else error.message, 160)


def _given(arguments: dict[str, Json], schema: Json) -> dict[str, Json]:
    """``arguments`` without those that are null and not required: tables fill them in for every call."""
    required = schema.get("required") if isinstance(schema, dict) else None
    names = required if isinstance(required, list) else []
    return {name: value for name, value in arguments.items() if value is not None or name in names}


@lru_cache(512)
def _validator(written: bytes) -> tuple[Draft202012Validator, list[str]]:
    """A validator of a schema that is given as JSON, and the references that it has followed."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    followed: list[str] = []
    follow = Draft202012Validator.VALIDATORS["$ref"]

    def reference(
        validator: Draft202012Validator, target: str, instance: object, schema: object
    ) -> Iterator[ValidationError]:
        followed.append(target)
        if len(followed) > MOST_REFERENCES:
            raise _TooManyReferencesError
        yield from follow(validator, target, instance, schema)

    limited = validators.extend(Draft202012Validator, {"$ref": reference})
    return limited(_usable(orjson.loads(written)), registry=Registry()), followed


def _usable(schema: Json) -> Json:
    """``schema`` with the keywords that are checked, in JSON Schema's own words."""
    if not isinstance(schema, dict):
        return schema if isinstance(schema, bool) else True
    found: dict[str, Json] = {}
    for key, value in schema.items():
        if key in _BY_NAME and isinstance(value, dict):
            found[key] = {name: _usable(one) for name, one in value.items()}
        elif key in _ALONE and isinstance(value, (dict, bool)):
            found[key] = _usable(value)
        elif key in _LISTED and isinstance(value, list) and value:
            found[key] = [_usable(one) for one in value]
        elif _plain(key, value):
            found[key] = value
    if "patternProperties" in schema:
        found.pop("additionalProperties", None)
    _set_type(found, schema)
    return found


def _plain(key: str, value: Json) -> bool:
    """Whether a keyword holds what it has to and is checked as it is."""
    if key in ("enum", "required"):
        return isinstance(value, list) and (key == "enum" or all(isinstance(name, str) for name in value))
    if key in _NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if key in _COUNTS:
        return isinstance(value, int) and not isinstance(value, bool)
    return key == "const" or (key == "$ref" and isinstance(value, str)) or (key == "uniqueItems" and value is True)


def _set_type(found: dict[str, Json], schema: dict[str, Json]) -> None:
    """The type of ``schema`` under JSON Schema's name, with null where it is allowed; none where one is unknown."""
    given = schema.get("type")
    names = given if isinstance(given, list) else [given]
    known = [TYPES.get(name.lower()) if isinstance(name, str) else None for name in names]
    nullable = schema.get("nullable") is True
    if None not in known:
        found["type"] = [*known, *(["null"] if nullable else [])]
    enum = found.get("enum")
    if isinstance(enum, list) and (nullable or "null" in known):
        found["enum"] = [*enum, None]
