"""The work of the tools train, compare and diagnose."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.atomic import write_json
from sanetune.errors import RunError
from sanetune.mcp import findings
from sanetune.mcp.call import Call
from sanetune.mcp.checking import REPORT
from sanetune.mcp.confine import confine
from sanetune.mcp.next_steps import explained
from sanetune.mcp.replies import CompareReply, DiagnoseReply, DiagnosisReply, RunReply
from sanetune.mcp.run_status import status

if TYPE_CHECKING:
    from sanetune.workflows.comparing.result import Compared, Model
    from sanetune.workflows.diagnose import Diagnosis

ANSWER = 500
"""Characters of one answer."""


def train(call: Call) -> RunReply:
    """Train a run that has its clearance; without one it is refused, and nothing is checked here."""
    from sanetune.events import to_all
    from sanetune.report.run_files import RunFiles
    from sanetune.workflows.clear import require_stored_clearance
    from sanetune.workflows.together import start_of
    from sanetune.workflows.train import train

    settings, resume = call.config(), call.is_set("resume")
    gate = partial(require_stored_clearance, settings, resume=resume)
    if (start := start_of(settings)) is not None:
        from sanetune.data.prepare import prepare
        from sanetune.engine.signals import TerminatedError
        from sanetune.planning.plan import plan
        from sanetune.workflows.together import run_together

        prepared = prepare(settings, publish=call.publish)
        planned = plan(settings, prepared)
        gate(planned, prepared, call.publish)
        call.publish.training(Path(str(planned.config.run.output_dir)))
        words = ["train", str(settings.file), *call.overrides, *(["--resume"] if resume else [])]
        code = run_together(start, words)
        if code in (130, 143):  # each of them was asked to end
            raise TerminatedError
        if code:
            raise RunError(f"The processes have ended with code {code}.", remedy="Read what status says of the run.")
        return status(Path(str(planned.config.run.output_dir)))
    done = train(settings, resume=resume, publish=to_all(RunFiles(), call.publish), gate=gate)
    return status(done.run.path)


def compare(call: Call) -> CompareReply:
    """Ask the models of runs the same prompts, and measure the same rows."""
    from sanetune.workflows.compare import open_run
    from sanetune.workflows.comparing.runs import compare_runs

    runs = [call.roots.tree(text, "the run") for text in call.texts("runs")]
    for run in runs:
        _, config = open_run(run)
        confine(config, call.roots)
    found = compare_runs(runs, call.texts("prompts"), call.number("count", 32))
    return _compared(found, call.number("shown", 3))


def _compared(found: Compared, shown: int) -> CompareReply:
    pairs: list[dict[str, object]] = [
        {
            "models": [found.models[pair.first].name, found.models[pair.second].name],
            "verdict": pair.verdict,
            "measures": [
                {"measure": one.measure, "better": one.better, "worse": one.worse, "p": one.p} for one in pair.changes
            ],
        }
        for pair in found.pairs
    ]
    answers = [
        {
            "prompt": findings.short_text(str(prompt.messages[-1].get("content") or ""), ANSWER),
            **{model.name: findings.short_text(model.answers[number].text, ANSWER) for model in found.models},
        }
        for number, prompt in enumerate(found.prompts[:shown])
    ]
    models = [findings.as_json(_model(one)) for one in found.models]
    return CompareReply(models=models, verdicts=[findings.as_json(one) for one in pairs], answers=list(answers))


def _model(model: Model) -> dict[str, object]:
    counts = {name: model.count(name) for name in model.marks}
    return {
        "name": model.name,
        "path": model.path,
        "validation_loss": None if model.losses is None else model.losses.loss,
        "tokens_of_an_answer": model.tokens,
        "measures": {name: {"have": have, "of": of} for name, (have, of) in counts.items()},
    }


def diagnose(call: Call) -> DiagnoseReply:
    """Say what logs show, whoever wrote them."""
    from sanetune.workflows.diagnose import diagnose

    paths = [call.roots.tree(text, "the log") for text in call.texts("logs")]
    made = list(diagnose(paths, call.texts("select"), call.texts("ignore")))
    worst = max(made, key=lambda one: one.report.verdict.rank).report
    write_json(call.home / REPORT, {"schema": 1, "logs": [one.to_json() for one in made]})
    return DiagnoseReply(
        verdict=worst.verdict.value,
        logs=[_diagnosed(one) for one in made],
        report=f"sanetune://jobs/{call.home.name}/report",
        next=explained(worst),
    )


def _diagnosed(one: Diagnosis) -> DiagnosisReply:
    return DiagnosisReply(
        log=str(one.log.path),
        verdict=one.report.verdict.value,
        steps=one.report.subject.get("steps", ""),
        keep=one.report.subject.get("keep", ""),
        findings=list(findings.listed(one.report.findings)),
        passed=list(findings.passed(one.report)),
        skipped=list(findings.skipped(one.report)),
    )
