"""Whether a run of ours has come to its end, or goes on for longer beside the model that it had."""

from __future__ import annotations

from sanetune.errors import RunError
from sanetune.runs import Run


def came_to_its_end(run: Run) -> bool:
    """Return whether the model of ``run`` is that of its last training, as its ``state.json`` says.

    A run that is trained for longer has the model of before in its folder until the new one is there. A kill between
    the new model and the word that the run is finished leaves ``running``, with a model that is newer. Where the run
    has said nothing that can be read, as in earlier versions, any model counts.
    """
    if not run.finished:
        return False
    try:
        phase = run.read_json(run.state).get("phase", "finished")
        if phase != "running":
            return bool(phase == "finished")
        return (run.model / "config.json").stat().st_mtime_ns >= run.state.stat().st_mtime_ns
    except (RunError, OSError):
        return True
