"""Comparisons, made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sanetune.curves.documents import DocumentLosses
from sanetune.engine.answer import Answer
from sanetune.runs import Run
from sanetune.workflows.comparing.result import AskedPrompt, Compared, Model
from sanetune.workflows.evaluating.weights import WeightsStamp


def prompts(count: int) -> list[AskedPrompt]:
    """Prompts with an answer in the data."""
    messages = [[{"role": "user", "content": f"What is {number} and {number}?"}] for number in range(count)]
    return [AskedPrompt(one, f"#### {2 * number}", "validation", number) for number, one in enumerate(messages)]


def model(name: str, marks: dict[str, list[bool | None]], loss: float | None = None, *, count: int = 8) -> Model:
    """A model whose documents have about this loss in nats per token."""
    answers = [Answer(f"{name} says {number}", True, 5) for number in range(count)]
    losses = None
    if loss is not None:
        sums = tuple(20 * (loss + 0.01 * (number % 3)) for number in range(12))
        losses = DocumentLosses(tuple("abcdefghijkl"), sums, (20,) * 12)
    return Model(name, f"runs/{name}/model", answers, losses, marks)


def compared(*models: Model) -> Compared:
    """A comparison of these models."""
    return Compared(prompts(len(models[0].answers)), list(models), 64)


def of_runs(found: Compared, *runs: Run) -> Compared:
    """``found`` as a comparison of the models that ``runs`` have now; of one run, of its base and its model."""
    paths = [str(run.model.resolve()) for run in runs]
    if len(runs) == 1:
        paths.insert(0, found.models[0].path)
    stamps = [WeightsStamp.of(path) if Path(path).is_dir() else WeightsStamp(path) for path in paths]
    models = [
        replace(one, path=path, weights=stamp) for one, path, stamp in zip(found.models, paths, stamps, strict=True)
    ]
    return replace(found, models=models)
