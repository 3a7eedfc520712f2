"""Guess which columns of a row hold the question and its reply, by their names, to say so in a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from sanetune.data.column_names import REASONING
from sanetune.data.unread import holds_something

ASKS = (
    "question", "instruction", "prompt", "query", "problem", "input", "goal", "task", "request", "user", "human",
    "title", "sentence", "document", "article", "passage", "dialogue", "premise", "context", "text", "description",
    "ctx", "source", "pattern", "utterance",
)  # fmt: skip
"""Words in the names of columns that ask, best first."""

REPLIES = (
    "answer", "response", "completion", "output", "target", "reply", "solution", "summary", "highlight", "generation",
    "generated", "truth", "sql", "code", "chosen", "assistant", "gpt", "bot", "translated", "final",
)  # fmt: skip
"""Words in the names of columns that reply, best first."""

CHECKED = frozenset(("expected", "reference", "ref", "gold", "ground", "correct", "final", "short", "target"))
"""Words in the names of replies that an answer is compared with: another reply comes before them."""

ABOUT = re.compile(
    r"(?:ids?|uuid|hash|url|uri|link|path|file|date|time|timestamp|lang|language|model|version|license|node|category"
    r"|type|tag|tags|split|name|uid|subject|topic|domain|status|state|index|idx|key|md5|sha|email|role|kind|speaker|system)"
)
"""Last words of names of what is said about a row."""

NUMBERED = re.compile(r"(\w*?)_?(?:\d|[a-h])")
SAMPLE = 50
"""Columns of a row that are considered."""


def guess(values: Mapping[str, object], slips: Mapping[str, str] | None = None) -> tuple[str | None, str | None]:
    """Return the columns, or paths into them, of a question and its reply; None where nothing says which.

    >>> guess({"q_id": "5lo", "title": "Why is the sky blue?", "answers": {"text": ["It scatters.", "Dust."]}})
    ('title', 'answers.text.0')
    >>> guess({"goal": "Boil an egg.", "sol1": "Use water.", "sol2": "Use sand.", "label": 0})
    ('goal', None)
    >>> guess({"prompt": "2 + 2?", "reasoning": "Count up by two.", "verdict": "Four."})
    ('prompt', 'verdict')

    Args:
        values: The row.
        slips: Columns whose names are slips of the pen -> what is meant.
    """
    slips = slips or {}
    texts = {path: text for path, text in _texts(values) if not _is_beside(path)}
    chosen_by_number = _has_number_of_answer(values)
    if chosen_by_number:
        texts = {path: text for path, text in texts.items() if not _is_numbered(path, texts)}
    named = {path: _words(slips.get(path, path)) for path in texts}
    reply = _best(named, REPLIES, texts)
    prompt = _best({path: words for path, words in named.items() if path != reply}, ASKS, texts)
    long = [path for path, text in texts.items() if " " in text.strip()]
    rest = [path for path in (long if len(long) > 1 else texts) if path not in (prompt, reply)]
    if prompt is None and rest:
        prompt = rest.pop(0)
    if reply is None and rest and not chosen_by_number:
        reply = rest.pop(0)
    return prompt, reply


def _is_beside(path: str) -> bool:
    """Whether a column has what is said about a row, or the reasoning before its reply."""
    return bool(ABOUT.fullmatch(_words(path)[-1])) or path.lower() in REASONING


def _texts(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Columns with text, and paths to text inside objects and lists of texts, each with its text."""
    for key, value in islice(values.items(), SAMPLE):
        found = {str(key): value}
        if isinstance(value, dict):
            found = {f"{key}.{name}": one for name, one in islice(value.items(), SAMPLE)}
        for path, one in found.items():
            if isinstance(one, list) and one:
                path, one = f"{path}.0", one[0]
            if isinstance(one, str) and holds_something(one) and path.strip():
                yield path, one


def _words(path: str) -> list[str]:
    """The words of a name, in small letters and the singular; positions in lists are none."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path)
    words = [word.lower() for word in re.split(r"[\W_]+", spaced) if word and not word.isdecimal()]
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words] or [""]


def _best(named: Mapping[str, list[str]], names: tuple[str, ...], texts: Mapping[str, str]) -> str | None:
    """The path whose words have the best one among them; of several one with a sentence, then that with the fewest
    words."""
    ranked = [
        (
            not CHECKED.isdisjoint(words),
            min(names.index(word) for word in words if word in names),
            "." in path and " " not in texts[path].strip(),
            len(words),
            number,
            path,
        )
        for number, (path, words) in enumerate(named.items())
        if any(word in names for word in words)
    ]
    return min(ranked)[-1] if ranked else None


def _has_number_of_answer(values: Mapping[str, object]) -> bool:
    """Whether a number says which of several columns is right."""
    for name in ("label", "answer", "cop", "gold", "target", "correct", "choice", "answerKey"):
        value = values.get(name)
        if isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal()):
            return True
    return False


def _is_numbered(path: str, texts: Mapping[str, str]) -> bool:
    """Whether a column is one of several whose names differ in a number or a letter."""
    found = NUMBERED.fullmatch(path)
    others = (NUMBERED.fullmatch(other) for other in texts if other != path)
    return found is not None and any(other is not None and other[1] == found[1] for other in others)
