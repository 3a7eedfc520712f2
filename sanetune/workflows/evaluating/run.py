"""Evaluates the models of a run, one after another, into ``evaluation.json``."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.errors import UserError
from sanetune.events import EvaluationEnded, EvaluationStarted, EvaluationStep, Note, Publish, bracket, silent
from sanetune.text import shortest_path
from sanetune.workflows.compare import load_model_of
from sanetune.workflows.evaluating.followed import Progress
from sanetune.workflows.evaluating.harness import KEY, Tasks, evaluate, require_harness, seconds_left
from sanetune.workflows.evaluating.result import (
    BASE,
    TUNED,
    Evaluation,
    ModelScores,
    fresh_scores,
    read_evaluation,
    write_evaluation,
)
from sanetune.workflows.evaluating.task_files import task_files
from sanetune.workflows.evaluating.weights import WeightsStamp

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.config.schema import Config
    from sanetune.runs import Run
    from sanetune.workflows.evaluating.result import Score

SIDES = (BASE, TUNED)
LONG = 60.0
"""Seconds from which on it is said how long an evaluation will take."""


def evaluate_run(
    run: Run,
    config: Config,
    tasks: Sequence[str],
    limit: int | None = None,
    publish: Publish = silent,
    sides: Sequence[str] = SIDES,
    *,
    asked: str = KEY,
) -> Evaluation:
    """Measure the models of a finished run, and write ``evaluation.json`` after each of them.

    What is there already, of the same weights, tasks and files of tasks, is not measured again.

    Args:
        run: The run.
        config: Its resolved configuration.
        tasks: Names of lm-eval's tasks, or paths of YAML files or folders.
        limit: Documents of each task, at most; None: all.
        publish: Gets the progress.
        sides: ``base``, ``tuned``, or both.
        asked: The key or the option that names the tasks.

    Raises:
        ConfigError: lm-eval is not installed, or has no such task.
    """
    require_harness(tasks, config.place(KEY) if asked == KEY else None, asked)
    version = importlib.metadata.version("lm-eval")
    found = Evaluation(tuple(tasks), limit, version, files=task_files(tasks))
    before = read_evaluation(run)
    if before is not None and replace(before, models={}) == found:
        found = replace(found, models=fresh_scores(run, config)[0])
    missing = [side for side in sides if side not in found.models]
    if not missing:
        return found
    chosen = Tasks(tasks, asked)
    for side in missing:
        with bracket(publish, EvaluationStarted(side), EvaluationEnded()):
            made = _measured(run, config, chosen, limit, publish, tuned=side == TUNED)
        models = {name: one for name in SIDES if (one := made if name == side else found.models.get(name))}
        found = replace(found, models=models)
        write_evaluation(run, found)
    return found


def evaluate_after_training(run: Run, config: Config, model: PreTrainedModel | None, publish: Publish) -> None:
    """Do what ``run.evaluate`` says at the end of a run. Whatever goes wrong is a note: the model is saved.

    Args:
        run: The run.
        config: Its resolved configuration.
        model: The tuned model, which makes room meanwhile.
        publish: Gets progress and notes.
    """
    tasks = config.run.evaluate
    if not tasks:
        return
    words = shlex.join([shortest_path(run.path), *(word for task in tasks for word in ("--evaluate", task))])
    again = f"the model is saved; to measure it again: sanetune compare {words}"
    try:
        with _on_the_processor(model):
            evaluate_run(run, config, tasks, config.run.evaluate_limit, publish)
    except KeyboardInterrupt:
        publish(Note(f"the evaluation by lm-eval was stopped; {again}"))
    except UserError as error:
        publish(Note(f"the evaluation by lm-eval failed: {error.message} {error.remedy}; {again}"))
    except Exception as error:  # noqa: BLE001 -- tasks are programs of others, and read files from the Hub
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        publish(Note(f"the evaluation by lm-eval failed: {reason}; {again}"))


def _measured(
    run: Run, config: Config, tasks: Tasks, limit: int | None, publish: Publish, *, tuned: bool
) -> ModelScores:
    """Load a model, measure it, and let it go."""
    side, began = (TUNED if tuned else BASE), time.monotonic()
    said = False

    def progress(done: int, total: int) -> None:
        nonlocal said
        left = seconds_left(began, done, total)
        publish(EvaluationStep(side, done, total, left))
        if not said and left > LONG:
            said = True
            publish(Note(f"lm-eval: {total:,} requests to {side}, about {units.seconds(left)} more"))

    tokenizer = _tokenizer(run, config, tuned=tuned)
    stamp = WeightsStamp.of(str(run.model)) if tuned else WeightsStamp.of(config.model.name, config.model.revision)
    model = load_model_of(run, config, tokenizer, tuned=tuned)
    try:
        scores = _scores(model, tokenizer, tasks, limit, progress)
    finally:
        del model
        gc.collect()
    chat = bool(getattr(tokenizer, "chat_template", None))
    return ModelScores(stamp, scores, chat, time.monotonic() - began)


def _scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tasks: Tasks, limit: int | None, progress: Progress
) -> tuple[Score, ...]:
    """What is measured; one request at a time where the memory does not suffice for more."""
    try:
        return evaluate(model, tokenizer, tasks, limit, progress)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    gc.collect()
    return evaluate(model, tokenizer, tasks, limit, progress, batch=1)


def _tokenizer(run: Run, config: Config, *, tuned: bool) -> PreTrainedTokenizerBase:
    """Each model's own, with its own chat template: a base without one is asked in plain text."""
    from transformers import AutoTokenizer

    from sanetune.data.model_files import locate
    from sanetune.engine.library_logs import quiet

    where = locate(str(run.model)) if tuned else locate(config.model.name, config.model.revision)
    with quiet():
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            where.name, **where.keywords, trust_remote_code=config.model.trust_remote_code
        )
    return found


@contextlib.contextmanager
def _on_the_processor(model: PreTrainedModel | None) -> Iterator[None]:
    """Keep ``model`` in main memory within, so that there is room for another on the device."""
    device = None if model is None else next(model.parameters()).device
    if model is None or device is None or device.type == "cpu" or getattr(model, "quantization_method", None):
        yield
        return
    model.to("cpu")
    try:
        yield
    finally:
        model.to(device)
