r"""Characters are damaged: mojibake, replacement, control or invisible characters.

## What it does
Reads every text of every row; only damage that the model learns to write can fail. Mojibake is text decoded with the
wrong table (`cafÃ©` for `café`), found by ftfy and counted only if ftfy can undo it. Replacement characters (U+FFFD)
and control characters stand for text that is gone. Invisible characters are byte order marks, zero-width spaces and
direction marks, where the script of the text has no use for them. Damage in code, or in a text about encodings, is
quoted on purpose; U+0085 is a line break.

## Why is this bad?
The model learns to write the damage, and learns nothing from words that are broken apart.

## Example
A UTF-8 file read as Windows-1252:

```jsonl
{"prompt": "OÃ¹ est le cafÃ©?", "completion": "Ã\u00a0 gauche."}
```

## Use instead
Read the source again in its own encoding. Without it, `sanetune check CONFIG --write-clean DIR` writes a copy in which
ftfy has undone mojibake, without the rows whose answers have U+FFFD, halves of
characters or control characters: that text is gone.

```python
text = path.read_text(encoding="utf-8")
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned
from sanetune.text import escape_control

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True

KINDS = {
    "mojibake": "mojibake",
    "replaced": "replacement characters (U+FFFD)",
    "surrogate": "halves of characters",
    "control": "control characters",
    "invisible": "invisible characters",
}

GONE = ("replaced", "surrogate", "control")
"""Kinds of which nothing brings the text back."""

LIMITS = {
    "damaged_fail": Limit(
        0.05, "ours: one row in twenty is no slip of a row but of the file; clean real data have none"
    ),
    "prompts_warn": Limit(0.05, "ours: damage in prompts and tool results is read, not learned; users send it too"),
    "invisible_warn": Limit(0.01, "ours: text from web pages has some; clean real data have none"),
}

WINDOW = 200
"""Characters around a suspicious place that ftfy gets: a text of a megabyte is not repaired as a whole."""

TRIES = 20
"""Suspicious places of one text that are read before it counts as sound."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LESSON = re.compile(r"mojibake|encod|utf-?8|latin-?1|cp125\d|windows-125\d|iso-8859|unicode|charset", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\ufeff\u2060-\u2064\u202a-\u202e\u2066-\u2069\u200b\U000e0001]|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
# Scripts that are written without spaces: a zero-width one says where lines may break.
_UNSPACED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u4e00-\u9fff]")


def measure(conversations: ConversationStore) -> Measurement:
    """Rows with damage of each kind; a row may have several."""
    from sanetune.checks._excerpts import around, at, interleave

    counts = dict.fromkeys(KINDS, 0)
    seen: dict[str, list[Witness]] = {kind: [] for kind in KINDS}
    rows = damaged = prompts = texts = 0
    for side in conversations.sides:
        for conversation in side:
            rows += 1
            damages: set[str] = set()
            learned = False
            for index, text, role in _texts(conversation):
                texts += 1
                for kind, start, end in unquoted(text, role):
                    learned = learned or (role == "assistant" and kind != "invisible")
                    if kind not in damages and len(seen[kind]) < most_witnesses():
                        shown, beside = around(text, start, end), ""
                        if kind == "mojibake":
                            beside = repaired(shown)
                        place, note = at(conversation, index), _note(kind, text[start:end])
                        seen[kind].append(Witness(escape_control(shown, strict=True), place, note, beside, side.name))
                    damages.add(kind)
            for kind in damages:
                counts[kind] += 1
            damaged += learned
            prompts += bool(damages - {"invisible"}) and not learned
    if not texts:
        raise NotApplicableError("no row holds a text")
    return Measurement(
        {"rows": rows, "texts": texts, "damaged": damaged, "prompts": prompts, **counts},
        interleave(seen[kind] for kind in KINDS),
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, rows = m.numbers, max(1, m.numbers["rows"])
    scope = f"{units.many(n['rows'], 'row')} with {units.many(n['texts'], 'text')}"
    parts = [f"{n[kind]:,} with {words}" for kind, words in KINDS.items() if n[kind]]
    if not parts:
        return passed(f"{scope}: no mojibake, no lost, control or invisible characters.")
    message = f"Of {units.many(n['rows'], 'row')}: {', '.join(parts)}"
    if not n["damaged"] and n["prompts"]:
        message += ", all of it outside the loss"
    if n["damaged"] / rows >= limits["damaged_fail"]:
        return failed(f"{message} ({units.share(n['damaged'] / rows)} are damaged).")
    prompts = n["prompts"] / rows >= limits["prompts_warn"]
    if n["damaged"] or prompts or n["invisible"] / rows >= limits["invisible_warn"]:
        return warned(f"{message}.")
    return passed(f"{message}. That is too few to matter.")


def damage(text: str) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of the first place of each kind of damage."""
    if found := _CONTROL.search(text):
        yield "control", *found.span()
    if text.isascii():
        return
    at = text.find("\ufffd")
    if at >= 0:
        yield "replaced", at, at + 1
    if found := _SURROGATE.search(text):
        yield "surrogate", *found.span()
    yield from _invisible(text)
    yield from _mojibake(text.replace("\x85", "\n"))  # a line break, which ftfy would take for an ellipsis


def missing_characters(conversation: Conversation) -> str:
    """Which kind of characters says that a part of what the model learns is gone; "": none does."""
    for _, text, role in _texts(conversation):
        for kind, _, _ in unquoted(text, role):
            if role == "assistant" and kind in GONE:
                return KINDS[kind]
    return ""


def unquoted(text: str, role: str = "") -> Iterator[tuple[str, int, int]]:
    """The damage of ``text`` that is not there on purpose."""
    for kind, start, end in damage(text):
        # What a terminal writes has control characters, and is masked.
        if not _is_quoted(text, start, end) and not (role == "tool" and kind == "control"):
            yield kind, start, end


def repaired(text: str) -> str:
    """``text`` with its mojibake undone."""
    from ftfy import fix_encoding

    return str(fix_encoding(text))


def _mojibake(text: str) -> Iterator[tuple[str, int, int]]:
    from ftfy.badness import BADNESS_RE

    for tries, found in enumerate(BADNESS_RE.finditer(text)):
        if tries == TRIES:
            return
        start, end = found.span()
        left = max(text.rfind("\n", 0, start), start - WINDOW, 0)
        part = text[left : end + WINDOW].split("\n", 2)
        around = "\n".join(part[:2])
        if (
            repaired(around) != around
            or repaired(text[max(0, start - 4) : end + 4]) != text[max(0, start - 4) : end + 4]
        ):
            yield "mojibake", start, end
            return


def _invisible(text: str) -> Iterator[tuple[str, int, int]]:
    found = _INVISIBLE.search(text)
    if not found:
        return
    if _RIGHT_TO_LEFT.search(text) or (found.group() == "\u200b" and _UNSPACED.search(text)):
        return
    yield "invisible", *found.span()


def _texts(conversation: Conversation) -> Iterator[tuple[int, str, str]]:
    """(index of the message, text, role) of everything that is written; what the model learns is an assistant's."""
    if conversation.text is not None:
        yield 0, conversation.text, "assistant"
    masked = {part.message for part in conversation.masked if part.end is None}
    for index, message in enumerate(conversation.messages):
        role = "masked" if index in masked else str(message["role"])
        yield index, message["content"], role
        if message.get("reasoning_content"):
            yield index, message["reasoning_content"], role


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Whether damage is shown on purpose: in code or quotation marks, or where the text speaks of encodings."""
    line = text[text.rfind("\n", 0, start) + 1 : text.find("\n", end) if "\n" in text[end:] else len(text)]
    fenced = text[:start].count("```") % 2 == 1 and "```" in text[end:]
    left, right = line.partition(text[start:end])[::2]
    between = any(mark in left[-40:] and mark in right[:40] for mark in ("`", '"', "'", "“", "«")) or (
        any(mark in left[-40:] for mark in "“«‘") and any(mark in right[:40] for mark in "”»’")
    )
    return fenced or (between and bool(_LESSON.search(text))) or bool(_LESSON.search(line))


def _note(kind: str, found: str) -> str:
    if kind == "mojibake":
        return "mojibake; beside it the same, repaired"
    return f"{KINDS[kind]}: U+{ord(found[0]):04X}"
