"""A page with everything on it, and one with as little as can be."""

from __future__ import annotations

import re
from dataclasses import replace

from sanetune.finding import Report
from sanetune.report.html import ExampleView, Heading, Histogram, PackView, PageView, RunView, SettingView, TokenView
from tests.report import experiments_made, sample

IDS: dict[str, int] = {}


def tokens(text: str, role: str, in_loss: bool) -> list[TokenView]:
    """Words as tokens; the same word has the same id."""
    words = re.findall(r"\s?\w+|\s?[^\w\s]|\s", text)
    numbered = [(word, IDS.setdefault(word, 300 + len(IDS))) for word in words]
    return [TokenView(word, number, number if in_loss else -100, role) for word, number in numbered]


def chat(user: str, assistant: str, *, on_prompt: bool = False) -> list[TokenView]:
    """One conversation in ChatML."""

    def special(text: str, number: int, in_loss: bool = False, role: str = "template") -> TokenView:
        return TokenView(text, number, number if in_loss else -100, role)

    return [
        special("<|im_start|>", 1),
        *tokens("system\n", "template", False),
        *tokens("You answer briefly.", "system", False),
        special("<|im_end|>", 2),
        *tokens("\n", "template", False),
        special("<|im_start|>", 1),
        *tokens("user\n", "template", False),
        *tokens(user, "user", on_prompt),
        special("<|im_end|>", 2),
        *tokens("\n", "template", False),
        special("<|im_start|>", 1),
        *tokens("assistant\n", "template", False),
        *tokens(assistant, "assistant", True),
        special("<|im_end|>", 2, True, "end"),
        *(special("<pad>", 0, role="padding") for _ in range(4)),
    ]


def full() -> PageView:
    """Everything."""
    reply = (
        "Your parcel left Hamburg on Monday and comes on Thursday.\n\nIf it does not, write to us again: we shall "
        "look for it, and send another one."
    )
    examples = [
        ExampleView("train 0", "data/train.jsonl:3, row 2", "train", chat(sample.EVIL, "Soon."), 0),
        ExampleView("train 1", "data/train.jsonl:12, row 11", "train", chat("Where is it?", reply, on_prompt=True), 1),
        ExampleView("train 7", "data/train.jsonl:8, row 7", "train", chat("Count.", "one two three " * 900), 7),
    ]
    counts = [3, 18, 61, 140, 233, 260, 241, 190, 133, 84, 52, 31, 22, 14, 9, 4, 2, 2, 0, 1]
    histogram = Histogram(counts, [32 + 81 * n for n in range(21)], 1024)
    sizes = [[600, 300, 120], [512, 510], [400, 300, 200, 100, 20], [1000], [333, 333, 333], [700, 200]]
    packs = [PackView(some, 1024, [7 * n + i for i in range(len(some))]) for n, some in enumerate(sizes * 8)]
    settings = [
        SettingView("model.name", "stories260k", "given", "", "sanetune.yaml:2"),
        SettingView("train.learning_rate", "2e-5", "override", "given on the command line"),
        SettingView("train.max_length", "1024", "inferred", "the longest row, at most 4,096"),
        SettingView("train.packing", "false", "default"),
        SettingView("train.warmup_steps", "12", "renamed", "from warmup_ratio: 0.03", "sanetune.yaml:11"),
        SettingView("data.train", sample.EVIL, "given", "", "sanetune.yaml:5"),
    ]
    versions = {"sanetune": "0.1.0", "python": "3.11.2", "torch": "2.9.0", "transformers": "5.3.0", "trl": "1.16.0"}
    report = replace(sample.report(), experiments=experiments_made.full().to_json())
    rounds = experiments_made.rounds(sample.EVIL)
    return PageView(report, examples, histogram, packs, settings, versions, "refund-assistant", None, rounds)


def bare() -> PageView:
    """A report and nothing else."""
    return PageView(Report([]))


def trained() -> PageView:
    """A run that was cleared and is over."""
    run = RunView(
        experiments_made.curve(steps=50),
        "50 steps in 9 s",
        20,
        9.0,
        samples=experiments_made.samples().samples,
        samples_text="5 of 5",
    )
    report = replace(sample.report(), experiments=experiments_made.full().to_json())
    return PageView(report, heading=Heading("Cleared at level trial", "pass", "On Monday."), run=run)
