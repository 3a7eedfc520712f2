"""A check leaves a trainer's rows, random states and loaders where they were: training gives the same losses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from sanetune.api import check
from sanetune.finding import Verdict
from sanetune.report.format import summary

WORDS = 40


def row(number: int) -> dict[str, Any]:
    ids = [(number * 7 + at) % (WORDS - 4) + 4 for at in range(8)]
    return {"input_ids": ids, "labels": list(ids)}


class Noisy(Dataset):  # type: ignore[type-arg]
    """A random state of its own changes each row."""

    def __init__(self) -> None:
        self.random = random.Random(0)

    def __len__(self) -> int:
        return 24

    def __getitem__(self, at: int) -> dict[str, Any]:
        return row(at + self.random.randrange(100))


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)


class Counting(IterableDataset):  # type: ignore[type-arg]
    """Without an end; counts what is drawn of it."""

    drawn = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            Counting.drawn += 1
            yield row(Counting.drawn)


class Collator:
    """Drops tokens at random, with a random state of its own."""

    def __init__(self) -> None:
        self.random = random.Random(1)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        length = self.random.randrange(4, 8)
        return {name: torch.tensor([one[name][:length] for one in rows]) for name in ("input_ids", "labels")}


class LoaderOfOnesOwn(Trainer):
    """A loader with a generator of its own."""

    def get_train_dataloader(self) -> Any:
        if not hasattr(self, "kept"):
            rows: Any = Noisy()
            generator = torch.Generator().manual_seed(5)
            self.kept: Any = DataLoader(rows, 4, shuffle=True, generator=generator, collate_fn=Collator())
        return self.kept


def built(folder: Path, rows: Any, kind: type[Trainer] = Trainer, **keys: Any) -> Trainer:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    args = TrainingArguments(
        output_dir=str(folder), max_steps=5, per_device_train_batch_size=4, logging_steps=1, report_to="none",
        use_cpu=True, disable_tqdm=True, save_strategy="no", **keys,
    )  # fmt: skip
    return kind(model=LlamaForCausalLM(config), args=args, train_dataset=rows, data_collator=Collator())


def losses(trainer: Trainer) -> list[float]:
    trainer.train()
    return [record["loss"] for record in trainer.state.log_history if "loss" in record]


ROWS: dict[str, Callable[[], Any]] = {
    "random state": Noisy,
    "stream": lambda: Stream([row(number) for number in range(24)]),
    "iterator": lambda: Stream(iter([row(number) for number in range(24)])),
    "generator": lambda: Stream(row(number) for number in range(24)),
    "list": lambda: [row(number) for number in range(24)],
}


@pytest.mark.parametrize("kind", list(ROWS))
def test_a_check_before_training_changes_no_loss(tmp_path: Path, one_thread: None, kind: str) -> None:
    trainer = built(tmp_path / "a", ROWS[kind]())
    report = check(trainer)
    assert not report.of(Verdict.CRASH)
    read = report["labels-none"].verdict
    assert read is (Verdict.SKIP if kind == "generator" else Verdict.PASS)
    assert losses(trainer) == losses(built(tmp_path / "b", ROWS[kind]()))


def test_a_loader_with_a_generator_is_read_and_put_back(tmp_path: Path, one_thread: None) -> None:
    trainer = built(tmp_path / "a", None, LoaderOfOnesOwn)
    other = built(tmp_path / "b", None, LoaderOfOnesOwn)
    assert check(trainer)["labels-none"].numbers["documents"] == 20
    assert losses(trainer) == losses(other)


def test_no_more_is_read_than_the_run_reads(tmp_path: Path) -> None:
    trainer = built(tmp_path, Counting(), gradient_accumulation_steps=2)
    Counting.drawn = 0
    report = check(trainer)
    assert report["labels-none"].numbers["documents"] == 5 * 2 * 4
    assert Counting.drawn <= 5 * 2 * 4 + 12  # the loader is some batches ahead
    assert report.subject["read"].startswith("40 documents with ")
    assert report.subject["read"].endswith(": 10 batches of train, as many as the run reads")


def test_a_report_without_a_batch_proves_nothing(tmp_path: Path) -> None:
    report = check(built(tmp_path, Stream(row(number) for number in range(24))), ignore=["config"])
    assert report.is_unproved
    assert "what is read here would be missing in training" in report.subject["unproved"]
    assert summary(report).startswith("unproved: ")
    assert not check(built(tmp_path, [row(number) for number in range(24)]), select=["config"]).is_unproved


def test_a_collator_that_raises_is_the_users_fault(tmp_path: Path) -> None:
    def stops(rows: Any) -> Any:
        raise KeyError("text")

    trainer = built(tmp_path, [row(number) for number in range(24)])
    trainer.data_collator = stops
    report = check(trainer)
    assert report.unusable is not None
    assert report.unusable.place is not None
    assert report.unusable.place.file == Path(__file__)
    assert not report.of(Verdict.CRASH)


def test_what_a_trainer_never_has_is_not_listed(tmp_path: Path) -> None:
    trainer = built(tmp_path, [row(number) for number in range(24)])
    listed = {finding.check for finding in check(trainer).findings}
    assert not listed & {"rows-unreadable", "template-refuses", "config-renamed-key", "packs-dropped"}
    asked = check(trainer, select=["rows-unreadable"])
    assert asked["rows-unreadable"].verdict is Verdict.SKIP
