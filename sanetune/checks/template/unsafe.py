"""The chat template is not safe: it accesses Python internals, exceeds time or size limits, or does not parse.

## What it does
Reads the template as a syntax tree for accesses that only an attack needs (`__class__`, `__globals__`, ...), and
renders it in a sandbox with limits of time and size, on conversations of the data and on one of its own. Only what is
accessed counts: a text that resembles such a name is harmless.

## Why is this bad?
A template is a program that comes with the model and runs wherever the model is used, often without a sandbox.

It would also hang training and every later use.

## Example
```jinja
{{ messages.__class__.__base__.__subclasses__() }}
```

## Use instead
Use the template that the model's authors publish, your own (`model.chat_template: FILE`), or `chatml`.

```yaml
model:
  chat_template: chatml
```

## References
- [CVE-2024-34359](https://nvd.nist.gov/vuln/detail/CVE-2024-34359): code execution through a chat template
"""

from __future__ import annotations

import time
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.errors import TemplateError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import nodes
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "seconds": Limit(1.0, "one rendering; the slowest template of TRL takes about 0.005 s for 50 messages"),
}

FRAMES = frozenset({"gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame", "ag_code", "tb_frame", "f_globals"})
"""What jinja2's sandbox forbids besides underscored names, and where one gets to from there."""

ROWS = 500
"""Rows among which conversations of different kinds are looked for."""

PATIENCE = 10.0
"""Seconds after which no further conversation is tried."""


def measure(tokenizer: PreTrainedTokenizerBase, conversations: ConversationStore) -> Measurement:
    source = tokenizer.chat_template
    if isinstance(source, dict):
        source = source.get("default")
    if not source:
        raise NotApplicableError("there is no chat template")
    from sanetune.data.tokenizer import chat_template

    reached, witnesses = _reached(source)
    numbers: dict[str, Any] = {"reached": reached, "broken": "", "stopped": "", "rendered": 0, "slowest": 0.0}
    try:
        template = chat_template(tokenizer)
    except TemplateError as error:
        return Measurement(numbers | {"broken": error.message}, [*witnesses, Witness(source[:300])][:MOST_WITNESSES])
    assert template is not None
    return _tried(template, conversations, numbers, witnesses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["broken"]:
        return failed(n["broken"])
    if n["stopped"]:
        return failed(n["stopped"])
    if n["reached"]:
        return failed(f"The chat template reaches for {', '.join(n['reached'][:4])}, which only an attack needs.")
    message = f"{n['rendered']} renderings inside the sandbox, the slowest in {n['slowest']:.3f} s"
    if n["slowest"] > limits["seconds"]:
        return warned(f"The chat template is slow: {message}.")
    return passed(f"{message}; no name in it that only an attack needs.")


def _tried(
    template: ChatTemplate, conversations: ConversationStore, numbers: dict[str, Any], witnesses: list[Witness]
) -> Measurement:
    from sanetune.data.template.chat_template import TemplateStoppedError

    end = time.monotonic() + PATIENCE
    rendered, slowest = 0, 0.0
    for conversation in _conversations(conversations):
        for prompted in (False, True):
            if time.monotonic() > end:
                break
            began = time.perf_counter()
            try:
                template.render(
                    conversation.messages,
                    conversation.tools,
                    conversation.template_kwargs,
                    add_generation_prompt=prompted,
                )
            except TemplateStoppedError as error:
                witness = Witness(str(conversation.messages)[:300], conversation.place, "the template was stopped here")
                return Measurement(
                    numbers | {"stopped": error.message, "rendered": rendered, "slowest": slowest},
                    [witness, *witnesses][:MOST_WITNESSES],
                )
            except TemplateError:
                pass  # a row that it refuses is no danger
            slowest = max(slowest, time.perf_counter() - began)
            rendered += 1
    reached = list(dict.fromkeys((*numbers["reached"], *template.reached)))
    numbers |= {"reached": reached, "rendered": rendered, "slowest": round(slowest, 4)}
    return Measurement(numbers, witnesses)


def _conversations(conversations: ConversationStore) -> Iterator[Conversation]:
    """One of our own first, so that a bomb meets a short text; then one of each kind among the first rows."""
    from sanetune.checks.template._conversation_shapes import sorted_by_kind
    from sanetune.data.conversation import Conversation
    from sanetune.errors import Place

    yield Conversation([{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello."}], Place())
    shapes = sorted_by_kind(islice(chain.from_iterable(conversations.sides), ROWS), most=8)
    yield from (conversation for _, conversation in islice(shapes.examples(), 12))


def _reached(source: str) -> tuple[list[str], list[Witness]]:
    """Names of Python's inside that the template asks for, as attribute, key or argument of ``attr``."""
    import jinja2
    from jinja2 import nodes

    from sanetune.data.template.sandbox import Sandbox

    try:
        tree = Sandbox().parse(source)
    except (jinja2.TemplateError, RecursionError, MemoryError, OverflowError, ValueError, TypeError, ArithmeticError):
        return [], []
    lines = source.splitlines()
    found: list[str] = []
    witnesses: list[Witness] = []
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        name = _accessed(node)
        if isinstance(name, str) and _inside(name) and name not in found:
            found.append(name)
            line = lines[node.lineno - 1] if 0 < node.lineno <= len(lines) else ""
            witnesses.append(Witness(line.strip()[:300], note=f"line {node.lineno} of the template: {name}"))
    return found, witnesses[:MOST_WITNESSES]


def _accessed(node: nodes.Node) -> object:
    """The name that a node takes from a value: ``x.name``, ``x["name"]`` or ``x | attr("name")``."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Filter):
        named = node.name in ("attr", "map", "selectattr", "rejectattr", "groupby", "sort", "sum", "unique")
        values = [*node.args, *(one.value for one in node.kwargs)] if named else []
    else:
        values = [node.arg] if isinstance(node, nodes.Getitem) else []
    return next((one.value for one in values if isinstance(one, nodes.Const) and _inside(str(one.value))), None)


def _inside(name: str) -> bool:
    """``__class__`` and its like, and the names by which frames and code are reached."""
    dunder = name.startswith("__") and name.endswith("__") and name.strip("_").isidentifier()
    return dunder or name in FRAMES
