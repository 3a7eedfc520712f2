"""What lm-eval measured of a run's models, as ``evaluation.json`` has it, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.curves.paired import PairedDifference
from sanetune.typed_json import from_json, to_json
from sanetune.workflows.evaluating.weights import WeightsStamp

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.runs import Run

SCHEMA = 1
BASE, TUNED = "base", "tuned"


@dataclass(frozen=True, slots=True)
class Score:
    """One number of a task.

    Attributes:
        task: Its name in lm-eval.
        metric: As lm-eval calls it, with its filter where it has one: ``exact_match, strict-match``.
        value: Over all documents.
        higher_is_better: None: the task does not say.
        documents: The value of each document; none where the metric is no mean over documents.
        rows: Digest of the documents, in their order.
    """

    task: str
    metric: str
    value: float
    higher_is_better: bool | None = None
    documents: tuple[float, ...] = ()
    rows: str = ""

    @property
    def std_error(self) -> float | None:
        """Standard error over the documents; None where that is not known."""
        found = PairedDifference.of(self.documents, [1.0] * len(self.documents))
        return found.std_error if found else None


@dataclass(frozen=True, slots=True)
class ModelScores:
    """What was measured of one model.

    Attributes:
        weights: Which weights they were.
        scores: In the order of the tasks.
        chat: Whether prompts were put into the chat template.
        seconds: How long it took.
    """

    weights: WeightsStamp
    scores: tuple[Score, ...]
    chat: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What ``evaluation.json`` holds.

    Attributes:
        tasks: Names, or files of tasks.
        limit: Documents of each task, at most; None: all.
        lm_eval: Version of lm-eval.
        models: ``base`` and ``tuned``.
        files: Hashes of the files of the user's own tasks, by their path.
    """

    tasks: tuple[str, ...]
    limit: int | None
    lm_eval: str
    models: dict[str, ModelScores] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One number of several models.

    Attributes:
        task: Name of the task.
        metric: Name of the number.
        scores: Of each model; None: it was not measured.
        differences: Of each model from the first, over the same documents; None: not known.
    """

    task: str
    metric: str
    scores: tuple[Score | None, ...]
    differences: tuple[PairedDifference | None, ...]


def score_rows(models: Mapping[str, ModelScores]) -> list[ScoreRow]:
    """Return the numbers that at least two of ``models`` have, or all of one model."""
    found = [{(one.task, one.metric): one for one in model.scores} for model in models.values()]
    keys = dict.fromkeys(key for scores in found for key in scores)
    rows = []
    for key in keys:
        scores = tuple(one.get(key) for one in found)
        if sum(one is not None for one in scores) >= min(2, len(found)):
            rows.append(ScoreRow(*key, scores, tuple(_difference(scores[0], one) for one in scores)))
    return rows


def _difference(first: Score | None, other: Score | None) -> PairedDifference | None:
    """By how much ``other`` is higher; None where they are not of the same documents, or are one and the same."""
    if first is None or other is None or first is other or not first.rows or first.rows != other.rows:
        return None
    if len(first.documents) != len(other.documents):
        return None
    return PairedDifference.of(
        [b - a for a, b in zip(first.documents, other.documents, strict=True)], [1.0] * len(first.documents)
    )


def write_evaluation(run: Run, found: Evaluation) -> None:
    """Write ``evaluation.json``."""
    run.write_json(run.evaluation, {"schema": SCHEMA, **to_json(found)})


def read_evaluation(run: Run) -> Evaluation | None:
    """Return what ``evaluation.json`` holds, of whatever weights; None where there is none that can be read."""
    try:
        return from_json(Evaluation, json.loads(run.evaluation.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def fresh_scores(run: Run, config: Config | None) -> tuple[dict[str, ModelScores], str]:
    """Return what was measured of the models as they are now, and in words what is old.

    Args:
        run: The run.
        config: Its configuration, which names the base; None: the base counts as it is.
    """
    found = read_evaluation(run)
    if found is None:
        return {}, ""
    kept = {name: one for name, one in found.models.items() if _is_fresh(name, one, run, config)}
    old = [name for name in found.models if name not in kept]
    if not old:
        return kept, ""
    return kept, f"evaluation.json was measured on other weights than {' and '.join(old)} has now, and is not shown"


def _is_fresh(name: str, found: ModelScores, run: Run, config: Config | None) -> bool:
    if name == TUNED:
        return found.weights.still(str(run.model))
    return name == BASE and (config is None or found.weights.still(config.model.name, config.model.revision))
