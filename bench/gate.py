"""How fast the static gate is, and that its memory stays flat: 15,000 conversations, then 200,000.

Every row goes through every check of the static level, near-duplicates included, without a cache. Half of the
conversations are GSM8K's, the others are made of its words, so that few are alike. Memory is what the processes hold
for themselves (RssAnon, sampled): pages of mapped files come and go with the page cache.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import ROOT, options, shared, show

SECONDS, MEGABYTES = 30, 1_500
"""What 15,000 conversations of about 250 tokens may take on two cores."""


def rows(count: int) -> Iterator[dict[str, Any]]:
    """``count`` conversations of about 250 tokens."""
    real = [json.loads(line) for line in (shared() / "data/gsm8k/train.jsonl").open()]
    words = [word for row in real for word in row["question"].split()]
    chance = random.Random(0)
    for number in range(count):
        if number < len(real):
            question, answer = real[number]["question"], real[number]["answer"]
        else:
            question = " ".join(chance.choices(words, k=45))
            answer = " ".join(chance.choices(words, k=55)) + f"\n#### {number}"
        yield {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


class Memory(threading.Thread):
    """The largest anonymous memory of this process, and of the largest of its children, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.main, self.worker = 0.0, 0.0

    def run(self) -> None:
        import psutil

        me = psutil.Process()
        while True:
            self.main = max(self.main, _anonymous(me.pid))
            self.worker = max([self.worker, *(_anonymous(child.pid) for child in me.children())])
            time.sleep(0.05)


def _anonymous(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def measure(count: int) -> dict[str, Any]:
    """Seconds and peak memory of one check in a process of its own."""
    program = f"from bench.gate import _measure; _measure({count})"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def _measure(count: int) -> None:
    import os

    from sanetune import api

    with tempfile.TemporaryDirectory() as folder:
        os.environ["SANETUNE_CACHE"] = f"{folder}/cache"
        file = Path(folder) / "rows.jsonl"
        with file.open("w") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows(count))
        settings = {
            "model": {"name": str(ROOT / "sanetune/demo/model")},
            "data": {"train": str(file)},
            "train": {"max_length": 1024, "per_device_train_batch_size": 8},
            "run": {"trackers": []},
        }
        memory = Memory()
        memory.start()
        began = time.perf_counter()
        report = api.check(settings, level="static")
        seconds = time.perf_counter() - began
    figures = {
        "rows": count,
        "seconds": seconds,
        "main_mb": memory.main,
        "worker_mb": memory.worker,
        "tokens_per_row": report["labels-disagree"].numbers["tokens"] / count,
        "evidence_seconds": report.evidence_seconds,
        "check_seconds": {finding.check: finding.seconds for finding in report.findings},
        "crashes": [finding.check for finding in report.findings if finding.verdict == "crash"],
    }
    print(json.dumps(figures))


def main() -> None:
    args = options(__doc__)
    sizes = (1_000, 5_000) if args.quick else (15_000, 200_000)
    measured = [measure(size) for size in sizes]
    table = [
        (
            f"{one['rows']:,}",
            f"{one['tokens_per_row']:.0f}",
            f"{one['seconds']:.1f}",
            f"{one['rows'] / one['seconds']:,.0f}",
            f"{one['main_mb']:,.0f}",
            f"{one['worker_mb']:,.0f}",
        )
        for one in measured
    ]
    columns = ["rows", "tokens per row", "seconds", "rows per second", "main process, MB", "largest worker, MB"]
    show("The static gate, every check on every row", columns, table, {"runs": measured}, args.json)
    slowest = sorted(measured[0]["evidence_seconds"].items(), key=lambda item: -item[1])[:6]
    slowest += sorted(measured[0]["check_seconds"].items(), key=lambda item: -item[1])[:6]
    parts = [(name, f"{seconds:.2f}") for name, seconds in slowest]
    show(f"What takes longest at {sizes[0]:,} rows", ["evidence or check", "seconds"], parts, {}, None)
    first = measured[0]
    memory = first["main_mb"] + first["worker_mb"]
    if not args.quick and (first["seconds"] > SECONDS or memory > MEGABYTES):
        sys.exit(f"above the limit of {SECONDS} s and {MEGABYTES:,} MB")
    if any(one["crashes"] for one in measured):
        sys.exit("a check crashed")


if __name__ == "__main__":
    main()
