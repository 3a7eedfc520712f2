"""lm-eval is asked for what the configuration names, and what it returns is read as it is."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from sanetune.api import evaluate
from sanetune.config.load import load
from sanetune.errors import ConfigError, DataError, RunError
from sanetune.events import Event, Note
from sanetune.runs import Run
from sanetune.workflows.check import evidence_of, run_checks
from sanetune.workflows.evaluating import run as evaluating
from sanetune.workflows.evaluating.harness import require_harness, scores_of, yaml_files
from sanetune.workflows.evaluating.result import ModelScores, read_evaluation
from sanetune.workflows.evaluating.weights import WeightsStamp
from sanetune.workflows.inputs import require_inputs
from tests.workflows.evaluating.made import model, score

DEMO = Path(__file__).parents[3] / "sanetune/demo"
INSTALLED = importlib.util.find_spec("lm_eval") is not None
TASK = """\
task: sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["no", "yes"]
doc_to_target: "{{{{answer}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
"""


def samples(name: str, *values: float) -> list[dict[str, Any]]:
    return [{"filter": name, "doc_hash": f"hash {at}", "exact_match": value} for at, value in enumerate(values)]


def test_numbers_are_read_by_metric_and_filter_with_their_documents() -> None:
    found = scores_of(
        {
            "results": {
                "gsm8k": {
                    "alias": "gsm8k",
                    "sample_len": 4,
                    "exact_match,strict-match": 0.25,
                    "exact_match_stderr,strict-match": "N/A",
                    "exact_match,none": 0.5,
                    "perplexity,none": 7.0,
                    "broken,none": float("nan"),
                }
            },
            "groups": {"all": {"exact_match,none": 0.5}},
            "samples": {"gsm8k": [*samples("strict-match", 0, 0, 1, 0), *samples("none", 1, 0, 1, 0)]},
            "higher_is_better": {"gsm8k": {"exact_match": True, "perplexity": False}},
        }
    )
    assert [(one.task, one.metric, one.value) for one in found] == [
        ("gsm8k", "exact_match, strict-match", 0.25),
        ("gsm8k", "exact_match", 0.5),
        ("gsm8k", "perplexity", 7.0),
        ("all", "exact_match", 0.5),
    ]
    assert found[0].documents == (0, 0, 1, 0) and found[1].documents == (1, 0, 1, 0)
    assert found[0].rows == found[1].rows != ""
    assert found[2].documents == () and found[2].higher_is_better is False and found[2].std_error is None


def test_documents_whose_mean_is_another_number_are_not_used() -> None:
    found = scores_of({"results": {"x": {"exact_match,none": 0.9}}, "samples": {"x": samples("none", 1, 0)}})
    assert found[0].documents == () and found[0].rows == ""


@pytest.mark.skipif(INSTALLED, reason="lm-eval is installed")
def test_a_missing_package_is_named_with_its_command() -> None:
    with pytest.raises(ConfigError, match="not installed") as raised:
        require_harness(["gsm8k"])
    assert "pip install 'sanetune[evaluate]'" in raised.value.remedy


@pytest.mark.parametrize("task", ["gsm8k", "missing/tasks.yaml"])
def test_tasks_of_a_command_are_refused_in_the_words_of_the_command(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration of the run names none: its line would be that of another value."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if task == "gsm8k" else object())
    run, config = Run.create(tmp_path / "run"), tmp_path / "run/config.yaml"
    config.write_text(f"model: {{name: {DEMO / 'model'}}}\ndata: {{train: x.jsonl}}\nrun: {{evaluate: []}}\n")
    (run.model).mkdir()
    (run.model / "config.json").write_text("{}")
    with pytest.raises(ConfigError) as raised:
        evaluate(run.path, [task])
    error = raised.value
    assert error.message.startswith("--evaluate") and error.place is None
    assert "run.evaluate" not in f"{error} {error.rationale} {error.remedy}" and "The run would" not in str(error)
    config.write_text(config.read_text().replace("[]", f"[{task}]"))
    with pytest.raises(ConfigError) as raised:
        evaluate(run.path)
    assert raised.value.message.startswith("run.evaluate") and raised.value.place is not None


def test_a_task_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ConfigError, match="no task file"):
        require_harness([str(tmp_path / "missing.yaml")])
    (tmp_path / "some.yaml").write_text("task: some")
    require_harness([str(tmp_path), "gsm8k"])
    assert yaml_files(tmp_path) == yaml_files(tmp_path / "some.yaml")


def test_paths_of_tasks_start_at_the_configuration_and_names_stay(tmp_path: Path) -> None:
    file = tmp_path / "sanetune.yaml"
    file.write_text("model: {name: x}\ndata: {train: rows.jsonl}\nrun: {evaluate: [gsm8k, tasks/mine.yaml]}\n")
    assert load(file).run.evaluate == ["gsm8k", str(tmp_path / "tasks/mine.yaml")]


@pytest.mark.parametrize("line", ["{", '{"other": 1}'])
def test_a_broken_file_of_what_to_keep_is_told_before_anything_is_built(tmp_path: Path, line: str) -> None:
    keep = tmp_path / "keep.jsonl"
    keep.write_text('{"text": "fine"}\n' + line + "\n")
    config = load(
        {"model": {"name": str(DEMO / "model")}, "data": {"train": "nowhere.jsonl"}, "check": {"keep": str(keep)}}
    )
    events: list[Event] = []
    with pytest.raises(DataError, match=r"check\.keep") as raised, evidence_of(config, events.append) as evidence:
        run_checks(config, evidence)
    assert raised.value.place is not None and raised.value.place.line == 2
    assert [type(event).__name__ for event in events] == ["ChecksStarted", "ChecksEnded"]
    with pytest.raises(DataError, match=r"check\.keep"):
        require_inputs(config)


@pytest.mark.parametrize("error", [RuntimeError("the Hub\nis away"), RunError("no tokenizer."), KeyboardInterrupt()])
def test_a_harness_that_fails_leaves_the_run_and_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(evaluating, "evaluate_run", broken)
    config = load({"model": {"name": "x"}, "data": {"train": "y"}, "run": {"evaluate": ["gsm8k", "my task.yaml"]}})
    events: list[Event] = []
    evaluating.evaluate_after_training(Run(tmp_path), config, None, events.append)
    [note] = events
    assert isinstance(note, Note)
    assert "the model is saved" in note.text and "--evaluate gsm8k --evaluate '" in note.text
    assert str(error).split("\n")[0] in note.text and "\n" not in note.text


@pytest.mark.parametrize("change", ["task.yaml", "base.yaml", "clean.py", "rows.jsonl", "new.yaml"])
def test_both_models_are_measured_again_where_a_file_of_a_task_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for name in ("base.yaml", "clean.py", "rows.jsonl"):
        (tasks / name).write_text("# first")
    (tasks / "task.yaml").write_text(
        TASK.format(rows=tasks / "rows.jsonl")
        + f"include: base.yaml\nprocess_docs: !function clean.rows\ndescription: {'a' * 9_000}\n"
    )
    (tasks / "notes.txt").write_text("first")
    run, measured = Run(tmp_path / "run"), []
    model(run.model)
    config = load({"model": {"name": str(model(tmp_path / "base"))}, "data": {"train": "x.jsonl"}})

    def measure(run: Run, *_: object, tuned: bool) -> ModelScores:
        measured.append(tuned)
        return ModelScores(WeightsStamp.of(str(run.model if tuned else tmp_path / "base")), (score(1.0),))

    monkeypatch.setattr(evaluating, "require_harness", lambda *_: None)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0.4.13")
    monkeypatch.setattr(evaluating, "Tasks", lambda names, _: names)
    monkeypatch.setattr(evaluating, "_measured", measure)
    for again in ([False, True], []):
        evaluating.evaluate_run(run, config, [str(tasks)])
        (tasks / "notes.txt").write_text("second")
        assert measured == again
        measured.clear()
    (tasks / change).write_text((tasks / change).read_text() + "\n# second" if change != "new.yaml" else "task: new")
    evaluating.evaluate_run(run, config, [str(tasks)])
    assert measured == [False, True]


@pytest.mark.skipif(not INSTALLED, reason="needs lm-eval")
def test_both_models_are_measured_once_and_again_where_the_weights_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    rows, task = tmp_path / "rows.jsonl", tmp_path / "tasks/sums.yaml"
    rows.write_text("".join(json.dumps({"question": f"Is {n} even?", "answer": 1 - n % 2}) + "\n" for n in range(9)))
    task.parent.mkdir()
    task.write_text(TASK.format(rows=rows))
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(DEMO / "model"),
        AutoTokenizer.from_pretrained(DEMO / "model"),
    )
    run = Run.create(tmp_path / "run")
    for one in (model, tokenizer):
        one.save_pretrained(run.model)
    config = load({"model": {"name": str(DEMO / "model")}, "data": {"train": "x.jsonl"}, "train": {"use_cpu": True}})
    events: list[Event] = []
    first = evaluating.evaluate_run(run, config, [str(task.parent)], 6, events.append)
    base, tuned = (first.models[name].scores for name in ("base", "tuned"))
    assert base == tuned and len(base[0].documents) == 6
    assert (base[0].task, base[0].metric, base[0].higher_is_better) == ("sums", "acc", True)
    assert read_evaluation(run) == first
    steps = [event for event in events if isinstance(event, evaluating.EvaluationStep)]
    assert {(one.model, one.done, one.total) for one in steps} == {("base", 12, 12), ("tuned", 12, 12)}

    assert evaluating.evaluate_run(run, config, [str(task.parent)], 6) == first
    model.get_input_embeddings().weight.data.mul_(0.5)
    model.save_pretrained(run.model)
    again = evaluating.evaluate_run(run, config, [str(task.parent)], 6)
    assert again.models["base"] == first.models["base"]
    assert again.models["tuned"].weights != first.models["tuned"].weights
    with pytest.raises(ConfigError, match="holds no task"):
        evaluating.Tasks([str(task.parent / "none.yaml")])
