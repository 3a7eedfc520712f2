"""What a tracker has stored of a run, read with its own library: every value with its step, and every text.

``python -m bench.trackers.stores TRACKER RUN [SERVER]`` prints it as JSON, in a process of its own: trackio and MLflow
read where their stores are when they are imported.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

NAMES = {
    "tensorboard": ("train/loss", "train/learning_rate", "train/grad_norm", "eval/loss"),
    "wandb": ("train/loss", "train/learning_rate", "train/grad_norm", "eval/loss"),
    "trackio": ("train/loss", "train/learning_rate", "train/grad_norm", "eval/loss"),
    "mlflow": ("loss", "learning_rate", "grad_norm", "eval_loss"),
}
"""Tracker -> what transformers calls the loss, learning rate and gradient norm of a record, and the validation loss."""


@dataclass
class Stored:
    """What a store gives back.

    Attributes:
        values: Name of a metric -> step -> its value.
        texts: Name of a text -> ``[step, text]`` of each.
    """

    values: dict[str, dict[int, float]] = field(default_factory=dict)
    texts: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, name: str, step: int, value: float) -> None:
        """Take one value. A loss that has two at one step would hide one of them."""
        kept = self.values.setdefault(name, {})
        if kept.setdefault(step, value) != value and "epoch" not in name:
            raise ValueError(f"{name} has {kept[step]} and {value} at step {step}")

    def add_text(self, name: str, step: int, text: str) -> None:
        """Take one text."""
        self.texts.setdefault(name, []).append((step, text))


def environment(tracker: str, folder: Path) -> dict[str, str]:
    """Variables that let a tracker write into ``folder`` alone, and reach nobody."""
    return {
        "tensorboard": {},
        "wandb": {"WANDB_MODE": "offline", "WANDB_SILENT": "true"},
        "trackio": {"TRACKIO_DIR": str(folder / "trackio")},
        "mlflow": {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true"},
    }[tracker]


def tensorboard(run: Path) -> Stored:
    """The event files in the run's folder, by ``EventAccumulator``."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    stored = Stored()
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            stored.add(name, event.step, event.value)
    for name in events.Tags()["tensors"]:
        for event in events.Tensors(name):
            value = make_ndarray(event.tensor_proto)
            if name.endswith("/text_summary"):
                stored.add_text(name.removesuffix("/text_summary"), event.step, value[0].decode())
    return stored


def wandb(run: Path) -> Stored:
    """The offline run in the run's folder; wandb's package has definitions of its records, and no reader of files."""
    from sanetune.curves.logs.wandb_run import _records, _value, files

    (file,) = files(run)
    stored = Stored()
    for record in _records(file):
        if not record.HasField("history"):
            continue
        entry = {".".join(item.nested_key) or item.key: _value(item.value_json) for item in record.history.item}
        step = entry.get("train/global_step")
        if not isinstance(step, int | float):
            continue
        for name, value in entry.items():
            if isinstance(value, int | float) and not name.startswith("_") and name != "train/global_step":
                stored.add(name, int(step), value)
    folder = file.parent / "files" / "media" / "table"
    for table in sorted(folder.rglob("*.table.json")):
        name = table.relative_to(folder).as_posix().rsplit("_", 2)[0]
        for step, text in json.loads(table.read_text())["data"]:
            stored.add_text(name, step, text)
    return stored


def trackio(run: Path) -> Stored:
    """The local store of trackio (in ``TRACKIO_DIR``), by its ``Api``."""
    from trackio.api import Api
    from trackio.sqlite_storage import SQLiteStorage

    stored = Stored()
    (project,) = SQLiteStorage.get_projects()
    (kept,) = Api().runs(project)
    for entry in SQLiteStorage.get_logs(project, kept.name):
        step = int(entry["train/global_step"])
        for name, value in entry.items():
            if isinstance(value, dict) and value.get("_type") == "trackio.markdown":
                stored.add_text(name, step, value["_value"])
            elif isinstance(value, int | float) and name not in ("step", "train/global_step"):
                stored.add(name, step, value)
    return stored


def mlflow(run: Path) -> Stored:
    """The store of MLflow (in ``MLFLOW_TRACKING_URI``), by its client."""
    from mlflow import MlflowClient, artifacts

    client, stored = MlflowClient(), Stored()
    experiments = [one.experiment_id for one in client.search_experiments()]
    (kept,) = client.search_runs(experiments)
    for name in kept.data.metrics:
        for metric in client.get_metric_history(kept.info.run_id, name):
            stored.add(name, metric.step, metric.value)
    for top in client.list_artifacts(kept.info.run_id):
        for path in _files(client, kept.info.run_id, top):
            name, file = path.rsplit("/", 1)
            step = int(file.removeprefix("step-").removesuffix(".md"))
            stored.add_text(name, step, artifacts.load_text(f"{kept.info.artifact_uri}/{path}"))
    return stored


def _files(client: Any, run: str, entry: Any) -> list[str]:
    if not entry.is_dir:
        return [entry.path]
    return [path for below in client.list_artifacts(run, entry.path) for path in _files(client, run, below)]


READERS: dict[str, Callable[[Path], Stored]] = {
    "tensorboard": tensorboard,
    "wandb": wandb,
    "trackio": trackio,
    "mlflow": mlflow,
}


if __name__ == "__main__":
    _tracker, _run, *_server = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    os.environ.update(environment(_tracker, _run.parent))
    if _server:
        os.environ["MLFLOW_TRACKING_URI"] = _server[0]
    print("STORED " + json.dumps(asdict(READERS[_tracker](_run))))
