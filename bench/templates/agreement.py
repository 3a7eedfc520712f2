"""Our ids and labels beside those of ``renderers`` (Prime Intellect): hand-written renderers with loss masks.

``pip install renderers`` first; then ``python -m bench.templates.agreement --real FOLDER``: for every family that has
both a renderer and a template of TRL's, and every kind of conversation, the rows whose ids are equal token by token,
and of those the ones whose masks are. A renderer owns its text: where ids differ it is that of another revision of the
template, and masks are not compared. *but <think>*: nothing else differs, and the prompt of inference ends with it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import show
from bench.templates.__main__ import _options
from bench.templates.shapes import KINDS, loss_on, rows
from bench.templates.sources import Source, sources, stops
from bench.templates.tokenizers import Tokenizers, model_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

RENDERERS = {
    "deepseekv3": "DeepSeekV3Renderer",
    "deepseek_r1_distill": "DeepSeekR1Renderer",
    "gemma4_v5": "Gemma4Renderer",
    "glm4moe": "GLM45Renderer",
    "gptoss": "GptOssRenderer",
    "llama3_2": "Llama3Renderer",
    "nemotron_3_nano": "Nemotron3Renderer",
    "nemotron_3_ultra": "Nemotron3UltraRenderer",
    "nemotron_3_5_lightning": "Nemotron35Renderer",
    "qwen3": "Qwen3Renderer",
    "qwen3_5_think": "Qwen35Renderer",
    "qwen3_6": "Qwen36Renderer",
    "qwen3_8": "Qwen38Renderer",
    "qwen3_vl": "Qwen3VLRenderer",
}
"""Template of TRL's -> the class that renders the same family."""

TOKENS = ("[gMASK]", "<sop>", "<bos>", "<eos>")
"""Tokens that renderers ask for, and that no template spells out."""
DATE = {"chat_template_kwargs": {"date_string": "26 Jul 2024"}}
"""The day that the renderer of Llama 3.2 writes into every conversation."""

Sample = tuple[list[int], list[bool]]


def main() -> None:
    """Compare every family, and print a row for each."""
    args = _options()
    chosen = [one for one in sources() if one.origin == "trl" and one.name in RENDERERS]
    tokenizers = Tokenizers.of(chosen, args.real)
    tokenizers.tokens += TOKENS
    table, figures = [], {}
    with tempfile.TemporaryDirectory(prefix="bench-agreement-") as name:
        os.environ["SANETUNE_CACHE"] = str(Path(name) / "cache")
        for source in chosen:
            counts, first = _family(source, tokenizers, Path(name) / source.name)
            figures[source.name] = {**counts, "first_differences": first}
            shown = [counts[key] for key in ("rows", "refused", "other ids", "same ids", "same mask", "opened")]
            table.append([source.name, *shown, "; ".join(first)[:160]])
    columns = (
        "template",
        "rows",
        "not rendered by one",
        "other ids",
        "same ids",
        "same mask",
        "but <think>",
        "first difference",
    )
    show("agreement with renderers", columns, table, figures, args.json)


def _family(source: Source, tokenizers: Tokenizers, folder: Path) -> tuple[Counter[str], list[str]]:
    import renderers

    _, tokenizer = tokenizers.of_template(source)
    tokenizer.init_kwargs["bench_stops"] = stops(source)
    model = model_folder(folder, source, tokenizer)
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    try:
        renderer = getattr(renderers, RENDERERS[source.name])(tokenizer)
    except Exception as error:
        return counts, [f"no renderer: {error!r:.120}"]
    for kind in KINDS:
        for row, sample in zip(rows(kind), _ours(kind, tokenizer, model, folder), strict=True):
            counts["rows"] += 1
            theirs = _theirs(renderer, row, kind)
            if sample is None or theirs is None:
                counts["refused"] += 1
            elif sample[0] != theirs[0]:
                counts["other ids"] += 1
                first.setdefault(kind, f"{kind}: {_difference(sample, theirs, tokenizer)}")
            else:
                counts["same ids"] += 1
                same = sample[1] == theirs[1]
                opened = not same and _only_opens(sample, theirs, tokenizer)
                counts["same mask"] += same
                counts["opened"] += opened
                if not same and not opened:
                    first.setdefault(f"mask {kind}", f"mask, {kind}: {_difference(sample, theirs, tokenizer)}")
    return counts, sorted(first.values(), key=lambda words: not words.startswith("mask"))


def _ours(kind: str, tokenizer: PreTrainedTokenizerFast, model: Path, folder: Path) -> list[Sample | None]:
    """Ids and whether they are in the loss, row by row; None where the row is refused."""
    from sanetune.config.load import load
    from sanetune.errors import UserError
    from sanetune.workflows.check import evidence_of

    data = [row | DATE for row in rows(kind)]
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data), encoding="utf-8")
    config = load(
        {
            "model": {"name": str(model)},
            "data": {"train": str(file), "holdout": 0, "workers": 1, "loss_on": loss_on(kind)},
            "train": {"use_cpu": True},
            "run": {"output_dir": str(folder / "run"), "trackers": []},
        }
    )
    made: list[Sample | None] = [None] * len(data)
    with evidence_of(config, given={"tokenizer": tokenizer}) as evidence:
        try:
            prepared = evidence["preparation"].prepared
        except UserError:
            return made
        for example in prepared.train if prepared else ():
            made[example["row"]] = (example["input_ids"], [label >= 0 for label in example["labels"]])
    return made


def _theirs(renderer: Any, row: dict[str, Any], kind: str) -> Sample | None:
    """What the renderer makes of a row, with the end after the last turn; None where it refuses it."""
    from renderers import build_training_sample

    messages = row["messages"]
    last = max(number for number, message in enumerate(messages) if message["role"] == "assistant")
    only = [number == last for number in range(len(messages))] if loss_on(kind) == "last" else None
    try:
        sample = build_training_sample(
            renderer,
            messages,
            role_to_mask=lambda message: message["role"] == "assistant",
            tools=row.get("tools"),
            ensure_final_stop=True,
            message_loss_mask=only,
        )
    except Exception:
        return None
    return list(sample.token_ids), [bool(value) for value in sample.loss_mask]


def _only_opens(ours: Sample, theirs: Sample, tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether nothing differs but the tag that opens a thought, which is in their loss, and in our prompt."""
    tokens = [token for token, a, b in zip(ours[0], ours[1], theirs[1], strict=True) if a != b]
    only_theirs = all(b for a, b in zip(ours[1], theirs[1], strict=True) if a != b)
    return only_theirs and set(tokenizer.decode(tokens).split()) == {"<think>"}


def _difference(ours: Sample, theirs: Sample, tokenizer: PreTrainedTokenizerFast) -> str:
    """The first token that differs, and what is before it."""
    pairs = list(zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=False))
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), len(pairs))
    before = tokenizer.decode(ours[0][max(0, at - 4) : at])
    a, b = (tokenizer.decode(one[0][at : at + 4]) + f" ({'loss' if any(one[1][at : at + 1]) else 'masked'})"
            for one in (ours, theirs))  # fmt: skip
    return f"after {before!r} ours {a!r}, theirs {b!r}"


if __name__ == "__main__":
    main()
