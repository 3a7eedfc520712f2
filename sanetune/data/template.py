"""Chat templates, rendered as transformers renders them, but inside limits.

A template comes from a stranger, as the data does.  It runs in Jinja's immutable sandbox with the same filters and globals as
``transformers.PreTrainedTokenizerBase.apply_chat_template`` (the tests compare the two on every template that TRL ships),
and three limits that transformers does not set: seconds, size of the output, size of any string or list on the way there.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from sanetune.data.conversation import Message
from sanetune.errors import TemplateError

SECONDS = 5.0
"""Longest time for one rendering. The slowest template that TRL ships takes about 5 ms for 50 messages."""
CHARACTERS = 16_000_000
"""Largest output, and largest string or list on the way: some ten times the text that fits a million-token context."""

CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""The plain ChatML template that ``model.chat_template: chatml`` installs."""


class LimitReached(Exception):
    """The template went over a limit of time or size."""


class TemplateStopped(TemplateError):
    """The template was stopped at a limit, or at the wall of its sandbox: no other input is worth trying."""


class _Ticks(NodeTransformer):
    """Puts a clock into every loop and macro, and sends ``~`` through the size guard.

    Jinja has no ``while``: a template can only run long by looping or by calling itself, so a tick at the head of each body is
    enough to stop it, in any thread and without signals.
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

    tags = {"generation"}

    def parse(self, parser: Any) -> Any:
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # A macro call, as in transformers, so that assignments inside have the same scope.
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(lineno)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """transformers' environment plus the limits."""

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

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _Ticks().visit(super()._parse(source, name, filename))

    def _tick(self) -> None:
        if time.monotonic() > self.deadline:
            raise LimitReached(f"it ran for more than {SECONDS:g} s")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            if _length(left) + _length(right) > CHARACTERS:
                raise LimitReached("it joins more than it may build")
        elif operator == "*":
            _check_size(_length(left) * right if isinstance(right, int) else 0)
            _check_size(_length(right) * left if isinstance(left, int) else 0)
        elif operator == "**" and (abs(right) > 64 or abs(left) > 1e9):
            raise LimitReached(f"it computes {left} ** {right}")
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


class ChatTemplate:
    """A compiled template with the tokenizer's special tokens in reach (``bos_token``, ``eos_token``, …)."""

    def __init__(self, source: str, specials: dict[str, str] | None = None) -> None:
        self.source, self.specials = source, dict(specials or {})
        self._sandbox = Sandbox()
        try:
            self._template = self._sandbox.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(
                f"The chat template does not parse: line {error.lineno}: {error.message}",
                "No conversation can be rendered with it.",
                "Give a template that works as `model.chat_template: FILE`, or `chatml`.",
            ) from None
        except (RecursionError, MemoryError, OverflowError, ValueError, TypeError, ArithmeticError) as error:
            raise TemplateError(f"The chat template cannot be compiled: {error}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return (ChatTemplate, (self.source, self.specials))

    def render(
        self,
        messages: list[Message],
        tools: list[dict[str, Any]] | None = None,
        kwargs: dict[str, Any] | None = None,
        *,
        add_generation_prompt: bool = False,
    ) -> str:
        """The text of ``messages`` in the form that this template takes; raises :class:`TemplateError`, with no place yet."""
        return self.render_as_is(
            self.adapted(messages), tools, kwargs, add_generation_prompt=add_generation_prompt
        )

    def render_as_is(
        self,
        messages: list[Message],
        tools: list[dict[str, Any]] | None = None,
        kwargs: dict[str, Any] | None = None,
        *,
        add_generation_prompt: bool = False,
    ) -> str:
        """The same for messages that were :meth:`adapted` already."""
        variables: dict[str, Any] = {
            **self.specials,
            "messages": messages,
            "tools": tools,
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
            **(kwargs or {}),
        }
        self._sandbox.deadline = time.monotonic() + SECONDS
        pieces, size = [], 0
        try:
            for piece in self._template.generate(variables):
                size += len(piece)
                if size > CHARACTERS:
                    raise LimitReached(f"its output passed {CHARACTERS:,} characters")
                self._sandbox._tick()
                pieces.append(piece)
        except LimitReached as error:
            raise TemplateStopped(
                f"The chat template was stopped: {error}",
                "A template that runs or grows without bound would hang training and every later use of the model.",
                "Use the template that the model's makers publish, or `model.chat_template: chatml`.",
            ) from None
        except jinja2.sandbox.SecurityError as error:
            raise TemplateStopped(
                f"The chat template tried to leave its sandbox: {error}",
                "A template is code from a stranger; a harmless one needs no such access.",
                "Do not use this model's template: give your own as `model.chat_template: FILE`, or `chatml`.",
            ) from None
        except (jinja2.TemplateError, RecursionError) as error:
            raise TemplateError(f"The chat template refuses the conversation: {error or type(error).__name__}") from None
        except Exception as error:  # a template is a program: whatever it trips over is the row's or the template's fault
            raise TemplateError(f"The chat template fails: {type(error).__name__}: {str(error)[:200]}") from None
        return "".join(pieces)

    @cached_property
    def takes_parts(self) -> bool:
        """Whether content has to be a list of typed parts: a plain string does not survive rendering, a part does."""
        probe = "sanetune-probe"
        return not self._keeps(probe, probe) and self._keeps([{"type": "text", "text": probe}], probe)

    @cached_property
    def takes_json_arguments(self) -> bool:
        """Whether tool-call arguments have to be a JSON string: the template raises on a dict but not on a string."""
        return not self._renders_arguments({"key": "value"}) and self._renders_arguments('{"key": "value"}')

    def adapted(self, messages: list[Message]) -> list[Message]:
        """``messages`` as this template takes them; content, reasoning and arguments are carried over, never changed.

        As transformers does, reasoning is given under both names that templates read.
        """
        return [self._adapt(message) for message in messages]

    def _adapt(self, message: Message) -> Message:
        message = dict(message)
        if "reasoning_content" in message:
            message["thinking"] = message["reasoning_content"]
        if self.takes_parts and isinstance(message.get("content"), str):
            text = message["content"]
            message["content"] = [{"type": "text", "text": text}] if text else []
        if message.get("tool_calls") and self.takes_json_arguments:
            message["tool_calls"] = [_with_json_arguments(call) for call in message["tool_calls"]]
        return message

    def _keeps(self, content: Any, probe: str) -> bool:
        try:
            return probe in self.render_as_is([{"role": "user", "content": content}])
        except TemplateStopped:
            raise
        except TemplateError:
            return False

    def _renders_arguments(self, arguments: Any) -> bool:
        call = {"id": "call00001", "type": "function", "function": {"name": "probe", "arguments": arguments}}
        try:
            self.render_as_is(
                [{"role": "user", "content": "probe"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
            )
        except TemplateStopped:
            raise
        except TemplateError:
            return False
        return True


def _with_json_arguments(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    if isinstance(function["arguments"], str):
        return call
    return {**call, "function": {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}}


class _TemplateDict:
    """``dict(...)`` for templates, without the attributes of the real class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)


class _Namespace(jinja2.utils.Namespace):
    """``namespace(...)`` that refuses underscore names, as transformers' does."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise jinja2.sandbox.SecurityError(f"access to {name!r} on a namespace")
        super().__setitem__(name, value)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    _check_nodes(value)
    if indent is not None and _length(indent) + (indent if isinstance(indent, int) else 0) > 32:
        raise LimitReached(f"it asks for JSON with an indent of {indent}")
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
    """``original`` behind a check of how large its result can get; keeps the marks that say what Jinja passes first."""

    def guarded(*args: Any, **kwargs: Any) -> Any:
        values = [value for value in (*args, *kwargs.values()) if isinstance(value, int) or _length(value)]
        numbers = [value for value in values if isinstance(value, int)]
        if numbers and max(numbers) > 10_000:
            raise LimitReached(f"it calls {name} with {max(numbers)}")
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
    if re.search(r"\d{5,}|\*", form) and "%" in form or re.search(r"\{[^{}]*\d{5,}", form):
        raise LimitReached("it formats to a width of five digits or more")


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return 0


def _check_size(size: int, slack: int = 1) -> None:
    if size > CHARACTERS * slack:
        raise LimitReached(f"it builds a value of {size:,} characters or items")


def _check_nodes(value: Any, limit: int = 1_000_000) -> None:
    """Refuses nested values that would print as more than ``limit`` nodes: ``[x, x]`` forty times over is small in memory."""
    stack, seen = [value], 0
    while stack:
        item = stack.pop()
        seen += 1
        if seen > limit:
            raise LimitReached(f"it prints a nested value of more than {limit:,} parts")
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
