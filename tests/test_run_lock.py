"""One process trains in a run's folder; what a killed one or another machine has left does not hinder anybody."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sanetune import run_lock
from sanetune.errors import RunError
from sanetune.run_lock import NAME, locked, refuse_second
from sanetune.runs import Run

HOLD = "import sys; from sanetune.run_lock import locked\nwith locked(__import__('pathlib').Path(sys.argv[1])):\n"
WAIT = HOLD + "    print('locked', flush=True); sys.stdin.read()"


@contextmanager
def another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds ``folder`` until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "locked\n"
        yield process
    finally:
        process.communicate()


def test_a_second_process_is_refused_with_the_number_of_the_first_and_told_neither_to_resume_nor_to_delete(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path / "run")
    (run.checkpoints / "checkpoint-18").mkdir(parents=True)
    with another(run.path) as first:
        for refused in (run.check_free, lambda: Run.create(run.path, overwrite=True), lambda: refuse_second(run.path)):
            with pytest.raises(RunError, match=f"Process {first.pid} on .* is training in .*run since") as caught:
                refused()
            assert caught.value.exit_code == 2
            assert "--resume" not in str(caught.value) and "delete" not in str(caught.value)
    with pytest.raises(RunError, match="unfinished run"):
        run.check_free()
    assert not (run.path / NAME).exists(), "at the end it is taken away"


def test_of_two_that_start_at_once_one_alone_trains(tmp_path: Path) -> None:
    script = HOLD + "    print('trains', flush=True); __import__('time').sleep(3)"
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    assert [out for out, _ in said if out] == [b"trains\n"]
    assert any(b"is training in" in error for _, error in said)


def test_the_lock_holds_even_where_the_file_says_nothing(tmp_path: Path) -> None:
    with another(tmp_path):
        (tmp_path / NAME).write_text("")
        with pytest.raises(RunError, match="Another process is training"), locked(tmp_path):
            pass


def test_what_a_killed_process_has_left_hinders_nobody(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        first.kill()
        first.wait()
    assert (tmp_path / NAME).is_file()
    refuse_second(tmp_path)
    assert Run(tmp_path).strangers == []
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["process"] == os.getpid()


@pytest.mark.parametrize("text", ["", "\x00", "[]", "{}", '{"process": "x"}', "9" * 6000, "[" * 9000])
def test_a_file_that_names_nobody_hinders_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with locked(tmp_path):
        refuse_second(tmp_path)


def test_a_process_number_of_another_machine_means_nothing_here(tmp_path: Path) -> None:
    mine = run_lock._mine()
    assert mine.is_alive and mine.host == platform.node()
    (tmp_path / NAME).write_text(json.dumps(asdict(mine)))
    with pytest.raises(RunError, match="is training"):
        refuse_second(tmp_path)
    for other in (replace(mine, host="elsewhere"), replace(mine, process_began=mine.process_began - 60)):
        (tmp_path / NAME).write_text(json.dumps(asdict(other)))
        refuse_second(tmp_path)
        with locked(tmp_path):
            pass


def test_two_threads_of_one_process_are_two_trainings(tmp_path: Path) -> None:
    found: list[BaseException] = []

    def second() -> None:
        try:
            with locked(tmp_path):
                pass
        except RunError as error:
            found.append(error)

    with locked(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert found and "is training" in str(found[0])
        assert (tmp_path / NAME).is_file()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "letter.txt"
    target.write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NAME).symlink_to(target)
    with pytest.raises(RunError, match="cannot be written"), locked(tmp_path / "run"):
        pass
    assert target.read_text() == "mine"


def test_without_locks_the_named_process_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with another(tmp_path), pytest.raises(RunError, match="is training"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
