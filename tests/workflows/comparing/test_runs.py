"""Real runs of a tiny model are compared on the same prompts and documents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.curves.series import Evaluation
from sanetune.demo import MODEL, TRAIN
from sanetune.errors import RunError
from sanetune.probes.results import Comparison
from sanetune.runs import Run
from sanetune.workflows import compare
from sanetune.workflows.comparing.measures import CALLS, ENDS, FORMAT_KEPT, REPEATS_ITSELF
from sanetune.workflows.comparing.result import LOSS
from sanetune.workflows.comparing.runs import compare_runs
from sanetune.workflows.comparing.stored import read_stored
from tests.workflows.evaluating.made import evaluated, score

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished run ``run``, and the loss of its last evaluation."""
    from sanetune.workflows.train import train

    home = tmp_path_factory.mktemp("runs")
    rows = TRAIN.read_text().splitlines(keepends=True)
    (home / "rows.jsonl").write_text("".join(rows[:40]))
    (home / "validation.jsonl").write_text("".join(rows[40:52]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(home / "cache"))
        patch.setattr("sanetune.probes.prompts.FEWEST", 8)
        settings = {
            "model": {"name": str(MODEL)},
            "data": {"train": str(home / "rows.jsonl"), "validation": str(home / "validation.jsonl"), "workers": 1},
            "train": {"max_steps": 6, "learning_rate": 3e-3, "per_device_train_batch_size": 4, "use_cpu": True},
            "run": {"output_dir": str(home / "run"), "trackers": []},
        }
        done = train(load(settings))
        (home / "loss").write_text(str(done.outcome.validation_loss))
        yield home


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each model that was loaded is the tuned one."""
    found: list[bool] = []
    original = compare.load_model_of

    def load_model_of(*arguments: Any, tuned: bool) -> Any:
        found.append(tuned)
        return original(*arguments, tuned=tuned)

    monkeypatch.setattr("sanetune.workflows.comparing.runs.load_model_of", load_model_of)
    return found


def copied(home: Path, name: str) -> Path:
    shutil.copytree(home / "run", home / name)
    return home / name


def test_a_run_is_better_than_its_base_and_is_measured_once(home: Path, loads: list[bool]) -> None:
    found = compare_runs([home / "run"], count=6)
    base, tuned = found.models
    assert loads == [False, True]
    assert tuned.losses is not None and base.losses is not None
    assert tuned.losses.loss == pytest.approx(float((home / "loss").read_text()), abs=1e-4)
    assert len(tuned.losses.digests) == 12
    judged = found.pairs[0]
    assert judged.verdict == "better" and LOSS in judged.named(1)
    assert judged.loss is not None and judged.loss.n == 12
    assert {ENDS, REPEATS_ITSELF, FORMAT_KEPT} <= set(tuned.marks)
    assert CALLS not in tuned.marks, "no row calls a tool"
    assert found.stop_token_ids and found.notes == []

    assert compare_runs([home / "run"], count=6) == found
    assert loads == [False, True], "the second time nothing is loaded"
    assert len(compare_runs([home / "run"], count=3).prompts) == 3
    assert loads == [False, True] * 2, "other prompts are asked anew"
    stored = json.loads(Run(home / "run").comparison.read_text())
    assert Comparison.from_json(stored).tuned_loss == pytest.approx(tuned.losses.loss)


def scaled(model: Path) -> None:
    """Other weights in the folder of a model; its configuration keeps its time."""
    from safetensors.torch import load_file, save_file

    file = model / "model.safetensors"
    save_file({name: 0.5 * value for name, value in load_file(file).items()}, file, {"format": "pt"})


def test_a_model_whose_weights_have_changed_is_asked_anew_and_no_other(home: Path, loads: list[bool]) -> None:
    run = Run(copied(home, "trained-on"))
    base = shutil.copytree(MODEL, home / "own-base")
    run.config.write_text(run.config.read_text().replace(str(MODEL), str(base)))
    before = compare_runs([run.path], count=1)
    for folder, again in ((run.model, True), (base, False)):
        loads.clear()
        scaled(folder)
        assert read_stored(run, [run]) is None, "the page and the judge have no use for it"
        after = compare_runs([run.path], count=1)
        assert loads == [again]
        assert after.models[again].losses != before.models[again].losses
        assert read_stored(run, [run]) == after


def test_a_model_is_the_same_by_whatever_path_and_whenever_it_was_copied(
    home: Path, loads: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(copied(home, "by-path"))
    compare_runs([run.path], count=1)
    loads.clear()
    monkeypatch.chdir(home)
    (run.model / "config.json").write_bytes((run.model / "config.json").read_bytes())
    compare_runs([Path("by-path")], count=1)
    assert loads == []


def test_models_whose_stored_answers_had_other_limits_are_asked_anew(home: Path, loads: list[bool]) -> None:
    run = Run(copied(home, "earlier"))
    compare_runs([run.path], count=1)
    stored = run.read_json(run.comparison)
    stored["compared"]["schema"] = 1
    run.write_json(run.comparison, stored)
    loads.clear()
    compare_runs([run.path], count=1)
    assert loads == [False, True]


def test_the_same_model_in_two_runs_is_no_different(home: Path) -> None:
    other = copied(home, "twin")
    found = compare_runs([home / "run", other], count=4)
    assert [one.name for one in found.models] == ["run", "twin"]
    assert found.pairs[0].verdict == "no difference shown"
    assert found.pairs[0].loss is not None and found.pairs[0].loss.mean == 0
    first = Run(home / "run")
    assert first.comparison_with([Run(other)]).is_file()
    with pytest.raises(RunError, match="given twice"):
        compare_runs([home / "run", home / "run"])


def test_runs_with_other_validation_rows_are_refused_and_the_rows_are_named(home: Path) -> None:
    other = Run(copied(home, "other-rows"))
    rows = (home / "validation.jsonl").read_text().splitlines(keepends=True)
    changed = json.loads(rows[3])
    changed["messages"][-1]["content"] = "Another answer altogether."
    (home / "changed.jsonl").write_text("".join([*rows[:3], json.dumps(changed) + "\n", *rows[4:]]))
    other.config.write_text(other.config.read_text().replace("validation.jsonl", "changed.jsonl"))
    with pytest.raises(RunError) as caught:
        compare_runs([home / "run", other.path], count=2)
    assert "1 of 12 rows only in run (row 3:" in caught.value.message
    assert "1 of 12 rows only in other-rows (row 3:" in caught.value.message


def test_the_order_of_validation_rows_does_not_matter(home: Path) -> None:
    other = Run(copied(home, "turned"))
    rows = (home / "validation.jsonl").read_text().splitlines(keepends=True)
    (home / "turned.jsonl").write_text("".join(reversed(rows)))
    other.config.write_text(other.config.read_text().replace("validation.jsonl", "turned.jsonl"))
    found = compare_runs([home / "run", other.path], count=1)
    difference = found.pairs[0].loss
    assert difference is not None and difference.n == 12
    assert difference.mean == pytest.approx(0, abs=1e-6)


def test_losses_of_documents_are_those_of_the_harness_and_of_packs(home: Path) -> None:
    """The same documents as packs have the same losses, document by document."""
    from sanetune.data.prepare import prepare
    from sanetune.probes.document_losses import document_losses

    run = Run(home / "run")
    config = load(run.config)
    whole = prepare(config)
    packs = prepare(load(run.config, ["train.packing=true", "train.eval_packing=true"]))
    model = compare.load_model_of(run, config, whole.tokenizer, tuned=True)
    one, other = document_losses(model, whole), document_losses(model, packs)
    assert one is not None and other is not None
    assert packs.validation is not None and len(packs.validation) < 12
    difference = one.over(other)
    assert difference is not None and difference.mean == pytest.approx(0, abs=1e-5)
    found: Evaluation = other.evaluation
    assert found.sums == pytest.approx(one.evaluation.sums, abs=1e-3)


def test_runs_of_one_name_are_called_by_as_many_folders_as_tell_them_apart(home: Path) -> None:
    first, second = (home / owner / "exp/run" for owner in ("alice", "bob"))
    for path, value in ((first, 0.9), (second, 0.1)):
        shutil.copytree(home / "run", path)
        base = Path(load(path / "config.yaml").model.name)
        evaluated(Run(path), base, score(0.5), score(value))
    found = compare_runs([first, second], count=1)
    assert [one.name for one in found.models] == ["alice/exp/run", "bob/exp/run"]
    assert {name: one.scores[0].value for name, one in found.evaluation.items()} == {
        "alice/exp/run": 0.9,
        "bob/exp/run": 0.1,
    }
