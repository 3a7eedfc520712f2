"""Rows of every usual form become conversations.

Every row is looked at for itself: a file may mix forms, and the counts show it. What is not understood is said, not
guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from sanetune import units
from sanetune.data.columns import CANONICAL, FORMS, at_path, find
from sanetune.data.conversation import Conversation, Message
from sanetune.data.messages import checked, parsed, shallow, to_messages, to_tools
from sanetune.data.sources.mix import mix
from sanetune.data.sources.row import Row
from sanetune.data.sources.source import Source
from sanetune.errors import ConfigError, DataError, Place
from sanetune.text import json_type, listing, quote

__all__ = ["CANONICAL", "FORMS", "Conversations", "convert", "read_conversations", "recognise", "to_conversation"]

SHOWN = 3
KEPT = 1_000
"""Errors of left-out rows that are kept."""


def recognise(values: Mapping[str, Any], fields: Mapping[str, str] | None = None) -> str:
    """The form of a row, one of :data:`FORMS` (``prompt``: questions without a reply). DataError when it has none."""
    return find(values, fields)[0]


def to_conversation(row: Row, fields: Mapping[str, str] | None = None) -> Conversation:
    """The row as a conversation. DataError with file, line and row when it cannot be read."""
    return convert(row, fields)[1]


def convert(row: Row, fields: Mapping[str, str] | None = None) -> tuple[str, Conversation]:
    """(form, conversation) of a row; what :func:`recognise` and :func:`to_conversation` give, in one go."""
    place = row.place
    try:
        form, values = find(row.values, fields)
        if form == "text":
            text = values["text"]
            return form, Conversation([], place, text=checked(_string(text, "text"), "text"))
        system = values.get("system", values.get("system_prompt"))
        if form in ("messages", "sharegpt"):
            messages = to_messages(values["messages"], "messages")
        elif type(values["prompt"]) is str and (values.get("completion") is None or type(values["completion"]) is str):
            messages = _pair(values)
        else:
            messages = _joined(values)
        if system is not None:
            _add_system(messages, _string(system, "system"))
        if reasoning := values.get("reasoning"):
            _add_reasoning(messages, _string(reasoning, "reasoning"))
        tools = values.get("tools") or values.get("functions")
        kwargs = values.get("chat_template_kwargs")
        return form, Conversation(
            messages, place, to_tools(tools) if tools else None, _template_kwargs(kwargs) if kwargs else {}
        )
    except DataError as error:
        inside = error.place.message if error.place else None
        error.place = Place(place.file, place.line, place.row, inside)
        raise


class Conversations:
    """The conversations of all sources, read anew each time they are iterated over.

    ``forms`` counts the rows of each form, ``rows`` all rows read, ``failures`` those that could not be read, and
    ``bad`` holds the first :data:`KEPT` of their errors (with ``on_bad="drop"``, which leaves such rows out); complete
    once the iteration has ended. Iterating raises what :meth:`judge` raises at its end.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        fields: Mapping[str, str] | None = None,
        max_examples: int | None = None,
        seed: int = 0,
        on_bad: Literal["error", "drop"] = "error",
    ) -> None:
        self.sources, self.fields, self.max_examples, self.seed = sources, dict(fields or {}), max_examples, seed
        self.on_bad = on_bad
        self._start()

    def _start(self) -> None:
        self.forms: Counter[str] = Counter()
        self.rows = 0
        self.bad: list[DataError] = []
        self.failures = 0
        self._answered = False
        self._unseen = set(self.fields.values())

    def __iter__(self) -> Iterator[Conversation]:
        yield from self.readable()
        self.judge()

    def readable(self) -> Iterator[Conversation]:
        """Yield the conversations, and leave it to the caller to :meth:`judge` them at the end.

        Raises:
            DataError: A file cannot be read any further.
        """
        self._start()
        dropping = self.on_bad == "drop"
        on_bad = self._unread if dropping else None
        for row in mix(self.sources, max_examples=self.max_examples, seed=self.seed, on_bad=on_bad):
            self.rows += 1
            if self._unseen:
                self._unseen -= {path for path in self._unseen if at_path(row.values, path)[1]}
            try:
                form, conversation = convert(row, self.fields)
            except DataError as error:
                self._fail(error)
                continue
            self.forms[form] += 1
            self._answered = (
                self._answered or form == "text" or any(m["role"] == "assistant" for m in conversation.messages)
            )
            if not self.failures or dropping:
                yield conversation

    def _unread(self, error: DataError) -> None:
        """A row of which nothing could be read."""
        self.rows += 1
        self._fail(error)

    def _fail(self, error: DataError) -> None:
        self.failures += 1
        if len(self.bad) < (KEPT if self.on_bad == "drop" else SHOWN):
            self.bad.append(error)

    def _unreadable(self, failures: int) -> DataError:
        first = self.bad[0]
        if self.rows == 1:
            return first
        shown = "\n".join(f"  {error.place}: {error.message}" for error in self.bad[:SHOWN])
        more = f"\n  … and {failures - SHOWN:,} more" if failures > SHOWN else ""
        what = f"{failures:,} of {self.rows:,} rows cannot be read:\n{shown}{more}"
        return DataError(what, first.rationale, first.remedy, first.place)

    def judge(self) -> None:
        """Check what only all rows together can show.

        Raises:
            DataError: Rows cannot be read (how many of how many, the first three), there are no rows, or none of them
                holds an assistant's answer.
            ConfigError: ``fields`` names a column that no row has.
        """
        if self.failures and (self.on_bad == "error" or self.failures == self.rows):
            raise self._unreadable(self.failures)
        place = Place(self.sources[0].path) if len(self.sources) == 1 else None
        if not self.rows:
            raise DataError(
                "there are no rows", "There is nothing to learn from.", "Name other data in data.train.", place
            )
        if self._unseen:
            paths = listing(f"`{path}`" for path in sorted(self._unseen))
            what = f"data.fields names {paths}, which no row has"
            raise ConfigError(what, "A column that is not there would be left out without anyone noticing.", "", place)
        if not self._answered:
            raise DataError(
                f"none of {units.many(self.rows, 'row')} holds an assistant's answer",
                f"There is nothing to learn. Forms: {', '.join(f'{form} ({n:,})' for form, n in self.forms.items())}.",
                "If a column of another name holds the replies, name it: data.fields: {prompt: …, completion: …}.",
                place,
            )


def read_conversations(
    sources: Sequence[Source],
    *,
    fields: Mapping[str, str] | None = None,
    max_examples: int | None = None,
    seed: int = 0,
    on_bad: Literal["error", "drop"] = "error",
) -> Conversations:
    """Rows of all sources, mixed and limited as :func:`sanetune.data.sources.mix.mix` does it, as conversations."""
    return Conversations(sources, fields, max_examples, seed, on_bad)


def _pair(values: dict[str, Any]) -> list[Message]:
    """A question and its reply as turns, ``input`` two lines below the question; an empty reply is no reply."""
    prompt = checked(values["prompt"], "prompt")
    more = values.get("input")
    if more is not None and (more := checked(_string(more, "input"), "input")).strip():
        prompt = f"{prompt}\n\n{more}" if prompt.strip() else more
    messages = _history(values["history"]) if values.get("history") else []
    messages.append({"role": "user", "content": prompt})
    reply = values.get("completion")
    if reply is not None and checked(reply, "completion").strip():
        messages.append({"role": "assistant", "content": reply})
    return messages


def _history(value: Any) -> list[Message]:
    """Earlier turns as Alpaca files keep them: pairs of question and reply."""
    turns = parsed(value, "history")
    if not isinstance(turns, list) or not all(isinstance(turn, (list, tuple)) and len(turn) == 2 for turn in turns):
        raise DataError(
            f"`history` is {json_type(turns)}, not pairs of question and reply", "", "Rename the column or mend it."
        )
    return [
        {"role": role, "content": checked(_string(text, "history"), "history")}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]


def _joined(values: dict[str, Any]) -> list[Message]:
    """Prompt and completion where at least one is a list of messages."""
    messages: list[Message] = []
    for column, role in (("prompt", "user"), ("completion", "assistant")):
        value = values.get(column)
        if isinstance(value, str):
            if role == "user" or value.strip():
                messages.append({"role": role, "content": checked(value, column)})
        elif isinstance(value, list):
            messages += to_messages(value, column)
        elif value is not None:
            raise DataError(
                f"the {'question' if role == 'user' else 'reply'} is {json_type(value)}, not text",
                "",
                "Write it as text.",
            )
    if more := values.get("input"):
        raise DataError(
            f"`input` beside a prompt that is a list of messages: {quote(more)}", "", "Put it into the messages."
        )
    return messages


def _add_system(messages: list[Message], system: str) -> None:
    if not system.strip():
        return
    if messages and messages[0]["role"] in ("system", "developer"):
        if messages[0]["content"].strip() == system.strip():
            return
        raise DataError("two system prompts: one in the messages and another beside them", "", "Take one of them out.")
    messages.insert(0, {"role": "system", "content": checked(system, "system")})


def _add_reasoning(messages: list[Message], reasoning: str) -> None:
    last = next((message for message in reversed(messages) if message["role"] == "assistant"), None)
    if last is not None and reasoning.strip():
        last.setdefault("reasoning_content", checked(reasoning, "reasoning"))


def _template_kwargs(value: Any) -> dict[str, Any]:
    value = parsed(value, "chat_template_kwargs")
    if not isinstance(value, dict):
        raise DataError(f"`chat_template_kwargs` is {json_type(value)}, not an object", "", "Write it as an object.")
    shallow(value, "chat_template_kwargs")
    return value


def _string(value: Any, column: str) -> str:
    if isinstance(value, str):
        return value
    raise DataError(f"`{column}` is {json_type(value)}, not text", "", "Write it as text.")
