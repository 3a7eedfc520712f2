"""Adviser and judge against a real endpoint: llama.cpp's server of a GGUF file on this machine.

The judge votes between the answer in the data and another row's, in both orders; the adviser reads findings and rows.
Shown is how many answers keep to the form that is asked for, and what they come to. With a small model they prove that
the form is kept, and not that the votes are good: its votes are shown beside the truth.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import show
from bench.strangers.data.case import chats, pairs

SERVE = """
import sys, time
import xllamacpp
given = xllamacpp.CommonParams()
given.model.path, given.n_ctx, given.n_parallel = sys.argv[1], 4096, 1
given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(given)
print("listening", server.listening_address, flush=True)
sys.stdin.read()
"""
COLUMNS = ("asked", "answers in the form", "result", "truth", "s")


def main() -> None:
    args = _options()
    with tempfile.TemporaryDirectory(prefix="endpoint-") as name, _served(args.gguf) as address:
        folder = Path(name)
        rows = [_judged(folder, address, 2 if args.quick else args.pairs), _advised(folder, address)]
    show(f"Adviser and judge of {args.gguf.name}", COLUMNS, rows, {"rows": rows}, args.json)
    sys.exit(0 if all(row[1].split(" of ")[0] == row[1].split(" of ")[1] for row in rows) else 1)


@contextlib.contextmanager
def _served(file: Path) -> Iterator[str]:
    """The address of the server, in a process of its own, which ends with this."""
    words = [sys.executable, "-c", SERVE, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None and process.stdin is not None
        line = b"-"
        while line and not line.startswith(b"listening"):
            line = process.stdout.readline()
        try:
            yield f"{line.decode().split()[1]}/v1"
        finally:
            process.stdin.close()
            process.kill()


def _agent(address: str, folder: Path) -> Any:
    from sanetune.workflows.auto.agent.client import Agent

    return Agent(address, "model", "", 3, 4_000, 600.0, folder / "agent")


def _judged(folder: Path, address: str, count: int) -> tuple[str, ...]:
    from sanetune.engine.answer import Answer
    from sanetune.runs import Run
    from sanetune.workflows.auto.acts.site import Site
    from sanetune.workflows.auto.agent.judge import judge
    from sanetune.workflows.auto.known import Known
    from sanetune.workflows.comparing.result import AskedPrompt, Compared, Model
    from sanetune.workflows.comparing.stored import store
    from sanetune.workflows.evaluating.weights import WeightsStamp

    some = pairs()[:count]
    site = Site(folder)
    run = Run(site.run(1).path)
    run.model.mkdir(parents=True)
    (run.model / "config.json").write_text("{}")
    prompts = [AskedPrompt([{"role": "user", "content": question}]) for question, _ in some]
    wrong = [Answer(some[(n + 1) % count][1], True, 9) for n in range(count)]
    base = Model("base", "b", wrong, weights=WeightsStamp("b"))
    right = [Answer(answer, True, 9) for _, answer in some]
    tuned = Model("tuned", "t", right, weights=WeightsStamp.of(str(run.model)))
    store(run, [run], Compared(prompts, [base, tuned], 64), [])
    began = time.perf_counter()
    found = judge(site, Known(), _agent(address, folder))
    share = "none decided" if found.win_rate is None else f"{found.win_rate:.0%} ({found.low:.0%} to {found.high:.0%})"
    return (
        f"the judge, {count} pairs in both orders",
        f"{count - found.failed} of {count}",
        f"win rate {share}: {found.wins} wins, {found.losses} losses, {found.ties} ties",
        "the second answer is right in all",
        f"{time.perf_counter() - began:.0f}",
    )


def _advised(folder: Path, address: str) -> tuple[str, ...]:
    from sanetune.events import silent
    from sanetune.workflows.auto.acts.site import Site
    from sanetune.workflows.auto.agent import adviser
    from sanetune.workflows.auto.agent.answers import Advice, read_answer
    from sanetune.workflows.auto.agent.client import AgentError
    from sanetune.workflows.auto.facts import Checked, Found, Planned
    from sanetune.workflows.auto.known import Known

    data = folder / "rows.jsonl"
    import json

    data.write_text("".join(json.dumps(row) + "\n" for row in chats(pairs()[:40])))
    known = Known(config=f"model:\n  name: {ROOT_MODEL}\ndata:\n  train: {data}\ntrain:\n  learning_rate: 0.3\n")
    known.planned = Planned(steps=200, epochs=2.0)
    hot = Found("curve-rate-beaten", "fail", "A learning rate of 0.001 ends 1.2 nats below the planned 0.3.")
    known.checked = Checked(verdict="fail", level="trial", found=(hot,), start=4.5, held_out=7.9)
    agent = _agent(address, folder)
    began = time.perf_counter()
    messages = adviser._messages(Site(folder), known, agent)
    answer = agent.ask("adviser", messages, Advice.model_json_schema(), silent)
    try:
        advice = read_answer(answer, Advice)
        result, kept = str(advice.changes.changes() or "no change"), 1
    except AgentError as error:
        result, kept = str(error.message), 0
    seconds = f"{time.perf_counter() - began:.0f}"
    return ("the adviser, once", f"{kept} of 1", result, "the learning rate is 300 times too high", seconds)


ROOT_MODEL = Path(__file__).resolve().parents[2] / "sanetune" / "demo" / "model"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--gguf", type=Path, required=True, metavar="F", help="a chat model for llama.cpp")
    parser.add_argument("--pairs", type=int, default=8, metavar="N", help="pairs of answers that the judge gets")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="two pairs")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
