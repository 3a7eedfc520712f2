"""What a run's folder has is on the page, and what cannot be read is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.engine.answer import Answer
from sanetune.engine.metrics import Record, read, to_line
from sanetune.probes.results import Comparison, Sample
from sanetune.report.html import PageView, page, trained
from sanetune.report.html.overview import run_losses
from sanetune.report.html.run_page import view_of_run
from sanetune.report.html.trained import run_view
from sanetune.runs import Run
from sanetune.workflows.comparing.result import AskedPrompt, Compared, Model
from sanetune.workflows.comparing.stored import store
from tests.report import runs_made
from tests.report.html import views
from tests.report.html.test_page import Reader
from tests.workflows.comparing.made import of_runs

LOSSES = {0: 3.0, 10: 1.0, 20: 1.5}


def written(folder: Path, losses: dict[int, float] = LOSSES) -> Run:
    """A run of 20 steps with 100 tokens and 2 seconds each."""
    run = Run(folder)
    records = [Record(step, step / 10, 2.0 * step, "train", 2.0, tokens=100 * step) for step in range(1, 21)]
    records += [Record(step, step / 10, 2.0 * step, "validation", loss) for step, loss in losses.items()]
    run.metrics.write_text("".join(to_line(one) for one in sorted(records, key=lambda one: one.step)))
    return run


def compared(text: str) -> Comparison:
    answers = Answer("base " + text, ended=False, tokens=9), Answer("tuned " + text, ended=True, tokens=3)
    return Comparison([Sample([{"role": "user", "content": "Hm?"}], "Yes.", *answers)], "base", "tuned")


@pytest.mark.parametrize(
    ("base", "tuned", "words"),
    [
        (0.0, 0.0, "; compared with the base: no difference shown"),
        (0.0, 1.0, "; compared with the base: better in exact"),
        (1.0, 0.0, "; compared with the base: worse in exact"),
    ],
)
def test_the_verdict_of_a_comparison_is_beside_the_answers(
    tmp_path: Path, base: float, tuned: float, words: str
) -> None:
    run = written(tmp_path)
    (run.model).mkdir()
    (run.model / "config.json").write_text("{}")
    prompts = [AskedPrompt([{"role": "user", "content": f"{n}?"}], "Yes.") for n in range(20)]
    answers = [Answer("No.", ended=True, tokens=2)] * 20
    models = [
        Model(name, name, answers, marks={"exact": [bool(has)] * 20}) for name, has in (("b", base), ("t", tuned))
    ]
    store(run, [run], of_runs(Compared(prompts, models), run))
    view = run_view(run)
    assert view is not None and view.samples_text == f"ended by themselves: base 20, tuned 20 of 20{words}"


def test_what_a_comparison_says_of_the_models_is_beside_the_answers(tmp_path: Path) -> None:
    run, note = runs_made.made(tmp_path / "run", phase="finished"), "The weights of run are those of step 20 <b>."
    prompts = [AskedPrompt([{"role": "user", "content": "4?"}], "Yes.")]
    models = [Model(name, name, [Answer("No.", ended=True, tokens=2)]) for name in ("b", "t")]
    store(run, [run], of_runs(Compared(prompts, models, notes=[note]), run))
    text = Reader(page(view_of_run(load(run.config), run))).text
    assert text.count(note) == 2, "on the first screen, where the verdict is, and with all answers"
    store(run, [run], of_runs(Compared(prompts, models), run))
    assert note not in Reader(page(view_of_run(load(run.config), run))).text


def test_losses_time_and_speed_come_from_the_records(tmp_path: Path) -> None:
    view = run_view(written(tmp_path))
    assert view is not None and view.curve is not None
    assert (
        view.text == "20 steps so far in 40 s with evaluations; validation loss 3.000 → 1.500, lowest 1.000 at step 10"
    )
    assert view.best_step == 10
    assert view.seconds == 40.0
    assert view.status is not None and view.status.title == "Not finished"
    assert [point.step for point in view.curve.points] == list(range(1, 21))


def test_the_only_validation_loss_of_a_run_says_its_step(tmp_path: Path) -> None:
    view = run_view(written(tmp_path, {0: 3.0}))
    assert view is not None and view.text == "20 steps so far in 40 s with evaluations; validation loss 3.000 at step 0"


def test_the_losses_of_several_validation_sets_are_said_and_drawn_by_name(tmp_path: Path) -> None:
    run = written(tmp_path)
    sets = {0: {"math": 2.0, "code": 4.0}, 10: {"math": 0.8, "code": 1.2}, 20: {"math": 2.2, "code": 0.8}}
    records = [replace(one, losses=sets[one.step]) if one.kind == "validation" else one for one in read(run.metrics)]
    run.metrics.write_text("".join(map(to_line, records)))
    view = run_view(run)
    assert (
        view is not None
        and "; eval_loss 3.000 → 1.500, lowest 1.000 at step 10; eval_math_loss 2.000 → 2.200; " in (view.text)
    )
    plot = run_losses(view)
    assert plot is not None
    drawn = {one.name: list(one.points) for one in plot.panels[0].series}
    assert drawn["eval_code_loss"] == [(0, 4.0), (10, 1.2), (20, 0.8)]
    assert [(step, loss) for step, loss in drawn["eval_loss"]] == [(0, 3.0), (10, 1.0), (20, 1.5)]


def test_a_finished_run_whose_last_evaluation_is_the_lowest_has_no_mark(tmp_path: Path) -> None:
    run = written(tmp_path, {0: 3.0, 20: 1.0})
    run.model.mkdir()
    (run.model / "config.json").write_text("{}")
    view = run_view(run)
    assert view is not None
    assert view.text == "20 steps in 40 s with evaluations; validation loss 3.000 → 1.000" and view.best_step is None


def test_a_later_comparison_counts_for_more_than_the_answers_at_the_end(tmp_path: Path) -> None:
    run = written(tmp_path)
    run.write_json(run.samples, compared("at the end").to_json())
    view = run_view(run)
    assert view is not None and view.samples[0].tuned.text == "tuned at the end"
    assert view.samples_text == "ended by themselves: base 0, tuned 1 of 1"
    (run.model).mkdir()
    (run.model / "config.json").write_text("{}")
    prompt = AskedPrompt([{"role": "user", "content": "Hm?"}], "Yes.")
    models = [Model(name, name, [Answer(f"{name} later", ended=True, tokens=9)]) for name in ("base", "tuned")]
    store(run, [run], of_runs(Compared([prompt], models), run))
    view = run_view(run)
    assert view is not None and view.samples[0].tuned.text == "tuned later"

    (run.model / "model.safetensors").write_text("more training")
    run.write_json(run.samples, compared("at the new end").to_json())
    view = run_view(run)
    assert view is not None and view.samples[0].tuned.text == "tuned at the new end"
    assert "compared with the base" not in view.samples_text


def test_prompts_that_could_not_be_asked_are_not_counted(tmp_path: Path) -> None:
    run = written(tmp_path)
    noted = Answer("", ended=False, tokens=0, note="the prompt leaves no room")
    found = compared("at the end")
    found.samples.append(Sample([{"role": "user", "content": "Long?"}], "No.", noted, noted))
    run.write_json(run.samples, found.to_json())
    view = run_view(run)
    assert view is not None and view.samples_text == "ended by themselves: base 0, tuned 1 of 1"


def test_a_run_that_goes_on_shows_no_answers_of_the_model_before(tmp_path: Path) -> None:
    run = runs_made.made(tmp_path / "run", phase="finished")
    runs_made.answered(run, "of the model before")
    for phase, shown in (("finished", 1), ("running", 0)):
        runs_made.state(run, phase, 40)
        view = run_view(run)
        assert view is not None and len(view.samples) == shown


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pairs": 3, "base": 1, "tuned": 2}', '{"pairs": [{}]}', "\x00"])
def test_a_broken_file_is_left_out(tmp_path: Path, content: str) -> None:
    run = written(tmp_path)
    run.samples.write_text(content)
    view = run_view(run)
    assert view is not None and not view.samples
    run.metrics.write_text(content or "nothing")
    assert run_view(run) is None


def test_a_run_that_was_not_trained_has_nothing(tmp_path: Path) -> None:
    assert run_view(Run(tmp_path)) is None


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 0.0, -1.0, 1e300])
def test_any_loss_can_be_shown(tmp_path: Path, loss: float) -> None:
    view = run_view(written(tmp_path, dict.fromkeys(LOSSES, loss)))
    source = page(PageView(views.bare().report, run=view))
    assert 'id="training"' in source and "nan," not in source


def test_what_the_curve_shows_is_named_on_the_first_screen(tmp_path: Path) -> None:
    run = Run(tmp_path)
    records = [
        Record(step, step / 100, 2.0 * step, "train", 3.0 * 0.985**step + 0.02 * (step % 3), tokens=100 * step)
        for step in range(1, 301)
    ]
    records += [
        Record(step, step / 100, 2.0 * step, "validation", 2.0 + abs(step - 100) / 100) for step in range(0, 301, 20)
    ]
    run.metrics.write_text("".join(to_line(one) for one in sorted(records, key=lambda one: one.step)))
    view = run_view(run)
    assert view is not None
    (overfit,) = [finding for finding in view.findings if finding.check == "curve-overfit"]
    source = page(PageView(views.bare().report, run=view))
    first, rest = source.split('<main id="main"')
    assert overfit.message[:40] in first and overfit.remedy[:40] in rest


def test_the_log_of_a_run_is_judged_by_the_watch_while_it_goes_on_and_as_a_whole_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, judged = runs_made.made(tmp_path / "run"), []
    monkeypatch.setattr(trained, "_findings", lambda run: judged.append(run.name) or [])
    for phase, times in (("running", 0), ("finished", 1)):
        runs_made.state(run, phase, 40)
        assert run_view(run) is not None and len(judged) == times
