"""Several runs on one page: every curve, the settings that differ, and results that may be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sanetune.engine.answer import Answer
from sanetune.errors import UserError
from sanetune.report.html.compared_runs import MOST, ComparedRun, losses_plot, page_of_runs
from sanetune.report.html.trained import run_view
from sanetune.runs import Run
from sanetune.workflows.comparing.stored import store
from tests.report.html.test_page import Reader
from tests.report.runs_made import answered, made
from tests.workflows.comparing.made import compared, model, of_runs


def test_the_lowest_loss_on_the_same_rows_is_marked(tmp_path: Path) -> None:
    runs = [made(tmp_path / "a", loss=2.0), made(tmp_path / "b", loss=1.0, lr=2e-4)]
    source = page_of_runs(runs)
    read = Reader(source)
    assert read.open == []
    assert len(read.of("td", class_="best")) == 1
    row = source[source.index("lowest validation loss") :]
    assert row.index("1.009") > row.index("1.918") and row.index('class="best"') > row.index("1.918")
    assert "not known to have the same rows" not in read.text


def test_losses_on_other_rows_are_not_ranked(tmp_path: Path) -> None:
    read = Reader(page_of_runs([made(tmp_path / "a"), made(tmp_path / "b", loss=1.0, data="other")]))
    assert not read.of("td", class_="best")
    assert "not known to have the same rows" in read.text


def test_only_settings_that_differ_are_shown(tmp_path: Path) -> None:
    read = Reader(page_of_runs([made(tmp_path / "a"), made(tmp_path / "b", lr=2e-4)]))
    settings = read.text[read.text.rindex("Settings that differ") :]
    assert "train.learning_rate" in settings and "0.0001" in settings and "0.0002" in settings
    assert "train.max_steps" not in settings and "model.name" not in settings and "run.output_dir" not in settings


def test_answers_to_the_same_prompts_stand_side_by_side(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in ("a", "b")]
    assert "Answers to the same prompts" not in Reader(page_of_runs(runs)).text
    answered(runs[0], "the first")
    answered(runs[1], "<script>alert(1)</script>")
    text = Reader(page_of_runs(runs)).text
    assert text.index("Hm?") < text.index("the first") < text.index("<script>alert(1)</script>")


def test_a_run_without_anything_is_named_and_has_no_curve(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.yaml").write_text("{")
    read = Reader(page_of_runs([made(tmp_path / "a"), Run(empty)]))
    assert "nothing: it has no clearance" in read.text
    assert not [line for line in read.text.split("\n") if line.strip() == "empty, validation"]


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = Reader(page_of_runs([made(tmp_path / "x/run"), made(tmp_path / "y/run")])).text
    assert "run (1)" in text and "run (2)" in text


def test_a_name_of_a_folder_is_text(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>&amp;"
    read = Reader(page_of_runs([made(tmp_path / evil), made(tmp_path / "b")]))
    assert not read.of("img") and evil in read.text


def test_more_runs_than_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"at most {MOST}"):
        page_of_runs([Run(tmp_path)] * (MOST + 1))


def test_a_run_that_is_given_twice_is_refused_by_its_name(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    (tmp_path / "link").symlink_to(run.path, target_is_directory=True)
    other = made(tmp_path / "other")
    for again in (run, Run(tmp_path / "link")):
        with pytest.raises(UserError, match="run was given twice"):
            page_of_runs([run, other, again])


def test_a_run_is_called_by_its_own_name_where_it_leaves_the_picture(tmp_path: Path) -> None:
    runs = [made(tmp_path / "first"), made(tmp_path / "second")]
    lines = runs[1].metrics.read_text().splitlines(keepends=True)
    record = json.loads(lines[-1]) | {"loss": 900.0}
    runs[1].metrics.write_text("".join([*lines[:-1], json.dumps(record) + "\n"]))
    text = Reader(page_of_runs(runs)).text
    assert "The picture of the loss ends below the highest of second, " in text and "Second" not in text


@pytest.mark.parametrize(("lr", "log"), [(9e-4, False), (1e-3, True), (5e-2, True)])
def test_learning_rates_that_differ_tenfold_are_all_more_than_a_line_on_zero(
    tmp_path: Path, lr: float, log: bool
) -> None:
    view = [run_view(made(tmp_path / name, lr=one)) for name, one in (("a", 1e-4), ("b", lr))]
    plot = losses_plot([ComparedRun(f"{n}", "", one, "") for n, one in enumerate(view)])
    assert plot is not None
    y = plot.panels[1].y
    assert (plot.panels[1].y_name, y.log) == ("learning rate", log)
    if log:
        assert abs(y.at(1e-4) - y.start) > 0.2 * abs(y.end - y.start) and y.low < 1e-4 < lr < y.high


def test_a_loss_that_is_not_of_the_end_says_its_step(tmp_path: Path) -> None:
    stopped = made(tmp_path / "a", 25, phase="stopped")  # evaluated at steps 0, 10 and 20
    text = Reader(page_of_runs([stopped, made(tmp_path / "b")])).text
    assert " at step 20" in text[text.index("last validation loss") : text.index("last training loss")]
    assert "at step" not in text[text.index("last training loss") : text.index("Settings that differ")]
    assert "Stopped by the watch: step 25 of 50" in text


def test_the_verdict_of_compare_is_shown_or_how_to_get_one(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in ("a", "b")]
    assert "sanetune compare" in Reader(page_of_runs(runs)).text.split("Results")[-1]
    first = model("a", {"ends by itself": [True] * 8}, 1.0)
    found = compared(first, model("b", {"ends by itself": [False] * 8}, 2.0))
    store(runs[0], runs, of_runs(found, *runs))
    text = Reader(page_of_runs(runs)).text
    assert "compared with a: worse in validation loss and ends by itself" in text
    assert "were not compared yet" not in text


def test_answers_and_counts_are_those_of_the_comparison_of_these_runs(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in ("a", "b")]
    for run in runs:
        answered(run, f"asked of {run.name} alone")
    first = model("a", {"ends by itself": [True] * 8})
    store(runs[0], runs, of_runs(compared(first, model("b", {"ends by itself": [False] * 8})), *runs))
    text = Reader(page_of_runs(runs)).text
    assert "8 of 8" in text and "a says 3" in text and "b says 3" in text and "alone" not in text
    assert "8 prompts, the same for all, at most 64 tokens for each answer" in text
    turned = Reader(page_of_runs(runs[::-1])).text
    assert "compared with b: better in ends by itself" in turned, "whichever run is named first"
    assert turned.index("b says 3") < turned.index("a says 3")


def test_what_compare_says_of_the_models_is_below_the_results(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in ("a", "b")]
    models = model("a", {"ends by itself": [True] * 8}), model("b", {"ends by itself": [True] * 8})
    alone = replace(compared(*models), notes=["The weights of b are those of step 20."])
    store(runs[1], runs[1:], of_runs(alone, runs[1]))
    text = Reader(page_of_runs(runs)).text
    assert text.count("The weights of b are those of step 20.") == 1, "said when it was compared with its base"
    together = replace(compared(*models), notes=["The weights of a are those of step 10."])
    store(runs[0], runs, of_runs(together, *runs))
    text = Reader(page_of_runs(runs)).text
    assert "The weights of a are those of step 10." in text


def test_answers_of_three_runs_stand_below_their_own_names(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in ("a", "b", "c")]
    found = compared(*(model(name, {"ends by itself": [name != "b"] * 8}) for name in "abc"))
    store(runs[0], runs, of_runs(found, *runs))
    text = Reader(page_of_runs([runs[0], runs[2], runs[1]])).text
    assert text.index("a says 3") < text.index("c says 3") < text.index("b says 3")


def test_prompts_that_could_not_be_asked_are_not_counted(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in "ab"]
    noted = Answer("", False, 0, note="the prompt leaves no room")
    some = [model(name, {}) for name in "ab"]
    found = compared(*(replace(one, answers=[*one.answers[:3], *[noted] * 5]) for one in some))
    store(runs[0], runs, of_runs(found, *runs))
    text = Reader(page_of_runs(runs)).text
    assert text.count("3 of 3") == 2 and "of 8" not in text


def test_answers_of_runs_of_one_name_stand_below_their_own_run_in_any_order(tmp_path: Path) -> None:
    runs = [made(tmp_path / name / "run", phase="finished") for name in "abc"]
    found = compared(*(model(f"{name}/run", {}, loss) for name, loss in (("a", 2.0), ("b", 1.0), ("c", 3.0))))
    store(runs[0], runs, of_runs(found, *runs))
    text = Reader(page_of_runs([runs[0], runs[2], runs[1]])).text
    assert text.index("a/run says 3") < text.index("c/run says 3") < text.index("b/run says 3")
    assert text.index("worse in validation loss") < text.index("better in validation loss")


def test_a_comparison_of_models_in_other_folders_is_not_shown(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in "ab"]
    elsewhere = [made(tmp_path / "moved" / name, phase="finished") for name in "ab"]
    store(runs[0], runs, of_runs(compared(model("a", {}), model("b", {})), *elsewhere))
    assert "says 3" not in Reader(page_of_runs(runs)).text


def test_answers_that_were_made_in_other_ways_are_said_not_to_compare(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in ("a", "b")]
    answered(runs[0], "one")
    answered(runs[1], "two")
    assert "do not compare" not in Reader(page_of_runs(runs)).text
    plain = json.loads(runs[1].samples.read_text())
    plain["pairs"].append({**plain["pairs"][0], "prompt": [{"role": "user", "content": "And?"}]})
    runs[1].write_json(runs[1].samples, plain | {"decoding": {"max_new_tokens": 443}})
    runs[0].write_json(runs[0].samples, json.loads(runs[0].samples.read_text()) | {"decoding": {"max_new_tokens": 497}})
    text = Reader(page_of_runs(runs)).text
    assert "over different prompts (1 of a, 2 of b): they do not compare" in text
    assert "at different lengths (tokens: 497 of a, 443 of b): where one was, they do not compare" in text


def test_a_prompt_of_several_messages_says_so(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, phase="finished") for name in ("a", "b")]
    for run in runs:
        answered(run, run.name)
        plain = json.loads(run.samples.read_text())
        plain["pairs"][0]["prompt"].insert(0, {"role": "system", "content": "Be brief."})
        run.write_json(run.samples, plain)
    assert "1 earlier message left out" in " ".join(Reader(page_of_runs(runs)).text.split())
