"""Turn a chat message of any usual dialect into :data:`sanetune.data.conversation.Message`.

Dialects are OpenAI's, ShareGPT's, utterances, and legacy function calls.
"""

from __future__ import annotations

from typing import Any

from sanetune.data import content as contents
from sanetune.data import turn_forms
from sanetune.data.column_names import MEDIA, REASONING
from sanetune.data.conversation import ROLES, Message
from sanetune.data.json_values import advice, checked, parsed
from sanetune.data.markup import messages_in
from sanetune.data.naming import USUAL, Naming
from sanetune.data.tool_calls import tool_calls
from sanetune.data.turn_weights import DETAILS, FLAGS, learned, masked_parts
from sanetune.data.unread import Unread, holds_something
from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, json_type, listing, quote

ALIASES = {
    **{role: role for role in ROLES},
    **dict.fromkeys(("human", "prompter", "customer"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "model", "bot", "chatbot", "ai", "agent"), "assistant"),
    **dict.fromkeys(("function", "observation", "tool_response", "function_response", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
}
"""Every name a role goes by. ``call`` is ShareGPT's turn of its own for what the assistant calls."""

ROLE_KEYS = ("role", "from", "speaker", "author", "sender")
CONTENT_KEYS = ("content", "value", "text", "utterance", "parts")
"""Keys of a message under which its role and its text are found, best first."""

MESSAGE = 'A message is an object such as {"role": "user", "content": "..."} or {"from": "human", "value": "..."}.'


def is_list_of_messages(value: object) -> bool:
    """Return whether ``value`` is a list that begins with an object that says whose words it holds, or has a list for
    each key of such objects."""
    if isinstance(value, dict) and not value.keys().isdisjoint(ROLE_KEYS):
        value = turn_forms.as_rows(value)
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and any(key in first for key in ROLE_KEYS[:3])


def is_answered_chat(value: object) -> bool:
    """Return whether ``value`` is a list of messages of which the assistant has written one, or of pairs.

    >>> is_answered_chat([{"user": "Hi", "assistant": "Hello"}]), is_answered_chat([{"speaker": "A", "text": "Hi"}])
    (True, False)
    """
    if isinstance(value, dict):
        value = turn_forms.as_rows(value)
    turns = [turn for turn in value if isinstance(turn, dict)] if isinstance(value, list) else []
    names = [next((turn[key] for key in ROLE_KEYS[:3] if key in turn), None) for turn in turns]
    if any(isinstance(name, str) and ALIASES.get(name.strip().lower()) == "assistant" for name in names):
        return True
    return any(turn_forms.apart(turn, False) != [turn] for turn, name in zip(turns, names, strict=True) if name is None)


def to_messages(value: object, column: str, naming: Naming = USUAL, unread: Unread | None = None) -> list[Message]:
    """Return the messages of one row, normalised.

    A message of which something is not to be learned has that under ``masked``: True, or a list of parts of its
    content.

    >>> to_messages([{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "conversations")
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]

    Args:
        value: A list of messages, or its JSON text.
        column: Where it was found.
        naming: Names that keys and roles have in this file.
        unread: Gets what nothing reads.

    Raises:
        DataError: A message cannot be read; the error has its index.
    """
    unread = unread if unread is not None else Unread()
    if type(value) is str and column == "messages" and (said := messages_in(value)):
        unread.note("texts with headers of turns are read as messages")
        return said
    value = parsed(value, column)
    if isinstance(value, dict):
        if is_list_of_messages(value.get("messages")):
            unread.add_rest(column, value, {"messages"})
            value = value["messages"]
        elif (naming.role or not value.keys().isdisjoint(ROLE_KEYS)) and (turns := turn_forms.as_rows(value)):
            value = turns
    if not isinstance(value, list):
        remedy = advice(value, MESSAGE)
        raise DataError(f"`{quote(column, 40)}` is {json_type(value)}, not a list of messages", "", remedy)
    if not value:
        raise DataError(f"`{quote(column, 40)}` is empty", "There is nothing to train on in it.", "Delete the row.")
    if all(isinstance(item, str) for item in value):
        if column == "messages" and len(value) > 1:
            return to_messages(turn_forms.from_texts(value, unread), column, USUAL, unread)
        remedy = advice(value, MESSAGE)
        raise DataError(f"`{quote(column, 40)}` is a list of texts, not of messages: {quote(value)}", "", remedy)
    messages: list[Message] = []
    for index, item in enumerate(value):
        try:
            if type(item) is dict and (len(item) > 2 or type(item.get("content", item.get("value"))) is not str):
                names_role = naming.role in item or any(key in item for key in ROLE_KEYS)
                messages += (_message(one, column, naming, unread) for one in turn_forms.apart(item, names_role))
            else:
                messages.append(_message(item, column, naming, unread))
        except DataError as error:
            error.place = Place(message=index)
            raise
    return messages


def _message(item: object, column: str, naming: Naming, unread: Unread) -> Message:
    if not isinstance(item, dict):
        raise DataError(f"{json_type(item)} where a message is wanted: {quote(item)}", "", MESSAGE)
    if len(item) == 2 and naming is USUAL:  # nearly every message there is, so this way is short
        name, text = (
            (item.get("role"), item.get("content")) if "role" in item else (item.get("from"), item.get("value"))
        )
        known = ALIASES.get(name) if type(name) is str else None
        if type(text) is str and known is not None and known != "call":
            return {"role": known, "content": contents.text(text)}
    return _Item(item, column, naming, unread).message()


class _Item:
    """A message as it is in the file, with the keys of it that were read."""

    def __init__(self, item: dict[str, Any], column: str, naming: Naming, unread: Unread) -> None:
        self.item, self.column, self.naming, self.unread = item, column, naming, unread
        self.read: set[str] = set()

    def message(self) -> Message:
        """The message in its one shape; what was not read is noted."""
        message = self._message()
        self.unread.add_rest(self.column, self.item, self.read)
        return message

    def _take(self, names: tuple[str, ...]) -> object:
        """The first value that is there under one of ``names``; copies of it under the others are read as well."""
        found = next((name for name in names if self.item.get(name) is not None), None)
        if found is None:
            return None
        self.read.update(name for name in names if name in self.item and self.item[name] == self.item[found])
        return self.item[found]

    def _message(self) -> Message:
        item, naming = self.item, self.naming
        who = next((key for key in (naming.role, *ROLE_KEYS) if key in item), None)
        if who is None:
            raise DataError(f"a message without a role; it has {listing(item) or 'nothing'}", "", MESSAGE)
        self.read.add(who)
        role = _role(item[who], naming)
        names = (naming.content, *CONTENT_KEYS) if naming.content else CONTENT_KEYS
        content = self._take(names)
        if role == "call":
            return {"role": "assistant", "content": "", "tool_calls": tool_calls(content), **self._mask(content, True)}
        text, thought = contents.of(content, self.unread, f"{self.column}.content")
        message: Message = {"role": role, "content": text}
        if role == "assistant":
            self._add_assistant_parts(message, thought)
        elif item.get("tool_calls") or item.get("function_call"):
            raise DataError(f"tool calls in a message of role {role}", "Only the assistant calls tools.", "Correct it.")
        elif role in ("system", "developer") and isinstance(item.get("tools"), list):
            self.read.add("tools")
            message["tools"] = item["tools"]
        if content is None and len(message) == 2 and not any(key in item for key in names):
            raise DataError(f"a message without content; it has {listing(item)}", "", MESSAGE)
        for key in ("name", "tool_call_id"):
            if isinstance(item.get(key), str):
                message[key] = checked(item[key], key)
                self.read.add(key)
        self._refuse_media()
        return message | self._mask(content, role == "assistant")

    def _add_assistant_parts(self, message: Message, thought: str) -> None:
        """Reasoning and tool calls of an assistant's message, under the one name each has here."""
        item = self.item
        given, key = contents.reasoning(item)
        if given:
            found = {name: contents.reasoning({name: item[name]})[0] for name in REASONING if item.get(name)}
            self.read.update(name for name, text in found.items() if text and text in given)
            contents.add_rest_of_details(item, self.read, self.unread, self.column)
        if given and thought and thought != given:
            self.unread.add(f"{self.column}.content.thinking", thought)
        if given or thought:
            message["reasoning_content"] = given or thought
        key = next((key for key in ("tool_calls", "function_call") if item.get(key)), "")
        calls = item.get(key)
        if isinstance(calls, str):
            calls = parsed(calls, "tool_calls")
        if calls:
            self.read.add(key)
            message["tool_calls"] = tool_calls(calls, self.unread, f"{self.column}.{key}")

    def _mask(self, content: object, is_answer: bool) -> Message:
        """What the message says about being learned; only answers are, whatever other messages say."""
        item, naming = self.item, self.naming
        details = next((key for key in (naming.train_detail, *DETAILS) if key and item.get(key)), None)
        if details is None and not (naming.train or not FLAGS.isdisjoint(item)):
            return {}
        self.read.update(FLAGS & item.keys(), {key for key in (naming.train, details) if key})
        learn = learned(item, naming.train)
        parts = masked_parts(content, item[details]) if details else []
        if not is_answer:
            if learn or (learn is None and details):
                self.unread.note("a turn that is no answer is marked to be learned, and `loss_on` decides")
            return {}
        if learn is False:
            return {"masked": True}
        return {"masked": parts} if details else {}

    def _refuse_media(self) -> None:
        if media := next((key for key in MEDIA if holds_something(self.item.get(key))), None):
            raise DataError(f"the message holds `{media}`", contents.ONLY_TEXT, "Take such rows out.")


def _role(name: object, naming: Naming) -> str:
    if isinstance(name, str):
        role = naming.roles.get(name) or ALIASES.get(name) or ALIASES.get(name.strip().lower())
        if role is not None:
            return role
    guess = did_you_mean(name, ALIASES) if isinstance(name, str) else ""
    known = f"Known are {', '.join(ROLES)}, and human, gpt, bot, model, function, function_call, observation"
    raise DataError(
        f"unknown role {quote(name, 40)!r}",
        "Which turns are in the loss depends on their roles.",
        f"{guess}{known}; others are named in data.fields: {{role.assistant: {quote(name, 20)}}}.",
    )
