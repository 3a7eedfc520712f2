"""Reasoning does not come back from the server apart from the answer.

## What it does
Asks the server, as a client does, the held-out prompts that the trained model answers with reasoning between tags
(`<think>` and the like). The reply has to have it in `reasoning_content` (`reasoning` in newer vLLM, `thinking` in
Ollama), and no tag in its text.

It is skipped where the trained model writes no reasoning, or tags with nothing between them.

## Why is this bad?
Users read the model's notes as its answer, and the next turn of the conversation carries them along.

## Example
The server passes the tags on:

```json
{"content": "<think>Oslo is in Norway.</think>It is Oslo."}
```

## Use instead
Start the server with a parser of reasoning.

For vLLM: `--reasoning-parser qwen3` (or the one of your template); for llama.cpp: `--reasoning-format deepseek`.

```json
{"reasoning_content": "Oslo is in Norway.", "content": "It is Oslo."}
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.checks.rows._thinking import PAIRS
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results.served import ChatPair

FIX = "none"


def measure(served_chats: list[ChatPair]) -> Measurement:
    """Counts replies with tags in their text, or without the reasoning that the trained model writes."""
    thinking = [pair for pair in served_chats if _reasons(pair.trained.answer.raw)]
    if not thinking:
        raise NotApplicableError("the trained model ends no reasoning within the tokens that it is asked for")
    tagged = [pair for pair in thinking if _tags(pair.served.content)]
    missing = [pair for pair in thinking if not pair.served.reasoning and pair not in tagged]
    numbers = {"thinking": len(thinking), "tagged": len(tagged), "missing": len(missing)}
    return Measurement(
        numbers,
        [Witness(one.served.content, one.trained.place, "the reply's text") for one in [*tagged, *missing]][
            :MOST_WITNESSES
        ],
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["tagged"]:
        return warned(f"{n['tagged']:,} of {n['thinking']:,} replies have the tags of reasoning in their text")
    if n["missing"]:
        return warned(f"{n['missing']:,} of {n['thinking']:,} replies come without the reasoning that was trained")
    return passed(f"all {n['thinking']:,} replies come with their reasoning apart from the answer")


def _reasons(text: str) -> bool:
    """Whether a text has reasoning in its tags; a template may have opened them in the prompt."""
    return any(
        bool(text.partition(closing)[0].rpartition(opening)[2].strip())
        for opening, closing in PAIRS.items()
        if closing in text
    )


def _tags(text: str) -> bool:
    """Whether a text holds a tag that closes reasoning: a template may have opened it in the prompt."""
    return any(closing in text for closing in PAIRS.values())
