"""Comparisons in the folders of runs: where they are, and whether they are still of the models that are there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sanetune.probes.results import Comparison, Sample
from sanetune.runs import Run
from sanetune.workflows.comparing.result import Compared

KEY = "compared"
"""Key of ``comparison.json`` under which all that a comparison found is; beside it is what earlier versions wrote."""


def read_any(first: Run, runs: Sequence[Run]) -> Compared | None:
    """Return the stored comparison of these runs, whatever weights they have by now; None where there is none."""
    try:
        return Compared.from_json(json.loads(first.comparison_with(runs).read_text(encoding="utf-8"))[KEY])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_stored(first: Run, runs: Sequence[Run]) -> Compared | None:
    """Return the stored comparison of these runs, of several with their models in the order of ``runs``.

    None where there is none, where it is of models in other folders, or of weights that a model has no longer.
    """
    found = read_any(first, runs)
    if found is None or len(found.models) != max(2, len(runs)):
        return None
    if any(len(one.answers) != len(found.prompts) for one in found.models):
        return None
    if len(runs) > 1:
        by_path = {Path(one.path).resolve(): one for one in found.models}
        if by_path.keys() != {run.model.resolve() for run in runs}:
            return None
        found = replace(found, models=[by_path[run.model.resolve()] for run in runs])
    bases = [one.path for one in found.models[: -len(runs)]]
    names = [*bases, *(str(run.model) for run in runs)]
    same = all(one.weights and one.weights.still(name) for one, name in zip(found.models, names, strict=True))
    return found if same else None


def store(first: Run, runs: Sequence[Run], found: Compared) -> None:
    """Store a comparison; that of base and tuned model as every version of ``comparison.json`` has it, too."""
    alone = first.comparison_with(runs) == first.comparison
    plain = comparison_of(found).to_json() if alone else {"runs": [str(run.path) for run in runs]}
    first.write_json(first.comparison_with(runs), plain | {KEY: found.to_json()})


def comparison_of(found: Compared) -> Comparison:
    """Return the first two models of ``found``, which has at least two, as a comparison of base and tuned model."""
    base, tuned = found.models[:2]
    samples = [
        Sample(prompt.messages, prompt.reference, one, other, prompt.split, prompt.number)
        for prompt, one, other in zip(found.prompts, base.answers, tuned.answers, strict=True)
    ]
    decoding = {"temperature": 0, "max_new_tokens": found.max_new_tokens, "stop_token_ids": found.stop_token_ids}
    before, after = (None if one.losses is None else one.losses.loss for one in (base, tuned))
    return Comparison(samples, base.path, tuned.path, before, after, decoding)
