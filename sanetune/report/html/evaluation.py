"""What lm-eval measured of a run's models, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.report.evaluation import difference_text, score_name, score_text
from sanetune.workflows.evaluating.result import fresh_scores, read_evaluation, score_rows

if TYPE_CHECKING:
    from sanetune.runs import Run


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """Numbers of the models as they are now.

    Attributes:
        text: What they are of, in a sentence.
        models: Names of the models.
        rows: Name of each number, its value for each model, and the difference.
    """

    text: str
    models: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str], str]]


def evaluation_of(run: Run) -> EvaluationView | None:
    """Return what ``evaluation.json`` has of the weights that are in the run now; None where there is nothing.

    The base's files are not read: a page is made on machines that do not have them.
    """
    found = read_evaluation(run)
    if found is None:
        return None
    models, old = fresh_scores(run, None)
    rows = [
        (
            score_name(row),
            ["-" if one is None else score_text(one) for one in row.scores],
            "; ".join(difference_text(one) for one in row.differences if one is not None),
        )
        for row in score_rows(models)
    ]
    if not rows and not old:
        return None
    limit = "all documents" if found.limit is None else f"at most {units.many(found.limit, 'document')}"
    return EvaluationView(f"lm-eval {found.lm_eval}, {limit} of a task{'; ' + old if old else ''}", list(models), rows)
