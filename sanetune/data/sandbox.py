"""A Jinja environment for strangers' templates: transformers' own, plus limits of time and size."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

SECONDS = 5.0
"""Longest time for one rendering.

The slowest template that TRL ships takes about 5 ms for 50 messages.
"""

CHARACTERS = 16_000_000
"""Largest output, and largest string or list on the way: some ten times the text that fits a million-token
context."""


class LimitError(Exception):
    """The template went over a limit of time or size."""


class _Ticks(NodeTransformer):
    """Puts a clock into every loop and macro, and sends ``~`` through the size guard.

    Jinja has no ``while``: a template can only run long by looping or by calling itself, so a tick at the head of
    each body is enough to stop it, in any thread and without signals.
    """

    def visit_For(self, node: nodes.For) -> nodes.Node:
        return self._tick(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._tick(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._tick(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return nodes.Call(nodes.Name("__concat", "load"), node.nodes, [], None, None).set_lineno(node.lineno)

    def _tick(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        call = nodes.Call(nodes.Name("__tick", "load"), [], [], None, None)
        node.body.insert(0, nodes.ExprStmt(call).set_lineno(node.lineno))
        return node


class _GenerationTag(jinja2.ext.Extension):
    """``{% generation %}`` renders its body: our spans do not need the marker, but must not stumble over it."""

    tags = {"generation"}  # noqa: RUF012 -- an instance variable in Jinja

    def parse(self, parser: Any) -> Any:
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # A macro call, as in transformers, so that assignments inside have the same scope.
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(lineno)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Transformers' environment plus the limits."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_GenerationTag, jinja2.ext.loopcontrols],
            finalize=_finalize,
        )
        self.deadline = float("inf")
        self.filters["tojson"] = _tojson
        for name in ("join", "replace", "center", "indent", "format"):
            self.filters[name] = _guarded_filter(name, self.filters[name])
        del self.globals["lipsum"]
        self.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": lambda form: datetime.now().strftime(form),
            "dict": _TemplateDict(),
            "namespace": _Namespace,
            "__tick": self._tick,
            "__concat": _concat,
        }

    def text(self, template: jinja2.Template, variables: dict[str, Any]) -> str:
        """What ``template`` renders to; raises :class:`LimitError`, or whatever the template trips over."""
        self.deadline = time.monotonic() + SECONDS
        pieces, size = [], 0
        for piece in template.generate(variables):
            size += len(piece)
            if size > CHARACTERS:
                raise LimitError(f"its output passed {CHARACTERS:,} characters")
            self._tick()
            pieces.append(piece)
        return "".join(pieces)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        ticking: nodes.Template = _Ticks().visit(super()._parse(source, name, filename))
        return ticking

    def _tick(self) -> None:
        if time.monotonic() > self.deadline:
            raise LimitError(f"it ran for more than {SECONDS:g} s")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            if _length(left) + _length(right) > CHARACTERS:
                raise LimitError("it joins more than it may build")
        elif operator == "*":
            _check_size(_length(left) * right if isinstance(right, int) else 0)
            _check_size(_length(right) * left if isinstance(left, int) else 0)
        elif operator == "**" and (abs(right) > 64 or abs(left) > 1e9):
            raise LimitError(f"it computes {left} ** {right}")
        elif operator == "%" and isinstance(left, str):
            _check_widths(left)
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _check_widths(value.__self__)
        return wrapped

    def call(self, context: Any, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(owner, str):
            _check_method(owner, name, args)
        return super().call(context, method, *args, **kwargs)


class _TemplateDict:
    """``dict(...)`` for templates, without the attributes of the real class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)


class _Namespace(jinja2.utils.Namespace):
    """``namespace(...)`` that refuses underscore names, as transformers' does."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"access to {name!r} on a namespace")
        super().__setitem__(name, value)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    _check_nodes(value)
    if indent is not None and _length(indent) + (indent if isinstance(indent, int) else 0) > 32:
        raise LimitError(f"it asks for JSON with an indent of {indent}")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _finalize(value: Any) -> Any:
    if isinstance(value, (list, dict, tuple)):
        _check_nodes(value)
    return value


def _concat(*values: Any) -> str:
    texts = [str(_finalize(value)) for value in values]
    _check_size(sum(map(len, texts)))
    return "".join(texts)


def _guarded_filter(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``original`` behind a check of how large its result can get; keeps the marks that say what Jinja passes
    first."""

    def guarded(*args: Any, **kwargs: Any) -> Any:
        values = [value for value in (*args, *kwargs.values()) if isinstance(value, int) or _length(value)]
        numbers = [value for value in values if isinstance(value, int)]
        if numbers and max(numbers) > 10_000:
            raise LimitError(f"it calls {name} with {max(numbers)}")
        if name in ("join", "replace"):
            lengths = sorted(_length(value) for value in values)
            _check_size(lengths[-1] * (1 + sum(lengths[:-1])) if lengths else 0, 64)
        elif name == "format":
            _check_widths(next((value for value in values if isinstance(value, str)), ""))
        return original(*args, **kwargs)

    if hasattr(original, "jinja_pass_arg"):
        guarded.jinja_pass_arg = original.jinja_pass_arg  # type: ignore[attr-defined]
    return guarded


def _check_method(owner: str, name: str, args: tuple[Any, ...]) -> None:
    if name in ("center", "ljust", "rjust", "zfill", "expandtabs") and args and isinstance(args[0], int):
        _check_size(args[0], 1000)
    elif name == "replace" and len(args) > 1 and isinstance(args[0], str) and isinstance(args[1], str):
        _check_size(len(owner) + owner.count(args[0]) * len(args[1]))
    elif name == "join" and args:
        # An iterator is left to the sandbox's own limit of 100,000 steps; its separator is what could multiply.
        _check_size(len(owner) * (_length(args[0]) or 1))


def _check_widths(form: str) -> None:
    if (re.search(r"\d{5,}|\*", form) and "%" in form) or re.search(r"\{[^{}]*\d{5,}", form):
        raise LimitError("it formats to a width of five digits or more")


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return 0


def _check_size(size: int, slack: int = 1) -> None:
    if size > CHARACTERS * slack:
        raise LimitError(f"it builds a value of {size:,} characters or items")


def _check_nodes(value: Any, limit: int = 1_000_000) -> None:
    """Refuses nested values that would print as more than ``limit`` nodes: ``[x, x]`` forty times over is small in
    memory."""
    stack, seen = [value], 0
    while stack:
        item = stack.pop()
        seen += 1
        if seen > limit:
            raise LimitError(f"it prints a nested value of more than {limit:,} parts")
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
