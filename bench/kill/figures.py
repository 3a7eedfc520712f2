"""What a run leaves, without what depends on the clock: two runs of the same work are equal in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

CLOCK = ("seconds", "tokens_per_second", "loss_tokens_per_second")
RUNTIMES = ("runtime", "per_second")
"""Parts of the names that transformers gives to times in its log."""
COMPARED = ("metrics.jsonl", "samples.json", "watch.json", "data.json", "config.yaml", "outcome.json")


def figures(run: Path) -> dict[str, str]:
    """Return a digest of each file of a finished run that must not depend on whether it was killed."""
    found = {name: _digest(_plain(run / name, run)) for name in COMPARED if (run / name).exists()}
    for folder in ("model", "steps", "checkpoints"):
        for path in sorted((run / folder).rglob("*")):
            # The model card has times; checksums are of the files that are compared here.
            if path.is_file() and path.name not in ("README.md", "checksums.json"):
                found[path.relative_to(run).as_posix()] = _digest(_plain(path, run))
    return found


def differences(run: Path, whole: Path) -> list[str]:
    """Return the files in which two runs differ."""
    a, b = figures(run), figures(whole)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def _plain(path: Path, run: Path) -> bytes:
    if path.name == "metrics.jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return json.dumps([{k: v for k, v in line.items() if k not in CLOCK} for line in lines]).encode()
    if path.name in ("trainer_state.json", "watch.json"):
        return json.dumps(_without_times(json.loads(path.read_text()))).encode()
    return path.read_bytes().replace(str(run.resolve()).encode(), b"RUN")


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in CLOCK and not any(part in k for part in RUNTIMES)}
        return {k: _without_times(v) for k, v in kept.items() if k != "best_model_checkpoint"}
    return [_without_times(one) for one in value] if isinstance(value, list) else value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
