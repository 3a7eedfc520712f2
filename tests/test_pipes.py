"""Output into a pipe or a file: of another encoding than UTF-8, or read by nobody any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def started(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sanetune", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_character_that_the_encoding_of_the_output_lacks_is_no_failed_check(encoding: str, tmp_path: Path) -> None:
    log = tmp_path / "trainer_state.json"
    log.write_text(json.dumps({"log_history": [{"step": at, "loss": 1 + 1 / at} for at in range(1, 100)]}))
    with started("diagnose", str(log), PYTHONIOENCODING=encoding) as process:
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and not errors
    assert b"?" in printed


@pytest.mark.parametrize("word", ["checks", "--help"])
def test_a_pipe_that_nobody_reads_has_its_own_exit_code(word: str) -> None:
    with started(word) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141 and not errors
