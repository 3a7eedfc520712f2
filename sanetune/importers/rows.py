"""What importers share about rows: their columns, roles, number, and Alpaca's prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sanetune.config.nested import YamlMap, YamlValue
from sanetune.importers.importer import Importer

if TYPE_CHECKING:
    from sanetune.data.sources.source import Source

ALPACA = Path(__file__).with_name("alpaca.jinja")
"""The prompt of Alpaca as a chat template, for tools that render such rows without one."""

SLICE = re.compile(r"\s*([\w.-]+)\s*\[\s*(-?\d*)\s*%?\s*:\s*(-?\d*)\s*(%?)\s*\]\s*")
"""A part of a split as ``datasets`` writes it: ``train[:200]``, ``train[:20%]``, ``train[10%:]``, ``train[-100:]``."""

Columns: TypeAlias = dict[str, str]
"""``data.fields``: what it holds -> the column; empty where columns have their usual names."""


def put_sources(importer: Importer, path: str, sources: list[YamlMap]) -> None:
    """Set ``data.train`` or ``data.validation``; no sources leave it unset."""
    values: list[YamlValue] = list(sources)
    importer.put(path, values or None)


def take_part(importer: Importer, at: str, source: YamlMap, split: YamlValue) -> YamlMap:
    """Return ``source`` with a limit where ``split`` asks for its first rows; other parts are noted.

    Args:
        importer: The file.
        at: The key that says it, as in ``datasets.0.split``.
        source: A source; of its own keys, only ``split`` may name the part.
        split: The split as it is written there.
    """
    found = SLICE.fullmatch(str(split)) if split is not None else None
    if found is None:
        return source
    name, start, stop, percent = found.groups()
    whole = source | ({"split": name} if "split" in source else {})
    if start in ("", "0") and stop.isdecimal() and int(stop):
        rows = row_count([whole]) if percent else 0
        if not percent or rows:
            return whole | {"limit": max(1, round(rows * int(stop) / 100)) if rows else int(stop)}
    importer.skip(at, f"a part of a split: all rows of {name} are read", split)
    return whole


class Need(NamedTuple):
    """The columns that sources need, which come from one entry of the file."""

    columns: Columns
    sources: list[YamlMap]


def put_fields(importer: Importer, needs: list[Need]) -> None:
    """Set ``data.fields`` to the columns that all sources need, or the ``fields`` of each source where they differ.

    Names inside messages hold beside the usual ones, so that those of several sources go together.
    """
    from sanetune.data.naming import is_part

    inside = [{name: key for name, key in need.columns.items() if is_part(name)} for need in needs]
    outside = {tuple(sorted(n.columns.items() - i.items())) for n, i in zip(needs, inside, strict=True)}
    together = {name: key for names in inside for name, key in names.items()}
    if len(outside) == 1 and all(names.items() <= together.items() for names in inside):
        columns = {**dict(outside.pop()), **together}
        importer.put("data.fields", {**columns} if columns else None)
        return
    for need in needs:
        for source in need.sources:
            source |= {"fields": {**need.columns}} if need.columns else {}


def columns_of(names: Mapping[str, object]) -> Columns:
    """Return the columns of a source (what it holds -> column), or nothing where they have their usual names.

    Names inside messages are those that are not usual, and stay.
    """
    from sanetune.data.column_names import CHATS, LABELS, PAIRS
    from sanetune.data.naming import is_part

    inside = {name: str(key) for name, key in names.items() if key and is_part(name)}
    if (label := names.get("label")) and label not in LABELS:
        inside["label"] = str(label)
    given = {name: str(column) for name, column in names.items() if column and not is_part(name) and name != "label"}
    if "messages" in given:
        usual = given["messages"] in CHATS
    elif "prompt" in given:
        answers = PAIRS.get(given["prompt"], ("", ()))[1]
        usual = given.get("completion") in answers and given.get("input", "input") == "input"
    else:
        usual = given.get("text", "text") == "text"
    others = {"system": ("system", "system_prompt"), "tools": ("tools", "functions")}
    if usual and all(given.get(name, known[0]) in known for name, known in others.items()):
        return inside
    return given | inside


def role_columns(names: Mapping[str, Iterable[object]]) -> Columns:
    """Return the names of roles that are read as another one, as ``role.user: name`` and the like.

    >>> role_columns({"user": ["human"], "assistant": ["Rosa", "gpt"]})
    {'role.assistant': 'Rosa'}

    Args:
        names: Our role -> its names in the rows.
    """
    unusual = {role: [str(one) for one in others if roles_problem({role: [one]})] for role, others in names.items()}
    return {f"role.{role}": ", ".join(others) for role, others in unusual.items() if others and _is_role(role)}


def _is_role(role: str) -> bool:
    from sanetune.data.naming import NAMED_ROLES

    return role in NAMED_ROLES


def key_columns(role: object, content: object) -> Columns:
    """Return the keys of messages that hold role and text, where they are not the usual ones."""
    from sanetune.data.messages import CONTENT_KEYS, ROLE_KEYS

    keys = {"role": (role, ROLE_KEYS), "content": (content, CONTENT_KEYS)}
    return {name: str(key) for name, (key, usual) in keys.items() if key and key not in usual}


def roles_problem(names: Mapping[str, Iterable[object]]) -> str:
    """Say which role of ``names`` (ours -> theirs) would be read as another one; "" where none would."""
    from sanetune.data.messages import ALIASES

    for role, others in names.items():
        for other in others:
            ours = ALIASES.get(str(other))
            if ours != role:
                return f"the role {other!r} stands for {role} there, and for {ours or 'nothing'} here"
    return ""


def put_holdout(importer: Importer, key: str, sources: list[YamlMap], size: float | None = None) -> None:
    """Set ``data.holdout`` from a share or, above 1, a number of rows, which are counted where the files are here.

    Args:
        importer: The file.
        key: The key that says it, nested as in ``mixture.size`` where ``size`` is given.
        sources: What the rows are held out of.
        size: The share or number, where it is not the value of ``key``.
    """
    size = importer.number(key) or 0.0 if size is None else size
    if size < 0:
        importer.skip(key, "not a share or number of rows")
        size = 0.0
    if size >= 1:
        rows = row_count(sources)
        if not rows or size >= rows:
            importer.skip(key, "a number of rows of which the share is not known: a tenth is held out instead")
        size = size / rows if rows and size < rows else 0.1
    importer.put("data.holdout", float(size))


def first_row(sources: list[YamlMap]) -> Mapping[str, object] | None:
    """Return the first row of the first source; None where it cannot be read here."""
    from sanetune.data.sources.read import read_rows
    from sanetune.errors import UserError

    try:
        return next((row.values for row in read_rows(_source(sources[0]))), None) if sources else None
    except (UserError, OSError):
        return None


def row_count(sources: list[YamlMap]) -> int | None:
    """Return the number of rows of all sources; None where one of them cannot be counted here."""
    from sanetune.data.sources.read import count
    from sanetune.errors import DataError

    try:
        counts = [count(_source(keys)) for keys in sources]
    except DataError:
        return None
    return None if None in counts else sum(number or 0 for number in counts)


def _source(keys: YamlMap) -> Source:
    from sanetune.data.sources.source import Source

    split, subset, revision = (str(keys[name]) if name in keys else None for name in ("split", "subset", "revision"))
    limit = keys.get("limit")
    return Source(
        str(keys["path"]),
        split=split,
        subset=subset,
        revision=revision,
        limit=limit if isinstance(limit, int) else None,
    )
