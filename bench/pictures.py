"""The pictures of README and docs: terminals as SVG, pages as PNG, of the demo's runs on quiet cores.

The moving picture is a recording of a real terminal. It needs two programs on the PATH that the package does not:
``pip install asciinema`` and ``npm install --global svg-term-cli``. ``--only recording`` makes it alone, and ``--page
RUN`` the pictures of docs/page.md, of the ``report.html`` of a finished run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import ROOT

if TYPE_CHECKING:
    from rich.console import Console

DEMO = ROOT / "sanetune" / "demo"
CHROMIUM = "/usr/bin/chromium"


def inject(folder: Path) -> None:
    """Write a run on the embedded data with a broken line, validation rows in training and too high a learning rate."""
    train = (DEMO / "data/train.jsonl").read_text().splitlines()[:400]
    validation = (DEMO / "data/validation.jsonl").read_text().splitlines()[:40]
    (folder / "letters.jsonl").write_text("\n".join([*train[:11], train[11][:90], *train[12:], *validation[:6]]) + "\n")
    (folder / "held-out.jsonl").write_text("\n".join(validation) + "\n")
    shutil.copytree(DEMO / "model", folder / "model")
    settings = {
        "model": {"name": "model"},
        "data": {"train": "letters.jsonl", "validation": "held-out.jsonl"},
        "train": {"learning_rate": 0.05, "packing": True},
        "run": {"trackers": []},
    }
    (folder / "sanetune.yaml").write_text(json.dumps(settings))


def recorder() -> Console:
    """A console with colours that shows nothing."""
    from rich.console import Console

    quiet = open(os.devnull, "w")  # noqa: SIM115
    return Console(record=True, width=80, file=quiet, color_system="truecolor", highlight=False)


def shoot(show: Callable[[Any], object], file: Path, height: int) -> None:
    """Write what ``show`` brings into a tab, which is 1,280 pixels wide, as a picture."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            tab = browser.new_page(viewport={"width": 1280, "height": height})
            show(tab)
            tab.wait_for_timeout(500)
            tab.screenshot(path=str(file))
        finally:
            browser.close()


SCREENS = (("page", 1280, 757, "light"), ("page-phone", 390, 844, "dark"))
"""Name, width, height and colours of each picture of a run's page."""


def run_pictures(folder: Path) -> None:
    """Photograph the first screen of the page of a finished run: `docs/page.png`, and as a phone shows it."""
    from playwright.sync_api import sync_playwright

    page = folder / "report.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            for name, width, height, colours in SCREENS:
                tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=colours)
                tab.goto(page.resolve().as_uri())
                tab.wait_for_timeout(1000)
                tab.screenshot(path=str(ROOT / f"docs/{name}.png"))
        finally:
            browser.close()


def follow(folder: Path, file: Path, step: int = 110) -> threading.Thread:
    """Photograph the page of a run while it trains, as `sanetune report RUN --live` serves it.

    Args:
        folder: The run's folder; it need not be there yet.
        file: The picture.
        step: Optimizer step from which on the picture is taken.
    """
    from sanetune.config.load import load
    from sanetune.report.html.run_page import live_page
    from sanetune.report.html.trained import run_view
    from sanetune.report.live import PageCache, PageServer
    from sanetune.runs import Run

    run = Run(folder.resolve())

    def photograph() -> None:
        while not ((view := run_view(run)) and view.curve and view.curve.points and view.curve.points[-1].step >= step):
            time.sleep(0.3)
        settings = load(run.config)
        server = PageServer(PageCache(run, lambda: live_page(settings, run, f"/data?token={server.token}")))
        threading.Thread(target=server.serve, daemon=True).start()
        shoot(lambda tab: tab.goto(server.url), file, height=960)
        server.close()

    thread = threading.Thread(target=photograph, daemon=True)
    thread.start()
    return thread


def refusal(folder: Path, file: Path) -> None:
    """`sanetune demo --fault rate` up to where training begins."""
    from unittest import mock

    from sanetune.demo import fault_run
    from sanetune.demo.faults import FAULTS
    from sanetune.report.terminal.progress import ProgressBar

    console = recorder()
    # A line with commands to copy is not broken, so that a picture of 80 columns would end in the middle of it.
    long_line = mock.patch("sanetune.workflows.check._cost_note", return_value="")
    with mock.patch.object(fault_run.FaultRun, "_train"), mock.patch.object(ProgressBar, "_log"), long_line:
        fault_run.run(FAULTS["rate"], folder, console)
    console.save_svg(str(file), title="sanetune demo --fault rate")


def demo(folder: Path, file: Path) -> None:
    """Masks and answers of `sanetune demo` in ``file`` (not its seconds), and the curves of its run as a PNG."""
    from unittest import mock

    from sanetune.demo import run

    console = recorder()
    console.record = False
    heading = run.section

    def section(console: Console, number: int, title: str, summary: str) -> None:
        console.record = number in (2, 5)
        heading(console, number, title, summary)

    with mock.patch.object(run, "section", section), mock.patch.object(run, "_end"):
        run.run(folder, console)
    console.record = True
    console.save_svg(str(file), title="sanetune demo")
    shutil.copy(folder / "plots/curves.png", ROOT / "docs/curves.png")


PLAY = """\
shows() {{
  printf '\\033[1;32m$\\033[0m '
  for ((i = 0; i < ${{#1}}; i++)); do printf '%s' "${{1:$i:1}}"; sleep 0.03; done
  echo
}}
shows "{command}"
{command}
for i in 1 2 3 4; do sleep 1.4; printf ' \\b'; done
"""
"""Types a command as a person does, runs it, and leaves its last screen for a few seconds."""

COMMAND = "sanetune check sanetune.yaml --level static --select config-rate-unusual,rows,labels"
COLUMNS, LINES = 96, 44


def recording(folder: Path, file: Path) -> None:
    """Record the check in ``folder`` in a real terminal, and write it to ``file`` as an animated SVG (20 s)."""
    script, cast = folder / "play.sh", folder / "check.cast"
    script.write_text(PLAY.format(command=COMMAND))
    size = ["--cols", str(COLUMNS), "--rows", str(LINES)]
    record = ["asciinema", "rec", "--quiet", "--overwrite", "--idle-time-limit", "1.5", *size]
    surroundings = os.environ | {"TERM": "xterm-256color"}
    subprocess.run([*record, "--command", f"bash {script}", str(cast)], cwd=folder, env=surroundings, check=True)
    drawn = ["--window", "--width", str(COLUMNS), "--height", str(LINES)]
    subprocess.run(["svg-term", "--in", str(cast), "--out", str(file), *drawn], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["SANETUNE_CACHE"] = f"{name}/cache"
        folder, started = Path(name), Path.cwd()
        os.chdir(folder)
        if sys.argv[1:2] == ["--page"]:
            run_pictures(started / sys.argv[2])
            return
        if sys.argv[1:] != ["--only", "recording"]:
            stills()
        inject(folder)
        recording(folder, ROOT / "docs/check-recording.svg")


def stills() -> None:
    """Make every picture that does not move."""
    from sanetune.config.load import load
    from sanetune.report.html.run_page import page_of_run
    from sanetune.runs import Run
    from sanetune.workflows.check import evidence_of

    refusal(Path("fault-run"), ROOT / "docs/fault.svg")
    live = follow(Path("demo-run"), ROOT / "docs/live.png")
    demo(Path("demo-run"), ROOT / "docs/demo.svg")
    live.join(60)
    settings = load(Path("demo-run/config.yaml"))
    with evidence_of(settings) as evidence:
        Path("demo-run/report.html").write_text(page_of_run(settings, evidence, Run("demo-run")), encoding="utf-8")
    run_pictures(Path("demo-run"))


if __name__ == "__main__":
    main()
