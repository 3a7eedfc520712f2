"""Special strings of the template are not tokens of this tokenizer and are split into several.

## What it does
Finds tag-like strings (`<|im_start|>`, `</s>`, `[INST]`) that the template writes into conversations of every kind in
the data, and counts the tokens of each. A tag around a token of the vocabulary (`<｜DSML｜tool_calls>` around
`｜DSML｜`) is written in several tokens by design.

## Why is this bad?
A turn then ends with several ordinary tokens. Generation cannot stop at a token that does not exist, and the model
has to learn a spelling.

## Example
ChatML written into a file for a base model that lacks its tokens:

```yaml
model:
  name: meta-llama/Llama-3.2-1B
  chat_template: my-chatml.jinja
```

## Use instead
Use `model.chat_template: chatml`, which adds its two tokens, a template made for this tokenizer, or add the tokens to
tokenizer and embedding.

```yaml
model:
  name: meta-llama/Llama-3.2-1B
  chat_template: chatml
```
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.errors import TemplateError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerBase

    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "sometimes"
DEPENDS_ON = ("rows",)

SPECIAL = re.compile(r"<[|｜][^<>\s]{1,64}>|<[^<>\s]{1,64}[|｜]>")
"""What only a special token looks like: ``<|im_start|>``, ``<|turn>``, ``<｜User｜>``."""
PLAIN = re.compile(r"</?\w{1,40}>|\[/?[A-Z_]{2,40}\]")
"""What is a token in some vocabularies and mere text in others: ``<think>``, ``</s>``, ``[INST]``."""
KNOWN = frozenset({"<s>", "</s>", "<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>", "[EOS]", "[BOS]"})
"""Plain ones that are meant as one token wherever they stand."""
CHATML = frozenset({"<|im_start|>", "<|im_end|>"})

LONGEST = 200_000
"""Characters of a conversation that are tokenized; longer ones are passed over where a kind has others."""
BUDGET = 500_000
"""Characters that are tokenized in all."""


def measure(
    template: ChatTemplate | None, tokenizer: PreTrainedTokenizerBase, conversations: ConversationStore
) -> Measurement:
    if template is None:
        raise NotApplicableError("there is no chat template")
    from sanetune.checks.template._conversation_shapes import conversation_shapes

    shapes = conversation_shapes(conversations)
    if not shapes.found:
        raise NotApplicableError("the rows are plain text, which no template renders")
    reader = _Reader(template, tokenizer)
    for _, conversation in shapes.examples():
        if reader.characters > BUDGET:
            break
        reader.read(conversation)
    if not reader.checked:
        raise NotApplicableError("the template renders none of the conversations")
    # DeepSeek's <｜DSML｜tool_calls> is no token, and ｜DSML｜ inside it is.
    own = {token for token in tokenizer.get_added_vocab() if set(token) & set("|｜")}
    split = {tag: pieces for tag, pieces in reader.tags.items() if len(pieces) > 1 and own.isdisjoint(pieces)}
    numbers = {
        "checked": reader.checked,
        "kinds": len(shapes.found),
        "tags": len(reader.tags),
        "split": split,
        "ends": sorted(reader.ends & set(split)),
        "unused": sorted(tag for tag in _constants(template.source) if len(_pieces(tokenizer, tag)) > 1)[:20],
        "plain_chatml": set(split) <= CHATML and not reader.tools,
    }
    witnesses = [
        Witness(reader.around[tag], reader.places[tag], f"{tag} is {len(pieces)} tokens: {' '.join(pieces[:12])}")
        for tag, pieces in sorted(split.items(), key=lambda item: (_weight(item[0], reader.ends), item[0]))
    ]
    return Measurement(numbers, witnesses[:MOST_WITNESSES])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    split: dict[str, list[str]] = n["split"]
    bad = [tag for tag in split if SPECIAL.fullmatch(tag) or tag in n["ends"]]
    odd = [tag for tag in split if tag in KNOWN and tag not in bad]
    seen = f"{n['checked']} conversations of {n['kinds']} kind{'s' * (n['kinds'] != 1)}"
    if not bad and not odd:
        plain = f" ({', '.join(list(split)[:3])}: ordinary text by design)" if split else ""
        return passed(f"{seen}: none of the template's {n['tags']} tags that act as special tokens is split{plain}.")
    message = f"The tokenizer splits {_listed(split, bad or odd)}, which the template writes ({seen})."
    if not bad:
        return warned(message)
    ends = [tag for tag in bad if tag in n["ends"]]
    message += f" A turn ends with {ends[0]}." if ends else ""
    return failed(message, fix={"model.chat_template": "chatml"} if n["plain_chatml"] else None)


class _Reader:
    """Gathers the tags that a template writes, each with the tokens it falls into."""

    def __init__(self, template: ChatTemplate, tokenizer: PreTrainedTokenizerBase) -> None:
        from sanetune.data.masking.turns import TurnFinder

        self.template, self.tokenizer = template, tokenizer
        self.finder = TurnFinder(template, (tokenizer.eos_token,) if tokenizer.eos_token else ())
        self.tags: dict[str, list[str]] = {}
        self.around: dict[str, str] = {}
        self.places: dict[str, Any] = {}
        self.ends: set[str] = set()
        self.tools = False
        self.checked = self.characters = 0

    def read(self, conversation: Conversation) -> None:
        try:
            text, literals = self._literals(conversation)
        except TemplateError:
            return  # refused rows are told elsewhere
        self.tools |= bool(conversation.tools) or any(message.get("tool_calls") for message in conversation.messages)
        if len(text) > LONGEST and self.checked:
            return
        self.characters += len(text)
        self.checked += 1
        listed = str(conversation.tools) if conversation.tools else ""
        encoding = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        for start, end in literals:
            for tag, at in _tags(text[start:end]):
                if tag in self.tags or tag in listed:
                    continue
                self.tags[tag] = _overlapping(encoding, start + at, start + at + len(tag))
                self.around[tag] = text[max(start + at - 60, 0) : start + at + len(tag) + 60]
                self.places[tag] = conversation.place
        self._note_end(conversation)

    def _literals(self, conversation: Conversation) -> tuple[str, list[tuple[int, int]]]:
        """The text, and the spans that the template wrote."""
        from sanetune.data.masking.markers import Marker

        marker = Marker()
        adapted = self.template.adapted(conversation.messages)
        marked = [marker.mark(message, index) for index, message in enumerate(adapted)]
        rendered = self.template.render_as_is(marked, conversation.tools, conversation.template_kwargs)
        text, found = marker.read(rendered)
        literals, begin, inside = [], 0, False
        for one in found:
            if not one.mark.closes and not inside:
                literals.append((begin, one.at))
            begin, inside = one.at, not one.mark.closes
        return text, [*literals, (begin, len(text))]

    def _note_end(self, conversation: Conversation) -> None:
        try:
            turns = self.finder.find(conversation).turns
        except TemplateError:
            return
        for turn in turns[:1] + turns[-1:]:
            closing = turn.closing.rstrip()
            last = [tag for tag, at in _tags(closing) if at + len(tag) == len(closing)]
            self.ends.update(last)


def _tags(text: str) -> Iterator[tuple[str, int]]:
    for pattern in (SPECIAL, PLAIN):
        for match in pattern.finditer(text):
            yield match[0], match.start()


def _overlapping(encoding: Any, start: int, end: int) -> list[str]:
    """The tokens that hold a character of ``start`` to ``end``."""
    offsets, tokens = encoding.offsets, encoding.tokens
    first = bisect_right(offsets, start, key=lambda offset: offset[1])
    last = bisect_left(offsets, end, key=lambda offset: offset[0])
    return list(tokens[first:last])


def _constants(source: str) -> set[str]:
    """Special-looking tags in the template's own text and strings, whether this data makes it write them or not."""
    from jinja2 import TemplateError as JinjaError
    from jinja2 import nodes

    from sanetune.data.template.sandbox import Sandbox

    try:
        tree = Sandbox().parse(source)
    except (JinjaError, RecursionError):
        return set()
    texts = [node.data for node in tree.find_all(nodes.TemplateData)]
    texts += [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    return {match[0] for text in texts for match in SPECIAL.finditer(text)}


def _pieces(tokenizer: PreTrainedTokenizerBase, tag: str) -> list[str]:
    return list(tokenizer.backend_tokenizer.encode(tag, add_special_tokens=False).tokens)


def _weight(tag: str, ends: set[str]) -> int:
    return 0 if tag in ends else 1 if SPECIAL.fullmatch(tag) else 2 if tag in KNOWN else 3


def _listed(split: dict[str, list[str]], tags: list[str]) -> str:
    shown = ", ".join(f"{tag} into {len(split[tag])} tokens" for tag in tags[:3])
    return shown + (f" and {len(tags) - 3} more strings" if len(tags) > 3 else "")
