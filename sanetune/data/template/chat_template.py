"""Chat templates, rendered as transformers renders them, but inside limits.

A template comes from a stranger, as the data does. It runs in Jinja's immutable sandbox with the same filters and
globals as ``transformers.PreTrainedTokenizerBase.apply_chat_template`` (the tests compare the two on every template
that TRL ships), and three limits that transformers does not set: seconds, size of the output, size of any string or
list on the way there.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import jinja2
import jinja2.sandbox

from sanetune.data.conversation import Message
from sanetune.data.template.limits import LimitError
from sanetune.data.template.sandbox import Sandbox
from sanetune.errors import TemplateError

CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""The plain ChatML template that ``model.chat_template: chatml`` installs."""


_PROBE_CALL = "sanetune_probe"

LONGEST = 200_000
"""Most characters of a template."""


class TemplateStoppedError(TemplateError):
    """The template was stopped at a limit, or at the wall of its sandbox: no other input is worth trying."""


class ChatTemplate:
    """A compiled template with the tokenizer's special tokens in reach (``bos_token``, ``eos_token``, …)."""

    def __init__(self, source: str, specials: dict[str, str] | None = None) -> None:
        self.source, self.specials = source, dict(specials or {})
        if len(source) > LONGEST:
            raise TemplateError(
                f"The chat template has {len(source):,} characters.",
                f"Published ones have fewer than 50,000; more than {LONGEST:,} are not read.",
                "Give a template that works as `model.chat_template: FILE`, or `chatml`.",
            )
        self._sandbox = Sandbox()
        try:
            self._template = self._sandbox.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(
                f"The chat template does not parse: line {error.lineno}: {error.message}",
                "No conversation can be rendered with it.",
                "Give a template that works as `model.chat_template: FILE`, or `chatml`.",
            ) from None
        except Exception as error:  # noqa: BLE001 -- the compiler trips over many things, as a SyntaxError in its own output
            raise TemplateError(f"The chat template cannot be compiled: {error}") from None

    def __reduce__(self) -> tuple[type[ChatTemplate], tuple[str, dict[str, str]]]:
        return (ChatTemplate, (self.source, self.specials))

    def render(
        self,
        messages: list[Message],
        tools: list[dict[str, Any]] | None = None,
        kwargs: dict[str, Any] | None = None,
        *,
        add_generation_prompt: bool = False,
    ) -> str:
        """The text of ``messages`` in the form that this template takes; raises :class:`TemplateError`, with no place
        yet."""
        return self.render_as_is(self.adapted(messages), tools, kwargs, add_generation_prompt=add_generation_prompt)

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
        try:
            text = self._sandbox.text(self._template, variables)
            if not text.isascii():
                text.encode()  # halves of characters, which no tokenizer takes
            return text
        except LimitError as error:
            raise TemplateStoppedError(
                f"The chat template was stopped: {error}",
                "A template that runs or grows without bound would hang training and every later use of the model.",
                "Use the template that the model's makers publish, or `model.chat_template: chatml`.",
            ) from None
        except jinja2.exceptions.SecurityError as error:
            raise TemplateStoppedError(
                f"The chat template tried to leave its sandbox: {error}",
                "A template is code from a stranger; a harmless one needs no such access.",
                "Do not use this model's template: give your own as `model.chat_template: FILE`, or `chatml`.",
            ) from None
        except (jinja2.TemplateError, RecursionError) as error:
            raise TemplateError(
                f"The chat template refuses the conversation: {error or type(error).__name__}"
            ) from None
        except Exception as error:  # noqa: BLE001 -- a template is a program, and may trip over anything
            raise TemplateError(f"The chat template fails: {type(error).__name__}: {str(error)[:200]}") from None

    @property
    def reached(self) -> tuple[str, ...]:
        """Names of Python's inside that the template has asked for while it rendered; the sandbox gave it none."""
        return tuple(self._sandbox.reached)

    @cached_property
    def takes_parts(self) -> bool:
        """Whether content has to be a list of typed parts: a plain string does not survive rendering, a part does."""
        probe = "sanetune-probe"
        return not self._keeps(probe, probe) and self._keeps([{"type": "text", "text": probe}], probe)

    @cached_property
    def takes_json_arguments(self) -> bool:
        """Whether tool-call arguments have to be a JSON string: the template raises on a dict but not on a string."""
        return not self._renders_arguments({"key": "value"}) and self._renders_arguments('{"key": "value"}')

    @cached_property
    def takes_null_content(self) -> bool:
        """Whether a message of tool calls alone has to have no content at all: an empty text keeps its calls out, or
        is rendered as a turn of its own besides them."""
        empty, null = (self._called(content) for content in ("", None))
        kept = null.count(_PROBE_CALL)
        if not kept or "None" in null:
            return False
        return kept > empty.count(_PROBE_CALL) or (kept == empty.count(_PROBE_CALL) and len(null) < len(empty))

    def _called(self, content: str | None) -> str:
        """A rendered tool call without text, empty where the template refuses it."""
        call = {"id": "call00001", "type": "function", "function": {"name": _PROBE_CALL, "arguments": {"key": "value"}}}
        result = {"role": "tool", "name": _PROBE_CALL, "tool_call_id": "call00001", "content": "probe"}
        asked, said = {"role": "user", "content": "probe"}, {"role": "assistant", "content": "probe"}
        called = {"role": "assistant", "content": content, "tool_calls": [call]}
        if self.takes_json_arguments:
            called["tool_calls"] = [_with_json_arguments(call)]
        try:
            return self.render_as_is([asked, called, result, said])
        except TemplateStoppedError:
            raise
        except TemplateError:
            return ""

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
        if message.get("tool_calls") and not message.get("content") and self.takes_null_content:
            message["content"] = None
        return message

    def _keeps(self, content: object, probe: str) -> bool:
        try:
            text = self.render_as_is([{"role": "user", "content": content}])
            return probe in text and "'type':" not in text  # a list that is printed as Python's is not read
        except TemplateStoppedError:
            raise
        except TemplateError:
            return False

    def _renders_arguments(self, arguments: object) -> bool:
        call = {"id": "call00001", "type": "function", "function": {"name": "probe", "arguments": arguments}}
        try:
            self.render_as_is(
                [{"role": "user", "content": "probe"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
            )
        except TemplateStoppedError:
            raise
        except TemplateError:
            return False
        return True


def _with_json_arguments(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    if isinstance(function["arguments"], str):
        return call
    return {**call, "function": {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}}
