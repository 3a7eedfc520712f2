"""Jobs: their results and states are in their folders; how one ends is nobody else's end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sanetune.errors import UserError
from sanetune.mcp import jobs as module
from sanetune.mcp.job import STOPPED
from sanetune.mcp.job_folder import Job, Progress
from sanetune.mcp.jobs import Jobs
from sanetune.mcp.launcher import Launcher
from sanetune.mcp.roots import Roots


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Jobs of a root with a log in it, each in a process that nothing is imported for before."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sanetune.mcp.launcher.FORKS", False)
    (tmp_path / "home").mkdir()
    lines = ["step,loss,eval_loss", *(f"{step},{2 + step / 50},{2 + step / 50}" for step in range(0, 200, 5))]
    (tmp_path / "home" / "log.csv").write_text("\n".join(lines))
    return Jobs(Roots([tmp_path / "home"]))


def over(job: Job, seconds: float = 120) -> Job:
    until = time.monotonic() + seconds
    while job.state == "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    return job


def test_a_job_leaves_its_reply_and_is_found_again_by_another_server(jobs: Jobs, tmp_path: Path) -> None:
    job = over(jobs.start("diagnose", {"logs": ["log.csv"]}))
    found = Jobs(Roots([tmp_path / "home"])).find(job.id)
    assert found.state == "finished", found.last_words
    reply = found.result["reply"]
    assert isinstance(reply, dict) and reply["verdict"] == "fail"
    assert {one["check"] for one in reply["logs"][0]["findings"]} >= {"curve-diverged"}
    assert json.loads((job.folder / "report.json").read_text())["logs"][0]["verdict"] == "fail"
    assert Jobs(Roots([tmp_path])).all() == []  # another server's roots


def test_what_a_user_can_put_right_comes_back_in_four_parts(jobs: Jobs) -> None:
    job = over(jobs.start("diagnose", {"logs": ["../outside.csv"]}))
    error = job.result["error"]
    assert job.state == "failed" and isinstance(error, dict)
    assert "outside of the folders" in error["message"] and error["rationale"] and error["remedy"]
    assert "Traceback" not in job.last_words


def test_a_bug_keeps_its_traceback_in_the_log_and_tells_the_agent_in_a_line(jobs: Jobs) -> None:
    job = over(jobs.start("diagnose", {"logs": []}))  # the schema of the tool allows no empty list
    error = job.result["error"]
    assert job.state == "failed" and isinstance(error, dict) and error["kind"] == "Crash"
    assert "Traceback" in job.last_words and "\n" not in error["message"]


def test_a_file_in_the_root_that_is_called_as_a_library_is_not_imported(tmp_path: Path, jobs: Jobs) -> None:
    for name in ("psutil.py", "json.py", "sanetune.py"):
        (tmp_path / "home" / name).write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    job = Job(tmp_path / "job")
    job.folder.mkdir()
    (job.folder / "stop.json").write_text('{"asked": 1}')  # it ends as soon as it has begun
    (job.folder / "request.json").write_text(json.dumps({"tool": "diagnose", "began": time.time()}))
    Launcher(tmp_path / "home").launch(job.folder)
    assert over(job).state == "stopped" and job.result == STOPPED
    assert not (tmp_path / "imported").exists()


def sleeping(folder: Path, on_term: str) -> tuple[Job, subprocess.Popen[bytes]]:
    """A job whose process sleeps, as a folder has it."""
    code = f"import signal, time; signal.signal(signal.SIGTERM, {on_term}); print(1, flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline()
    folder.mkdir(parents=True)
    began = psutil.Process(child.pid).create_time()
    (folder / "process.json").write_text(json.dumps({"pid": child.pid, "began": began}))
    (folder / "request.json").write_text(json.dumps({"tool": "train", "arguments": {}}))
    return Job(folder), child


def test_stop_asks_twice_and_then_kills(tmp_path: Path) -> None:
    job, child = sleeping(tmp_path / "20260101-000000-train-abcdef", "signal.SIG_IGN")
    assert job.state == "running"
    assert [job.stop(), job.stop()] == ["SIGTERM", "SIGTERM"]
    assert job.state == "running"
    assert job.stop() == "SIGKILL"
    assert child.wait(30) == -signal.SIGKILL
    assert (job.state, job.stop()) == ("stopped", "")


def test_a_process_that_was_killed_is_dead_and_another_one_of_its_number_is_not_it(tmp_path: Path) -> None:
    job, child = sleeping(tmp_path / "20260101-000000-train-abcdef", "signal.SIG_DFL")
    os.kill(child.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while job.is_alive:  # not waited for: a zombie is no process that runs
        assert time.monotonic() < until
    assert job.state == "died"
    child.wait(30)
    (job.folder / "process.json").write_text(json.dumps({"pid": os.getpid(), "began": 1.0}))
    assert job.state == "died"


def test_no_more_jobs_than_the_machine_can_bear(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RUNNING", 1)
    _, child = sleeping(jobs.folder / "20260101-000000-train-abcdef", "signal.SIG_DFL")
    try:
        with pytest.raises(UserError, match="1 job is running: 20260101-000000-train-abcdef"):
            jobs.start("diagnose", {"logs": ["log.csv"]})
    finally:
        child.kill()
        child.wait(30)


def test_broken_files_of_a_job_are_no_error(tmp_path: Path) -> None:
    for name in ("request.json", "process.json", "progress.json", "result.json"):
        (tmp_path / name).write_text('{"done": [')
    job = Job(tmp_path)
    assert (job.state, job.tool, job.progress) == ("died", "", Progress())
