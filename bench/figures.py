"""What every benchmark shares: its options, its table, and where the real material lies."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def options(description: str | None, **flags: str) -> argparse.Namespace:
    """``--json F`` for the figures, ``--quick`` for a run of under a minute; ``flags``: others, with their help."""
    parser = argparse.ArgumentParser(description=(description or "").strip().splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="a smaller run, under a minute")
    for name, words in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=words)
    return parser.parse_args()


def shared() -> Path:
    """The folder of real material; ends the program with a reason when it is not there."""
    folder = Path(os.environ.get("SANETUNE_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        sys.exit(f"no real material in {folder}: set SANETUNE_SHARED")
    return folder


def show(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], figures: dict[str, Any], file: Path | None
) -> None:
    """Prints a table and writes the figures where asked."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))  # a template's `[/INST]` is no markup
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    if file:
        file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on the terminal meanwhile."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def isolate(folder: Path) -> None:
    """Give this process and its children one thread, no GPU, no Hub, and a cache of their own in ``folder``."""
    os.environ |= {
        "SANETUNE_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
