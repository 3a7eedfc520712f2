"""The live page of a real long run, in headless Chromium: load time, memory, values, marks, and how the end is shown.

``sanetune train`` trains the embedded model for some thousand steps with a record at each, ``sanetune report --live``
serves its page, and a browser opens it before the first record. Rows of random letters make a spike that the watch
finds. At the end the run is killed. Then records are appended to a copy, up to 20,000, as a run would. Memory is the
heap of scripts after a collection of garbage, and what the browser's processes hold.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.figures import ROOT, show
from sanetune.typed_json import to_json
from sanetune.workflows.run_state import Phase, RunState, now

STEPS, BATCH = 6_000, 2
SPIKE = 120
"""Step whose two rows are random letters."""
RECORDS, LONGEST = 2_200, 20
"""Records that the real run is followed up to, and minutes after which it is enough."""
MANY = 20_000
"""Records of the copy."""
GROWTH = 1.25
"""Times the heap after a quarter of the time that it may have at the end: more would be a leak."""
LOAD = 2.0
"""Seconds in which the page has to be open."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHART = '.overview .chart[data-chart="training"]'


def write_config(folder: Path, steps: int) -> Path:
    """Write rows and configuration of the run into ``folder``."""
    import random

    from sanetune.demo import MODEL, TRAIN, VALIDATION

    rows = [json.loads(line) for line in TRAIN.read_text().splitlines()]
    letters = random.Random(0)
    for number in range(BATCH * (SPIKE - 1), BATCH * SPIKE):
        words = " ".join("".join(letters.choice("qxzjkvw") for _ in range(9)) for _ in range(8))
        rows[number] = {"messages": [*rows[number]["messages"][:-1], {"role": "assistant", "content": words}]}
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "model": {"name": str(MODEL)},
        "data": {"train": str(folder / "rows.jsonl"), "validation": str(VALIDATION)},
        "train": {
            "max_steps": steps, "per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1,
            "learning_rate": 3e-4, "logging_steps": 1, "eval_strategy": "steps", "eval_steps": 200,
            "save_strategy": "steps", "save_steps": 1000, "train_sampling_strategy": "sequential",
        },
        "check": {"watch": "warn", "keep": "off"},
        "run": {"output_dir": str(folder / "run"), "trackers": [], "samples": 1},
    }  # fmt: skip
    path = folder / "sanetune.yaml"
    path.write_text(json.dumps(config))
    return path


def command(*words: str, **files: Any) -> subprocess.Popen[str]:
    """Start ``sanetune`` in a process of its own."""
    given = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "sanetune", *words], env=given, text=True, **files)


@contextlib.contextmanager
def served(run: Path) -> Iterator[str]:
    """The address at which ``sanetune report --live`` serves a run."""
    server = command("report", str(run), "--live", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert server.stdout is not None
        lines = []
        for line in server.stdout:
            lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line):
                yield found.group()
                return
        raise RuntimeError("".join(lines))
    finally:
        server.terminate()
        server.wait(60)


class Page:
    """A page in a browser, and what it holds."""

    def __init__(self, browser: Any, url: str) -> None:
        self.tab = browser.new_context(viewport={"width": 1100, "height": 800}).new_page()
        self.events: list[str] = []
        self.tab.on("console", lambda message: self.events.append(f"console: {message.text}"))
        self.tab.on("pageerror", lambda error: self.events.append(f"error: {error}"))
        self._tools = self.tab.context.new_cdp_session(self.tab)
        began = time.monotonic()
        self.tab.goto(url, wait_until="load")
        self.seconds = time.monotonic() - began

    def text(self) -> str:
        """The words of its first screen."""
        return str(self.tab.locator("#first").inner_text())

    def step(self) -> int:
        """The step that its banner names; 0: none."""
        found = re.search(r"step ([\d,]+)", self.text())
        return int(found.group(1).replace(",", "")) if found else 0

    def charts(self) -> int:
        """How many panels of its curve are drawn."""
        return int(self.tab.locator(f"{CHART} .u-over").count())

    def memory(self) -> dict[str, float]:
        """Megabytes of the heap of scripts, and how many nodes and listeners there are, after a collection."""
        self._tools.send("HeapProfiler.collectGarbage")
        self._tools.send("Performance.enable")
        found = {one["name"]: one["value"] for one in self._tools.send("Performance.getMetrics")["metrics"]}
        return {
            "heap, MB": round(found["JSHeapUsedSize"] / 2**20, 2),
            "nodes": found["Nodes"],
            "listeners": found["JSEventListeners"],
        }


def wait_until(what: str, is_so: Any, seconds: float) -> float:
    """Seconds until ``is_so`` is true."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            print(f"{what}: not within {seconds:g} s")
            return math.inf
        time.sleep(0.3)
    return time.monotonic() - began


def real_run(browser: Any, folder: Path, minutes: float, records: int) -> dict[str, Any]:
    """Follow a real run from before its first record until it is killed."""
    config = write_config(folder, STEPS)
    with (folder / "train.txt").open("w") as output:
        train = command("train", str(config), "--unchecked", "a bench of its page", stdout=output, stderr=output)
        try:
            wait_until("a folder of the run", lambda: (folder / "run" / "config.yaml").is_file(), 120)
            with served(folder / "run") as url:
                return _followed(Page(browser, url), train, folder / "run", minutes, records)
        finally:
            train.kill()
            train.wait()


def _followed(page: Page, train: subprocess.Popen[str], run: Path, minutes: float, records: int) -> dict[str, Any]:
    before = page.step()
    first = wait_until("the first value", lambda: page.step() > 0 and page.charts() > 0, 120)
    memory, began = [page.memory() | {"minute": 0.0, "step": page.step()}], time.monotonic()
    mark = None
    passed = 0.0
    while (passed < minutes or _records(run) < records) and train.poll() is None and passed < LONGEST:
        time.sleep(15)
        passed = (time.monotonic() - began) / 60
        memory.append(page.memory() | {"minute": round(passed, 2), "step": page.step()})
        if mark is None and "spike" in page.text():
            mark = page.step()
    written = _records(run)
    behind = _last_step(run) - page.step()
    train.send_signal(signal.SIGKILL)
    train.wait()
    gone = wait_until("that it was killed", lambda: "Ended without a word" in page.text(), 60)
    over = page.tab.locator("#live").inner_text()
    return {
        "load, s": round(page.seconds, 2),
        "step when opened": before,
        "first value after, s": round(first, 1),
        "memory": memory,
        "mark shown at step": mark,
        "records": written,
        "steps behind": behind,
        "killed shown after, s": round(gone, 1),
        "sign at the end": over,
        "events": page.events,
    }


def _records(run: Path) -> int:
    return len((run / "metrics.jsonl").read_text().splitlines())


def _last_step(run: Path) -> int:
    return int(json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"])


def appended(browser: Any, folder: Path, minutes: float) -> dict[str, Any]:
    """Follow a copy of the run that gets records up to :data:`MANY`, at a speed that takes as long as told."""
    run = folder / "copy"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(folder / "run", run, ignore=shutil.ignore_patterns("checkpoint-*", "checkpoints", "model"))
    _write_state(run, "running")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [one for one in lines if one["kind"] == "train"]
    _append(run, train, 15_000)
    with served(run) as url:
        page = Page(browser, url)
        memory, began, at = [page.memory() | {"minute": 0.0, "step": page.step()}], time.monotonic(), 15_000
        while at < MANY:
            time.sleep(5)
            share = (time.monotonic() - began) / 60 / minutes
            at = min(MANY, 15_000 + int(5_000 * share))
            _append(run, train, at)
            memory.append(page.memory() | {"minute": round((time.monotonic() - began) / 60, 2), "step": page.step()})
        late = wait_until("the last value", lambda: page.step() == MANY, 120)
        again = Page(browser, url)
        _write_state(run, "finished")
        done = wait_until("that it is finished", lambda: "Finished" in page.text(), 60)
        size = len(again.tab.content())
    return {
        "load at 15,000, s": round(page.seconds, 2),
        "load at 20,000, s": round(again.seconds, 2),
        "page, MB": round(size / 2**20, 2),
        "memory": memory,
        "last value after, s": round(late, 1),
        "finished shown after, s": round(done, 1),
        "events": page.events + again.events,
    }


def _write_state(run: Path, phase: Phase) -> None:
    """Let the run say that this process is the one that trains it."""
    process = psutil.Process()
    state = RunState(phase, now(), now(), MANY, "", process.pid, process.create_time(), platform.node())
    (run / "state.json").write_text(json.dumps(to_json(state)))


def _append(run: Path, train: list[dict[str, Any]], until: int) -> None:
    """Append records of ``train`` over and over, with steps that go on, up to step ``until``."""
    last = _last_step(run)
    with (run / "metrics.jsonl").open("a") as file:
        for step in range(last + 1, until + 1):
            one = train[step % len(train)]
            file.write(json.dumps(one | {"step": step, "seconds": step * 0.1, "tokens": step * 100}) + "\n")


def _grown(memory: list[dict[str, float]]) -> float:
    """The heap at the end over that after a quarter of the time."""
    early = memory[len(memory) // 4]["heap, MB"]
    return round(memory[-1]["heap, MB"] / early, 2)


def main() -> int:
    """Make both runs, print what was measured, and return 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="one minute of the run, and no copy")
    parser.add_argument("--folder", type=Path, help="where the run is written, and kept")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        sys.exit("no Chromium here")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = (options.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        minutes, records = (1, 150) if options.quick else (5, RECORDS)
        kept = folder / "real.json"
        if not kept.is_file():
            kept.write_text(json.dumps(real_run(browser, folder, minutes, records)))
        found = {"run": json.loads(kept.read_text())}
        if not options.quick:
            found["copy"] = appended(browser, folder, 3)
        browser.close()
    for one in found.values():
        one["heap grew"] = _grown(one["memory"])
    rows = [[name, key, value] for name, one in found.items() for key, value in one.items() if key != "memory"]
    rows += [[name, f"memory at minute {at['minute']}", {k: v for k, v in at.items() if k != "minute"}]
             for name, one in found.items() for at in one["memory"]]  # fmt: skip
    show("The live page of a long run", ["of", "what", "value"], rows, found, options.json)
    loads = [value for one in found.values() for key, value in one.items() if key.startswith("load")]
    sound = all(not one["events"] and one["heap grew"] <= GROWTH for one in found.values())
    return int(not sound or found["run"]["mark shown at step"] is None or max(loads) > LOAD)


if __name__ == "__main__":
    raise SystemExit(main())
