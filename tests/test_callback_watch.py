"""`sanetune.Watch` ends any Trainer's run whose curve fails, names rows where it can, and goes on after a resume."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

import sanetune
from sanetune.engine import checkpoints
from sanetune.engine.own.sampled_rows import UnknownOrderError, rows_of
from sanetune.finding import GateError
from sanetune.gate.watch_report import Ended, WatchReport
from tests.engine.fake import VOCABULARY, tiny_model

pytestmark = pytest.mark.usefixtures("one_thread")


class Rows(torch.utils.data.Dataset[Any]):
    """Rows that count upwards, but for some that are random; it notes which are read."""

    def __init__(self, count: int, odd: frozenset[int] = frozenset()) -> None:
        chance = torch.Generator().manual_seed(0)
        self.rows = []
        for number in range(count):
            start = 3 + number % 5
            ids = torch.arange(start, start + 24) % (VOCABULARY - 3) + 3
            if number in odd:
                ids = torch.randint(3, VOCABULARY, (24,), generator=chance)
            self.rows.append({"input_ids": ids, "labels": ids})
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        self.read.append(number)
        return self.rows[number]


def trainer(folder: Path, rows: Rows, watch: sanetune.Watch, **given: Any) -> Trainer:
    values: dict[str, Any] = {
        "max_steps": 40, "per_device_train_batch_size": 2, "learning_rate": 3e-3, "lr_scheduler_type": "constant",
        "logging_steps": 50, "save_steps": 10, "save_strategy": "steps", "use_cpu": True, "report_to": "none",
        "disable_tqdm": True, "dataloader_pin_memory": False, "seed": 3,
    }  # fmt: skip
    arguments = TrainingArguments(output_dir=str(folder), **values | given)
    evaluated = rows if given.get("eval_strategy") else None
    return Trainer(model=tiny_model(), args=arguments, train_dataset=rows, eval_dataset=evaluated, callbacks=[watch])


def test_a_curve_that_diverges_ends_with_a_checkpoint_and_raises(tmp_path: Path) -> None:
    watch = sanetune.Watch(ignore=["curve-start-high"])
    made = trainer(tmp_path, Rows(100), watch, learning_rate=30.0)
    with pytest.raises(GateError, match="curve-diverged"):
        made.train()
    step = made.state.global_step
    assert step <= 20
    assert checkpoints.latest(tmp_path) == tmp_path / f"checkpoint-{step}"
    stored = json.loads((tmp_path / "watch.json").read_text())
    assert stored["ended"]["step"] == step and "curve-diverged" in stored["ended"]["checks"]
    (finding,) = [one.finding for one in watch.findings if one.finding.check == "curve-diverged"]
    assert finding.fix.keys() == {"TrainingArguments.learning_rate"}


def test_warn_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch = sanetune.Watch("warn", ignore=["curve-start-high"])
    made = trainer(tmp_path, Rows(100), watch, learning_rate=30.0, max_steps=25)
    never, asked = threading.Event(), []

    class Stuck(TrainerCallback):
        """As TensorBoard's, with a disk that hangs."""

        tb_writer = SimpleNamespace(add_text=lambda *given: (asked.append(given), never.wait(60)))

    made.add_callback(Stuck())
    began = time.monotonic()
    made.train()
    assert len(asked) == 1 and time.monotonic() - began < 30
    never.set()
    assert made.state.global_step == 25
    assert "curve-diverged" in {one.finding.check for one in watch.findings}
    said = " ".join(capsys.readouterr().err.split())
    assert "curve-diverged at step" in said
    assert "Stuck has not taken all that was left when the run ended; watch.json has all findings" in said


@pytest.mark.parametrize("sampling", ["random", "sequential"])
def test_rows_of_a_spike_are_numbered_in_the_order_of_the_sampler(sampling: str, tmp_path: Path) -> None:
    # Two odd rows that share a batch: which they are is read off a first pass.
    first = Rows(100)
    trainer(tmp_path / "a", first, sanetune.Watch("warn"), train_sampling_strategy=sampling, max_steps=36).train()
    odd = frozenset(first.read[2 * 34 : 2 * 35])
    rows = Rows(100, odd)
    watch = sanetune.Watch(ignore=["curve-start-high"])
    made = trainer(
        tmp_path / "b", rows, watch, train_sampling_strategy=sampling, max_steps=45, logging_steps=1, learning_rate=1e-2
    )
    made.train()
    assert rows.read[: len(first.read)] == first.read
    (spike,) = [one for one in watch.findings if one.finding.check == "curve-spike"]
    assert spike.at == 35 and spike.step <= 45
    stored = json.loads((tmp_path / "b" / "watch.json").read_text())["findings"]
    named = next(one["rows"] for one in stored if one["check"] == "curve-spike")
    assert {one["number"] for one in named} == odd


def test_every_step_s_rows_are_those_that_were_read(tmp_path: Path) -> None:
    """Two epochs with accumulation and a last batch that is not full."""
    rows = Rows(23)
    seen: list[list[int]] = []
    made = trainer(tmp_path, rows, sanetune.Watch("warn"), max_steps=8, gradient_accumulation_steps=3)

    class Loader(sanetune.Watch):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            seen.append(rows_of(made, kwargs["train_dataloader"], state.global_step))

    made.add_callback(Loader("warn"))
    made.train()
    assert [number for step in seen for number in step] == rows.read


def test_a_sampler_that_says_nothing_gives_the_reason(tmp_path: Path) -> None:
    made = trainer(tmp_path, Rows(20), sanetune.Watch("warn"))
    weighted = torch.utils.data.WeightedRandomSampler([1.0] * 20, 20)
    loader = torch.utils.data.DataLoader(made.train_dataset, batch_size=2, sampler=weighted)
    with pytest.raises(UnknownOrderError, match="WeightedRandomSampler draws its order"):
        rows_of(made, loader, 3)


@pytest.mark.parametrize("limit", [None, 2])
def test_a_validation_loss_that_turns_loads_the_lowest_checkpoint_and_says_so(
    tmp_path: Path, limit: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = sanetune.Watch(ignore=["curve-start-high"])
    rows = Rows(8, frozenset(range(8)))
    saves = {"save_steps": 5 if limit else 1000, "save_total_limit": limit}
    made = trainer(
        tmp_path, rows, watch, learning_rate=1e-2, max_steps=300, eval_strategy="steps", eval_steps=5, **saves
    )
    made.eval_dataset = Rows(8, frozenset(range(4)))
    made.eval_dataset.rows = made.eval_dataset.rows[4:]
    made.train()
    losses = {one["step"]: one["eval_loss"] for one in made.state.log_history if "eval_loss" in one}
    lowest = min(losses, key=losses.__getitem__)
    stored = json.loads((tmp_path / "watch.json").read_text())
    assert stored["ended"]["course"] == "turn" and stored["ended"]["checkpoint"] == lowest
    end = f"after step {made.state.global_step} (curve-overfit): its model is that of checkpoint-{lowest}."
    assert f"The watch has ended this run {end}" in capsys.readouterr().err
    (overfit,) = [one for one in stored["findings"] if one["check"] == "curve-overfit"]
    names = [one["name"] for one in overfit["answers"]]
    assert {"the checkpoint at the minimum", "a lower learning rate", "weight decay", "LoRA"} <= set(names)
    assert not any("train." in one["words"] for one in overfit["answers"]), "a trainer has no configuration"
    assert made.state.global_step < 300
    assert made.evaluate()["eval_loss"] == pytest.approx(losses[lowest], rel=1e-5)


def share_of(made: Trainer) -> Callable[[object], dict[str, float]]:
    """A metric that grows with each evaluation."""
    return lambda _: {"share": 0.1 + made.state.global_step / 1e3}


@pytest.mark.parametrize("metric", [None, "eval_other_loss"])
def test_of_several_sets_one_decides_and_the_others_are_warnings_with_their_name(
    tmp_path: Path, metric: str | None
) -> None:
    watch = sanetune.Watch(ignore=["curve-start-high"])
    rows = Rows(8, frozenset(range(8)))
    given = {"learning_rate": 1e-2, "max_steps": 200, "eval_strategy": "steps", "eval_steps": 5, "save_steps": 5}
    made = trainer(tmp_path, rows, watch, metric_for_best_model=metric, **given)
    other = Rows(8, frozenset(range(4)))
    other.rows = other.rows[4:]
    made.eval_dataset = {"seen": rows, "other": other}
    made.train()
    stored = json.loads((tmp_path / "watch.json").read_text())
    overfit = [one for one in stored["findings"] if one["check"] == "curve-overfit"]
    assert overfit and all(one["what"].startswith("eval_other_loss: ") for one in overfit)
    if metric is None:  # the first set decides, which the model memorises
        assert made.state.global_step == 200 and stored["ended"] is None
        assert {(one["verdict"], one["validation_set"]) for one in overfit} == {("warn", "eval_other_loss")}
    else:
        losses = {one[metric]: one["step"] for one in made.state.log_history if metric in one}
        assert (stored["ended"]["course"], stored["ended"]["checkpoint"]) == ("turn", losses[min(losses)])


@pytest.mark.parametrize("strategy", ["best", "steps"])
def test_what_is_best_by_the_trainer_s_own_metric_is_the_same_with_and_without_a_watch(
    strategy: str, tmp_path: Path
) -> None:
    """With a metric that grows while the loss falls, the loss in its place would hide all later values."""
    left = []
    for name, watch in (("watched", sanetune.Watch(ignore=["curve-start-high"])), ("warned", sanetune.Watch("warn"))):
        made = trainer(
            tmp_path / name, Rows(40), watch, max_steps=12, eval_strategy="steps", eval_steps=4, save_steps=4,
            save_strategy=strategy, metric_for_best_model="share", greater_is_better=True,
        )  # fmt: skip
        made.compute_metrics = share_of(made)
        made.train()
        saved = sorted(int(path.name.removeprefix("checkpoint-")) for path in (tmp_path / name).glob("checkpoint-*"))
        left.append((saved, made.state.best_metric, made.state.best_global_step))
    assert left[0] == left[1] == ([4, 8, 12], 0.112, 12)


def test_a_resumed_run_goes_on_with_the_whole_curve(tmp_path: Path) -> None:
    trainer(tmp_path, Rows(100), sanetune.Watch("warn"), max_steps=20).train()
    watch = sanetune.Watch("warn")
    trainer(tmp_path, Rows(100), watch, max_steps=30).train(resume_from_checkpoint=True)
    steps = [point.step for point in watch._watch.curve.last]
    # The last step before a checkpoint waits for its record, and is read with the next ones.
    assert set(range(1, 31)) - set(steps) <= {20}


def test_a_run_that_was_ended_is_refused_where_it_would_go_on_unless_it_only_warns(tmp_path: Path) -> None:
    diverging = {"learning_rate": 30.0, "max_steps": 40}
    with pytest.raises(GateError):
        trainer(tmp_path, Rows(100), sanetune.Watch(ignore=["curve-start-high"]), **diverging).train()
    again = trainer(tmp_path, Rows(100), sanetune.Watch(ignore=["curve-start-high"]), **diverging)
    with pytest.raises(GateError, match="has ended this run after step"):
        again.train(resume_from_checkpoint=True)
    warned = trainer(tmp_path, Rows(100), sanetune.Watch("warn"), **diverging)
    warned.train(resume_from_checkpoint=True)
    assert warned.state.global_step == 40


def test_a_new_run_in_the_same_folder_leaves_nothing_of_an_earlier_one_in_its_report(tmp_path: Path) -> None:
    earlier = WatchReport("stop", [], Ended(14, "stop", ("curve-diverged",)))
    (tmp_path / "watch.json").write_text(json.dumps(earlier.to_json()))
    trainer(tmp_path, Rows(100), sanetune.Watch("warn"), max_steps=6).train()
    assert json.loads((tmp_path / "watch.json").read_text())["ended"] is None


def test_two_processes_end_together(tmp_path: Path) -> None:
    program = Path(__file__).parent / "two_watched.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(program)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    ends = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert ends[0]["error"] == ends[1]["error"] == "GateError", done.stderr[-2000:]
    assert ends[0]["step"] == ends[1]["step"] <= 20
    assert ends[0]["findings"] and not ends[1]["findings"]
    assert checkpoints.latest(tmp_path / "run") == tmp_path / "run" / f"checkpoint-{ends[0]['step']}"


# ---- the rows of a step, measured ----


def spiking(folder: Path, watch: sanetune.Watch | None, **given: Any) -> Trainer:
    """A trainer with dropout and two odd rows in the batch of step 36, in the order of the data set."""
    rows = Rows(100, frozenset({70, 71}))
    values = {"train_sampling_strategy": "sequential", "max_steps": 45, "logging_steps": 1, "learning_rate": 1e-2}
    made = trainer(folder, rows, watch or sanetune.Watch(), **values | given)
    if watch is None:
        made.remove_callback(sanetune.Watch)
    for layer in made.model.model.layers:
        layer.self_attn.attention_dropout = 0.3
    return made


def spike_of(folder: Path) -> dict[str, Any]:
    stored = json.loads((folder / "watch.json").read_text())["findings"]
    return next(one for one in stored if one["check"] == "curve-spike")


def test_each_row_of_a_spike_has_its_own_loss_and_gradient_norm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sanetune.gate import watch_rows

    kept: list[tuple[int, dict[str, torch.Tensor]]] = []
    usual = watch_rows.step_rows

    def noted(made: Trainer, loader: Any, numbers: list[int], weights: str) -> Any:
        kept.append((made.state.global_step, {name: one.clone() for name, one in made.model.state_dict().items()}))
        return usual(made, loader, numbers, weights)

    monkeypatch.setattr(watch_rows, "step_rows", noted)
    made = spiking(tmp_path, sanetune.Watch(ignore=["curve-start-high"]))
    made.train()
    spike = spike_of(tmp_path)
    ((step, weights),) = kept
    assert spike["rows_weights"] == f"the weights after step {step}" and "rows_reason" not in spike
    assert [one["number"] for one in spike["rows"]] in ([70, 71], [71, 70])
    model = tiny_model()
    model.load_state_dict(weights)
    model.eval()
    for one in spike["rows"]:
        ids = Rows(100, frozenset({70, 71})).rows[one["number"]]["input_ids"]
        model.zero_grad()
        logits = model(ids[None]).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, ids[1:])
        loss.backward()
        norm = sum(float(weight.grad.square().sum()) for weight in model.parameters()) ** 0.5
        assert (one["loss"], one["grad_norm"]) == pytest.approx((loss.item(), norm), rel=1e-4)
        assert (one["tokens"], one["loss_tokens"]) == (24, 23)
        assert one["text"] == "token ids " + " ".join(map(str, ids.tolist()))


def test_training_goes_on_as_if_nothing_had_been_measured(tmp_path: Path) -> None:
    watched = spiking(tmp_path / "a", sanetune.Watch(ignore=["curve-start-high"]))
    plain = spiking(tmp_path / "b", None)
    for made in (plain, watched):
        torch.manual_seed(5)
        made.train()
    assert spike_of(tmp_path / "a")["rows_weights"]
    ours, theirs = watched.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    losses = [[one.get("loss") for one in made.state.log_history] for made in (watched, plain)]
    assert losses[0] == losses[1]
