"""`sanetune report`: which page is written where, and what cannot go together."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.report import runs_made


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sanetune", "report", *words], capture_output=True, text=True, timeout=120
    )


def test_several_runs_are_compared_on_one_page(tmp_path: Path) -> None:
    names = [str(runs_made.made(tmp_path / name, phase="finished").path) for name in ("a", "b")]
    done = typed(*names)
    assert done.returncode == 0 and done.stdout.endswith("a/comparison.html\n")
    assert "2 runs side by side" in (tmp_path / "a/comparison.html").read_text()


def test_a_live_page_is_of_one_run_and_writes_none(tmp_path: Path) -> None:
    name = str(runs_made.made(tmp_path / "a").path)
    for words in ([name, name, "--live"], [name, "--live", "--html", "x.html"], [name, "--port", "8500"]):
        done = typed(*words)
        assert done.returncode == 2 and "--live" in done.stderr and "Traceback" not in done.stderr
        assert ("--html" in done.stderr) is ("--html" in words), "only what was typed is spoken of"


HEEDING_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("sanetune", run_name="__main__")
"""


def test_a_live_page_is_served_until_ctrl_c(tmp_path: Path) -> None:
    run = runs_made.made(tmp_path / "a")
    # Whoever starts the tests in the background of a shell without job control has them ignore Ctrl-C.
    command = [sys.executable, "-u", "-c", HEEDING_CTRL_C, "report", str(run.path), "--live"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\?token=[\w-]{32})\n", process.stdout.readline())
        assert found, process.stderr.read()
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        connection.request("GET", found[2])
        assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
        assert "No longer served." in process.stdout.read() and not process.stderr.read()


def test_a_run_that_training_has_yet_to_make_is_waited_for(tmp_path: Path) -> None:
    runs_made.made(tmp_path / "lab1")
    path = tmp_path / "lab2"
    command = [sys.executable, "-u", "-c", HEEDING_CTRL_C, "report", str(path), "--live"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            said = process.stderr.readline()
            assert f"There is no run folder {path}. Waiting for training to make it, 10 min" in said
            assert f"Did you mean {tmp_path / 'lab1'}?" in said
            path.mkdir()
            (path / "clearance.json").write_text("{}")
            runs_made.made(path)
            assert process.stdout.readline().startswith("http://127.0.0.1:")
        finally:
            process.kill()


def test_what_can_never_be_a_run_is_not_waited_for(tmp_path: Path) -> None:
    runs_made.made(tmp_path / "runs/a")
    (tmp_path / "rows.jsonl").write_text("{}\n")
    for path in (tmp_path / "runs", tmp_path / "rows.jsonl"):
        done = typed(str(path), "--live")
        assert done.returncode == 2 and "Waiting" not in done.stderr and str(path) in done.stderr


def test_a_page_is_waited_for_while_its_run_only_begins(tmp_path: Path) -> None:
    run = runs_made.made(tmp_path / "a")
    config = run.config.read_text()
    run.config.unlink()
    done = typed(str(run.path))
    assert done.returncode == 2 and "is only beginning" in done.stderr and "--live waits" in done.stderr
    command = [sys.executable, "-u", "-c", HEEDING_CTRL_C, "report", str(run.path), "--live"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert "a is beginning" in process.stderr.readline()
            run.config.write_text(config)
            assert process.stdout.readline().startswith("http://127.0.0.1:")
        finally:
            process.kill()
