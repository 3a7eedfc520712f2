"""The roles of a conversation are in an order that inference never produces.

## What it does
Reads the roles of every conversation. It counts rows without a user turn, two assistant or user turns in a row, a
system message after the first turn, rows that do not end with the assistant, and among these the rows that also begin
with the assistant: their roles may be swapped. Results of tools are checked by `rows-tool-calls`.

## Why is this bad?
The model learns to answer when nobody has asked, or to continue its own turn. Many chat templates refuse or rewrite
such rows.

A row that does not end with the assistant has a last turn that is never trained.

## Example
```json
{"messages": [{"role": "assistant", "content": "Where is my parcel?"},
              {"role": "user", "content": "On its way."}]}
```

## Use instead
Merge consecutive turns of one role, put the system message first, and end each conversation with an assistant turn.

```json
{"messages": [{"role": "user", "content": "Where is my parcel?"},
              {"role": "assistant", "content": "On its way."}]}
```

## Known problems
Logs of agents often end with a tool result, and people do send two messages in a row. Small shares only warn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned
from sanetune.text import shorten

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation, Message
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True

KINDS = {
    "no_user": "without a turn of the user",
    "assistant_twice": "with two turns of the assistant in a row",
    "system_inside": "with a system message after the first turn",
    "turned": "that begin with the assistant and end on the user",
    "user_twice": "with two turns of the user in a row",
    "ends_open": "that end on another turn than the assistant's",
}
"""What is counted, worst first, in words."""

BROKEN = ("no_user", "assistant_twice", "system_inside")
"""Orders that teach something wrong; the others waste a turn, or are how some people write."""

LIMITS = {
    "turned_fail": Limit(0.1, "ours: some logs open with a greeting, and few of those break off after a question"),
    "broken_fail": Limit(0.1, "ours: a tenth of the rows is no slip of single rows but of the conversion"),
    "user_twice_warn": Limit(0.01, "ours: people do send two messages in a row; none in the clean real data"),
    "open_warn": Limit(0.01, "none in gsm8k, alpaca, sharegpt, drone data and the demo; logs of agents often do"),
    "unanswered_fail": Limit(0.5, "ours: most rows would teach nothing"),
    "fewest_rows": Limit(3, "ours: one or two rows are slips, whatever share they are"),
}


def measure(conversations: ConversationStore) -> Measurement:
    """Rows of each kind; a row may be of several. Rows of plain text have no roles and are left out."""
    from sanetune.checks._excerpts import at, interleave

    counts = dict.fromkeys(KINDS, 0)
    rows, unanswered = 0, 0
    seen: dict[str, list[Witness]] = {kind: [] for kind in KINDS}
    for side in conversations.sides:
        for conversation in side:
            if conversation.text is not None:
                continue
            rows += 1
            unanswered += all(m["role"] != "assistant" for m in conversation.messages)
            for kind, index in faults(conversation).items():
                counts[kind] += 1
                if len(seen[kind]) < most_witnesses():
                    place = at(conversation, index)
                    seen[kind].append(Witness(_shown(conversation, index), place, KINDS[kind], split=side.name))
    if not rows:
        raise NotApplicableError("plain text has no roles")
    return Measurement({"rows": rows, **counts, "unanswered": unanswered}, interleave(seen[kind] for kind in KINDS))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, rows = m.numbers, m.numbers["rows"]
    scope = units.many(rows, "conversation")
    parts = [f"{n[kind]:,} ({units.share(n[kind] / rows)}) {KINDS[kind]}" for kind in KINDS if n[kind]]
    if not parts:
        return passed(f"{scope}: each asks, is answered in turn, and ends on an answer.")
    message = f"Of {scope}: {', '.join(parts)}."
    worst = max(n[kind] for kind in BROKEN)
    if worst >= limits["fewest_rows"] and worst / rows >= limits["broken_fail"]:
        return failed(message)
    if n["turned"] >= limits["fewest_rows"] and n["turned"] / rows >= limits["turned_fail"]:
        return failed(message)
    if n["unanswered"] / rows >= limits["unanswered_fail"]:
        return failed(f"{message} {n['unanswered']:,} have no answer at all.")
    proportions = {"open_warn": n["ends_open"] / rows, "user_twice_warn": n["user_twice"] / rows}
    if worst or any(share >= limits[name] for name, share in proportions.items()):
        return warned(message)
    return passed(f"{message} That is too few to matter.")


def faults(conversation: Conversation) -> dict[str, int]:
    """What is wrong with the order of turns: kind -> index of the first message that shows it."""
    found: dict[str, int] = {}
    messages = conversation.messages
    if not any(message["role"] == "user" for message in messages):
        found["no_user"] = 0
    before: Message | None = None
    for index, message in enumerate(messages):
        role = message["role"]
        if role in ("system", "developer"):
            if before is not None:
                found.setdefault("system_inside", index)
            continue
        if role == "assistant":
            if before is not None and before["role"] == "assistant" and not before.get("tool_calls"):
                found.setdefault("assistant_twice", index)
        elif role == "user" and before is not None and before["role"] == "user":
            found.setdefault("user_twice", index)
        before = message
    if not messages or messages[-1]["role"] != "assistant":
        found["ends_open"] = max(0, len(messages) - 1)
    turns = [message["role"] for message in messages if message["role"] in ("user", "assistant")]
    if turns and turns[0] == "assistant" and messages[-1]["role"] == "user":
        found["turned"] = next(at for at, message in enumerate(messages) if message["role"] == "assistant")
    return found


def _shown(conversation: Conversation, index: int) -> str:
    from sanetune.checks._excerpts import text_of

    near = range(max(0, index - 2), min(len(conversation.messages), index + 2))
    said = [(conversation.messages[i]["role"], text_of(conversation.messages[i])) for i in near]
    return "\n".join(f"{role}: {shorten(text, 120)}" for role, text in said)
