"""What can be done about a run, with the values of its configuration where its folder has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.curves.logs.entries import VALIDATION_LOSS
from sanetune.curves.logs.log import OTHER_METRIC, OURS, Log
from sanetune.errors import UserError
from sanetune.finding import Finding, Report
from sanetune.gate.overfit_answers import OverfitAnswer, answers_of_log, overfit_answers
from sanetune.runs import Run

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.config.sizes import ModelSizes, RunSizes

BEST, METRIC = "train.load_best_model_at_end", "train.metric_for_best_model"
OF_LOSS = {METRIC: VALIDATION_LOSS, "train.greater_is_better": False}
"""What lets a trainer choose by the loss that went by another metric."""


def answers_to(log: Log) -> Callable[[Finding], list[OverfitAnswer]]:
    """Return what answers a finding of overfitting in ``log``.

    Of our own run the configuration, model and rows are known; of another log, or where a file of the run is gone, the
    answers have the values that the log itself shows.
    """

    def answers(finding: Finding) -> list[OverfitAnswer]:
        known = _of_run(Run(log.path.parent)) if log.kind == OURS else None
        return answers_of_log(finding, log.arguments) if known is None else overfit_answers(finding, *known)

    return answers


def unlike_known(report: Report, log: Log) -> Report:
    """Return the report without proposals of values that the configuration of our own run has already, or the
    arguments that another trainer has logged."""
    proposes = any(one.fix or one.answers for one in report.findings)
    config = _config(Run(log.path.parent)) if proposes and log.kind == OURS else None

    def value(section: str, key: str) -> object:
        if config is not None:
            return getattr(config, section, {}).get(key)
        return log.arguments.get(key) if section == "train" else None

    def new(values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: one for key, one in values.items() if value(*key.partition(".")[::2]) != one}

    if config is None and not log.arguments:
        return report
    findings = [
        replace(
            one,
            fix=new(one.fix),
            answers=[answer if new(answer["change"]) else {**answer, "change": {}} for answer in one.answers],
        )
        for one in report.findings
    ]
    return replace(report, findings=findings)


def by_loss(report: Report, log: Log) -> Report:
    """Return the report with the loss named wherever it proposes to keep the best weights, if the trainer of the log
    goes by another metric: it would load those of that one."""

    def named(values: Mapping[str, Any]) -> dict[str, Any]:
        return {**values, **OF_LOSS} if BEST in values and METRIC not in values else dict(values)

    if log.decides != OTHER_METRIC:
        return report
    findings = [
        replace(one, fix=named(one.fix), answers=[{**of, "change": named(of["change"])} for of in one.answers])
        for one in report.findings
    ]
    return replace(report, findings=findings)


def _config(run: Run) -> Config | None:
    """The configuration of a run; None where there is none, or it is none of ours."""
    from sanetune.config.load import load

    try:
        return load(run.config)
    except (UserError, OSError):
        return None


def _of_run(run: Run) -> tuple[Config, RunSizes] | None:
    """The configuration of a run and its sizes; None where a file is missing, or is none of ours."""
    from sanetune.config.sizes import DataSizes, ModelSizes, RunSizes
    from sanetune.data.model_shape import sizes_from_files

    config = _config(run)
    if config is None:
        return None
    try:
        stats: Mapping[str, Any] = run.read_json(run.data)["stats"]
        train = stats["train"]
        data = DataSizes(
            train_examples=int(train["examples"]),
            loss_tokens=int(train["loss_tokens"]),
            rows=int(stats.get("rows") or 0),
        )
        model = sizes_from_files(config.model) or _saved(run.model)
    except (UserError, OSError, KeyError, TypeError, ValueError):
        return None
    return config, RunSizes(model or ModelSizes(), data=data)


def _saved(folder: Path) -> ModelSizes | None:
    """Width and layers of the tuned model; None where it is not there."""
    from sanetune.config.sizes import ModelSizes
    from sanetune.data.model_files import read_config

    config = read_config(folder)
    hidden = config.get("hidden_size")
    return ModelSizes(hidden=hidden) if isinstance(hidden, int) else None
