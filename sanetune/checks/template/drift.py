"""Training text and inference text differ.

## What it does
Renders conversations of every kind in the data as training does (whole) and as inference does (the messages before
each reply, with a generation prompt): the prompt must be a prefix of the training text. Where they differ in white
space alone this check warns. Compares the template that will be saved with the weights to the one used in training.

## Why is this bad?
The model is trained to answer after one text and is given another. The loss falls all the same, and the answers do
not improve.

## Example
A template whose generation prompt differs from its turns:

```jinja
{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}
{% if add_generation_prompt %}<|bot|>{% endif %}
```

## Use instead
Make the generation prompt equal to what the template writes before a reply, or use the model's published template.

```jinja
{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}
```

## Known problems
Templates of reasoning models leave out the reasoning of earlier turns on purpose. Where training leaves it out too,
that is no drift (`template-drops-content` says what is not trained); where only inference leaves it out, this check
warns.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.errors import TemplateError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.checks.template._conversation_shapes import ConversationShapes
    from sanetune.checks.template._generation_prompt import Compared, Prompter
    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore
    from sanetune.evidence.saved_template import SavedTemplate

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

BUDGET = 20_000
"""Messages that are rendered at most: about two seconds with a slow template."""

WORDS = {
    "headless": "the template gives no generation prompt, and writes a header before the trained reply",
    "header": "the generation prompt differs from what precedes the trained reply",
    "history": "what precedes the turn renders to another text at inference",
    "refused": "the template cannot render the messages before the trained reply",
    "unsteady": "the same conversation renders to another text each time",
    "retold": "earlier calls and answers of tools render to another text at inference",
    "stripped": "the reasoning of earlier turns precedes the trained reply, and inference leaves it out",
    "spaced": "the prompt of inference differs from what is trained in white space alone",
    "silent": "the prompt opens thinking that the trained turn does not have",
    "forgetful": "reasoning of earlier turns is there at inference only",
    "moved": "the system text moves to the last question",
    "continued": "no header is given after a tool's answer",
}
"""How a prompt may stand to the training text, worst first; the last four are what templates do on purpose."""
WARNED = ("retold", "stripped", "spaced")
BAD = ("headless", "header", "history", "refused", "unsteady")


def measure(
    template: ChatTemplate | None,
    tokenizer: PreTrainedTokenizerBase,
    conversations: ConversationStore,
    saved_template: SavedTemplate,
) -> Measurement:
    if template is None:
        raise NotApplicableError("there is no chat template")
    from sanetune.checks.template._conversation_shapes import conversation_shapes
    from sanetune.checks.template._generation_prompt import Prompter
    from sanetune.data.template.chat_template import TemplateStoppedError

    shapes = conversation_shapes(conversations)
    if not shapes.found:
        raise NotApplicableError("the rows are plain text, which no template renders")
    try:
        return _measured(template, shapes, saved_template, Prompter(template))
    except TemplateStoppedError as error:
        raise NotApplicableError(f"the template cannot be rendered: {error.message}") from None


def _measured(
    template: ChatTemplate, shapes: ConversationShapes, saved_template: SavedTemplate, prompter: Prompter
) -> Measurement:
    fits: Counter[str] = Counter()
    spaces: Counter[tuple[str, str]] = Counter()
    bad_kinds: dict[str, int] = {}
    shown: list[tuple[Conversation, Compared]] = []
    checked = 0
    for kind, conversation in shapes.examples():
        if prompter.rendered > BUDGET:
            break
        checked += 1
        for one in prompter.compared(conversation):
            fits[one.fit] += 1
            spaces.update([one.spaces] if one.fit == "spaced" else [])
            if one.fit in BAD:
                bad_kinds[kind.words] = kind.count
            if one.fit in BAD or one.fit in WARNED:
                shown.append((conversation, one))
    saved_fault = _saved(saved_template, template, shapes, prompter)
    if not fits and not saved_fault:
        raise NotApplicableError("no reply of this data is in the rendered text")
    numbers: dict[str, Any] = {
        "kinds": len(shapes.found),
        "kinds_left_out": shapes.left_out,
        "conversations": shapes.chats,
        "compared": checked,
        "turns": sum(fits.values()),
        "fits": {str(name): count for name, count in fits.items()},
        "bad_kinds": bad_kinds,
        "spaces": [list(pair) for pair, _ in spaces.most_common(1)],
        "saved": saved_fault,
    }
    shown.sort(key=lambda pair: list(WORDS).index(pair[1].fit))
    return Measurement(numbers, [_witness(conversation, one) for conversation, one in shown[:MOST_WITNESSES]])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    fits, turns = n["fits"], n["turns"]
    bad = [name for name in WORDS if name in BAD and fits.get(name)]
    left = f" ({n['kinds_left_out']:,} conversations of rarer kinds left out)" if n["kinds_left_out"] else ""
    seen = f"{n['compared']} conversations of {n['kinds']} kind{'s' * (n['kinds'] != 1)}{left}"
    if bad:
        rows = sum(n["bad_kinds"].values())
        parts = "; ".join(f"in {fits[name]} of {turns} turns {WORDS[name]}" for name in bad)
        return failed(f"{seen}: {parts}. {rows:,} of {n['conversations']:,} conversations are of such kinds.")
    if n["saved"]:
        return failed(n["saved"], "Save the template that was trained with, beside the weights.")
    reported = "; ".join(
        f"in {fits[name]} {WORDS[name]}" for name in ("silent", "forgetful", "moved", "continued") if fits.get(name)
    )
    if found := [name for name in WARNED if fits.get(name)]:
        parts = "; ".join(f"in {fits[name]} of {turns} turns {WORDS[name]}" for name in found)
        return warned(f"{seen}: {parts}{_spaces(n)}.")
    return passed(
        f"{seen}: in all {turns} turns the prompt of inference is what was trained"
        + (f", but for what such templates do on purpose: {reported}." if reported else ".")
    )


def _spaces(n: dict[str, Any]) -> str:
    """The white space that differs, where some does."""
    if not n["spaces"]:
        return ""
    trained, inferred = (repr(text) if len(text) <= 12 else f"{len(text)} characters" for text in n["spaces"][0])
    return f": {trained} trained, {inferred} at inference"


def _saved(
    saved_template: SavedTemplate, template: ChatTemplate, shapes: ConversationShapes, prompter: Prompter
) -> str:
    """What is wrong with the template that will be saved, in words; empty if nothing is. One that differs only in
    what this data never shows (the markers of a training template, say) is the same for us."""
    trained = saved_template.trained_template if saved_template.trained_template is not None else template.source
    if saved_template.template == trained:
        return ""
    if not saved_template.template:
        return "The model was trained with a chat template, and none will be saved."
    from sanetune.checks.template._generation_prompt import Prompter
    from sanetune.data.template.chat_template import ChatTemplate

    try:
        other = Prompter(ChatTemplate(saved_template.template, template.specials))
    except TemplateError as error:
        return f"The chat template that will be saved cannot be used: {error.message}"
    if trained != template.source:
        prompter = Prompter(ChatTemplate(trained, template.specials))
    compared = different = 0
    for _, conversation in shapes.examples():
        if other.rendered > BUDGET:
            break
        compared += 1
        different += any(
            _text(prompter, conversation, prompted) != _text(other, conversation, prompted)
            for prompted in (False, True)
        )
    if not different:
        return ""
    return (
        f"The chat template that will be saved is not the one trained with: {different} of {compared} conversations "
        "render to another text."
    )


def _text(prompter: Prompter, conversation: Conversation, prompted: bool) -> str | None:
    messages = conversation.messages
    ends = messages[-1].get("role") == "assistant"
    try:
        return prompter.text(conversation, len(messages) - 1 if prompted and ends else None, prompted=prompted)
    except TemplateError:
        return None


def _witness(conversation: Conversation, one: Compared) -> Witness:
    from dataclasses import replace

    place = replace(conversation.place, message=one.message)
    return Witness(one.trained, place, f"trained; beside it what inference renders: {WORDS[one.fit]}", one.inferred)
