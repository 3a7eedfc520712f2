"""YAML that keeps its comments: the resolved configuration written out, and single values changed in a user's file."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarfloat import ScalarFloat

from sanetune.config.origin import Origin, OriginKind
from sanetune.config.schema import AdapterSection, Config, ReplaySection, SourceSection
from sanetune.config.section import Section
from sanetune.config.yaml_read import parse

WIDTH = 100
"""Comments longer than this line are written above their value."""


def dump(config: Config, *, defaults: bool = True) -> str:
    """``config`` as YAML, with a comment per value that says where it came from.

    It can be read back and means the same: paths are absolute. ``defaults=False`` leaves out what nobody chose.
    """
    tree = CommentedMap()
    for section in type(config).model_fields:
        part = getattr(config, section)
        lines = _section(config, section, part, defaults)
        if lines:
            tree[section] = lines
    text = write(tree)
    old = [f"#   {one.old}: {one.value!r} -> {one.new or 'left out'}" for one in config.renamed]
    head = ["# The configuration with every value filled in, and where each came from."]
    head += ["# Keys with another name today:", *(line[:200].replace("\n", " ") for line in old)] if old else []
    return "\n".join(head) + "\n\n" + text


def comments(text: str) -> dict[str, str]:
    """Return the comment of each value in what :func:`dump` wrote.

    >>> lines = ["run:", "  name: lab # default", "  # inferred: no GPU", "  # was found", "  seed: 1"]
    >>> comments("\\n".join(lines))
    {'run.name': 'default', 'run.seed': 'inferred: no GPU was found'}
    """
    found: dict[str, str] = {}
    section = ""
    above: list[str] = []
    for line in text.splitlines():
        if at_top := re.match(r"(\w+):", line):
            section, above = at_top[1], []
        elif comment := re.match(r"  # (.*)", line):
            above.append(comment[1])
        elif key := re.match(r"  (\w+):(?:.*\s# (.*))?", line):
            if words := " ".join(above) or key[2]:
                found[f"{section}.{key[1]}"] = words
            above = []
    return found


def _section(config: Config, name: str, part: Section, defaults: bool) -> CommentedMap:
    values: dict[str, Any] = {key: getattr(part, key) for key in type(part).model_fields if key != "given"}
    values |= getattr(part, "given", {})
    lines = CommentedMap()
    for key, value in values.items():
        origin = config.origins.get(f"{name}.{key}", Origin(OriginKind.DEFAULT))
        if (value is None and not origin.by_user) or (origin.kind is OriginKind.DEFAULT and not defaults):
            continue
        lines[key] = plain(value)
        note(lines, key, str(origin))
    return lines


def note(lines: CommentedMap, key: str, comment: str) -> None:
    """Put a comment behind the value of ``key``, or above it when it is long or the value takes several lines."""
    text = " ".join(comment.split())
    if not text:
        return
    value = lines[key]
    one_line = not isinstance(value, (CommentedMap, CommentedSeq)) and "\n" not in str(value)
    if one_line and len(f"  {key}: {value}  # {text}") <= WIDTH:
        lines.yaml_add_eol_comment(text, key)
    else:
        wrapped = "\n".join(textwrap.wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False))
        lines.yaml_set_comment_before_after_key(key, before=wrapped, indent=2)


def plain(value: object) -> object:
    """A value as it is written: sources and adapters without what is at its default, small floats as powers of ten."""
    if isinstance(value, ReplaySection):
        return CommentedMap(value.model_dump())
    if isinstance(value, (SourceSection, AdapterSection)):
        keep = value.model_dump(exclude_defaults=True)
        if isinstance(value, SourceSection):
            return value.path if not set(keep) - {"path"} else CommentedMap({"path": value.path, **keep})
        settings = {key: plain(one) for key, one in value.model_dump().items() if one is not None}
        return CommentedMap({"type": value.type} | settings)
    if isinstance(value, float) and 0 < abs(value) < 1e-3:
        return _power_of_ten(value)
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return CommentedMap({key: plain(one) for key, one in value.items()})
    return value


CHANGED = re.compile(r"was (?:\S+ \(at first (?P<again>.*)\)|(?P<first>.*)); changed by .*")
"""The note of a change before: of a value that changes again and again, only the first one is of interest."""


def _power_of_ten(value: float) -> float:
    """2e-5 written as 2.0e-05: YAML 1.1 readers take 2e-05 for text. Only where no digit is lost."""
    mantissa, exponent = f"{value:.6e}".split("e")
    mantissa = mantissa.rstrip("0")
    mantissa += "0" if mantissa.endswith(".") else ""
    if float(f"{mantissa}e{exponent}") != value:
        return value
    written: float = ScalarFloat(
        value, width=len(mantissa), prec=mantissa.index("."), e_width=len(exponent), e_sign=True, exp="e", m_sign=False
    )
    return written


def change(text: str, values: Mapping[str, Any], reasons: Mapping[str, str] | None = None) -> str:
    """``text`` with ``section.key`` set to new values; comments, order and everything else stay as they are.

    A value with a reason is noted on its line with the value and the comment that it had before, so that no comment
    speaks of a value that is gone.

    Args:
        text: The file.
        values: ``section.key`` -> its new value.
        reasons: ``section.key`` -> what changed it, in a few words.

    Raises:
        ConfigError: ``text`` is no configuration.
    """
    _, _, tree = parse(text)
    for key, value in values.items():
        *above, last = key.split(".")
        inner = tree
        for part in above:
            if not isinstance(inner.get(part), CommentedMap):
                inner[part] = CommentedMap()
            inner = inner[part]
        before = inner.get(last)
        inner[last] = plain(value)
        if reasons and key in reasons:
            _note_change(inner, last, before, reasons[key])
    return write(tree)


def _note_change(inner: CommentedMap, key: str, before: object, reason: str) -> None:
    """Put ``reason``, the value before and its comment behind the new value of ``key``."""
    if isinstance(before, (CommentedMap, CommentedSeq)) or isinstance(inner[key], (CommentedMap, CommentedSeq)):
        return
    tokens = inner.ca.items.get(key)
    token = tokens[2] if tokens and len(tokens) > 2 else None
    comment, newline, rest = token.value.partition("\n") if token is not None else ("", "", "")
    comment = comment.strip().lstrip("#").strip()
    if changed := CHANGED.fullmatch(comment):
        comment = f"at first {changed['again'] or changed['first']}"
    comment = f" ({comment})" if comment else ""
    text = f"set by {reason}{comment}" if before is None else f"was {before}{comment}; changed by {reason}"
    if token is None:
        inner.yaml_add_eol_comment(text, key)
    else:
        token.value = f"# {text}{newline or chr(10)}{rest}"


def overridden(config: Config) -> dict[str, object]:
    """``section.key`` -> value, as it is written, of each key that overrides changed, paths absolute."""
    found: dict[str, object] = {}
    for path, origin in config.origins.items():
        if origin.on_command_line:
            section, key = path.split(".")[:2]
            part = getattr(config, section)
            given = getattr(part, "given", {})
            found[f"{section}.{key}"] = plain(given[key] if key in given else getattr(part, key))
    return found


def values_at(text: str, keys: Sequence[str]) -> dict[str, object]:
    """Return the plain value of each of ``keys`` (``section.key``) in ``text``; None for one that is not there.

    >>> values_at("train: {seed: 1}", ["train.seed", "run.name"])
    {'train.seed': 1, 'run.name': None}
    """
    values, _, _ = parse(text)
    found: dict[str, object] = {}
    for key in keys:
        inner: object = values
        for part in key.split("."):
            inner = inner.get(part) if isinstance(inner, dict) else None
        found[key] = inner
    return found


def write(tree: CommentedMap) -> str:
    """A tree as YAML text."""
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


def without(text: str, keys: Sequence[str]) -> str:
    """``text`` without ``section.key`` for each of ``keys``; what is not there is left alone."""
    _, _, tree = parse(text)
    for key in keys:
        *above, last = key.split(".")
        inner: object = tree
        for part in above:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner:
            del inner[last]
    return write(tree)
