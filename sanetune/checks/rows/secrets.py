"""Answers contain keys, e-mail addresses or card numbers.

## What it does
Reads every assistant turn. Keys are found by their vendors' prefixes (OpenAI, GitHub, AWS, Google, Slack, Hugging
Face, Stripe, GitLab, npm; private keys by their first line), card numbers by length, prefix and check digit, and
e-mail addresses unless their domain is reserved for examples. Findings show four characters.

## Why is this bad?
Text in answers is learned, and a model can be made to reproduce it.

## Example
```jsonl
{"prompt": "How do I log in?", "completion": "Use sk-live-..."}
```

## Use instead
Replace them by placeholders, and revoke keys that are real.

```jsonl
{"prompt": "How do I log in?", "completion": "Use YOUR_API_KEY."}
```

## Known problems
This is advice: a public address may be meant to be learned.

## References
- [Extracting Training Data from Large Language Models](https://arxiv.org/abs/2012.07805)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, most_witnesses, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True

KINDS = {
    "key": ("key", "keys"),
    "card": ("card number", "card numbers"),
    "address": ("e-mail address", "e-mail addresses"),
}

KEYS = {
    "sk-": r"sk-[A-Za-z0-9_-]{20,200}",
    "sk_live_": r"sk_live_[A-Za-z0-9]{16,100}",
    "rk_live_": r"rk_live_[A-Za-z0-9]{16,100}",
    "ghp_": r"ghp_[A-Za-z0-9]{30,100}",
    "gho_": r"gho_[A-Za-z0-9]{30,100}",
    "ghu_": r"ghu_[A-Za-z0-9]{30,100}",
    "ghs_": r"ghs_[A-Za-z0-9]{30,100}",
    "github_pat_": r"github_pat_[A-Za-z0-9_]{30,100}",
    "glpat-": r"glpat-[A-Za-z0-9_-]{20,100}",
    "AKIA": r"AKIA[A-Z0-9]{16}",
    "ASIA": r"ASIA[A-Z0-9]{16}",
    "AIza": r"AIza[A-Za-z0-9_-]{35}",
    "xox": r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",
    "hf_": r"hf_[A-Za-z0-9]{30,100}",
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "-----BEGIN ": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----",
}
"""The makers' prefixes, each with the form of the whole."""

LIMITS = {"variety": Limit(6, "ours: different characters after the prefix: fewer are a row of x, and no key")}

RESERVED = re.compile(
    r"(^|\.)(example|test|invalid|localhost|local)$|(^|\.)example\.\w+(\.\w+)?$"
    r"|^(your|my|some)?-?(domain|company|email|mail|website|site|organi[sz]ation)\.(com|org|net)$"
)
"""RFC 2606's domains, and those that people write for `your own`."""

TRIES = 200
"""Places of one kind in one answer that are read."""


_KEYS = {prefix: re.compile(rf"(?<![A-Za-z0-9_-]){pattern}(?![A-Za-z0-9])") for prefix, pattern in KEYS.items()}
# As cards print them: in one piece (15 or 16 digits: others are mostly plain numbers), in fours, or in 4, 6 and 5.
_DIGITS = re.compile(
    r"(?<![\d.,])(?<!\d[ -])(?:\d{15,16}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})"
    r"(?!\s?-?\d)(?!\.\d)"
)
_LOCAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)(?:[A-Za-z0-9-]{1,63}\.){0,4}[A-Za-z]{2,24}(?![A-Za-z0-9])")


def measure(conversations: ConversationStore, limits: Limits) -> Measurement:
    """How many secrets of each kind are in answers, and in how many rows."""
    from sanetune.checks._excerpts import at, interleave

    counts = dict.fromkeys(KINDS, 0)
    seen: dict[str, list[Witness]] = {kind: [] for kind in KINDS}
    answers = rows = 0
    for side in conversations.sides:
        for conversation in side:
            hit = False
            for index, message in enumerate(conversation.messages):
                if message["role"] != "assistant":
                    continue
                answers += 1
                found = list(secrets(message["content"], limits["variety"]))
                hit = hit or bool(found)
                for kind, start, end in found:
                    counts[kind] += 1
                    if len(seen[kind]) < most_witnesses():
                        text = masked(message["content"], found, start, end)
                        place = at(conversation, index)
                        seen[kind].append(Witness(text, place, f"{KINDS[kind][0]}, masked", split=side.name))
            rows += hit
    if not answers:
        raise NotApplicableError("no row holds an answer")
    return Measurement({"answers": answers, "rows": rows, **counts}, interleave(seen[kind] for kind in KINDS))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    scope = units.many(n["answers"], "answer")
    parts = [units.many(n[kind], *names) for kind, names in KINDS.items() if n[kind]]
    if not parts:
        return passed(f"{scope}: no keys, e-mail addresses or card numbers.")
    return warned(f"In {scope} stand {', '.join(parts)}, in {units.many(n['rows'], 'row')}.")


def secrets(text: str, variety: float = LIMITS["variety"].value) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of each secret in ``text``; a key has ``variety`` different characters behind its prefix."""
    for prefix, pattern in _KEYS.items():
        if prefix in text:
            for tries, found in enumerate(pattern.finditer(text)):
                if tries == TRIES:
                    break
                if prefix[0] == "-" or len(set(found.group()[len(prefix) :])) >= variety:
                    yield "key", *found.span()
    for tries, found in enumerate(_DIGITS.finditer(text)):
        if tries == TRIES:
            break
        if is_card(found.group()):
            yield "card", *found.span()
    if "@" in text:
        yield from _addresses(text)


def is_card(written: str) -> bool:
    """Whether digits (with blanks or hyphens) have a card's prefix, length and check digit (ISO/IEC 7812)."""
    digits = re.sub(r"[ -]", "", written)
    two, four = int(digits[:2]), int(digits[:4])
    visa = digits[0] == "4" and len(digits) in (13, 16, 19)
    mastercard = (51 <= two <= 55 or 2221 <= four <= 2720) and len(digits) == 16
    amex = two in (34, 37) and len(digits) == 15
    other = (four == 6011 or two in (35, 65)) and len(digits) == 16
    diners = two in (30, 36, 38) and len(digits) == 14
    if not (visa or mastercard or amex or other or diners):
        return False
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def masked(text: str, found: list[tuple[str, int, int]], start: int, end: int) -> str:
    """What stands around ``text[start:end]``, with every secret in it cut to four characters."""
    from sanetune.checks._excerpts import LENGTH

    left, right = max(0, start - 60), min(len(text), end + 60)
    pieces, at = ["…" if left else ""], left
    for _, first, last in sorted(found, key=lambda one: one[1:]):
        if last <= at or first >= right:
            continue
        pieces += [text[at : max(at, first)], text[first : first + 4] if first >= at else "", "…"]
        at = last
    return ("".join(pieces) + text[at:right] + ("…" if right < len(text) else ""))[:LENGTH]


def _addresses(text: str) -> Iterator[tuple[str, int, int]]:
    at = -1
    for _ in range(TRIES):
        at = text.find("@", at + 1)
        if at < 0:
            return
        local = _LOCAL.search(text[max(0, at - 64) : at])
        domain = _DOMAIN.match(text, at + 1, at + 255)
        if local and domain and not RESERVED.search(domain.group().lower()):
            yield "address", at - len(local.group()), domain.end()
