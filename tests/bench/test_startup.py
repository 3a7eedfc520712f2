"""What commands import; how long they take is measured by the benchmark alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.startup import commands, run, wrongly_imported


def test_commands_that_train_nothing_import_no_library_of_training(tmp_path: Path) -> None:
    import torch

    if torch.version.cuda or torch.version.hip:
        pytest.skip("a torch with GPUs is asked whether there is one")
    for command, words in commands(tmp_path, rows=40).items():
        if command != "check":
            assert wrongly_imported(command, run(words, tmp_path).modules) == [], command
