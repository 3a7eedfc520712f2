"""Results of lm-eval, made up."""

from __future__ import annotations

from pathlib import Path

from sanetune.runs import Run
from sanetune.workflows.evaluating.result import Evaluation, ModelScores, Score, write_evaluation
from sanetune.workflows.evaluating.weights import WeightsStamp


def score(*documents: float, task: str = "sums", rows: str = "same") -> Score:
    """A mean over documents."""
    return Score(task, "exact_match", sum(documents) / len(documents), True, documents, rows)


def model(folder: Path, content: str = "weights") -> Path:
    """A folder that has the files of a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text(content)
    return folder


def evaluated(run: Run, base: Path, *scores: Score) -> Evaluation:
    """``evaluation.json`` of the weights that base and run have now; the first score is the base's."""
    models = {
        name: ModelScores(WeightsStamp.of(str(folder)), (one,))
        for name, folder, one in zip(("base", "tuned"), (base, run.model), scores, strict=True)
    }
    found = Evaluation(("sums",), None, "0.4.13", models)
    write_evaluation(run, found)
    return found
