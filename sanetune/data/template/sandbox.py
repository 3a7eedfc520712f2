"""Run strangers' templates in Jinja's sandbox, set up as transformers does, with limits of time, size and memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox
from jinja2 import nodes
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

from sanetune.data.template.guards import (
    UNGUARDED,
    check_format,
    check_method,
    check_operation,
    guarded_filter,
    length,
)
from sanetune.data.template.limits import CHARACTERS, LimitError, Meter, check_size, weight


class _Metered(NodeTransformer):
    """Puts a clock into everything that repeats, and scales behind everything that builds.

    Jinja has no ``while``: a template can only run long by looping, by calling itself, or by one long operation, so a
    tick at the head of each body is enough to stop it, in any thread and without signals. Clock and scales are filters,
    which a template cannot overwrite; that they take the context keeps the compiler from running them beforehand.
    """

    def visit_For(self, node: nodes.For) -> nodes.Node:
        return self._ticking(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._ticking(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._ticking(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:
        return self._ticking(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _filter(node.nodes[0], "__concat", node.nodes[1:])

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return node if all(isinstance(item, nodes.Const) for item in node.items) else _filter(node, "__weighed")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        bare = node.ctx != "load" or all(isinstance(item, nodes.Const) for item in node.items)
        return node if bare else _filter(node, "__weighed")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _filter(node, "__weighed")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        return _filter(node, "__weighed") if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        """With what is written in the template it takes no time."""
        self.generic_visit(node)
        bare = any(isinstance(one, nodes.Const) for one in (node.expr, *(operand.expr for operand in node.ops)))
        return node if bare else _filter(node, "__ticked")

    def _ticking(self, node: nodes.For | nodes.Macro | nodes.CallBlock | nodes.Block) -> nodes.Node:
        self.generic_visit(node)
        nothing = nodes.Const(None)
        nothing.set_lineno(node.lineno)
        node.body.insert(0, nodes.ExprStmt(_filter(nothing, "__ticked")).set_lineno(node.lineno))
        return node


def _filter(node: nodes.Expr, name: str, more: list[nodes.Expr] | None = None) -> nodes.Filter:
    made = nodes.Filter(node, name, more or [], [], None, None)
    made.set_lineno(node.lineno)
    return made


class _GenerationTag(jinja2.ext.Extension):
    """``{% generation %}`` renders its body: our spans do not need the marker, but must not stumble over it."""

    tags = {"generation"}  # noqa: RUF012 -- an instance variable in Jinja

    def parse(self, parser: Parser) -> nodes.Node:
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # A macro call, as in transformers, so that assignments inside have the same scope.
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(lineno)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Transformers' environment plus the limits."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_GenerationTag, jinja2.ext.loopcontrols],
            finalize=_finalize,
        )
        self.meter = Meter()
        self.reached: list[str] = []
        """Names that templates asked for and that the sandbox kept from them."""
        self.filters["tojson"] = _tojson
        for name, original in list(self.filters.items()):
            if name not in UNGUARDED:
                self.filters[name] = guarded_filter(name, original, self.meter)
        self.filters |= {"__ticked": self._ticked, "__weighed": self._weighed, "__concat": self._concat}
        del self.globals["lipsum"]
        self.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
            "dict": _TemplateDict(),
            "namespace": _Namespace,
        }

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        safe = super().is_safe_attribute(obj, attr, value)
        if not safe and attr not in self.reached:
            self.reached.append(attr)
        return safe

    def text(self, template: jinja2.Template, variables: dict[str, Any]) -> str:
        """Return what ``template`` renders to.

        Raises:
            LimitError: It goes too far. Whatever else the template raises comes through.
        """
        self.meter.start()
        pieces, size = [], 0
        try:
            for piece in template.generate(variables):
                size += len(piece)
                if size > CHARACTERS:
                    raise LimitError(f"its output passed {CHARACTERS:,} characters")
                self.meter.tick()
                pieces.append(piece)
        finally:
            self.meter.stop()
        return "".join(pieces)

    def concat(self, pieces: Iterable[str]) -> str:  # type: ignore[override]
        """What a macro, a call or a set block has put out."""
        pieces = list(pieces)
        check_size(sum(map(len, pieces)))
        text = "".join(pieces)
        self.meter.weighed(text)
        return text

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        metered: nodes.Template = _Metered().visit(super()._parse(source, name, filename))
        return metered

    @jinja2.pass_context
    def _ticked(self, context: Context, value: object) -> object:
        self.meter.tick()
        return value

    @jinja2.pass_context
    def _weighed(self, context: Context, value: object) -> object:
        return self.meter.weighed(value)

    @jinja2.pass_context
    def _concat(self, context: Context, *values: object) -> str:
        texts = [str(_finalize(value)) for value in values]
        return self.concat(texts)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        check_operation(operator, left, right)
        return self.meter.weighed(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: object) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        template = str(getattr(value, "__self__", ""))

        def checked(*args: object, **kwargs: object) -> str:
            check_format(template, (args, kwargs))
            return wrapped(*args, **kwargs)

        return checked

    def call(self, context: Context, method: object, /, *args: object, **kwargs: object) -> object:
        owner = getattr(method, "__self__", None)
        if owner is not None:
            args = check_method(owner, getattr(method, "__name__", ""), args, kwargs)
        return self.meter.weighed(super().call(context, method, *args, **kwargs))


class _TemplateDict:
    """``dict(...)`` for templates, without the attributes of the real class."""

    def __call__(self, *args: object, **kwargs: object) -> dict[str, object]:
        return dict(*args, **kwargs)


class _Namespace(jinja2.utils.Namespace):
    """``namespace(...)`` that refuses underscore names, as transformers' does."""

    def __setitem__(self, name: str, value: object) -> None:
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"access to {name!r} on a namespace")
        super().__setitem__(name, value)


def _strftime_now(format: str) -> str:
    if length(format) > 200 or any(digit.isdigit() for digit in format):
        raise LimitError("it asks for a date in a format that no date has")
    return datetime.now().strftime(format)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    weight(value)
    if indent is not None and length(indent) + (indent if isinstance(indent, int) else 0) > 32:
        raise LimitError(f"it asks for JSON with an indent of {indent}")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _finalize(value: object) -> object:
    if not isinstance(value, str):
        weight(value)
    return value
