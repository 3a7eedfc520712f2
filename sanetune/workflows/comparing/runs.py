"""Compares runs: each model answers the same prompts and is measured on the same documents, one after another."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.config.schema import Config
from sanetune.data.prepare import Prepared, prepare
from sanetune.errors import RunError
from sanetune.events import Publish, silent
from sanetune.runs import Run
from sanetune.workflows.compare import load_model_of, open_run
from sanetune.workflows.comparing.answer_calls import with_calls
from sanetune.workflows.comparing.gone_on import gone_on
from sanetune.workflows.comparing.measures import AnswerMeasures
from sanetune.workflows.comparing.result import SCHEMA, AskedPrompt, Compared, Model
from sanetune.workflows.comparing.stored import read_any, store
from sanetune.workflows.evaluating.result import BASE, TUNED, ModelScores, fresh_scores
from sanetune.workflows.evaluating.weights import WeightsStamp

if TYPE_CHECKING:
    from sanetune.probes.document_losses import Document
    from sanetune.probes.prompts import Prompts


@dataclass(frozen=True, slots=True)
class Side:
    """A model that is to be compared.

    Attributes:
        name: What it is called.
        path: Folder or id.
        run: The run that it belongs to.
        config: The run's resolved configuration.
        prepared: The run's rows.
        tuned: Whether it is the tuned model, or the base.
    """

    name: str
    path: str
    run: Run
    config: Config
    prepared: Prepared
    tuned: bool

    @property
    def revision(self) -> str | None:
        """Of the base on the Hub; None: that of today, or a tuned model."""
        return None if self.tuned else self.config.model.revision


def compare_runs(paths: Sequence[Path], own: Sequence[str] = (), count: int = 5, publish: Publish = silent) -> Compared:
    """Compare base and tuned model of one run, or the tuned models of several, and store what was found.

    What an earlier comparison stored of a model is used where prompts, documents and weights are the same.

    Args:
        paths: The runs' folders; the others are judged beside the first.
        own: Prompts of the user's own; none: those of ``run.sample_prompts``.
        count: Number of validation rows that are asked too.
        publish: Gets the progress of preparation.

    Raises:
        RunError: A run is not finished, or its validation documents are not those of the first.
    """
    from sanetune.probes.prompts import max_new_tokens, prompts_for

    opened = [open_run(path) for path in paths]
    sides = _sides(opened, publish)
    first = sides[0]
    for one in sides[1:]:
        require_same_documents(first, one)
    asked = prompts_for(first.prepared, list(own) or first.config.run.sample_prompts, count)
    prompts = [
        AskedPrompt(messages, reference, *place)
        for messages, reference, place in zip(asked.messages, asked.references, asked.places, strict=True)
    ]
    measures = AnswerMeasures.of(prompts, asked.tools, first.prepared)
    shown = [with_calls(first.prepared, one) for one in prompts]
    limit = max_new_tokens(first.prepared, asked)
    stored = read_any(first.run, [one.run for one in sides])
    same = stored is not None and (stored.schema, stored.prompts, stored.max_new_tokens) == (SCHEMA, shown, limit)
    known = stored if same else None
    models = [_known(one, known) or _asked(one, asked) for one in sides]
    formats = [one.words for one in measures.formats]
    found = Compared(
        shown, [measures.marked(one) for one in models], limit, formats, *_evaluations(sides),
        stop_token_ids=list(first.prepared.stop_token_ids),
        notes=[note for one in sides if one.tuned and (note := gone_on(one.run))],
    )  # fmt: skip
    store(first.run, [one.run for one in sides], found)
    return found


def _sides(opened: list[tuple[Run, Config]], publish: Publish) -> list[Side]:
    if len(opened) == 1:
        run, config = opened[0]
        prepared = prepare(config, publish=publish)
        return [
            Side(BASE, config.model.name, run, config, prepared, tuned=False),
            Side(TUNED, str(run.model), run, config, prepared, tuned=True),
        ]
    paths = [str(run.path.resolve()) for run, _ in opened]
    if len(set(paths)) < len(paths):
        raise RunError(
            "A run is given twice.",
            "A model would be compared with itself.",
            "Give each run once; one alone is compared with its base.",
        )
    names = _names([run for run, _ in opened])
    return [
        # Absolute: by their folders the page tells these models apart, from whatever folder it is made.
        Side(name, str(run.model.resolve()), run, config, prepare(config, publish=publish), tuned=True)
        for name, (run, config) in zip(names, opened, strict=True)
    ]


def _evaluations(sides: Sequence[Side]) -> tuple[dict[str, ModelScores], str]:
    """What lm-eval measured of the models, by the names that they have here, and what of it is old."""
    found, notes = {}, []
    for one in sides:
        scores, note = fresh_scores(one.run, one.config)
        if kept := scores.get(TUNED if one.tuned else BASE):
            found[one.name] = kept
        notes += [f"{one.run.name}: {note}"] if note else []
    return found, "; ".join(dict.fromkeys(notes))


def _names(runs: list[Run]) -> list[str]:
    """The folders' names, with as many folders above as tell them all apart."""
    every = [run.path.resolve().parts for run in runs]
    longest = max(map(len, every))
    choices = ([Path(*parts[-count:]).as_posix() for parts in every] for count in range(1, longest + 1))
    return next(names for names in choices if len(set(names)) == len(names))


def require_same_documents(first: Side, other: Side) -> None:
    """Check that both runs have the same validation documents, token by token.

    Raises:
        RunError: They have not; it names some that differ.
    """
    if first.prepared is other.prepared:
        return
    ours, theirs = (_documents(one) for one in (first, other))
    left, right = Counter(one.digest for one in ours), Counter(one.digest for one in theirs)
    if left == right:
        return
    parts = []
    for side, mine, extra in ((first, ours, left - right), (other, theirs, right - left)):
        if extra:
            example = next(one for one in mine if extra[one.digest]).words(side.prepared)
            parts.append(f"{extra.total():,} of {units.many(len(mine), 'row')} only in {side.name} ({example})")
    raise RunError(
        f"The validation rows of {first.name} and {other.name} differ: {'; '.join(parts)}.",
        "Losses over different rows or tokens say nothing about the models.",
        "Give both runs the same data.validation, template and max_length; or compare each with its base.",
    )


def _known(side: Side, stored: Compared | None) -> Model | None:
    """What an earlier comparison stored of the model; None where it has to be asked."""
    if stored is None:
        return None
    found = next((one for one in stored.models if one.name == side.name), None)
    if found is None or found.weights is None or not found.weights.still(side.path, side.revision):
        return None
    return replace(found, path=side.path, marks={}) if _same_documents(found, side) else None


def _same_documents(model: Model, side: Side) -> bool:
    digests = tuple(one.digest for one in _documents(side))
    return (model.losses.digests if model.losses is not None else ()) == digests


def _documents(side: Side) -> list[Document]:
    from sanetune.probes.document_losses import documents

    rows = side.prepared.validation
    return [] if rows is None else list(documents(rows))


def _asked(side: Side, prompts: Prompts) -> Model:
    """Load the model, ask it, measure its losses, and let it go: never two in memory."""
    from sanetune.probes.document_losses import document_losses
    from sanetune.probes.prompts import answers

    stamp = WeightsStamp.of(side.path, side.revision)
    model = load_model_of(side.run, side.config, side.prepared.tokenizer, tuned=side.tuned)
    try:
        said, losses = answers(model, side.prepared, prompts), document_losses(model, side.prepared)
        return Model(side.name, side.path, said, losses, weights=stamp)
    finally:
        del model
        gc.collect()
