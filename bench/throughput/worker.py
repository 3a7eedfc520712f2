"""One measurement in a process of its own: a first step, then every row once."""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BEGAN = time.perf_counter()
FIRST_TOKENS = 1024
MOST_TOKENS = 2048
"""Of a row, which Unsloth wants to know when it loads a model."""


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """All figures of one system on one data set."""
    if asked.system == "unsloth":
        import unsloth  # noqa: F401 -- it replaces parts of transformers and TRL, and has to come first
    import torch
    from transformers import AutoTokenizer

    from bench.throughput.rows import DATA
    from bench.throughput.systems import BATCH, System, dtype_of
    from sanetune.engine.allocator import keep_freed_memory
    from sanetune.probes.device_speed import matmul_flops_per_second, work_of

    torch.set_num_threads(asked.threads)
    bf16 = asked.precision == "bf16"
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    model = loaded(asked)
    some = list(islice(DATA[asked.data](tokenizer), asked.rows + BATCH))
    first = first_rows(some[:BATCH])
    rows = some[len(first) : len(first) + asked.rows]
    before = {name: weight.detach().clone() for name, weight in islice(model.named_parameters(), 4)}
    system = System(asked.system, model, tokenizer, bf16)
    if system.is_ours:
        keep_freed_memory()
    warm = system.train(first)
    peaks = [matmul_flops_per_second(model, BATCH * 64, dtype_of(bf16))]
    found = system.train(rows)
    peaks.append(matmul_flops_per_second(model, BATCH * 64, dtype_of(bf16)))
    weights = dict(model.named_parameters())
    moved = min(float((weights[name] - old).abs().max()) for name, old in before.items())
    useful = sum(len(row["input_ids"]) for row in rows)
    in_loss = sum(label != -100 for row in rows for label in row["labels"][1:])
    work = work_of(model)
    head = model.get_output_embeddings().weight.numel()
    flops = (
        sum(len(row["input_ids"]) * (work.flops_per_token(len(row["input_ids"])) - 6.0 * head) for row in rows)
        + 6.0 * head * in_loss
    )
    check(found, warm, moved)
    return found | {
        "first": warm["steps"][0],
        "useful": useful,
        "in_loss": in_loss,
        "flops": flops,
        "matmul": max(peak for peak in peaks if peak),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "moved": moved,
        "load": os.getloadavg()[0],
    }


def loaded(asked: argparse.Namespace) -> PreTrainedModel:
    """The model in 32 bits, as the system that trains it loads it."""
    import torch

    if asked.system == "unsloth":
        from unsloth import FastLanguageModel

        model, _ = FastLanguageModel.from_pretrained(
            asked.model, max_seq_length=MOST_TOKENS, dtype=torch.float32, load_in_4bit=False, full_finetuning=True
        )
    else:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.float32)
    return cast("PreTrainedModel", model)


def first_rows(rows: list[dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    """The rows of the first step: some thousand tokens, two rows at least."""
    count, tokens = 0, 0
    while count < len(rows) and (count < 2 or tokens < FIRST_TOKENS):
        tokens += len(rows[count]["input_ids"])
        count += 1
    return rows[:count]


def check(found: dict[str, Any], warm: dict[str, Any], moved: float) -> None:
    """Fail where nothing was trained."""
    steps = warm["steps"] + found["steps"]
    assert all(math.isfinite(step["loss"]) and step["norm"] > 0 for step in steps), "a gradient is zero or not finite"
    assert moved > 0, "no weight has moved"


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("model", "data", "system", "precision"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("rows", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    found = measured(asked)
    asked.out.write_text(json.dumps(found | {"process": time.perf_counter() - BEGAN}))


if __name__ == "__main__":
    sys.exit(main())
