"""Compare base and tuned model on held-out rows, and ask whether the clearance holds for what was trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sanetune.errors import RunError, UserError
from sanetune.runs import Run
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Compared
from sanetune.workflows.auto.known import Known

if TYPE_CHECKING:
    from sanetune.workflows.comparing.result import Compared as Models


def compare(site: Site, known: Known, values: Mapping[str, Any]) -> Compared:
    """Ask both models ``values["count"]`` held-out prompts, and measure them on all held-out rows.

    Raises:
        UserError: The run cannot be compared.
    """
    from sanetune.workflows.comparing.runs import compare_runs

    run = site.run(known.attempt)
    found = compare_runs([run.path], count=int(values["count"]), publish=site.publish)
    pair, (base, tuned) = found.pairs[0], found.models[:2]
    low, high = pair.loss.interval() if pair.loss is not None else (None, None)
    fits = not (uncleared := _uncleared(site, known, run))
    forgot, words = _forgot(run)
    return Compared(
        verdict=pair.verdict,
        better=tuple(pair.named(1)),
        worse=tuple(pair.named(-1)),
        loss=None if pair.loss is None else pair.loss.mean,
        low=low,
        high=high,
        rows=0 if pair.loss is None else pair.loss.n,
        measures=_measures(found, base.name, tuned.name),
        cleared=fits,
        uncleared=uncleared,
        forgot=forgot,
        forgot_words=words,
    )


def _measures(found: Models, base: str, tuned: str) -> dict[str, tuple[int, int, int, int]]:
    first, second = (next(one for one in found.models if one.name == name) for name in (base, tuned))
    return {name: (*first.count(name), *second.count(name)) for name in first.marks if name in second.marks}


def _uncleared(site: Site, known: Known, run: Run) -> str:
    """Why the clearance in the run does not hold for it; "": it does."""
    from sanetune.data.prepare import prepare
    from sanetune.gate.clearance_file import read_clearance
    from sanetune.gate.fingerprint import fingerprint
    from sanetune.planning.plan import plan
    from sanetune.workflows.clear import misfits

    clearance, reason = read_clearance(run)
    if clearance is None:
        return reason
    if not clearance.proves:
        return f"nothing was checked: {clearance.unchecked}"
    config = site.open_config(known)
    try:
        prepared = prepare(config, publish=site.publish)
        return "; ".join(misfits(config, clearance, fingerprint(plan(config, prepared), prepared)))
    except UserError as error:
        return error.headline


def _forgot(run: Run) -> tuple[str, str]:
    """Verdict and message of model-forgets; "" where it is switched off."""
    try:
        finding = run.read_json(run.forgetting)["finding"]
        return str(finding["verdict"]), str(finding["what"])
    except (RunError, OSError, KeyError, TypeError):
        return "", ""
