"""Our ids and labels beside those of programs that other people wrote: ``renderers`` (Prime Intellect),
``mistral-common`` and ``openai-harmony``.

``pip install 'sanetune[bench]'`` first; then ``python -m bench.templates.agreement --real FOLDER``: for every template
that one of them renders too, and every kind of conversation, the rows whose ids are equal token by token, and of those
the ones whose masks are. Each owns its text: where ids differ it is that of another revision of the template, and masks
are not compared. *but <think>*: nothing else differs, and the prompt of inference ends with it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import show
from bench.templates.__main__ import _options
from bench.templates.oracles import Family, Sample, harmony, mistral, prime_renderers
from bench.templates.shapes import KINDS, loss_on, rows
from bench.templates.sources import sources, stops
from bench.templates.tokenizers import Tokenizers, model_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ORACLES = (prime_renderers, mistral, harmony)
DATE = {"chat_template_kwargs": {"date_string": "26 Jul 2024"}}
"""The day that the renderer of Llama 3.2 writes into every conversation."""
COLUMNS = (
    "oracle",
    "template",
    "rows",
    "not rendered by one",
    "other ids",
    "same ids",
    "same mask",
    "but <think>",
    "first difference",
)


def main() -> None:
    """Compare every family, and print a row for each."""
    args = _options()
    every = list(sources())
    tokenizers = Tokenizers.of(every, args.real)
    tokenizers.tokens += prime_renderers.TOKENS
    table, figures = [], {}
    with tempfile.TemporaryDirectory(prefix="bench-agreement-") as name:
        os.environ["SANETUNE_CACHE"] = str(Path(name) / "cache")
        for oracle in ORACLES:
            if importlib.util.find_spec(oracle.NAME) is None:
                print(f"{oracle.NAME} is not installed", file=sys.stderr)
                continue
            for family in oracle.families(every, tokenizers):
                title = f"{oracle.NAME}, {family.source.name}"
                counts, first = _compared(family, Path(name) / title)
                figures[title] = {**counts, "first_differences": first}
                shown = [counts[key] for key in ("rows", "refused", "other ids", "same ids", "same mask", "opened")]
                table.append([oracle.NAME, family.source.name, *shown, "; ".join(first)[:160]])
    show("agreement with programs of others", COLUMNS, table, figures, args.json)


def _compared(family: Family, folder: Path) -> tuple[Counter[str], list[str]]:
    """The counts of a template, and the first difference of each kind of conversation."""
    tokenizer = family.tokenizer
    tokenizer.init_kwargs["bench_stops"] = stops(family.source)
    model = model_folder(folder, family.source, tokenizer)
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for kind in KINDS:
        for row, sample in zip(rows(kind), _ours(kind, tokenizer, model, folder), strict=True):
            counts["rows"] += 1
            theirs = family.render(row, kind)
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
