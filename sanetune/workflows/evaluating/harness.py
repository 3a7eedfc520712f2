"""Run lm-eval on a model that is loaded: which tasks there are, and what it measures."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.paths import is_task_file
from sanetune.engine.library_logs import quiet
from sanetune.errors import ConfigError
from sanetune.rng import kept_random_states
from sanetune.text import did_you_mean
from sanetune.workflows.evaluating.followed import Progress, followed
from sanetune.workflows.evaluating.result import Score

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.errors import Place

KEY = "run.evaluate"
"""Where a configuration names tasks; a command has an option for them."""
BATCH = 8
"""Requests of one pass; one at a time where the memory does not suffice."""
SEED = 1234
"""Of the choice of examples that are shown in a prompt: lm-eval's own default."""


def require_harness(tasks: Sequence[str], place: Place | None = None, asked: str = KEY) -> None:
    """Check that lm-eval is installed and that files of tasks are there.

    Args:
        tasks: Names, folders or files.
        place: Where they are written; None: in no file.
        asked: The key or the option that names them.

    Raises:
        ConfigError: It is not, or they are not.
    """
    import importlib.util

    if not tasks:
        return
    if importlib.util.find_spec("lm_eval") is None:
        raise ConfigError(
            f"{asked} needs lm-eval, which is not installed",
            "The run would end without what you want to know of it." if asked == KEY else "Nothing else measures it.",
            f"pip install 'sanetune[evaluate]', or leave {asked} out.",
            place,
        )
    for name in tasks:
        if is_task_file(name) and not yaml_files(Path(name)):
            raise ConfigError(
                f"{asked}: there is no task file in {name}",
                f"A path in {asked} is a YAML file of a task, or a folder with some.",
                "Give such a path, or the name of one of lm-eval's own tasks.",
                place,
            )


def yaml_files(path: Path) -> list[Path]:
    """Return the YAML files of a folder, or the file itself; none where there is nothing."""
    if path.is_file():
        return [path]
    return sorted(path.glob("**/*.yaml")) if path.is_dir() else []


class Tasks:
    """The chosen tasks: lm-eval's own by name, and those in files.

    Args:
        names: Names, folders or files.
        asked: The key or the option that names them.

    Raises:
        ConfigError: A name is not known, or a file holds no task.
    """

    def __init__(self, names: Sequence[str], asked: str = KEY) -> None:
        self.asked = asked
        with _silent():
            from lm_eval.tasks import TaskManager

            folders = [Path(name) if Path(name).is_dir() else Path(name).parent for name in names if is_task_file(name)]
            # Reading the names of lm-eval's own tasks takes seconds.
            own = any(not is_task_file(name) for name in names)
            self.manager: TaskManager = TaskManager(include_path=list(folders) or None, include_defaults=own)
        self.names = [task for name in names for task in self._named(name)]

    def _named(self, name: str) -> list[str]:
        index = self.manager.task_index
        if not is_task_file(name):
            if name in index:
                return [name]
            raise ConfigError(
                f"{self.asked}: lm-eval has no task {name!r}",
                remedy=f"{did_you_mean(name, list(index))}`lm_eval ls tasks` lists them; a folder of YAML files may "
                "be given too.",
            )
        files = {path.resolve() for path in yaml_files(Path(name))}
        found = [one for one, entry in index.items() if entry.yaml_path and Path(entry.yaml_path).resolve() in files]
        if not found:
            raise ConfigError(f"{self.asked}: {name} holds no task", remedy="A task's YAML file has the key `task`.")
        return found


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tasks: Tasks,
    limit: int | None,
    progress: Progress,
    batch: int = BATCH,
) -> tuple[Score, ...]:
    """Measure ``model``; random states are put back.

    Args:
        model: The model.
        tokenizer: With its chat template, which is used where there is one.
        tasks: What is measured.
        limit: Documents of each task, at most; None: all.
        progress: Called with the requests that are done, and all of them.
        batch: Requests of one pass.
    """
    on_progress = _outside(progress)
    with kept_random_states(), _silent():
        import lm_eval.evaluator

        loaded = tasks.manager.load(tasks.names)
        for task in loaded["tasks"].values():
            if task.get_config("num_fewshot") is None:
                task.set_config(key="num_fewshot", value=0)
            task.set_fewshot_seed(seed=SEED)
        model.eval()
        found = lm_eval.evaluator.evaluate(
            lm=followed(model, tokenizer, batch, on_progress),
            task_dict=loaded,
            limit=limit,
            # Errors are those of the documents' own values.
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=bool(getattr(tokenizer, "chat_template", None)),
            fewshot_as_multiturn=True,
        )
    return scores_of(found)


def scores_of(found: Mapping[str, Any]) -> tuple[Score, ...]:
    """Return the numbers of lm-eval's results, those of groups too."""
    made: list[Score] = []
    samples = found.get("samples") or {}
    better = found.get("higher_is_better") or {}
    for part in ("results", "groups"):
        for task, values in (found.get(part) or {}).items():
            for key, value in values.items():
                metric, _, name = key.partition(",")
                number = _number(value)
                if (
                    not name
                    or metric.endswith("_stderr")
                    or number is None
                    or any((one.task, one.metric) == (task, _metric(metric, name)) for one in made)
                ):
                    continue
                some = [one for one in samples.get(task, ()) if one.get("filter") == name]
                documents = _documents(some, metric, number)
                rows = hashlib.sha256("".join(str(one["doc_hash"]) for one in some).encode()).hexdigest()[:16]
                high = (better.get(task) or {}).get(metric)
                made.append(Score(task, _metric(metric, name), number, high, documents, rows if documents else ""))
    return tuple(made)


def _metric(metric: str, name: str) -> str:
    return metric if name == "none" else f"{metric}, {name}"


def _documents(samples: Sequence[Mapping[str, Any]], metric: str, value: float) -> tuple[float, ...]:
    """The documents' own values; none where their mean is not the task's number."""
    found = [_number(one.get(metric)) for one in samples]
    if not found or any(one is None for one in found):
        return ()
    numbers = tuple(one for one in found if one is not None)
    return numbers if math.isclose(sum(numbers) / len(numbers), value, rel_tol=1e-6, abs_tol=1e-9) else ()


def _number(value: object) -> float | None:
    """A finite number, numpy's too; None for anything else."""
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """lm-eval's log and bars stay silent within; errors are raised as ever."""
    logs = logging.getLogger("lm_eval")
    level = logs.level
    logs.setLevel(logging.ERROR)
    try:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logs.setLevel(level)


def _outside(progress: Progress) -> Progress:
    """``progress`` with the standard error that is redirected within."""
    outside = sys.stderr

    def on_progress(done: int, total: int) -> None:
        with contextlib.redirect_stderr(outside):
            progress(done, total)

    return on_progress


def seconds_left(began: float, done: int, total: int) -> float:
    """Return the seconds that the rest takes, if it takes as long as what is done.

    Args:
        began: By ``time.monotonic``.
        done: Requests that are done, at least one.
        total: All of them.
    """
    return (time.monotonic() - began) / done * (total - done)
