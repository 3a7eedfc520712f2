"""The model card: what was tuned, on what, how, how well, and how to use it.

It is written beside the weights as README.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sanetune.engine.metrics import seconds_of
from sanetune.report.badge import FILE as BADGE
from sanetune.report.lowest import is_worse_than_base

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.engine.answer import Answer
    from sanetune.engine.base import Outcome
    from sanetune.probes.results import Comparison

METHODS = {
    "full": "all weights",
    "lora": "a LoRA adapter, merged into the base",
    "qlora": "a LoRA adapter on a quantised base",
}
_SETTINGS = (
    "learning_rate", "lr_scheduler_type", "warmup_steps", "num_train_epochs", "max_steps",
    "per_device_train_batch_size", "gradient_accumulation_steps", "max_length", "packing", "weight_decay",
    "max_grad_norm", "optim", "bf16", "fp16", "neftune_noise_alpha", "seed", "data_seed",
)  # fmt: skip

STATS = {
    "rows": "rows that were read, to train and to validate on",
    "max_length": "tokens that an example may have",
    "shared_tokens": "tokens with characters of both prompt and answer",
}
"""Key of a figure of the data -> its name on the card."""


@dataclass(frozen=True, slots=True)
class Truncated:
    """Answers of the tuned model that came to the limit of their length before a stop token.

    Args:
        count: How many they are.
        asked: Answers in all.
        limit: Tokens that an answer might have; None: not known.
    """

    count: int
    asked: int
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """The content of a model card. Absent figures are left out, never guessed.

    Args:
        name: Name of the run.
        base: Name or folder of the base model.
        revision: Its revision on the Hub.
        method: A key of :data:`METHODS`.
        sources: Data files, folders or data sets of the training rows.
        loss_on: ``assistant``, ``last`` or ``all``: the turns in the loss.
        stats: Figures of the data; those of :data:`STATS` are shown.
        figures: Figures of the run, by their name on the card.
        settings: Training settings by key.
        versions: Package -> version; None: not installed.
        chat: Whether the model has a chat template.
        gate: How the run was cleared, or why it was not checked; then the warnings.
        compared: Figure, value of the base, value of the tuned model.
        badge: What the badge beside the card says; "": there is none.
        truncated: Answers of the comparison that did not end by themselves; None: there are none.
    """

    name: str
    base: str
    revision: str | None
    method: str
    sources: Sequence[str]
    loss_on: str
    stats: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str | None] = field(default_factory=dict)
    chat: bool = True
    gate: Sequence[str] = ()
    compared: Sequence[tuple[str, str, str]] = ()
    badge: str = ""
    truncated: Truncated | None = None


def card_of(
    config: Config,
    outcome: Outcome,
    *,
    stats: Mapping[str, Any],
    versions: Mapping[str, str | None],
    name: str,
    gate: Sequence[str] = (),
    comparison: Comparison | None = None,
    badge: str = "",
) -> Card:
    """Return the card of a run.

    Args:
        config: The resolved configuration.
        outcome: What training returned.
        stats: Figures of the data.
        versions: Package -> version.
        name: Name of the run.
        gate: How the run was cleared; then the warnings.
        comparison: Base and tuned model on the same prompts and rows.
        badge: What the badge beside the card says.
    """
    adapter = config.model.adapter
    method = "full" if adapter is None else "qlora" if config.model.quantization else "lora"
    settings = {key: config.train.given[key] for key in _SETTINGS if config.train.given.get(key) is not None}
    if adapter is not None:
        settings |= {f"adapter.{key}": getattr(adapter, key) for key in ("r", "alpha", "dropout", "target")}
    seconds = seconds_of(outcome.records)
    figures = {
        "steps": f"{outcome.steps:,}" + (", ended early" if outcome.stopped_early else ""),
        "epochs": round(outcome.epochs, 2),
        "training loss at the end": _rounded(outcome.train_loss),
        "validation loss of the base": _rounded(outcome.base_validation_loss),
        "validation loss, best": _best(outcome),
        "validation loss at the end": _rounded(outcome.validation_loss),
        "tokens in the loss": f"{outcome.loss_tokens:,}",
        "trained weights": f"{outcome.frozen.trainable:,} of {outcome.frozen.parameters:,}",
        "seconds, evaluations and saves included": None if seconds is None else round(seconds),
    }
    return Card(
        name=name,
        base=config.model.name,
        revision=config.model.revision,
        method=method,
        sources=[str(getattr(source, "path", source)) for source in config.data.train],
        loss_on=config.data.loss_on,
        stats=stats,
        figures={key: value for key, value in figures.items() if value is not None},
        settings=settings,
        versions=versions,
        gate=gate,
        compared=compared_figures(comparison) if comparison else (),
        badge=badge,
        truncated=truncated_answers(comparison) if comparison else None,
    )


def _best(outcome: Outcome) -> str | None:
    """The lowest validation loss, with its step where the run went on: the other figures are of its last step."""
    if outcome.best_validation_loss is None:
        return None
    later = outcome.best_step is not None and outcome.best_step != outcome.steps
    worse = ", worse than the base" if is_worse_than_base(outcome) else ""
    return f"{_rounded(outcome.best_validation_loss)}" + (f" at step {outcome.best_step:,}" if later else "") + worse


def compared_figures(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return name and both models' values of each figure of a comparison; what was not measured is left out."""
    rows: list[tuple[str, str, str]] = []
    losses = comparison.base_loss, comparison.tuned_loss
    if losses[0] is not None and losses[1] is not None:
        rows.append(("validation loss, nats per token", f"{losses[0]:.4f}", f"{losses[1]:.4f}"))
    if asked := [one for one in comparison.samples if one.answered]:
        base, tuned = ([getattr(one, side) for one in asked] for side in ("base", "tuned"))
        rows.append(("answers that end by themselves", _ended(base), _ended(tuned)))
        rows.append(("tokens per answer, mean", _mean_tokens(base), _mean_tokens(tuned)))
    return rows


def truncated_answers(comparison: Comparison) -> Truncated | None:
    """Return how many answers of the tuned model did not end by themselves; None where all did, or none is known."""
    asked = [one.tuned for one in comparison.samples if one.answered]
    count = sum(not one.ended for one in asked)
    return Truncated(count, len(asked), comparison.decoding.get("max_new_tokens")) if count else None


def render(card: Card) -> str:
    """Return the card as Markdown with the Hub's YAML header."""
    parts = [
        _header(card),
        f"# {_inline(card.name)}",
        f"![sanetune: {_inline(card.badge)}]({BADGE})" if card.badge else "",
        f"{_code(card.base)}{f' (revision {_code(card.revision)})' if card.revision else ''}, fine-tuned on "
        f"instructions with [sanetune](https://pypi.org/project/sanetune/): {METHODS[card.method]}.",
        "## How to use it",
        _usage(card),
        "## Data",
        _data(card),
        "## Figures",
        _table(card.figures, "figure", "value"),
        "Losses are means per token in the loss, in nats. Validation rows were not trained on.",
        "## Base and tuned" if card.compared else "",
        _compared(card.compared),
        "## Clearance" if card.gate else "",
        "\n".join([f"**{_inline(card.gate[0])}**", "", *(f"- {_inline(one)}" for one in card.gate[1:])]).rstrip()
        if card.gate
        else "",
        "## Settings",
        _table(card.settings, "setting", "value"),
        "## Made with",
        _table({key: value for key, value in card.versions.items() if value}, "package", "version"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(card: Card) -> str:
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    # Only an id of the Hub is allowed here; a local path would be a dead link.
    if re.fullmatch(r"[\w.-]+/[\w.-]+", card.base) and not card.base.startswith("."):
        lines.append(f"base_model: {card.base}")
    return "\n".join([*lines, "tags:", "- sft", "- sanetune", "---"])


def _usage(card: Card) -> str:
    if not card.chat:
        return (
            "```python\nfrom transformers import pipeline\n\n"
            'write = pipeline("text-generation", model="FOLDER")\n'
            'print(write("Once upon a time")[0]["generated_text"])\n```'
        )
    return (
        "```python\nfrom transformers import pipeline\n\n"
        'chat = pipeline("text-generation", model="FOLDER")\n'
        'messages = [{"role": "user", "content": "Hello!"}]\n'
        'print(chat(messages, max_new_tokens=256)[0]["generated_text"][-1]["content"])\n```\n\n'
        "The chat template is in the folder. Generation stops at the stop tokens in `generation_config.json`, or at "
        f"`max_new_tokens`.{_truncated(card.truncated)}"
    )


def _truncated(found: Truncated | None) -> str:
    if found is None:
        return ""
    limit = f" of {found.limit:,} tokens" if found.limit else ""
    return f" {found.count:,} of {found.asked:,} answers in the comparison below came to the limit{limit} first."


def _data(card: Card) -> str:
    in_loss = {"assistant": "all assistant turns", "last": "the last assistant turn", "all": "every token"}
    lines = [f"- from {', '.join(_code(source) for source in card.sources)}"]
    lines.append(f"- in the loss: {in_loss.get(card.loss_on, card.loss_on)}")
    for key, name in STATS.items():
        value = card.stats.get(key)
        if value and isinstance(value, int | str):
            lines.append(f"- {name}: {_inline(f'{value:,}' if isinstance(value, int) else value)}")
    return "\n".join(lines)


def _table(values: Mapping[str, Any], left: str, right: str) -> str:
    if not values:
        return ""
    rows = [f"| {left} | {right} |", "|---|---|"]
    return "\n".join([*rows, *(f"| {_inline(key)} | {_inline(value)} |" for key, value in values.items())])


def _ended(answers: Sequence[Answer]) -> str:
    return f"{sum(one.ended for one in answers):,} of {len(answers):,}"


def _mean_tokens(answers: Sequence[Answer]) -> str:
    return f"{sum(one.tokens for one in answers) / len(answers):.0f}"


def _compared(rows: Sequence[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    lines = [f"| {_inline(name)} | {_inline(base)} | {_inline(tuned)} |" for name, base, tuned in rows]
    return "\n".join(["| figure | base | tuned |", "|---|---:|---:|", *lines])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _inline(value: object) -> str:
    r"""Return ``value`` as one line that Markdown reads as plain text.

    >>> print(_inline("a|b <img>"))
    a\|b \<img\>
    """
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(value).split()))


def _code(value: str) -> str:
    return f"`{' '.join(value.replace('`', chr(39)).split())}`"
