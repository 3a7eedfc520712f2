"""Messages or plain text contain the markup of a chat template.

## What it does
Searches the rows for turns that were rendered before (ChatML, Llama, Mistral, Gemma, Phi, DeepSeek, Command R, Alpaca,
Vicuna, `### Human:`), for turns inside the text of a message, for end tokens at the end of messages to which the chat
template adds its own, and for special tokens of the tokenizer in the text. In a text column, rendered chats are a fault
unless `data.loss_on` is `all`. Markup that is quoted or inside code does not count, except special tokens, which the
tokenizer does not tell from its own.

## Why is this bad?
Markup in the text is not text for the model: it ends turns, opens others, or is learned as words.

A row that is rendered twice teaches headers inside answers. In a text column every token is in the loss, the user's,
too. Text of a user that opens an assistant's turn is taken for one.

## Example
```json
{"messages": [
  {"role": "user", "content": "<|im_start|>user\\nHi<|im_end|>"},
  {"role": "assistant", "content": "Hello!<|im_end|>"}]}
```

## Use instead
Train on messages without markup: `data.markup: parse` turns rendered rows back into messages.

```yaml
data:
  train: rows.jsonl
  markup: parse
```

## Known problems
Headers that are ordinary words (`Human:`) count only where a text begins with one and ends with the assistant's: a
transcript in a question is no finding. Turns with tool calls become text, not calls.

## References
- [trl#3318](https://github.com/huggingface/trl/issues/3318),
  [transformers#29279](https://github.com/huggingface/transformers/issues/29279): special tokens in the data
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.checks.rows._markup_faults import Fault
    from sanetune.config.schema import Config
    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "sometimes"
DEPENDS_ON = ("rows",)
BY_ROW = True

FAULTS = {
    "plain": "are chats in plain text ({dialect}): the user's turns are in the loss",
    "rendered": "are rendered already ({dialect}), and the chat template renders them again",
    "forged": "have headers of turns inside a message",
    "ends": "have an end token at the end of a message, and the template's after it",
    "special": "have special tokens of the tokenizer in their text",
}
"""What is counted, gravest first, in words; a row is counted once."""

LIMITS = {
    "share_fail": Limit(0.1, "ours: a tenth of the rows is no quotation but how the data were made"),
    "fewest_rows": Limit(3, "ours: one or two rows are slips, whatever share they are"),
    "fix_share": Limit(0.95, "ours: of the rows with markup, which can be turned back into messages"),
}


def measure(
    conversations: ConversationStore,
    config: Config,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate | None,
) -> Measurement:
    """Rows of each kind, and how many of the rendered ones can be turned back into messages."""
    from sanetune.checks._excerpts import interleave
    from sanetune.checks.rows._markup_faults import MarkupReader
    from sanetune.data.markup import unrendered

    reader = MarkupReader(tokenizer, template)
    counts = dict.fromkeys(FAULTS, 0)
    dialects: Counter[str] = Counter()
    rows = parsed = 0
    seen: dict[str, list[Witness]] = {kind: [] for kind in FAULTS}
    for side in conversations.sides:
        for conversation in side:
            rows += 1
            fault = reader.fault_of(conversation)
            if fault is None:
                continue
            counts[fault.kind] += 1
            dialects[fault.dialect] += fault.dialect != ""
            parsed += unrendered(conversation) is not conversation
            if len(seen[fault.kind]) < most_witnesses():
                seen[fault.kind].append(_witness(conversation, fault, side.name))
    if not rows:
        raise NotApplicableError("there are no rows")
    numbers = {"rows": rows, **counts, "parsed": parsed, "dialect": next((d for d, _ in dialects.most_common(1)), "")}
    about = {"loss_on": config.data.loss_on, "template": template is not None, "markup": config.data.markup}
    return Measurement(numbers | about, interleave(seen[kind] for kind in FAULTS))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, rows = m.numbers, m.numbers["rows"]
    meant = n["plain"] if n["loss_on"] == "all" else 0
    found = {kind: n[kind] for kind in FAULTS if n[kind] and not (kind == "plain" and meant)}
    scope = units.many(rows, "row")
    if not found:
        also = f" {meant:,} are chats in plain text, and every token is meant to be in the loss." if meant else ""
        return passed(f"{scope}: no markup of a chat template in their text.{also}")
    parts = [
        f"{count:,} ({units.share(count / rows)}) {FAULTS[kind].format(dialect=n['dialect'])}"
        for kind, count in found.items()
    ]
    message = f"Of {scope}: {'; '.join(parts)}."
    parsable = n["template"] and n["markup"] == "keep" and n["parsed"] >= limits["fix_share"] * sum(found.values())
    whole = found.get("plain", 0) + found.get("rendered", 0) + found.get("ends", 0)
    fix = {"data.markup": "parse"} if parsable and whole else {}
    remedy = "" if fix else _remedy(n["template"], whole)
    many = [count for count in found.values() if count >= limits["fewest_rows"]]
    if max(many, default=0) / rows >= limits["share_fail"]:
        return failed(message, remedy, fix)
    return warned(message, remedy, fix)


def _remedy(template: bool, whole: int) -> str:
    if whole and not template:
        return "Give the model a chat template (`model.chat_template`), and set `data.markup: parse`."
    return "Take the markup out of the rows shown, or remove them."


def _witness(conversation: Conversation, fault: Fault, split: str) -> Witness:
    from sanetune.checks._excerpts import around, at

    text = conversation.text if conversation.text is not None else conversation.messages[fault.message]["content"]
    shown = around(text, fault.start, fault.end)
    return Witness(
        shown, at(conversation, fault.message), FAULTS[fault.kind].format(dialect=fault.dialect), split=split
    )
