"""YAML to plain values, and the line of every key.

The text is untrusted: size, depth and number of values are limited (aliases count each time they are used, which is
what makes a "billion laughs" file small on disk and large in memory), tags are refused, nothing is constructed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt
from ruamel.yaml.scalarstring import ScalarString

from sanetune.config.messages import short
from sanetune.config.nested import YamlMap, YamlValue
from sanetune.errors import ConfigError, Place
from sanetune.text import shorten

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000
MAX_DEPTH = 32
PLAIN_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}

Lines = dict[str, int]
"""``section.key`` -> line in the file, counted from 1."""


def read_text(path: Path) -> str:
    """The text of a configuration file; ConfigError when there is none that can be read."""
    if not path.exists():
        raise ConfigError(
            f"there is no configuration file {str(path)!r}",
            "Every command starts from one YAML file.",
            "Check the path, or write one: sanetune init MODEL DATA",
        )
    if path.is_dir():
        inside = sorted(str(p.name) for p in path.glob("*.y*ml"))[:3]
        raise ConfigError(
            f"{str(path)!r} is a folder, not a configuration file",
            "",
            f"Name the file in it: {', '.join(inside)}" if inside else "Give a YAML file.",
        )
    try:
        raw = path.open("rb").read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{str(path)!r} cannot be read: {error.strerror or error}", "", "Check the file's permissions."
        ) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(
            f"{str(path)!r} is larger than {MAX_BYTES:,} bytes",
            "A configuration is a few dozen lines; this is probably a data file.",
            "Give the YAML file; data files go into data.train.",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"byte {error.start} is not UTF-8 text",
            "YAML is read as UTF-8.",
            "Save the file as UTF-8.",
            Place(path, line),
        ) from None


def parse(text: str, file: Path | str | None = None) -> tuple[YamlMap, Lines, CommentedMap]:
    """Parse YAML text.

    >>> values, lines, _ = parse("train:\\n  seed: 1\\n")
    >>> values, lines
    ({'train': {'seed': 1}}, {'train': 1, 'train.seed': 2})

    Args:
        text: The YAML.
        file: Where it comes from, for errors.

    Returns:
        The plain values, the line of every key, and ruamel's tree with its comments.

    Raises:
        ConfigError: The YAML is broken, has a key twice, a tag, or anything but a mapping of sections.
    """
    tree = _tree(text, file)
    if tree is None:
        raise ConfigError(
            "the configuration is empty",
            "It has to name at least a model and data.",
            "Write one with: sanetune init MODEL DATA",
            Place(file),
        )
    if not isinstance(tree, CommentedMap):
        kind = "a list" if isinstance(tree, CommentedSeq) else f"the value {short(tree)}"
        raise ConfigError(
            f"the configuration is {kind}, not sections with keys",
            "It needs sections, such as model: and data:.",
            "Write one with: sanetune init MODEL DATA",
            Place(file, 1),
        )
    walk = _Walk(file)
    return walk.mapping(tree, "", 1, 0), walk.lines, tree


def parse_value(text: str, name: str) -> YamlValue:
    """The value of an override (``1e-4``, ``true``, ``[a, b]``, ``some text``) as YAML would read it."""
    if not text.strip():
        return None
    try:
        return _Walk(None).plain(_tree(text, None), "", 1, 0)
    except ConfigError as error:
        raise ConfigError(
            f"the value of the override {name!r} is no YAML: {error.message}",
            "Overrides are typed as in the file: section.key=value.",
            f"Put the value in quotes, as in {name}='\"...\"'.",
        ) from None


def _tree(text: str, file: Path | str | None) -> object:
    _refuse_deep(text, file)
    yaml = YAML(typ="rt")
    try:
        tree: object = yaml.load(text)
        return tree
    except DuplicateKeyError as error:
        raise _twice(error, text, file) from None
    except MarkedYAMLError as error:
        raise _invalid(error, text, file) from None
    except ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        raise ConfigError(
            f"character {position} ({error.character!r}) is not allowed in YAML",
            "The file is probably not a text file.",
            "Give the YAML file.",
            Place(file, text.count("\n", 0, position) + 1),
        ) from None
    except RecursionError:
        raise ConfigError(
            "the values are nested too deeply to be read",
            f"At most {MAX_DEPTH} levels are understood.",
            "Remove the nesting.",
            Place(file),
        ) from None
    except (YAMLError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise ConfigError(
            f"this is no valid YAML: {_short_problem(str(error))}", "", "Check the file's syntax.", Place(file)
        ) from None


def _twice(error: DuplicateKeyError, text: str, file: Path | str | None) -> ConfigError:
    """The error for a key that a mapping has twice, with both lines."""
    mark, above = error.problem_mark, error.context_mark
    if mark is None or above is None:
        return ConfigError(_short_problem(error.problem), "Only one of the two can be meant.", "", Place(file))
    lines = text.split("\n")
    key, _, value = lines[mark.line][mark.column :].partition(":")
    same = re.compile(rf"{re.escape(key.strip())}\s*:")
    at = [number for number in range(above.line, mark.line) if same.match(lines[number], mark.column)]
    where = f"lines {at[0] + 1} and {mark.line + 1}" if at else f"line {mark.line + 1}, and before it"
    if value.partition("#")[0].strip():
        rationale, remedy = "Only one of the two can be meant.", "Delete one of them."
    else:  # a section, or a list
        rationale = "Only one of the two would be read."
        remedy = f"Merge them: move what is under the second {key.strip()}: to the first, and delete the second line."
    message = f"duplicate key {shorten(key.strip(), 60)}: it is in {where}"
    return ConfigError(message, rationale, remedy, Place(file, mark.line + 1))


def _invalid(error: MarkedYAMLError, text: str, file: Path | str | None) -> ConfigError:
    """The error for text that YAML's grammar does not have."""
    mark = error.problem_mark or error.context_mark
    where = f" (column {mark.column + 1})" if mark else ""
    line = (text.split("\n")[mark.line : mark.line + 1] or [""])[0] if mark else ""
    tab = "\t" in line[: len(line) - len(line.lstrip())]
    return ConfigError(
        f"this is no valid YAML: {_short_problem(error.problem or error.context)}{where}",
        "YAML is indented with spaces alone." if tab else "The file cannot be understood from here on.",
        "Put spaces in place of the tab at the beginning of this line."
        if tab
        else "Check indentation, quotes and brackets on this line and the one before.",
        Place(file, mark.line + 1 if mark else None),
    )


def _refuse_deep(text: str, file: Path | str | None) -> None:
    """Refuse hundreds of nested brackets: thousands take the parser many seconds, and no configuration has them."""
    depth = deepest = 0
    for sign in re.findall(r"[][{}]", text):
        depth += 1 if sign in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > 8 * MAX_DEPTH:
        raise ConfigError(
            f"the values are nested too deeply to be read: {deepest:,} brackets are nested",
            f"At most {MAX_DEPTH} levels are understood.",
            "Remove the nesting.",
            Place(file),
        )


class _Walk:
    """Turns ruamel's tree into plain values, noting lines and counting what it makes."""

    def __init__(self, file: Path | str | None) -> None:
        self.file, self.lines, self.count = file, Lines(), 0

    def plain(self, node: object, path: str, line: int, depth: int) -> YamlValue:
        self.count += 1
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            limit = f"more than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_VALUES:,} values"
            raise ConfigError(
                f"the file unfolds to {limit}",
                "A configuration is small; aliases (*name) that repeat each other grow without bound.",
                "Write the values out, without aliases.",
                Place(self.file, line),
            )
        if path:
            self.lines.setdefault(path, line)
        if isinstance(node, CommentedMap):
            return self.mapping(node, path, line, depth)
        if isinstance(node, CommentedSeq):
            return self._sequence(node, path, line, depth)
        return self._scalar(node, line)

    def mapping(self, node: CommentedMap, path: str, line: int, depth: int) -> YamlMap:
        self._no_tag(node, line)
        out: YamlMap = {}
        for key, value in node.items():
            at = _line_of(node.lc.key, key, line)
            if not isinstance(key, str):
                raise ConfigError(
                    f"the key {short(key)} is not a name",
                    "Keys are words, as in train: or learning_rate:.",
                    "Correct the key, or put it in quotes.",
                    Place(self.file, at),
                )
            out[str(key)] = self.plain(value, f"{path}.{key}" if path else str(key), at, depth + 1)
        return out

    def _sequence(self, node: CommentedSeq, path: str, line: int, depth: int) -> list[YamlValue]:
        self._no_tag(node, line)
        return [
            self.plain(value, f"{path}.{i}", _line_of(node.lc.item, i, line), depth + 1) for i, value in enumerate(node)
        ]

    def _scalar(self, node: object, line: int) -> YamlValue:
        if isinstance(node, ScalarBoolean):
            return bool(node)
        if isinstance(node, ScalarInt):
            return int(node)
        if isinstance(node, ScalarFloat):
            return float(node)
        if isinstance(node, ScalarString):
            return str(node)
        if node is None or isinstance(node, (str, bool, int, float)):
            return node
        tag = getattr(getattr(node, "tag", None), "value", None) or type(node).__name__
        raise ConfigError(
            f"a value of the kind {tag!r} is not understood",
            "Values are text, numbers, true, false, null, lists and mappings.",
            "Put the value in quotes if it is text.",
            Place(self.file, line),
        )

    def _no_tag(self, node: CommentedMap | CommentedSeq, line: int) -> None:
        tag = getattr(node.tag, "value", None)
        if tag and str(tag) not in PLAIN_TAGS:
            raise ConfigError(
                f"the tag {str(tag)!r} is not understood", "Tags are refused.", "Remove it.", Place(self.file, line)
            )


def _line_of(position: Callable[[object], tuple[int, int]], key: object, otherwise: int) -> int:
    """The line of a key or an entry; ``otherwise`` for one that a merge (``<<:``) brings, which has no position."""
    try:
        return int(position(key)[0]) + 1
    except (KeyError, TypeError, AttributeError, IndexError):
        return otherwise


def _short_problem(text: str | None) -> str:
    line = (text or "unknown problem").strip().splitlines()[0]
    return shorten(line, 160)
