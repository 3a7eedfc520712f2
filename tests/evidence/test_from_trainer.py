"""A built trainer is read as it will train, and is afterwards what it was."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForLanguageModeling, TrainingArguments
from transformers import Trainer as PlainTrainer

from sanetune.api import check
from sanetune.callback import Gate, guard
from sanetune.errors import ConfigError
from sanetune.evidence.roles_from_ids import IdRoleFinder
from sanetune.evidence.trainer_batches import untouched
from sanetune.finding import Finding, GateError, Report, Verdict

DEMO = Path(trl.__file__).parent
HOME = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
TRAINING = DEMO / "chat_templates" / "qwen2_5_training.jinja"


def rows(name: str, count: int) -> list[dict[str, Any]]:
    lines = (HOME / "data" / f"{name}.jsonl").read_text().splitlines()[:count]
    return [{"messages": json.loads(line)["messages"]} for line in lines]


def built(
    tmp_path: Path, data: list[dict[str, Any]] | None = None, stream: bool = False, **keys: Any
) -> trl.SFTTrainer:
    tokenizer = AutoTokenizer.from_pretrained(str(HOME / "model"))
    tokenizer.chat_template = TRAINING.read_text()
    settings = {
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 2,
        "num_train_epochs": 3,
        "eval_strategy": "steps",
        "eval_steps": 10,
        "save_steps": 10,
        "logging_steps": 5,
        "assistant_only_loss": True,
        "eos_token": "<|im_end|>",
        "max_length": 1024,
        "save_strategy": "no",
    } | keys
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", disable_tqdm=True, **settings
    )
    train = Dataset.from_list(data or rows("train", 80))
    return trl.SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(str(HOME / "model")),
        args=arguments,
        train_dataset=train.to_iterable_dataset() if stream else train,
        eval_dataset=Dataset.from_list(rows("validation", 10)),
        processing_class=tokenizer,
    )


def failed(report: Any) -> set[str]:
    return {finding.check for finding in report.of(Verdict.FAIL, Verdict.CRASH)}


@pytest.mark.parametrize("packing", [False, True])
def test_a_trainer_that_masks_its_prompts_passes(tmp_path: Path, packing: bool) -> None:
    report = check(built(tmp_path, packing=packing, max_length=512 if packing else 1024))
    assert not failed(report), [finding.message for finding in report.of(Verdict.FAIL, Verdict.CRASH)]
    assert report["labels-disagree"].numbers["unread"] == 0
    assert report["labels-disagree"].numbers["documents"] == 90


def test_roles_are_found_by_one_finder_for_all_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[IdRoleFinder | None] = []
    build = IdRoleFinder.of
    monkeypatch.setattr(IdRoleFinder, "of", lambda *parts: made.append(build(*parts)) or made[-1])
    check(built(tmp_path))
    assert len(made) == 1


def test_trls_default_on_messages_is_caught_as_learning_the_prompts(tmp_path: Path) -> None:
    report = check(built(tmp_path, assistant_only_loss=False))
    assert failed(report) == {"labels-on-prompt"}
    assert report["labels-disagree"].verdict is Verdict.SKIP
    assert "labels-on-prompt" in report["labels-disagree"].message
    finding = report["labels-on-prompt"]
    assert finding.numbers["learnt"]["user"] > 0
    assert finding.numbers["masked"]["user"] == 0
    with pytest.raises(GateError, match="labels-on-prompt"):
        report.raise_if_failed()


def test_learning_everything_can_be_declared(tmp_path: Path) -> None:
    assert not failed(check(built(tmp_path, assistant_only_loss=False), loss_on="all"))


def test_rows_of_prompt_and_completion_declare_that_the_last_answer_is_in_the_loss(tmp_path: Path) -> None:
    pairs = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows("train", 80)]
    trainer = built(tmp_path, assistant_only_loss=False, eval_strategy="no")
    arguments = trainer.args
    again = trl.SFTTrainer(
        model=trainer.model,
        args=arguments,
        train_dataset=Dataset.from_list(pairs),
        processing_class=trainer.processing_class,
    )
    assert not failed(check(again))


def test_an_end_that_generation_does_not_know_is_caught(tmp_path: Path) -> None:
    """The embedded base ends on <|endoftext|>; its template on <|im_end|>."""
    assert failed(check(built(tmp_path, eos_token=None))) == {"template-end-unlearnt"}


def plain(tmp_path: Path, collate: Any) -> PlainTrainer:
    """transformers' own Trainer on tokenized rows, with a collator of one's own."""
    tokenizer = AutoTokenizer.from_pretrained(str(HOME / "model"))
    tokenizer.eos_token = "<|im_end|>"
    data = [tokenizer.apply_chat_template(row["messages"])["input_ids"] for row in rows("train", 60)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        report_to="none",
        learning_rate=1e-3,
        per_device_train_batch_size=2,
        save_strategy="no",
        remove_unused_columns=False,
    )
    model = AutoModelForCausalLM.from_pretrained(str(HOME / "model"))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return PlainTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"input_ids": data}),
        processing_class=tokenizer,
        data_collator=lambda batch: collate(batch, tokenizer),
    )


def padded(batch: list[dict[str, Any]], tokenizer: Any) -> dict[str, Any]:
    width = max(len(row["input_ids"]) for row in batch)
    ids = torch.full((len(batch), width), tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(batch):
        ids[number, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        mask[number, : len(row["input_ids"])] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def shifted(batch: list[dict[str, Any]], tokenizer: Any) -> dict[str, Any]:
    made = padded(batch, tokenizer)
    made["labels"] = torch.cat([made["labels"][:, 1:], torch.full_like(made["labels"][:, :1], -100)], 1)
    return made


def learns_padding(batch: list[dict[str, Any]], tokenizer: Any) -> dict[str, Any]:
    made = padded(batch, tokenizer)
    return made | {"labels": made["input_ids"].clone()}


def masks_all(batch: list[dict[str, Any]], tokenizer: Any) -> dict[str, Any]:
    made = padded(batch, tokenizer)
    return made | {"labels": torch.full_like(made["input_ids"], -100)}


@pytest.mark.parametrize(
    ("collate", "name"),
    [(shifted, "labels-shifted"), (learns_padding, "labels-on-padding"), (masks_all, "labels-none")],
)
def test_a_faulty_collator_of_a_plain_trainer_is_named(tmp_path: Path, collate: Any, name: str) -> None:
    assert name in failed(check(plain(tmp_path, collate), loss_on="all"))
    assert name not in failed(check(plain(tmp_path, padded), loss_on="all"))


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """Weights, random states, the accelerator and the order of the batches."""
    trainer = built(tmp_path)

    def batches() -> list[list[list[int]]]:
        with untouched(trainer):
            return [batch["input_ids"].tolist() for batch in trainer.get_train_dataloader()]

    def state() -> list[Any]:
        numpy = np.random.get_state()
        weights = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        return [random.getstate(), numpy[1].tolist(), torch.get_rng_state(), weights]

    before, order, loaders = state(), batches(), list(trainer.accelerator._dataloaders)
    training = trainer.model.training
    check(trainer)
    after = state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert all(torch.equal(before[3][name], after[3][name]) for name in before[3])
    assert batches() == order
    assert trainer.accelerator._dataloaders == loaders
    assert trainer.model.training == training


def trained(trainer: trl.SFTTrainer) -> list[float]:
    trainer.train()
    return [record["loss"] for record in trainer.state.log_history if "loss" in record]


def test_the_gate_lets_a_sound_run_through_unchanged_and_refuses_a_faulty_one(tmp_path: Path, one_thread: None) -> None:
    short = {"max_steps": 4, "logging_steps": 1, "eval_strategy": "no"}
    plain_losses = trained(built(tmp_path / "a", **short))
    watched = built(tmp_path / "b", **short)
    gate = guard(watched, ignore=["config"])
    assert trained(watched) == plain_losses
    assert gate.report is not None
    assert gate.report.verdict is not Verdict.FAIL
    faulty = built(tmp_path / "c", assistant_only_loss=False, **short)
    guard(faulty)
    with pytest.raises(GateError):
        faulty.train()
    assert faulty.state.global_step == 0


@pytest.mark.parametrize("known", [True, False])
def test_the_gate_as_a_callback_knows_its_trainer_or_finds_it(
    known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = built(tmp_path, max_steps=1, eval_strategy="no")
    checked: list[object] = []

    def refuse(trainer: object, **choice: object) -> Report:
        checked.append(trainer)
        return Report([Finding("x", Verdict.FAIL, "bad")])

    monkeypatch.setattr("sanetune.workflows.check.check_trainer", refuse)
    trainer.add_callback(Gate(trainer) if known else Gate())
    with pytest.raises(GateError):
        trainer.train()
    assert checked == [trainer]


def test_the_gate_says_so_where_no_trainer_calls_it(tmp_path: Path) -> None:
    trainer = built(tmp_path, max_steps=1)
    with pytest.raises(RuntimeError, match="callback of transformers' Trainer"):
        Gate().on_train_begin(trainer.args, trainer.state, trainer.control)


def test_a_stream_is_read_and_what_its_length_would_tell_is_left_unset(tmp_path: Path) -> None:
    trainer = built(tmp_path, stream=True, max_steps=60, eval_steps=10)
    report = check(trainer)
    assert not failed(report)
    assert report["labels-disagree"].numbers["documents"] == 90
    for name in ("batches-order", "config-epochs-many"):
        assert report[name].verdict is Verdict.SKIP, report[name].message


def test_validation_rows_of_a_stream_are_not_called_none(tmp_path: Path) -> None:
    trainer = built(tmp_path)
    trainer.eval_dataset = trainer.eval_dataset.to_iterable_dataset()
    assert check(trainer)["config-no-validation"].verdict is Verdict.SKIP


def test_rows_without_ids_before_they_are_batched_are_no_foreign_rows(tmp_path: Path) -> None:
    """As where a collator tokenizes, or where the data set is one of torch."""
    trainer = plain(tmp_path, padded)
    trainer.train_dataset = list(trainer.train_dataset)
    report = check(trainer)
    assert report["batches-order"].verdict is Verdict.SKIP
    assert report["labels-none"].numbers["documents"] == 60


def test_a_trainer_without_a_tokenizer_is_read_with_its_collators(tmp_path: Path) -> None:
    trainer = plain(tmp_path, padded)
    tokenizer, trainer.processing_class = trainer.processing_class, None
    bare = check(trainer)
    assert bare["labels-disagree"].verdict is Verdict.SKIP
    assert bare["config-rate-unusual"].verdict is not Verdict.SKIP
    trainer.data_collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    assert "labels-on-prompt" in failed(check(trainer))


def test_wrapped_packs_are_reported_by_what_they_cut_and_by_nothing_else(tmp_path: Path) -> None:
    report = check(built(tmp_path, packing=True, packing_strategy="wrapped", max_length=512))
    assert failed(report) == {"tokens-cut-reply"}
    assert report["labels-disagree"].numbers["disagree"] == 0
    assert "wrapped" in report["rows-roles"].message


def test_a_trainer_without_rows_is_no_crash(tmp_path: Path) -> None:
    trainer = plain(tmp_path, padded)
    trainer.train_dataset = None
    assert not check(trainer).of(Verdict.CRASH)


def test_all_of_several_validation_sets_are_read(tmp_path: Path) -> None:
    trainer = built(tmp_path)
    rows = trainer.eval_dataset
    trainer.eval_dataset = {"a": rows.select(range(4)), "b": rows.select(range(4, 10))}
    assert check(trainer)["labels-disagree"].numbers["documents"] == 90


def test_an_intent_that_does_not_exist_is_said(tmp_path: Path) -> None:
    """It would else be taken for another one in silence."""
    with pytest.raises(ConfigError, match="'asistant'"):
        check(plain(tmp_path, padded), loss_on="asistant")


def test_packs_are_no_rows_and_two_of_them_have_no_order(tmp_path: Path) -> None:
    """The documents are counted, and the order of so few packs may be chance."""
    report = check(built(tmp_path, packing=True, max_length=8192, eval_strategy="no"))
    assert report["config-no-validation"].numbers["train_examples"] == 80
    order = report["batches-order"]
    assert order.verdict is Verdict.PASS, order.message
    assert "shuffled" not in order.message and "80 examples" in order.message


def test_a_gate_at_the_first_step_sees_the_trainers_own_schedule(tmp_path: Path) -> None:
    """When training begins the optimizer is built, and its learning rate is that of the first step of the warm-up."""
    trainer = built(tmp_path, max_steps=40, warmup_steps=30, eval_strategy="no", learning_rate=2e-3)
    gate = guard(trainer, select=["config-few-steps", "config-rate-unusual"])
    trainer.args.max_steps = trainer.state.max_steps = 1
    trainer.train()
    assert gate.report is not None
    assert gate.report["config-rate-unusual"].numbers["learning_rate"] == 2e-3
    assert gate.report["config-few-steps"].numbers["warmup_steps"] == 30
