"""Limit what a template's filters, methods and operators may build: results are estimated before they are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sanetune.data.template.limits import CHARACTERS, PARTS, LimitError, Meter, check_size, weight

WIDTH = 10_000
"""Largest width, indent and the like."""
SLOW_TEXT = 50_000
"""Most characters for filters whose time grows faster than their text."""
STRIPPED = 1_000
"""Most different characters to be stripped."""
INTEGER = 1 << 16_384

NUMBERED = frozenset({"center", "indent", "batch", "slice", "truncate", "wordwrap", "urlize", "round"})
SLOW = frozenset({"wordwrap", "urlize", "striptags", "xmlattr", "pprint", "wordcount", "title"})
ITERATING = frozenset(
    {"list", "sort", "unique", "groupby", "batch", "slice", "join", "min", "max", "sum", "map", "select", "reject"}
    | {"selectattr", "rejectattr"}
)
UNGUARDED = frozenset({"default", "d", "first", "last", "length", "count", "attr", "safe", "tojson"})
CODECS = frozenset({"utf-8", "utf8", "ascii", "latin-1", "utf-16", "utf-32"})

_PERCENT = re.compile(r"%(?:\(\w*\))?[#\- +]*(\*|\d*)(?:\.(\*|\d*))?")
_FIELD = re.compile(r"\{([^{}]*)\}")


def guarded_filter(name: str, original: Callable[..., Any], meter: Meter) -> Callable[..., Any]:
    """``original`` behind a check of what it would build; keeps the marks that say what Jinja passes first."""
    passed = getattr(original, "jinja_pass_arg", None)
    skipped = 0 if passed is None else 1

    def guarded(*args: object, **kwargs: object) -> object:
        meter.tick()
        if len(args) > skipped:
            args = (*args[:skipped], *_checked(name, args[skipped], args[skipped + 1 :], kwargs))
        return meter.weighed(original(*args, **kwargs))

    if passed is not None:
        guarded.jinja_pass_arg = passed  # type: ignore[attr-defined]
    return guarded


def _checked(name: str, value: object, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[object, ...]:
    """The arguments of a filter, iterators as lists where the check has to see them."""
    given = [*args, *kwargs.values()]
    if name in NUMBERED and any(isinstance(one, int) and one > WIDTH for one in given):
        raise LimitError(f"it calls {name} with {max(one for one in given if isinstance(one, int))}")
    if name in SLOW and weight((value, given)) > SLOW_TEXT:
        raise LimitError(f"it calls {name} with more than {SLOW_TEXT:,} characters")
    if name in ITERATING and isinstance(value, (str, bytes)) and len(value) > PARTS:
        raise LimitError(f"it makes a list of {len(value):,} characters")
    if name == "join":
        value = list(value) if isinstance(value, Iterator) else value
        check_size(weight(value) + length(value) * sum(map(length, given)))
    elif name == "replace" and len(args) > 1:
        _check_replaced(str(value), str(args[0]), str(args[1]))
    elif name == "format":
        check_percent(str(value), (args, kwargs))
    elif name == "indent":
        wide = max((one if isinstance(one, int) else length(one) for one in given), default=4)
        check_size(length(value) + (value.count("\n") + 1 if isinstance(value, str) else 1) * wide)
    elif name == "trim" and given and length(given[0]) > STRIPPED:
        raise LimitError(f"it strips {length(given[0]):,} different characters")
    elif name == "sum" and any(
        length(one) or isinstance(one, (list, tuple)) for one in (*args[1:], kwargs.get("start"))
    ):
        raise LimitError("it sums up what are no numbers")
    return (value, *args)


def check_method(owner: object, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[object, ...]:
    """The arguments of a method of ``owner``; LimitError where it would build too much."""
    given = [*args, *kwargs.values()]
    number = max((one for one in given if isinstance(one, int)), default=0)
    if isinstance(owner, int):
        if name in ("to_bytes", "from_bytes"):
            raise LimitError(f"it calls {name}, which no template needs")
        return args
    if not isinstance(owner, (str, bytes)):
        return args
    if name in ("center", "ljust", "rjust", "zfill"):
        check_size(number)
    elif name == "expandtabs":
        check_size(len(owner) + owner.count("\t" if isinstance(owner, str) else b"\t") * number)  # type: ignore[arg-type]
    elif name == "replace" and len(args) > 1:
        _check_replaced(owner, args[0], args[1])
    elif name == "join" and args:
        args = (list(args[0]) if isinstance(args[0], Iterable) else args[0],)
        check_size(weight(args[0]) + len(owner) * length(args[0]))
    elif name in ("split", "rsplit", "splitlines"):
        _check_split(owner, name, given)
    elif name in ("strip", "lstrip", "rstrip") and given and length(given[0]) > STRIPPED:
        raise LimitError(f"it strips {length(given[0]):,} different characters")
    elif name == "translate":
        longest = max(map(length, args[0].values()), default=1) if args and isinstance(args[0], dict) else 1
        check_size(len(owner) * max(1, longest))
    elif name in ("encode", "decode") and not CODECS.issuperset(str(one).lower() for one in given[:1]):
        raise LimitError(f"it uses the codec {str(given[0])[:20]}, which no template needs")
    return args


def check_operation(operator: str, left: object, right: object) -> None:
    """LimitError where ``left`` and ``right`` would grow too far."""
    if isinstance(left, int) and isinstance(right, int):
        if operator == "**" and (abs(right) > 64 or abs(left) > 1e9):
            raise LimitError(f"it computes {str(left)[:20]} ** {str(right)[:20]}")
        if not (-INTEGER < left < INTEGER and -INTEGER < right < INTEGER):
            raise LimitError("it computes with numbers of thousands of digits")
    elif operator == "*":
        if isinstance(right, int):
            left, right = right, left
        if isinstance(left, int) and length(right):
            check_size(weight(right) * left)
            if not isinstance(right, (str, bytes)):
                check_size(weight(right) * left * (CHARACTERS // PARTS))
    elif operator == "+":
        check_size(length(left) + length(right))
    elif operator == "%" and isinstance(left, (str, bytes)):
        check_percent(left if isinstance(left, str) else left.decode("latin-1"), right)


def check_percent(template: str, values: object) -> None:
    """LimitError where ``template % values`` would get too long."""
    found = _PERCENT.findall(template)
    _check_widths([number for pair in found for number in pair], len(found), values)


def check_format(template: str, values: object) -> None:
    """The same for ``template.format(...)``."""
    bare = template.replace("{{", "")
    if re.search(r"\{[^{}]*\{", bare):
        raise LimitError("it formats to a width that is itself computed")
    fields = _FIELD.findall(bare)
    _check_widths([number for field in fields for number in re.findall(r"\d+", field)], len(fields), values)


def _check_widths(widths: list[str], fields: int, values: object) -> None:
    if any(width == "*" or len(width) > 4 for width in widths):
        raise LimitError("it formats to a width of five digits or more")
    if fields:
        check_size(sum(int(width) for width in widths if width) + fields * weight(values))


def _check_replaced(text: str | bytes, old: object, new: object) -> None:
    if type(old) is type(text) or (isinstance(text, str) and isinstance(old, str)):
        check_size(len(text) + text.count(old) * length(new))  # type: ignore[arg-type]


def _check_split(owner: str | bytes, name: str, given: list[object]) -> None:
    if len(owner) <= PARTS:
        return
    if name == "splitlines" or not given or given[0] is None:
        count = (
            sum(one.isspace() or one in "\x1c\x1d\x1e\x85" for one in owner) if isinstance(owner, str) else len(owner)
        )
    else:
        count = owner.count(given[0])  # type: ignore[arg-type]
    if count > PARTS:
        raise LimitError(f"it splits a text into {count:,} pieces")


def length(value: object) -> int:
    """Return how long ``value`` is; 0 for what has no length."""
    try:
        return len(value)  # type: ignore[arg-type]
    except TypeError:
        return 0
