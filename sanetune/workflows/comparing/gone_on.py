"""Whether a run has gone on since its tuned model was written, so that it is not its last weights."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sanetune.commands import command
from sanetune.engine import metrics
from sanetune.gate.identity import hash_file
from sanetune.runs import Run
from sanetune.workflows.run_state import RunState, read_state


def gone_on(run: Run) -> str:
    """Return in words that ``run`` has gone on since its tuned model was written, and how far; "": it has not."""
    state = read_state(run)
    if state is None or state.phase == "finished" or _is_of_this_training(run, state):
        return ""
    records = metrics.read(run.metrics) if run.metrics.is_file() else []
    last, step = max((one.step for one in records), default=0), step_of_model(run)
    if step is not None and last <= step:
        return ""
    which = "an earlier end of its training" if step is None else f"step {step:,}"
    total = f" of {state.total_steps:,}" if state.total_steps else ""
    return (
        f"The weights of {run.name} are those of {which}, and it has gone on since, to step {last:,}{total}: its later "
        f"weights are not compared. {_what_to_do(state)}"
    )


def step_of_model(run: Run) -> int | None:
    """Return the step of the checkpoint that has the weights of the tuned model; None: none that is left has them."""
    ours = _weights(run.adapter if run.adapter.is_dir() else run.model)
    if not ours:
        return None
    saved = reversed(run.steps_saved)
    return next((step for step in saved if _are_same(ours, _weights(run.checkpoints / f"checkpoint-{step}"))), None)


def _is_of_this_training(run: Run, state: RunState) -> bool:
    """Whether the tuned model was written after the run has begun, or gone on, for the last time."""
    try:
        written = (run.model / "config.json").stat().st_mtime
        return written >= datetime.strptime(state.began, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()
    except (OSError, ValueError):
        return True  # that it has gone on cannot be told


def _weights(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.safetensors") if path.name.startswith(("model", "adapter_model")))


def _are_same(ours: list[Path], others: list[Path]) -> bool:
    """Whether these files have the same names and content; they are read only where their sizes are the same."""
    if [(one.name, one.stat().st_size) for one in ours] != [(one.name, one.stat().st_size) for one in others]:
        return False
    return all(hash_file(one)["hash"] == hash_file(two)["hash"] for one, two in zip(ours, others, strict=True))


def _what_to_do(state: RunState) -> str:
    if state.phase == "running" and state.is_alive is not False:
        return "Compare again when it is over."
    return f"Finish it (`{command('train', '--resume')}`), and compare again."
