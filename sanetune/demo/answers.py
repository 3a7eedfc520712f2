"""Both models' answers to the demo's prompts, and the table of how they were scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.demo import MODEL, PROMPTS
from sanetune.demo.score import Reply, score
from sanetune.demo.sections import WIDTH, paragraph, put

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from transformers import PreTrainedModel

    from sanetune.data.prepare import Prepared

LONGEST = 128
"""Tokens that an answer may have: the longest in the training data has about a hundred."""
SCORED = {
    "in_form": "answers in house form",
    "facts_right": "facts of the message copied right",
    "ends_itself": "answers that end by themselves",
}
"""Score -> its words."""

Scores = dict[str, float]
"""Score -> share of the answers, from 0 to 1."""


class Answers:
    """Greedy answers of base and tuned model to the same prompts.

    Args:
        prepared: The rows of the run; they name its stop tokens.
        tuned: The tuned model.
    """

    def __init__(self, prepared: Prepared, tuned: PreTrainedModel) -> None:
        self.prompts = prompts()
        self.base = replies(load(MODEL), prepared, self.prompts)
        self.tuned = replies(tuned, prepared, self.prompts)

    def show(self, console: Console, count: int) -> None:
        """Print the first ``count`` prompts with both answers."""
        for prompt, base, tuned in zip(self.prompts[:count], self.base, self.tuned, strict=False):
            paragraph(console, f"> {prompt['messages'][-1]['content']}", "bold")
            _show(console, "base", base, "yellow")
            _show(console, "tuned", tuned, "green")

    def figures(self, console: Console) -> dict[str, Any]:
        """Print the scores of both models, and return them; ``completed``: the tuned model does what it was taught."""
        base, tuned = score(self.base, self.prompts), score(self.tuned, self.prompts)
        put(console, [table(base, tuned, len(self.prompts))])
        return {"base": base, "tuned": tuned, "completed": better(base, tuned)}


def prompts() -> list[dict[str, Any]]:
    """Return the held-out prompts, each with the facts that an answer must hold."""
    return [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]


def load(folder: Path) -> PreTrainedModel:
    """Load a model out of a folder, as transformers does."""
    from transformers import AutoModelForCausalLM

    from sanetune.engine.library_logs import quiet

    with quiet():
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(str(folder))
    return model


def replies(model: PreTrainedModel, prepared: Prepared, asked: list[dict[str, Any]]) -> list[Reply]:
    """Return greedy answers; any model may stop at the template's stop token."""
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


def _show(console: Console, name: str, reply: Reply, colour: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from sanetune.report.terminal.compare import plain

    ended = "" if reply.ended else f" (did not end within {LONGEST} tokens)"
    console.print(Text(f"{name}{ended}:", style=colour))
    console.print(Padding(Text(plain(reply.text, 400)), (0, 0, 1, 2)), width=min(console.width, WIDTH))


def table(base: Scores, tuned: Scores, count: int) -> RenderableType:
    """Return the scores of both models over ``count`` prompts as a table."""
    from rich.table import Table

    from sanetune import units

    found = Table("", "base", "tuned", title=f"Scored by code on {count} held-out prompts", title_justify="left")
    for key, name in SCORED.items():
        found.add_row(name, units.share(base[key]), units.share(tuned[key]))
    return found


def better(base: Scores, tuned: Scores) -> bool:
    """Return whether most answers of the tuned model are in form, and more of them than the base's."""
    return tuned["in_form"] > max(0.5, base["in_form"])
