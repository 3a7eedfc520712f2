"""What disk, memory and network do to a command is a message with a remedy and code 2, never a traceback."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sanetune.cli import guarded
from sanetune.errors import DataError
from sanetune.workflows.faults import user_error


class HfHubHTTPError(Exception):
    """Stands for one of the Hub's, whose constructor wants a response."""


HfHubHTTPError.__module__ = "huggingface_hub.errors"


class OutOfMemoryError(RuntimeError):
    """Stands for torch's, which has the same name."""


KNOWN = [
    (OSError(28, "No space left on device", "/data/x"), "The disk is full"),
    (OSError("write failed: No space left on device (os error 28)"), "The disk is full"),
    (OSError(30, "Read-only file system", "runs/a/x"), "Read-only file system"),
    (PermissionError(13, "Permission denied", "runs/a/x"), "Permission denied"),
    (OSError(5, "Input/output error", "rows.jsonl"), "Input/output error"),
    (HfHubHTTPError("401 Client Error"), "401 Client Error"),
    (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    (MemoryError(), "no memory left"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "can't allocate"),
    (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "Tried to allocate 2 GiB"),
    (RuntimeError("CUDA error: out of memory"), "CUDA error"),
]


@pytest.mark.parametrize(("error", "words"), KNOWN, ids=[words for _, words in KNOWN])
def test_a_fault_of_the_machine_is_a_message_with_a_remedy(error: Exception, words: str) -> None:
    @click.command()
    @guarded
    def command() -> None:
        raise error

    done = CliRunner().invoke(command)
    assert done.exit_code == 2
    assert words in done.stderr and "Traceback" not in done.output
    assert len(done.stderr.strip().splitlines()) == 3, "what, why, remedy"


def test_the_cause_of_a_librarys_error_counts() -> None:
    try:
        try:
            raise DataError("rows.jsonl has no rows")
        except DataError as error:
            raise RuntimeError("a worker died") from error
    except RuntimeError as error:
        found = user_error(error)
    assert isinstance(found, DataError)


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError(), FileNotFoundError(2, "No such file", "a")])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    assert user_error(error) is None


def test_a_full_disk_names_the_free_space(tmp_path: Path) -> None:
    found = user_error(OSError(28, "No space left on device", str(tmp_path / "x")))
    assert found is not None and "MB free" in found.message


def test_of_a_full_disk_that_is_not_known_no_free_space_is_given() -> None:
    error = user_error(OSError(28, "No space left on device"))
    assert error is not None and "MB free" not in error.headline and "standard output" in error.remedy
