"""What every story of the demo needs: chapters, both models' answers to the held-out prompts, the judge's table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.demo import MODEL, PROMPTS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sanetune.data.prepare import Prepared
    from sanetune.demo.score import Reply

WIDTH = 80
LONGEST = 128
"""Tokens an answer may have: the longest in the training data has about a hundred."""
FIGURES = "demo.json"
JUDGED = {
    "in_form": "answers in house form",
    "facts_right": "facts of the message copied right",
    "ends_itself": "answers that end by themselves",
}


def clear(out: Path) -> None:
    """Makes room: what an earlier demo left is removed, anything else is left alone (and refused by the run)."""
    if _is_demo(out):
        shutil.rmtree(out)


def _is_demo(out: Path) -> bool:
    """Whether an earlier demo made this folder, also one that was broken off: nobody else's may be removed."""
    try:
        if (out / FIGURES).is_file():
            figures = json.loads((out / FIGURES).read_text(encoding="utf-8"))
            return isinstance(figures, dict) and "seconds" in figures and bool({"fault", "check", "tuned"} & {*figures})
        settled = (out / "config.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return str(MODEL) in settled and "name: demo" in settled


def chapter(console: Console, number: int, title: str, words: str) -> None:
    """A heading, and a sentence on what follows."""
    from rich.rule import Rule
    from rich.text import Text

    console.print()
    console.print(Rule(Text(f"{number}. {title}", style="bold cyan"), align="left"), width=min(console.width, WIDTH))
    say(console, words, "italic")
    console.print()


def say(console: Console, words: str, style: str = "") -> None:
    """A paragraph."""
    from rich.text import Text

    console.print(Text(words, style=style), width=min(console.width, WIDTH))


def put(console: Console, pieces: Sequence[RenderableType]) -> None:
    """Pieces below each other, at most as wide as the views of the commands."""
    console.print(*pieces, sep="\n", width=min(console.width, WIDTH))


def prompts() -> list[dict[str, Any]]:
    """The held-out prompts with the facts that an answer must hold."""
    return [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]


def load(folder: Path) -> Any:
    """A model out of a folder, as transformers loads it."""
    from transformers import AutoModelForCausalLM

    from sanetune.engine.library_logs import quiet

    with quiet():
        return AutoModelForCausalLM.from_pretrained(str(folder))


def replies(model: Any, prepared: Prepared, asked: list[dict[str, Any]]) -> list[Reply]:
    """Greedy answers; base and tuned model may both stop at the template's stop token."""
    from sanetune.demo.score import Reply
    from sanetune.engine.generate import Decoding, answer

    answers = answer(
        model,
        prepared.tokenizer,
        [prompt["messages"] for prompt in asked],
        decoding=Decoding(max_new_tokens=LONGEST),
        stop_token_ids=prepared.stop_token_ids,
        batch_size=25,
    )
    return [Reply(one.text, one.ended) for one in answers]


def show(console: Console, prompt: dict[str, Any], **said: Reply) -> None:
    """One prompt and the answers to it, below each other."""
    from rich.padding import Padding
    from rich.text import Text

    from sanetune.report.terminal.compare import plain

    say(console, f"> {prompt['messages'][-1]['content']}", "bold")
    colours = {"base": "yellow", "tuned": "green"}
    for name, reply in said.items():
        ended = "" if reply.ended else f" (did not end within {LONGEST} tokens)"
        console.print(Text(f"{name}{ended}:", style=colours[name]))
        console.print(Padding(Text(plain(reply.text, 400)), (0, 0, 1, 2)), width=min(console.width, WIDTH))


def table(base: dict[str, float], tuned: dict[str, float], count: int) -> RenderableType:
    """What the judge says of both models."""
    from rich.table import Table

    from sanetune import units

    found = Table("", "base", "tuned", title=f"Judged by code on {count} held-out prompts", title_justify="left")
    for key, name in JUDGED.items():
        found.add_row(name, units.share(base[key]), units.share(tuned[key]))
    return found


def better(base: dict[str, float], tuned: dict[str, float]) -> bool:
    """Whether the tuned model does what it was trained for: most answers in form, and more of them than the base's."""
    return tuned["in_form"] > max(0.5, base["in_form"])
