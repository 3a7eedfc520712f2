"""Preparation of GSM8K in rows per second beside TRL's own, in one run; and memory as rows grow.

TRL gets the rows already loaded, and what its trainer needs for any data set is taken off its time (measured with 8
rows); ours is counted from the file on disk to the finished Arrow files, workers' start included, without a cache.
Runs alternate.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import options, shared, show


def ours(rows: Path) -> float:
    """Seconds from the file to the finished Arrow files, without a cache.

    Loading the tokenizer counts on neither side.
    """
    from sanetune.config.schema import Config
    from sanetune.data.prepare import prepare
    from sanetune.data.tokenizer import load_tokenizer

    wanted = Config.model_validate(config(rows))
    tokenizer = load_tokenizer(wanted.model)
    with fresh_cache():
        began = time.perf_counter()
        prepare(wanted, tokenizer, context=2048)
        return time.perf_counter() - began


def config(rows: Path) -> dict[str, Any]:
    return {
        "model": {"name": str(shared() / "tokenizers" / "minimind")},
        "data": {"train": str(rows), "holdout": 0},
        "train": {"given": {"max_length": 1024}},
    }


@contextmanager
def fresh_cache() -> Iterator[None]:
    import os

    with tempfile.TemporaryDirectory() as folder:
        os.environ["SANETUNE_CACHE"] = folder
        yield


def trls(rows: list[dict[str, str]], columns: str, workers: int | None) -> float:
    """Seconds for TRL's trainer to prepare ``rows``, less its fixed cost."""
    return _trainer(rows, columns, workers) - _trainer(rows[:8], columns, None)


def _trainer(rows: list[dict[str, str]], columns: str, workers: int | None) -> float:
    import datasets
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    datasets.disable_caching()
    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(str(shared() / "tokenizers" / "minimind"))
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    if columns == "messages":
        conversations = [{"messages": [_asked(row), _answered(row)]} for row in rows]
    else:
        conversations = [{"prompt": [_asked(row)], "completion": [_answered(row)]} for row in rows]
    data = datasets.Dataset.from_list(conversations)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder, max_length=1024, report_to="none", use_cpu=True, bf16=False, dataset_num_proc=workers
        )
        began = time.perf_counter()
        SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
        return time.perf_counter() - began


def _asked(row: dict[str, str]) -> dict[str, str]:
    return {"role": "user", "content": row["question"]}


def _answered(row: dict[str, str]) -> dict[str, str]:
    return {"role": "assistant", "content": row["answer"]}


def memory(count: int) -> dict[str, float]:
    """Peak resident memory in MB, of the main process and of the largest worker, for ``count`` rows in a process of
    its own."""
    program = f"from bench.prepare import _measure_memory; _measure_memory({count})"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def _measure_memory(count: int) -> None:
    rows = [json.loads(line) for line in (shared() / "data/gsm8k/train.jsonl").open()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        with file.open("w") as out:
            for number in range(count):
                row = rows[number % len(rows)]
                out.write(json.dumps({**row, "question": f"{number}. {row['question']}"}) + "\n")
        rows.clear()
        seconds = ours(file)
    peaks = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    main, worker = peaks
    print(json.dumps({"rows": count, "seconds": seconds, "main_mb": main, "worker_mb": worker}))


def main() -> None:
    args = options(__doc__)
    with (shared() / "data/gsm8k/train.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines][: 2500 if args.quick else None]
    repeats = 1 if args.quick else 3
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gsm8k.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        programs = {
            "sanetune (assistant tokens only)": lambda: ours(file),
            "TRL, messages (every token)": lambda: trls(rows, "messages", None),
            "TRL, prompt and completion": lambda: trls(rows, "pair", None),
            "TRL, prompt and completion, 2 processes": lambda: trls(rows, "pair", 2),
        }
        few = Path(folder) / "few.jsonl"
        few.write_text("".join(json.dumps(row) + "\n" for row in rows[:8]))
        ours(few)  # imports are not what is measured
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(repeats):
            for name, program in programs.items():
                times[name].append(program())
    speed = {name: len(rows) / median(seconds) for name, seconds in times.items()}
    first = next(iter(speed.values()))
    table = [(name, f"{value:,.0f}", f"{first / value:.2f}x") for name, value in speed.items()]
    figures: dict[str, Any] = {"rows": len(rows), "rows_per_second": speed, "seconds": times}
    show(f"Preparing {len(rows):,} GSM8K rows", ["program", "rows per second", "sanetune is"], table, figures, None)
    sizes = (1_000, 5_000) if args.quick else (10_000, 200_000)
    figures["memory"] = [memory(size) for size in sizes]
    grown = [
        (f"{one['rows']:,}", f"{one['main_mb']:.0f}", f"{one['worker_mb']:.0f}", f"{one['rows'] / one['seconds']:,.0f}")
        for one in figures["memory"]
    ]
    show(
        "Memory as rows grow",
        ["rows", "main process, MB", "largest worker, MB", "rows per second"],
        grown,
        figures,
        args.json,
    )


if __name__ == "__main__":
    main()
