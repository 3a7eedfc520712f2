"""The demo's own folder: what an earlier demo left is replaced, nothing else is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sanetune.demo import MODEL

FIGURES = "demo.json"
"""The file with the demo's figures."""


def clear(out: Path) -> None:
    """Remove what an earlier demo left in ``out``; anything else is left alone, and the run refuses it."""
    if _is_demo(out):
        shutil.rmtree(out)


def _is_demo(out: Path) -> bool:
    """Whether an earlier demo made this folder, finished or not: nobody else's may be removed."""
    try:
        if (out / FIGURES).is_file():
            figures = json.loads((out / FIGURES).read_text(encoding="utf-8"))
            return isinstance(figures, dict) and "seconds" in figures and bool({"fault", "check", "tuned"} & {*figures})
        resolved = (out / "config.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return str(MODEL) in resolved and "name: demo" in resolved
