"""What is said to do where the tuned model has forgotten, in ``forgetting.json``."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.config.schema import Config
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.clearance import cleared
from sanetune.gate.clearance_file import write_clearance
from sanetune.gate.fingerprint import Fingerprint
from sanetune.probes.results.forgetting import Drift, Forgetting, GeneralLoss
from sanetune.runs import Run
from sanetune.workflows.forgetting import CHECK, write_forgetting

TRIED = "Use a lower train.learning_rate: with 50 % of replay rows the trial forgot too much as well."


def found(rise: float) -> Any:
    losses = (GeneralLoss("facts", str(at), Drift(10, 1.0, 20 + at, 20 + at + 10 * rise)) for at in range(8))
    return SimpleNamespace(reason="", against=lambda *args: Forgetting((), tuple(losses), steps=9))


def finding_after(run: Run, rise: float) -> Finding:
    config: Any = Config.model_validate({"model": {"name": "base"}, "data": {"train": "rows.jsonl"}})
    unused: Any = None
    return write_forgetting(run, config, unused, found(rise), unused, 9)


@pytest.mark.parametrize(("rise", "said"), [(0.4, TRIED), (0.0, "")])
def test_after_training_no_replay_is_advised_that_the_trial_found_not_to_be_enough(
    tmp_path: Path, rise: float, said: str
) -> None:
    run = Run(tmp_path)
    report = Report([Finding(CHECK, Verdict.WARN, "It forgot.", remedy=TRIED)], "trial", 1.0)
    write_clearance(run, cleared(report, Fingerprint({}, {}, {}, "", {})))
    assert finding_after(run, rise).remedy == said
    assert run.read_json(run.forgetting)["finding"]["todo"] == said


def test_without_a_trial_the_page_of_the_check_says_what_to_do(tmp_path: Path) -> None:
    assert "data.replay" in finding_after(Run(tmp_path), 0.4).remedy
