"""What the folder of a run has beside its log: plan, vocabulary, checkpoints, and what the watch had found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from sanetune.config.load import load
from sanetune.curves.changes import last_step
from sanetune.curves.logs import watch_words
from sanetune.curves.logs.find import checkpoints
from sanetune.curves.logs.log import Log
from sanetune.curves.logs.metrics import is_ours
from sanetune.curves.logs.tensorboard_events import KIND as TENSORBOARD
from sanetune.curves.logs.trainer_state import KIND as TRAINER_STATE
from sanetune.curves.logs.wandb_run import KIND as WANDB
from sanetune.curves.series import Curve
from sanetune.data.model_files import read_config
from sanetune.data.model_shape import sizes_from_files
from sanetune.errors import RunError, UserError
from sanetune.finding import BAD
from sanetune.gate.watch_report import WatchFinding, WatchReport
from sanetune.planning.defaults import usual_lr
from sanetune.planning.steps import warmup_steps
from sanetune.runs import Run

WITHIN = ("checkpoints", "tensorboard")
"""Folders in that of a run which hold logs of it."""
TRACKERS = {TENSORBOARD: "runs", WANDB: "wandb"}
"""Kinds of logs that lie two folders below that of a run, and the name of the folder between."""
CLIPPED_AT = 1.0
"""Gradient norm at which a trainer clips where its configuration does not say."""


def with_facts(curve: Curve, log: Log) -> Curve:
    """Return the curve with what the folder of its run says of it, as the watch of the run had it: the vocabulary of
    the model and, of our own run, the peak and warm-up of the learning rate, that which is usual for its model, and the
    norm at which it clips."""
    home = _home(log)
    facts = _planned(Run(home), curve.total_steps)
    if facts or log.kind == TRAINER_STATE or (log.kind in TRACKERS and _is_trainers(home)):
        names = [str(facts.pop("model"))] if facts else []
        folders = [*(Path(one).expanduser() for one in names), home / "model", home, *reversed(checkpoints(home))]
        facts["vocab_size"] = next(filter(None, map(_vocabulary, folders)), None)
    known = {name: value for name, value in facts.items() if value is not None and getattr(curve, name) is None}
    return replace(curve, **known)


def _planned(run: Run, total_steps: int | None) -> dict[str, Any]:
    """What the configuration of our own run plans, by the names of a curve, and its model; none where there is no such
    configuration beside such a record."""
    try:
        if not is_ours(run.metrics):
            return {}
        config = load(run.config)
        given = config.train.given
        warmup, peak = given.get("warmup_steps"), given.get("learning_rate")
        return {
            "model": config.model.name,
            "planned_lr": None if peak is None else float(peak),
            "usual_lr": None if (sizes := sizes_from_files(config.model)) is None else usual_lr(config, sizes),
            "warmup_steps": None if warmup is None or not total_steps else warmup_steps(float(warmup), total_steps),
            "max_grad_norm": float(given.get("max_grad_norm", CLIPPED_AT)),
        }
    except (UserError, OSError, TypeError, ValueError):
        return {}  # gone, or none of ours


def _vocabulary(folder: Path) -> int | None:
    """The tokens that the model in a folder can write, by its config.json; None where that does not say."""
    config = read_config(folder)
    text = config.get("text_config")
    size = (text if isinstance(text, dict) else config).get("vocab_size")
    return size if type(size) is int and size > 0 else None


def saved_steps(log: Log) -> list[int]:
    """The steps of the checkpoints that are saved."""
    return [int(one.name.removeprefix("checkpoint-")) for one in checkpoints(_home(log))]


def ended_by(log: Log, curve: Curve) -> str:
    """What ended the run at the last step of ``curve``, in words: our watch, which then says so in its report or in
    what the run printed; empty where it did not."""
    if words := watch_words.ended_by(log.entries):
        return words
    run = Run(_home(log))
    try:
        ended = run.read_json(run.watch)["ended"]
        step, checks = int(ended["step"]), [str(one) for one in ended["checks"]]
    except (RunError, OSError, KeyError, TypeError, ValueError):
        return ""  # no watch, or none that ended the run
    return watch_words.in_words(checks) if last_step(curve) <= step else ""


def watch_findings(log: Log, known: Collection[str]) -> list[WatchFinding]:
    """What our watch had found in the run while it trained, the worst of each check, without the checks in ``known``.

    It has judged each moment, with the gradients and rows of it, so that it may have seen what the whole log no longer
    shows.
    """
    run = Run(_home(log))
    try:
        found = WatchReport.from_json(run.read_json(run.watch)).findings
    except (RunError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return []  # no watch, or a damaged report of one
    worst: dict[str, WatchFinding] = {}
    for one in found:
        finding = one.live.finding
        plain = isinstance(one.live.step, int) and isinstance(finding.message, str)
        if plain and finding.check not in known and finding.verdict in BAD:
            worst[finding.check] = max(worst.get(finding.check, one), one, key=_rank)
    return list(worst.values())


def _rank(one: WatchFinding) -> int:
    return one.live.finding.verdict.rank


def _home(log: Log) -> Path:
    """The folder that the log belongs to. TensorBoard's is ``runs/DATE_HOST`` in that of a Trainer, and W&B's
    ``wandb/RUN``, which is told by what a Trainer leaves: ``runs/NAME`` may be the folder of a run itself."""
    home = log.path if log.path.is_dir() else log.path.parent
    while home.name.startswith("checkpoint-") or home.name in WITHIN:
        home = home.parent
    above = home.parent.parent
    within = home.parent.name == TRACKERS.get(log.kind) and not _is_trainers(home)
    return above if within and _is_trainers(above) else home


def _is_trainers(folder: Path) -> bool:
    """Whether a Trainer has written its checkpoints into a folder, or our watch its report."""
    return Run(folder).watch.is_file() or any(folder.glob("checkpoint-*/trainer_state.json"))
