"""Which prompts and texts show what a model could do before its training: the package's, or a file of the user's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sanetune.data.conversation import Message
from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, in_a_row, quote

T = TypeVar("T")

GENERAL, OFF = "general", "off"
"""What ``check.keep`` may be besides a file: the prompts and texts of the package, and none."""

HERE = Path(__file__).parent
MOST_BYTES = 16 * 2**20
"""Size of a user's file, at most."""
MOST = 200
"""Prompts of a file that are asked, and texts that are measured, at most, evenly spread."""
FORMATS = ("json", "list", "number", "python")
LANGUAGES = ("de", "en", "es", "fr", "it", "pt")
OF_PROMPTS, OF_TEXTS = ("prompt", "messages", "kind", "format", "expects"), ("text", "kind")
"""Keys that a line with a prompt, and one with a text, may have."""


@dataclass(frozen=True, slots=True)
class GeneralPrompt:
    """A prompt whose answer is to stay as good as it was.

    Attributes:
        messages: The messages up to the answer.
        topic: What it is about, for counts by topic.
        output_format: What the answer has to be: one of :data:`FORMATS`, ``language:`` with one of :data:`LANGUAGES`,
            or ``words:N`` (at most N words); "" where anything will do.
        expects: Texts of which the answer has to contain one, in any case; none: nothing is expected.
    """

    messages: tuple[Message, ...]
    topic: str = ""
    output_format: str = ""
    expects: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The last message."""
        return str(self.messages[-1].get("content") or "")


@dataclass(frozen=True, slots=True)
class GeneralText:
    """A text that the model continues, from its second token on."""

    text: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class GeneralMaterial:
    """Prompts and texts, and where they are from.

    Attributes:
        prompts: What both models are asked.
        texts: What the loss of both models is measured on.
        source: ``general``, or the name of the user's file.
    """

    prompts: tuple[GeneralPrompt, ...]
    texts: tuple[GeneralText, ...]
    source: str = GENERAL

    def few(self, most: int) -> GeneralMaterial:
        """Return some of these prompts and texts, evenly spread: at most ``most`` rows of either."""
        return GeneralMaterial(_spread(self.prompts, most), _spread(self.texts, most), self.source)


def material_of(keep: str) -> GeneralMaterial | None:
    """Return what ``check.keep`` names; None where it is ``off``.

    Raises:
        DataError: For a file that cannot be read.

    >>> len(material_of("general").prompts), material_of("off")
    (48, None)
    """
    if keep == OFF:
        return None
    if keep == GENERAL:
        return read_material(HERE / "general.jsonl", GENERAL)
    return read_material(Path(keep), Path(keep).name).few(MOST)


def read_material(file: Path, source: str) -> GeneralMaterial:
    """Read JSON lines, each with a ``prompt`` (or ``messages``) or a ``text``, and return them.

    A prompt may have a ``format`` and ``expects`` (a text or a list of them), and all may have a ``kind``. Keys without
    a value are as if they were not there; any other key is refused, since what it asks for would not be measured.

    Args:
        file: The file.
        source: What it is called in results.

    Raises:
        DataError: With the line at fault.
    """
    prompts: list[GeneralPrompt] = []
    texts: list[GeneralText] = []
    # Not `splitlines`, which also splits at characters that JSON has in its texts as they are, U+2028 for one.
    for number, line in enumerate(_content(file).split("\n"), start=1):
        if not line.strip():
            continue
        place = Place(file, line=number)
        row = _object(line, place)
        topic = str(row.get("kind", ""))
        if "text" in row:
            texts.append(GeneralText(_text(row, place), topic))
        else:
            prompts.append(GeneralPrompt(_messages(row, place), topic, _format(row, place), _expects(row, place)))
    if not prompts and not texts:
        raise DataError("check.keep: this file holds no prompt and no text.", remedy=REMEDY, place=Place(file))
    return GeneralMaterial(tuple(prompts), tuple(texts), source)


REMEDY = 'Write one JSON object per line: {"prompt": "..."} or {"text": "..."}; or set check.keep to general or off.'


def _content(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"check.keep: {file} has more than {MOST_BYTES // 2**20} MiB.", remedy="Give fewer rows.")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"check.keep: {file} cannot be read: {error.strerror}.", remedy=REMEDY) from None
    except UnicodeDecodeError:
        raise DataError("check.keep: this file is not UTF-8.", remedy=REMEDY, place=Place(file)) from None


def _object(line: str, place: Place) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise DataError("check.keep: this line is no JSON object.", remedy=REMEDY, place=place)
    row = {key: value for key, value in row.items() if value not in (None, "", [])}
    _check_keys(row, place)
    return row


def _check_keys(row: dict[str, object], place: Place) -> None:
    """Refuse a line with keys that mean nothing, or that contradict each other."""
    every = dict.fromkeys((*OF_TEXTS, *OF_PROMPTS))
    if unknown := next((key for key in row if key not in every), None):
        raise DataError(
            f"check.keep: this line has a key {quote(unknown)}, which is not known.",
            "What it asks for would not be measured.",
            f"{did_you_mean(unknown, every, most=1)}Keys are {', '.join(every)}.",
            place,
        )
    if "text" in row and (others := [key for key in row if key not in OF_TEXTS]):
        raise DataError(
            f"check.keep: this line has {in_a_row(others)} beside text.",
            "A text is measured as it stands: nothing is asked, and no answer is judged.",
            f"Keep prompt or messages for a question, with {in_a_row(OF_PROMPTS[2:])}; or text, with {OF_TEXTS[1]}.",
            place,
        )
    if "prompt" in row and "messages" in row:
        raise DataError(
            "check.keep: this line has prompt beside messages.",
            "Only one of them would be asked.",
            "Keep one of them, or write two lines.",
            place,
        )


def _text(row: dict[str, object], place: Place) -> str:
    text = row["text"]
    if not isinstance(text, str) or not text.strip():
        raise DataError("check.keep: text has to be a text with words in it.", remedy=REMEDY, place=place)
    return text


def _messages(row: dict[str, object], place: Place) -> tuple[Message, ...]:
    """The messages up to the last one of the user."""
    if isinstance(prompt := row.get("prompt"), str) and prompt.strip():
        return ({"role": "user", "content": prompt},)
    given = row.get("messages")
    found: list[Message] = []
    for one in given if isinstance(given, list) else []:
        if not isinstance(one, dict) or not isinstance(one.get("role"), str) or not isinstance(one.get("content"), str):
            raise DataError("check.keep: a message needs a role and a content.", remedy=REMEDY, place=place)
        found.append({"role": one["role"], "content": one["content"]})
    while found and found[-1]["role"] != "user":
        found.pop()
    if not found:
        raise DataError("check.keep: this line has no prompt and no text.", remedy=REMEDY, place=place)
    return tuple(found)


def _format(row: dict[str, object], place: Place) -> str:
    given = str(row.get("format", ""))
    name, _, rest = given.partition(":")
    known = not given or given in FORMATS or (name == "words" and rest.isdigit())
    if known or (name == "language" and rest in LANGUAGES):
        return given
    languages = ", ".join(LANGUAGES)
    raise DataError(
        f"check.keep: the format {given[:40]!r} is not known.",
        remedy=f"Use one of {', '.join(FORMATS)}, words:N, or language: with one of {languages}.",
        place=place,
    )


def _expects(row: dict[str, object], place: Place) -> tuple[str, ...]:
    given = row.get("expects", [])
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(one, str) and one for one in texts):
        raise DataError("check.keep: expects is a text or a list of texts.", remedy=REMEDY, place=place)
    return tuple(texts)


def _spread(values: tuple[T, ...], most: int) -> tuple[T, ...]:
    count = min(most, len(values))
    return tuple(values[at * len(values) // count] for at in range(count))
