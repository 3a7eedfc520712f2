"""What TensorBoard, W&B, trackio and MLflow have of a real run, read back with their own libraries, and broken ones.

A short run of the command line with each tracker that is installed: every loss, learning rate, gradient norm and
validation loss of ``metrics.jsonl`` is looked for in the tracker's store, and the texts of findings and answers too.
Then each tracker fails or hangs at one event, or has a server that never answers: the run has to end by itself, with
exit code 0, a warning, its model, and the records of a run without a tracker. ``--results FOLDER`` keeps the runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench.figures import show
from bench.trackers.running import GARBAGE, Ran, closed_port, run, silent_server
from bench.trackers.servers import mlflow_server, strike_at_a_record
from bench.trackers.stores import NAMES, READERS, Stored

TOLERANCE = 1e-6
"""Of a value, relative: TensorBoard keeps 32 bits."""
EVENTS = (("fails", "on_log"), ("fails", "text"), ("hangs", "on_train_begin"), ("hangs", "on_train_end"))
"""How a tracker breaks, and where."""
SERVERS = {
    "wandb": ("WANDB_BASE_URL", {"WANDB_MODE": "online", "WANDB_API_KEY": "0" * 40}),
    "mlflow": ("MLFLOW_TRACKING_URI", {}),
    "trackio": ("TRACKIO_SERVER_URL", {"TRACKIO_WRITE_TOKEN": "token"}),
}
"""Tracker -> variable of its server's address, and what it wants beside it."""
SERVED = "mlflow server"
KEPT_LOCALLY = "Some logs could not be sent to the remote server"
TIMES = ("seconds", "tokens_per_second", "loss_tokens_per_second")
"""What no two runs have alike."""


def stored_by(tracker: str, folder: Path, *server: str) -> Stored:
    """What the tracker's own library reads, in a process of its own; from its ``server``, where there is one."""
    command = [sys.executable, "-m", "bench.trackers.stores", tracker, str(folder), *server]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    found = [line for line in done.stdout.splitlines() if line.startswith("STORED ")]
    if not found:
        raise RuntimeError(f"{tracker} was not read back:\n{done.stderr[-2000:]}")
    plain = json.loads(found[-1].removeprefix("STORED "))
    values = {name: {int(step): value for step, value in kept.items()} for name, kept in plain["values"].items()}
    return Stored(values, {name: [(step, text) for step, text in some] for name, some in plain["texts"].items()})


def values_of(ran: Ran, tracker: str) -> Iterator[tuple[str, int, float]]:
    """Name, step and value of all that a tracker has to have of a run."""
    loss, lr, norm, held_out = NAMES[tracker]
    for record in ran.records:
        if record["kind"] == "validation":
            yield held_out, record["step"], float(record["loss"])
        else:
            for name, key in ((loss, "loss"), (lr, "learning_rate"), (norm, "grad_norm")):
                yield name, record["step"], float(record[key])


def read_back(ran: Ran, tracker: str, stored: Stored) -> dict[str, Any]:
    """Compare a store with the files of the run."""
    wanted = list(values_of(ran, tracker))
    lacking, other = 0, []
    for name, step, value in wanted:
        kept = stored.values.get(name, {}).get(step)
        if kept is None:
            lacking += 1
        elif not math.isclose(kept, value, rel_tol=TOLERANCE):
            other.append((name, step, value, kept))
    found = json.loads((ran.folder / "watch.json").read_text())["findings"]
    answers = [json.loads(line) for line in (ran.folder / "samples.jsonl").read_text().splitlines()]
    return {
        "tracker": tracker,
        "code": ran.code,
        "values": len(wanted),
        "lacking": lacking,
        "other": other,
        "findings": [len(found), sum(_has_finding(stored, one) for one in found)],
        "answers": [len(answers), sum(_has_answers(stored, one) for one in answers)],
    }


def _has_finding(stored: Stored, finding: dict[str, Any]) -> bool:
    """Whether there is a text of its step with its message and the lines of the rows behind it."""
    texts = [text for step, text in stored.texts.get(f"watch/{finding['check']}", []) if step == finding["step"]]
    lines = [f"train.jsonl:{number + 1}" for number in GARBAGE] if finding["check"] == "curve-spike" else []
    return len(texts) == 1 and finding["what"] in texts[0] and all(line in texts[0] for line in lines)


def _has_answers(stored: Stored, asked: dict[str, Any]) -> bool:
    texts = [text for step, text in stored.texts.get("samples", []) if step == asked["step"]]
    return len(texts) == 1 and all(one["prompt"] in texts[0] and one["answer"] in texts[0] for one in asked["samples"])


def broken(folder: Path, tracker: str, plain: Ran, cases: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Runs whose tracker is broken, each compared with a run without one."""
    for how, event in cases:
        server = silent_server() if event == "a server that never answers" else nullcontext(closed_port())
        more: dict[str, str] | None = None
        with server as address:
            if how == "has":
                variable, beside = SERVERS[tracker]
                more = {variable: address, **beside}
            ran = run(folder / f"{tracker}-{how}-{event.replace(' ', '-')}", tracker, how="" if more else how,
                      event=event, more=more)  # fmt: skip
        yield judged(ran, plain, tracker) | {"tracker": tracker, "case": f"{how} {event}"}


def with_server(folder: Path, plain: Ran) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Runs that a real MLflow server follows: read back from it, and judged where it dies or hangs at a record."""
    variable, _ = SERVERS["mlflow"]
    for case, how in (("", None), ("dies", signal.SIGKILL), ("hangs", signal.SIGSTOP)):
        place = folder / f"mlflow-server{case and '-'}{case}"
        with mlflow_server(place / "server") as (address, process):
            if how is not None:
                strike_at_a_record(place / "run", process, how)
            ran = run(place, "mlflow", more={variable: address}, sound=how is None)
            if how is None:
                yield read_back(ran, "mlflow", stored_by("mlflow", ran.folder, address)) | {"tracker": SERVED}, None
        if how is not None:
            yield None, judged(ran, plain, "mlflow") | {"tracker": SERVED, "case": f"{case} at a record"}


def judged(ran: Ran, plain: Ran, tracker: str) -> dict[str, Any]:
    """Whether a run with a broken tracker is the run without it, but for a warning."""
    lines = ran.output.splitlines()
    # trackio says by itself that a server is not there, and keeps what it cannot send.
    notes = [line for line in lines if line.lstrip("! ").startswith(f"{tracker} ") or KEPT_LOCALLY in line]
    same = [_lasting(one) for one in ran.records] == [_lasting(one) for one in plain.records]
    return {
        "code": ran.code,
        "warnings": len(notes),
        "warning": notes[0].strip() if notes else "",
        "records": same,
        "model": (ran.folder / "model" / "model.safetensors").is_file(),
        "waited": round(ran.waited, 1),
        "lingered": round(ran.lingered, 1),
        "right": ran.code == 0 and len(notes) == 1 and same and (ran.folder / "model").is_dir(),
    }


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in TIMES}


def cases_of(tracker: str, quick: bool) -> list[tuple[str, str]]:
    """The ways in which a tracker is broken."""
    servers = [("has", "a server that never answers"), ("has", "a server that is not there")]
    return list(EVENTS[:1] if quick else EVENTS) + (servers if tracker in SERVERS and not quick else [])


def main() -> int:
    """Make the runs, print both tables, and return 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="TensorBoard alone, and one way to break it")
    parser.add_argument("--only", nargs="+", choices=sorted(READERS), help="these trackers")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep the runs, and go on from there")
    options = parser.parse_args()
    names = options.only or (["tensorboard"] if options.quick else list(READERS))
    installed = [name for name in names if importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.results or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        read, breaks = _all(folder, installed, quick=options.quick)
    rows = [
        [one["tracker"], one["values"], one["lacking"], len(one["other"]), *(f"{b} of {a}" for a, b in _texts(one))]
        for one in read
    ]
    figures = {"read": read, "broken": breaks, "not installed": sorted(set(names) - set(installed))}
    columns = ["tracker", "values", "lacking", "other", "findings", "answers"]
    show("Read back with the tracker's own library", columns, rows, {}, None)
    rows = [[one["tracker"], one["case"], one["code"], one["warnings"], one["records"], one["waited"], one["lingered"]]
            for one in breaks]  # fmt: skip
    columns = ["tracker", "that", "exit code", "warnings", "records as without", "waits, s", "lingers, s"]
    show("Broken trackers", columns, rows, figures, options.json)
    for name in figures["not installed"]:
        print(f"{name} is not installed, and was left out")
    return int(not all(map(_right, read)) or not all(one["right"] for one in breaks))


def _all(folder: Path, installed: list[str], *, quick: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    plain = run(folder / "none")
    if plain.code != 0:
        raise RuntimeError(plain.output[-3000:])
    read, breaks = [], []
    for tracker in installed:
        ran = run(folder / tracker, tracker)
        read.append(read_back(ran, tracker, stored_by(tracker, ran.folder)))
        kept = folder / f"{tracker}-broken.json"
        if not kept.is_file():
            kept.write_text(json.dumps(list(broken(folder, tracker, plain, cases_of(tracker, quick)))))
        breaks += json.loads(kept.read_text())
    if "mlflow" in installed and not quick:
        kept = folder / "mlflow-server.json"
        if not kept.is_file():
            kept.write_text(json.dumps(list(with_server(folder, plain))))
        for back, broke in json.loads(kept.read_text()):
            read, breaks = read + [back] * bool(back), breaks + [broke] * bool(broke)
    return read, breaks


def _texts(one: dict[str, Any]) -> Iterator[tuple[int, int]]:
    for kind in ("findings", "answers"):
        wanted, found = one[kind]
        yield wanted, found


def _right(one: dict[str, Any]) -> bool:
    whole = all(wanted == found and wanted for wanted, found in _texts(one))
    return one["code"] == 0 and one["values"] > 0 and not one["lacking"] and not one["other"] and whole


if __name__ == "__main__":
    raise SystemExit(main())
