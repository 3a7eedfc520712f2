"""At each evaluation the model answers the same prompts: in the run, in the trackers, and within bounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.data.prepare import prepare
from sanetune.demo import MODEL, TRAIN
from sanetune.engine.answer import Answer
from sanetune.events import Event, Note, silent
from sanetune.runs import Run
from sanetune.workflows import run_samples
from sanetune.workflows.train import train

if TYPE_CHECKING:
    from transformers import PreTrainedModel

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sanetune.probes.prompts.FEWEST", 4)
    monkeypatch.setattr("sanetune.probes.prompts.FEWEST_OF_YOURS", 4)
    monkeypatch.setattr(run_samples, "TOKENS", 6)
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)

    def build(*overrides: str, **run: Any) -> Config:
        rows = TRAIN.read_text().splitlines(keepends=True)[:16]
        (tmp_path / "rows.jsonl").write_text("".join(rows))
        return load(
            {
                "model": {"name": str(MODEL)},
                "data": {"train": str(tmp_path / "rows.jsonl"), "holdout": 0.2},
                "train": {"max_steps": 4, "per_device_train_batch_size": 2, "eval_steps": 2, "save_steps": 2},
                "run": {"output_dir": str(tmp_path / "run"), "trackers": ["tensorboard"], **run},
            },
            overrides,
        )

    return build


def lines(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.samples_over_time.read_text(encoding="utf-8").split("\n")[:-1]]


def test_the_same_prompts_at_each_evaluation_in_the_run_and_in_tensorboard(config: Callable[..., Config]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    result = train(config(samples=2, sample_prompts=["Where is my order?"]))
    made = lines(result.run)
    assert [line["step"] for line in made] == [0, 2, 4]
    prompts = [[one["prompt"] for one in line["samples"]] for line in made]
    assert prompts[0][0] == "Where is my order?" and len(prompts[0]) == 2
    assert prompts[0] == prompts[1] == prompts[2]
    # The tuned model is the one at the lowest evaluation; its first words are those written then.
    best = next(line for line in made if line["step"] == result.outcome.best_step)
    assert result.comparison is not None
    assert result.comparison.samples[0].tuned.text.startswith(best["samples"][0]["answer"][:4])
    events = EventAccumulator(str(result.run.tensorboard)).Reload()
    texts = [
        (event.step, make_ndarray(event.tensor_proto)[0].decode()) for event in events.Tensors("samples/text_summary")
    ]
    assert [step for step, _ in texts] == [0, 2, 4]
    assert all(line["samples"][0]["answer"] in text for line, (_, text) in zip(made, texts, strict=True))


def test_answers_that_would_take_too_long_are_left_out_but_at_the_end(
    config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_samples, "FREE", 0.0)
    monkeypatch.setattr(run_samples, "SHARE", 0.0)
    events: list[Event] = []
    result = train(config(), publish=events.append)
    made = lines(result.run)
    assert [line["step"] for line in made] == [0, 4]
    first, at_the_end = (len(line["samples"][0]["answer"]) for line in made)
    assert first < at_the_end, "the first ones end where their time does, in the middle of an answer"
    notes = [event.text for event in events if isinstance(event, Note) and "run.samples" in event.text]
    assert len(notes) == 1 and "they take too long" in notes[0]


def test_none_are_asked_where_none_are_wanted(config: Callable[..., Config]) -> None:
    result = train(config("run.samples=0", "train.max_steps=2"))
    assert not result.run.samples_over_time.exists()


def test_a_resumed_run_has_each_step_once(config: Callable[..., Config]) -> None:
    train(config(samples=1))
    result = train(config("train.max_steps=6", samples=1), resume=True)
    assert [line["step"] for line in lines(result.run)] == [0, 2, 4, 6]


def test_a_prompt_that_leaves_no_room_has_no_answer_that_could_be_counted(
    config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    said = [Answer("", False, 0, note="the prompt leaves no room"), Answer("Yes.", True, 2)]
    monkeypatch.setattr("sanetune.probes.prompts.answers", lambda *_: said)
    model = cast("PreTrainedModel", object())
    samples = run_samples.RunSamples(prepare(config()), run, ["Long?", "Short?"], 2, silent, lambda: model)
    samples.ask(0, last=True)
    assert [[one["prompt"] for one in line["samples"]] for line in lines(run)] == [["Short?"]]


def test_a_conversation_is_written_with_the_message_that_is_answered_and_the_length_of_the_answer(
    config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    monkeypatch.setattr("sanetune.probes.prompts.answers", lambda *_: [Answer("2.", True, 2)])
    samples = run_samples.RunSamples(
        prepare(config()), run, ["?"], 1, silent, lambda: cast("PreTrainedModel", object())
    )
    turns = [("user", "One?"), ("assistant", "1."), ("user", "Two?")]
    samples._prompts.messages[:] = [[{"role": role, "content": text} for role, text in turns]]
    samples.ask(0, last=True)
    (one,) = lines(run)[0]["samples"]
    assert one["prompt"] == "user: One?\nassistant: 1.\nuser: Two?"
    assert (one["asked"], one["earlier"], one["tokens"]) == ("Two?", 2, 2)


@pytest.mark.parametrize("answer", ["first\u2028second", "first\u2029second", "first\x85second"])
def test_a_run_whose_answers_have_other_line_breaks_goes_on_even_after_a_kill_inside_a_character(
    config: Callable[..., Config], tmp_path: Path, answer: str
) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    made = [{"step": step, "samples": [{"prompt": "Hm?", "answer": answer, "ended": True}]} for step in (0, 10, 20)]
    run.samples_over_time.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in made), "utf-8")
    with run.samples_over_time.open("ab") as file:
        file.write('{"step": 5, "samples": [{"prompt": "é'.encode()[:-1])
    samples = run_samples.RunSamples(prepare(config()), run, ["Hm?"], 1, silent, lambda: None)
    samples.begin(10)
    assert lines(run) == made[:2]
    samples.begin(0)
    assert run.samples_over_time.read_bytes() == b""
