"""Tool calls cannot be carried out: their arguments, names or results are not as declared.

## What it does
Reads every tool call and tool result. It counts arguments that are not a JSON object (truncated, or written as Python),
names that no tool of the row declares, arguments that the declared schema refuses, calls without a result although the
conversation goes on, results without a call, and rows that call tools and declare none. Calls that an answer writes as
JSON between `<tool_call>` tags are read, too. Skipped where no row uses tools.

## Why is this bad?
The model learns to write calls that no program can carry out.

With a call left without a result, or a result without a call, it learns to make results up. Where the tools are not
declared, the prompts of training are not those of inference, which list the tools.

## Example
The required `city` is missing, and nothing answers the call:

```json
{"tools": [{"type": "function", "function": {"name": "weather",
    "parameters": {"type": "object", "required": ["city"]}}}],
 "messages": [{"role": "user", "content": "Is it raining in Oslo?"},
   {"role": "assistant", "tool_calls": [{"function":
     {"name": "weather", "arguments": {}}}]},
   {"role": "assistant", "content": "It is."}]}
```

## Use instead
Correct or remove the rows shown, and declare the tools in the column `tools`.

```json
{"tools": [{"type": "function", "function": {"name": "weather",
    "parameters": {"type": "object", "required": ["city"]}}}],
 "messages": [{"role": "user", "content": "Is it raining in Oslo?"},
   {"role": "assistant", "tool_calls": [{"function":
     {"name": "weather", "arguments": {"city": "Oslo"}}}]},
   {"role": "tool", "content": "Rain."},
   {"role": "assistant", "content": "It is."}]}
```

## Known problems
A tool whose name the system or the user mentions counts as declared. Patterns and formats of schemas are not checked.
Calls that are written in other ways inside an answer's text are not read.

## References
- [JSON Schema](https://json-schema.org/understanding-json-schema/reference): what a schema can demand
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned
from sanetune.text import shorten

if TYPE_CHECKING:
    from sanetune.checks.rows._calls import Fault
    from sanetune.data.conversation import Conversation
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True

FAULTS = {
    "unparsed": "with arguments that are not a JSON object",
    "refused": "with arguments that the tool's schema refuses",
    "undeclared": "that call a tool they do not declare",
    "unanswered": "that go on without the result of a call",
    "uncalled": "with a result that no call asked for",
    "none_declared": "that call tools and declare none",
}
"""What is counted, in words."""

LIMITS = {
    "broken_fail": Limit(0.1, "ours: a tenth of the rows is no slip of single rows but of the conversion"),
    "fewest_rows": Limit(3, "ours: one or two rows are slips, whatever share they are"),
}


def measure(conversations: ConversationStore) -> Measurement:
    """Rows of each kind of fault, among the rows that use tools; a row may be of several kinds."""
    from sanetune.checks._excerpts import interleave
    from sanetune.checks.rows._calls import call_faults, uses_tools

    counts = dict.fromkeys(FAULTS, 0)
    rows, broken = 0, 0
    seen: dict[str, list[Witness]] = {kind: [] for kind in FAULTS}
    for side in conversations.sides:
        for conversation in side:
            if not uses_tools(conversation):
                continue
            rows += 1
            first: dict[str, Fault] = {}
            for fault in call_faults(conversation):
                first.setdefault(fault.kind, fault)
            broken += any(kind != "none_declared" for kind in first)
            for kind, fault in first.items():
                counts[kind] += 1
                if len(seen[kind]) < most_witnesses():
                    seen[kind].append(_witness(conversation, fault, side.name))
    if not rows:
        raise NotApplicableError("no row uses tools")
    return Measurement({"rows": rows, **counts, "broken": broken}, interleave(seen[kind] for kind in FAULTS))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, rows = m.numbers, m.numbers["rows"]
    scope = units.many(rows, "row with tools", "rows with tools")
    parts = [f"{n[kind]:,} ({units.share(n[kind] / rows)}) {words}" for kind, words in FAULTS.items() if n[kind]]
    if not parts:
        return passed(f"{scope}: every call is declared, fits its schema, and has its result.")
    message = f"Of {scope}: {', '.join(parts)}."
    if n["broken"] >= limits["fewest_rows"] and n["broken"] / rows >= limits["broken_fail"]:
        return failed(message)
    return warned(message)


def _witness(conversation: Conversation, fault: Fault, split: str) -> Witness:
    from sanetune.checks._excerpts import LENGTH, at, text_of

    message = conversation.messages[fault.message]
    shown = f"{message['role']}: {shorten(text_of(message), LENGTH)}"
    return Witness(shown, at(conversation, fault.message), f"{FAULTS[fault.kind]}: {fault.detail}", split=split)
