"""What a run's model has forgotten at its end, in the run's ``forgetting.json``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune.errors import RunError
from sanetune.finding import Finding
from sanetune.gate.clearance_file import read_clearance
from sanetune.typed_json import to_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.probes.forgetting import BaseRecord
    from sanetune.probes.results import Forgetting
    from sanetune.runs import Run

CHECK = "model-forgets"


def record_base(config: Config, prepared: Prepared, model: PreTrainedModel) -> BaseRecord | None:
    """Record what ``model`` can do before it is trained; None where ``check.keep`` is off.

    Args:
        config: The resolved configuration.
        prepared: The rows.
        model: The base; nothing of it changes.
    """
    from sanetune.probes.forgetting import BaseRecord
    from sanetune.probes.general.material import material_of

    material = material_of(config.check.keep)
    return None if material is None else BaseRecord.of(model, prepared, material)


def write_forgetting(
    run: Run, config: Config, prepared: Prepared, record: BaseRecord, model: PreTrainedModel, steps: int
) -> Finding:
    """Compare ``model`` with the base, write ``forgetting.json``, and return the finding of model-forgets.

    Args:
        run: The run.
        config: Its resolved configuration.
        prepared: The rows.
        record: The base, before the first step.
        model: The tuned model.
        steps: Optimizer steps of its training.
    """
    found = None if record.reason else record.against(model, prepared, steps)
    finding = _as_tried(judged(config, found, record.reason), run)
    measured = None if found is None else to_json(found)
    run.write_json(run.forgetting, {"schema": 1, "finding": finding.to_json(), "forgetting": measured})
    return finding


def read_forgets(run: Run) -> Finding | None:
    """Return what model-forgets found at the end of ``run``; None where it was not asked, or its file is none."""
    try:
        return Finding.from_json(run.read_json(run.forgetting)["finding"]) if run.forgetting.is_file() else None
    except (RunError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _as_tried(finding: Finding, run: Run) -> Finding:
    """``finding`` with what the trial of the run's clearance has shown to help, or not to, where it warned as well."""
    clearance, _ = read_clearance(run)
    tried = next((one.remedy for one in clearance.findings if one.check == CHECK), "") if clearance else ""
    return replace(finding, remedy=tried) if finding.remedy and tried else finding


def judged(config: Config, found: Forgetting | None, reason: str = "") -> Finding:
    """Return the finding of model-forgets on ``found``, under the limits of ``config``; a skip where it is None.

    Args:
        config: With the limits.
        found: What was measured.
        reason: Why nothing was, in words.
    """
    from sanetune.evidence.registry import Evidence, MissingError
    from sanetune.gate import runner
    from sanetune.gate.catalogue import catalogue
    from sanetune.workflows.check import rules_of

    def forgetting() -> Forgetting:
        if found is None:
            raise MissingError(reason)
        return found

    rules = rules_of(config)
    check = catalogue()[CHECK]
    findings = runner.run([check], Evidence({"forgetting": forgetting, "replay_trials": lambda: None}), rules)
    return findings[0]
