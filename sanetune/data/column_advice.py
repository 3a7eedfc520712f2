"""Say how a row can be read whose columns have none of the usual names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from sanetune.commands import init_with
from sanetune.data.column_guess import guess
from sanetune.data.column_names import ANSWERS, CHATS, PAIRS, PREFERENCES, REPLIES
from sanetune.data.fields import at_path, columns, paths
from sanetune.data.json_values import PANDAS_ROWS
from sanetune.data.markup import messages_in
from sanetune.data.messages import is_list_of_messages
from sanetune.errors import DataError
from sanetune.text import nearest, offer, quote

UNDERSTOOD = (
    "Understood are: messages, conversations, dialog or chat (a list of role/content or from/value), prompt and "
    "completion, instruction [and input] and output or response, question and answer, text."
)

NEAR = 0.8
"""How similar (difflib's ratio) a column and a usual name are where one is a slip of the other: two letters of ten."""

KNOWN = (*CHATS[:3], *PAIRS, *REPLIES, "text")
LONGEST = 100_000
"""Characters of a text in which turns are looked for."""
SAMPLE = 50
"""Columns of a row that are considered."""


def unknown(values: dict[str, Any]) -> DataError:
    """Return the error for a row in none of the formats, with a line for ``data.fields`` where one would work."""
    if written := orientation(values):
        return DataError(
            f"this is a whole table, as pandas writes it with orient='{written}', and no row", "", PANDAS_ROWS
        )
    chats = [path for path in paths(values) if is_list_of_messages(at_path(values, path)[0])]
    chats = chats or [str(key) for key, one in values.items() if isinstance(one, str) and _holds_messages(one)]
    turns = "" if chats else _only_texts(values)
    wanted = next((good for good, bad in PREFERENCES if good in values), None)
    reply = next((name for name in ANSWERS if isinstance(values.get(name), str)), None)
    if chats and reply:
        hint = (
            f"`{quote(chats[0])}` holds messages, and `{quote(reply)}` is beside them: to learn the answers among the"
        )
        hint += (
            f" messages, write {_fields({'messages': chats[0]})}; to learn `{quote(reply)}`, write them as one text."
        )
    elif chats:
        hint = f"`{quote(chats[0])}` holds messages: write {_fields({'messages': chats[0]})} to use it."
    elif is_list_of_messages([values]):
        hint = 'This is a single message: write the messages of each conversation as one row, {"messages": [...]}.'
    elif turns:
        hint = f"If the texts in `{quote(turns)}` are question and answer in turn: {_fields({'messages': turns})}."
    elif wanted:
        hint = f"To train on the wanted reply, write data.fields: {{prompt: …, completion: {wanted}}}."
    else:
        hint = naming(values)
    return DataError(
        "no format is recognised in the row's columns" if values else "the row has no columns",
        f"Columns found: {columns(values)}.",
        f"{hint} {UNDERSTOOD}",
    )


def _holds_messages(text: str) -> bool:
    """Whether a text has turns with headers, or a list of messages as JSON."""
    if not text.lstrip().startswith("["):
        return bool(messages_in(text[:LONGEST]))
    try:
        return is_list_of_messages(json.loads(text[:LONGEST]))
    except (ValueError, RecursionError):
        return False


def orientation(values: dict[str, Any]) -> str:
    """Return pandas' name for the way in which a whole table is written as one object; "" where none is.

    >>> orientation({"columns": ["q", "a"], "index": [0], "data": [["2 + 2?", "4"]]})
    'split'
    >>> orientation({"0": {"q": "2 + 2?"}, "1": {"q": "3 + 3?"}}), orientation({"q": {"0": "2 + 2?"}})
    ('index', 'columns')
    """
    if isinstance(values.get("data"), list):
        if isinstance(values.get("columns"), list) and values.keys() <= {"columns", "index", "data"}:
            return "split"
        if isinstance(values.get("schema"), dict) and len(values) == 2:
            return "table"
    sample = list(islice(values.items(), SAMPLE))
    parts = [part for _, part in sample if isinstance(part, dict) and part]
    if not parts or len(parts) < len(sample) or any(part.keys() != parts[0].keys() for part in parts):
        return ""
    if all(key.isdecimal() for key in islice(parts[0], SAMPLE)):
        return "columns"
    return "index" if all(key.isdecimal() for key, _ in sample) else ""


def naming(values: Mapping[str, object]) -> str:
    """Return the line for ``data.fields`` with the row's own columns, behind a usual name where one is a slip of it.

    >>> naming({"Frage": "Was ist das?", "Antwort": "Ein Haus."})
    'Name the columns, as in data.fields: {prompt: Frage, completion: Antwort}.'
    >>> naming({"promt": "What is it?", "completion": "A house."}).split("?")[0]
    'Did you mean prompt'
    """
    sample = {str(key): value for key, value in islice(values.items(), SAMPLE)}
    slips = {
        key: found
        for key in sample
        if key not in KNOWN
        for found in nearest(key, KNOWN, most=1, cutoff=NEAR)
        if found not in sample
    }
    meant = list(slips.values())
    near = {key: one for key, one in slips.items() if key.rstrip("s") != one.rstrip("s") and meant.count(one) == 1}
    prompt, reply = guess(sample, near)
    if bool(prompt) != bool(reply) and not near and not any(name in sample for name in KNOWN):
        only = str(prompt or reply)
        line = _fields({"prompt": "…", "completion": only} if only == reply else {"prompt": only, "completion": "…"})
        return f"Name the columns, as in {line}; to learn one whole text, {_fields({'text': only})}."
    line = _fields({"prompt": prompt or "…", "completion": reply or "…"})
    again = init_with(line.replace(": {", "={", 1)) if prompt and reply else ""
    return offer(near.values()) + (f"Name the columns: `{again}`." if again else f"Name the columns, as in {line}.")


def _only_texts(values: dict[str, Any]) -> str:
    """The column with a list of texts, where nothing else in the row is text of several words or named as a reply."""
    lists = [
        str(key)
        for key, value in values.items()
        if isinstance(value, list) and len(value) > 1 and all(isinstance(one, str) and " " in one for one in value)
    ]
    others = any(isinstance(value, str) and " " in value.strip() for value in values.values())
    if len(lists) != 1 or others:
        return ""
    return "" if guess({key: value for key, value in values.items() if key != lists[0]})[1] else lists[0]


def _fields(fields: dict[str, str]) -> str:
    """``fields`` as they are written in YAML."""
    written = ", ".join(f"{name}: {_in_yaml(path)}" for name, path in fields.items())
    return f"data.fields: {{{written}}}"


def _in_yaml(path: str) -> str:
    """A column as it is written in YAML between braces."""
    plain = path == "…" or re.fullmatch(r"[^\W\d][\w.-]*(?: [\w.-]+)*", path)
    words = path.lower() in ("true", "false", "null", "yes", "no", "on", "off")
    return path if plain and not words and len(path) <= 60 else json.dumps(path[:200], ensure_ascii=False)
