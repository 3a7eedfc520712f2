"""The whole story on the embedded model: plan, masks, the base's answers, training, the tuned answers beside them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.demo import MODEL, PROMPTS, TRAIN, VALIDATION

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.data.prepare import Prepared
    from sanetune.demo.score import Reply

SHOWN = 3
"""Held-out prompts whose answers are shown; all of them are judged."""
LONGEST = 128
"""Tokens an answer may have: the longest in the training data has about a hundred."""


def settings(out: Path) -> dict[str, Any]:
    """The demo's configuration: little is set, the rest is derived and shown with its reasons."""
    return {
        "model": {"name": str(MODEL)},
        "data": {"train": str(TRAIN), "validation": str(VALIDATION)},
        "train": {
            "num_train_epochs": 2,
            "learning_rate": 1.5e-3,
            "per_device_train_batch_size": 16,
            "gradient_accumulation_steps": 1,
            "eval_strategy": "steps",
            "eval_steps": 50,
            "save_steps": 50,
            "logging_steps": 10,
        },
        "run": {"output_dir": str(out), "name": "demo"},
    }


def tell(out: Path, console: Console | None = None) -> dict[str, Any]:
    """Runs everything into the folder ``out``; returns the figures, which also lie in ``out/demo.json``.

    Takes under three minutes on two cores. An earlier demo's folder is
    replaced, any other folder that is not empty is a RunError.
    """
    began = time.monotonic()
    from rich.console import Console

    from sanetune import planning
    from sanetune.api import prepare
    from sanetune.config import load
    from sanetune.report import data as data_view
    from sanetune.report import plan as plan_view
    from sanetune.report.curves import losses
    from sanetune.runs import Run
    from sanetune.training import train

    console = console or Console(highlight=False)
    _clear(out)
    config = load(settings(out))
    _chapter(
        console, 1, "The plan", "A small base model, customer-service conversations, and what a run with them will do."
    )
    prepared = prepare(config, console=console)
    plan_view.show(planning.plan(config, prepared), console)
    _chapter(
        console, 2, "What is learnt", "Only the answers count: green tokens are learnt, dim ones are read and masked."
    )
    console.print(*data_view.examples(prepared, count=2), sep="\n", width=min(console.width, data_view.WIDTH))
    _chapter(console, 3, "The base model", "It continues text; nobody has told it yet what an answer looks like.")
    prompts = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    before = _replies(_load(MODEL), prepared, prompts)
    for number in range(SHOWN):
        _show(console, prompts[number], base=before[number])
    _chapter(
        console, 4, "Training", "Every record goes to metrics.jsonl and TensorBoard; validation runs every 50 steps."
    )
    trained = train(config, console=console)
    console.print(*losses(trained.outcome.records), sep="\n")
    _chapter(console, 5, "Before and after", "The same prompts, the same greedy decoding.")
    after = _replies(trained.outcome.model, prepared, prompts)
    for number in range(SHOWN):
        _show(console, prompts[number], base=before[number], tuned=after[number])
    return _finish(console, Run(out), prompts, before, after, began)


def _finish(
    console: Console, run: Any, prompts: list[dict[str, Any]], before: list[Reply], after: list[Reply], began: float
) -> dict[str, Any]:
    """Scores, prints and stores the figures."""
    from rich.table import Table
    from rich.text import Text

    from sanetune import units
    from sanetune.demo.score import score

    base, tuned = score(before, prompts), score(after, prompts)
    seconds = round(time.monotonic() - began, 1)
    figures = {"base": base, "tuned": tuned, "seconds": seconds}
    run.write_json(run.path / "demo.json", figures)
    table = Table("", "base", "tuned", title=f"Judged by code on {len(prompts)} held-out prompts", title_justify="left")
    words = {
        "in_form": "answers in house form",
        "facts_right": "facts of the message copied right",
        "ends_itself": "answers that end by themselves",
    }
    for key, name in words.items():
        table.add_row(name, units.share(base[key]), units.share(tuned[key]))
    console.print(table)
    console.print(Text(f"The whole story took {units.seconds(seconds)}. Everything lies in {run.path}:"))
    for name, what in (("model", "the tuned model"), ("plots/curves.png", "curves"), ("demo.json", "these figures")):
        console.print(Text(f"  {run.path / name}  {what}", style="dim"))
    console.print(Text("Next: sanetune init MODEL DATA, with your own model and file."))
    return figures


def _clear(out: Path) -> None:
    """Makes room for the run: what an earlier demo left is removed, anything else is refused by the run itself."""
    import shutil

    if (out / "demo.json").is_file() or (
        (out / "config.yaml").is_file() and "demo" in (out / "config.yaml").read_text()
    ):
        shutil.rmtree(out)


def _chapter(console: Console, number: int, title: str, words: str) -> None:
    from rich.rule import Rule
    from rich.text import Text

    console.print()
    console.print(Rule(Text(f"{number}. {title}", style="bold cyan"), align="left"))
    console.print(Text(words, style="italic"))
    console.print()


def _load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    from sanetune.engine.quiet import quiet

    with quiet():
        return AutoModelForCausalLM.from_pretrained(str(folder))


def _replies(model: Any, prepared: Prepared, prompts: list[dict[str, Any]]) -> list[Reply]:
    """Greedy answers; base and tuned model may both stop at the template's stop token."""
    from sanetune.demo.score import Reply
    from sanetune.engine.generate import Decoding, answer

    answers = answer(
        model,
        prepared.tokenizer,
        [prompt["messages"] for prompt in prompts],
        decoding=Decoding(max_new_tokens=LONGEST),
        stop_token_ids=prepared.stop_token_ids,
        batch_size=25,
    )
    return [Reply(one.text, one.ended) for one in answers]


def _show(console: Console, prompt: dict[str, Any], **replies: Reply) -> None:
    """One prompt and the answers to it, below each other."""
    from rich.padding import Padding
    from rich.text import Text

    from sanetune.report.compare import plain

    console.print(Text(f"> {prompt['messages'][-1]['content']}", style="bold"))
    colours = {"base": "yellow", "tuned": "green"}
    for name, reply in replies.items():
        ended = "" if reply.ended else f" (did not end within {LONGEST} tokens)"
        console.print(Text(f"{name}{ended}:", style=colours[name]))
        console.print(Padding(Text(plain(reply.text, 400)), (0, 0, 1, 2)))
