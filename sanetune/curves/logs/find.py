"""Find the logs of runs in a file or a folder, whatever program wrote them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from sanetune import units
from sanetune.curves.changes import last_step
from sanetune.curves.logs import (
    csv_files,
    from_scratch,
    json_files,
    json_lists,
    metrics,
    model_card,
    notebook,
    passes,
    tensorboard_events,
    text_file,
    trainer_state,
    wandb_run,
)
from sanetune.curves.logs.below import runs_below
from sanetune.curves.logs.decoded import decoded, text_of
from sanetune.curves.logs.log import FORMATS, RATIONALE, Log
from sanetune.errors import DataError, Place, RunError, UserError
from sanetune.runs import Run
from sanetune.text import shortest_path

TRAINER_STATE, METRICS, TRAINER_LOG = "trainer_state.json", "metrics.jsonl", "trainer_log.jsonl"
OTHERS = (".wandb", ".jsonl")
"""Endings of files that are told by their names."""
OF_SEVERAL: dict[str, Callable[[Path], list[Log]]] = {
    ".csv": csv_files.read,
    ".tsv": csv_files.read,
    ".ipynb": notebook.read,
}
"""Those of files that may have several logs, and their readers."""
HEAD = 4096
"""Bytes of a file that are read to see what it is."""

Reader = Callable[[Path], Log]


def logs(path: Path) -> list[Log]:
    """Return the logs in ``path``: usually one; several for a chart of several runs, a folder of several, or a file to
    which several were appended.

    Args:
        path: A file, a run's output folder, a checkpoint, or a folder of a tracker.

    Raises:
        DataError: There is none, or it cannot be read.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        # Its beginning would be gone once it had been read to see what it is, and a pipe without a writer never ends.
        raise DataError("a pipe or device is not read", RATIONALE, "Save the log to a file first.", Place(path))
    found = _in_folder(path) if path.is_dir() else _in_file(path)
    return [from_scratch.marked(part) for log in found for part in passes.parted(log)]


def _in_file(path: Path) -> list[Log]:
    if several := OF_SEVERAL.get(path.suffix.lower()):
        return several(path)
    head = decoded(_head(path)).lstrip().replace("\r\n", "\n")
    if path.suffix not in OTHERS and not _is_json(path, head) and "tfevents" not in path.name:
        return text_file.read(path)
    try:
        return [_one(path, head)]
    except DataError:
        # What begins as JSON may be a part of it, with no more than a text's claim to a form.
        found = (
            []
            if path.suffix in (*OTHERS, ".json") or "tfevents" in path.name
            else text_file.runs_in(path, text_of(path))
        )
        if not found:
            raise
        return found


def _is_json(path: Path, head: str) -> bool:
    return path.suffix == ".json" or head.startswith(("{\n", "[{", "[\n", '{"'))


def _of_lines(head: str) -> bool:
    """Whether a first line is a whole JSON object and another one begins."""
    first, _, rest = head.partition("\n")
    return first.startswith('{"') and first.rstrip().endswith("}") and rest.lstrip().startswith("{")


def _one(path: Path, head: str) -> Log:
    if "tfevents" in path.name:
        return tensorboard_events.read(path)
    if path.suffix == ".wandb":
        return wandb_run.read(path)
    if path.name == METRICS and metrics.is_ours(path):
        return metrics.read(path)
    if path.suffix == ".jsonl" or _of_lines(head):
        return json_files.read_lines(path)
    if path.suffix == ".json" or head.startswith(("{\n", "[{", "[\n")):
        return _of_json(path, json_files.read_list if head.startswith("[") else trainer_state.read)
    return json_files.read_lines(path)


def _of_json(path: Path, usual: Reader) -> Log:
    """What the ``usual`` reader finds in a JSON file, or the forms that loops write."""
    try:
        return usual(path)
    except DataError:
        if found := json_lists.read(path, json_files.loaded(path)):
            return found
        raise


def _in_folder(folder: Path) -> list[Log]:
    """What a run's folder holds: our own record, else the log that goes furthest, else those of several runs."""
    ours = folder / METRICS
    if ours.is_file() and metrics.is_ours(ours):
        return [metrics.read(ours)]
    if ours.is_file() and Run(folder).state.is_file():
        return [replace(log, notes=(*log.notes, _damaged(ours, log))) for log in _of_others(folder)]
    return _of_others(folder)


def _damaged(ours: Path, log: Log) -> str:
    size = ours.stat().st_size
    content = f"has no record in its {units.many(size, 'byte')}" if size else "is empty"
    return f"{ours.name} {content} and is not read; read instead: {shortest_path(log.path)}."


def _of_others(folder: Path) -> list[Log]:
    runs, states = runs_below(folder), _states(folder)
    trackers = [
        [one for one in some if not any(one[1].is_relative_to(run) for run in runs)] for some in _trackers(folder)
    ]
    alone = [some[0] for some in trackers if len(some) == 1] if states or not runs else []
    starts = [path for _, path in trackers[0] if path.parent == folder / "runs"] if states else []
    if len(starts) > 1:
        # Each start of a Trainer has a folder runs/DATE_HOST of its own.
        alone.append((lambda _: tensorboard_events.read_starts(starts), folder / "runs"))
    if found := _furthest([*states, *alone]):
        return [found]
    several = {path: reader for some in trackers for reader, path in some}
    return _readable(folder, runs, several)


def _readable(folder: Path, runs: Iterable[Path], trackers: Mapping[Path, Reader]) -> list[Log]:
    """The logs of several runs in ``folder``, by the folders of ``runs`` and the files that ``trackers`` wrote outside
    of those; of one that cannot be read a note says why. Where none can, the first error is raised."""
    found: list[Log] = []
    errors: list[UserError] = []
    for path in sorted([*runs, *trackers]):
        try:
            found += [trackers[path](path)] if path in trackers else _in_folder(path)
        except (DataError, RunError) as error:
            errors.append(error)
    if not found and errors:
        raise errors[0]
    if not found:
        return _in_card(folder)
    unread = tuple(f"Not read: {error.headline}." for error in errors)
    return [replace(found[0], notes=(*found[0].notes, *unread)), *found[1:]]


def _in_card(folder: Path) -> list[Log]:
    """What the model card in a folder shows, where nothing else is there, as in a model from the Hub."""
    with contextlib.suppress(DataError):
        if found := model_card.tables_in(folder / model_card.NAME, text_of(folder / model_card.NAME)):
            return found
    raise DataError("there is no log of a run in this folder", RATIONALE, FORMATS, Place(folder))


def _states(folder: Path) -> list[tuple[Reader, Path]]:
    """Logs that a trainer keeps in the folder of its run: in its checkpoints, and in the folder itself where it came to
    its end."""
    states = [folder / TRAINER_STATE, *(one / TRAINER_STATE for one in checkpoints(folder)[-1:])]
    found: list[tuple[Reader, Path]] = [(trainer_state.read, one) for one in states if one.is_file()]
    return [*found, (json_files.read_lines, folder / TRAINER_LOG)] if (folder / TRAINER_LOG).is_file() else found


def _trackers(folder: Path) -> list[list[tuple[Reader, Path]]]:
    """What each tracker has written in the folder and below."""
    return [
        [(tensorboard_events.read, one) for one in tensorboard_events.folders(folder)],
        [(wandb_run.read, one) for one in wandb_run.files(folder)],
    ]


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a run's folder (``checkpoint-N``, ours in ``checkpoints/``), by rising step."""
    found = [*folder.glob("checkpoint-*"), *folder.glob("checkpoints/checkpoint-*")]
    steps = {one: one.name.removeprefix("checkpoint-") for one in found if one.is_dir()}
    return sorted((one for one, step in steps.items() if step.isdigit()), key=lambda one: int(steps[one]))


def _furthest(candidates: Iterable[tuple[Reader, Path]]) -> Log | None:
    """The log with the latest step, the first of equals; None where none can be read. The error of the first is raised
    where there are logs and none can be read. Where it does not say how many steps were planned, another one may."""
    found: list[tuple[int, Log]] = []
    error: DataError | None = None
    for reader, path in candidates:
        try:
            log = reader(path)
        except DataError as failed:
            error = error or failed
            continue
        found.append((last_step(log.curve()), log))
    if not found:
        if error is not None:
            raise error
        return None
    reached, best = max(found, key=lambda one: one[0])
    planned = [log.total_steps for _, log in found if log.total_steps and log.total_steps >= reached]
    return best if best.total_steps or not planned else replace(best, total_steps=planned[0])


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise DataError(f"the log cannot be read: {error.strerror or error}", RATIONALE, FORMATS, Place(path)) from None
