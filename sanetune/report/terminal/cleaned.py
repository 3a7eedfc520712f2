"""The result of `check --write-clean` on a terminal: rows written, left out and changed, and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sanetune import units
from sanetune.commands import command

if TYPE_CHECKING:
    from sanetune.workflows.clean import Cleaned


def show(cleaned: Cleaned, console: Console | None = None) -> None:
    """Print how many rows were written, left out and changed; ``console`` None: on standard error."""
    console = console or Console(stderr=True, highlight=False)
    for split, count in cleaned.kept.items():
        console.print(Text(f"Wrote {units.many(count, 'row')} to {cleaned.folder / split}.jsonl"), soft_wrap=True)
    for words, counts in (("left out", cleaned.left_out), ("changed", cleaned.changed)):
        for check, count in counts.items():
            if count:
                console.print(Text(f"  {units.many(count, 'row')} {words}: {check}"))
    console.print(Text(f"All changes are logged in {cleaned.folder / 'log.jsonl'}"), soft_wrap=True)
    files = {split: str(cleaned.folder / f"{split}.jsonl") for split, count in cleaned.kept.items() if count}
    keys = " and ".join(f"data.{split}: {file}" for split, file in files.items())
    now = command("check", *(f"data.{split}={file}" for split, file in files.items()))
    console.print(Text(f"Next: write {keys} into the configuration, or try it:\n      {now}", "dim"), soft_wrap=True)
