"""Trainers of several processes, gated and not: the main process writes what came of each.

``python -m tests.evidence.launched FILE`` starts them as a launcher does, but imports once for all.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import DataLoader, IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, default_data_collator

import sanetune
from sanetune.callback import Gate
from sanetune.finding import GateError, Verdict

MODEL = Path(sanetune.__file__).parent / "demo" / "model"
WORDS = 60
COUNT = 90
"""Rows: of batches of 4 on 2 or 4 processes, the last ones are not full."""


def row(number: int, longer: int = 0) -> dict[str, Any]:
    ids = [number % 50 + 5, number // 50 + 5, *((number * 7 + at) % (WORDS - 5) + 5 for at in range(6 + longer))]
    return {"input_ids": ids, "labels": list(ids)}


ROWS = [row(number) for number in range(COUNT)]
RAGGED = [row(number, number % 7) for number in range(COUNT)]


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)


def padded(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    width = max(len(one["input_ids"]) for one in rows)
    fill = {"input_ids": 0, "labels": -100}
    batch = {name: [one[name] + [fill[name]] * (width - len(one[name])) for one in rows] for name in fill}
    batch["attention_mask"] = [[1] * len(one["input_ids"]) + [0] * (width - len(one["input_ids"])) for one in rows]
    return {name: torch.tensor(value) for name, value in batch.items()}


def fails_on_the_second(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    if torch.distributed.get_rank() == 1:
        raise ValueError("this process alone cannot read")
    return padded(rows)


class Unprepared(Trainer):
    """A loader that nobody has shared among the processes."""

    def get_train_dataloader(self) -> Any:
        return DataLoader(ROWS, 4, shuffle=True, collate_fn=padded)  # type: ignore[arg-type]


class Prepared(Trainer):
    """A loader of its own that is kept, with a generator of its own."""

    def get_train_dataloader(self) -> Any:
        if not hasattr(self, "kept"):
            generator = torch.Generator().manual_seed(5)
            rows: Any = ROWS
            self.kept = self.accelerator.prepare(DataLoader(rows, 4, shuffle=True, generator=generator))
            self.kept.base_dataloader.collate_fn = padded
        return self.kept


class Gathering(Trainer):
    """A loss of its own that asks the other processes for a figure."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
        labels = inputs["labels"]
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        flat = outputs.logits[:, :-1].reshape(-1, outputs.logits.shape[-1])
        loss = torch.nn.functional.cross_entropy(flat, labels[:, 1:].reshape(-1))
        self.seen = self.accelerator.gather((labels != -100).sum()).sum()
        return (loss, outputs) if return_outputs else loss


def small(vocabulary: int = WORDS, end: int = 1) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, eos_token_id=end, **sizes))


USUAL = {
    "per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "logging_steps": 1, "report_to": "none",
    "use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "num_train_epochs": 1,
    "ddp_find_unused_parameters": False,
}  # fmt: skip


def built(rows: Any, kind: type[Trainer] = Trainer, collate: Any = padded, **keys: Any) -> Trainer:
    validation = keys.pop("validation", None)
    if rows is not None and not hasattr(rows, "__len__"):
        keys["max_steps"] = 6
    args = TrainingArguments(output_dir=tempfile.mkdtemp(), **USUAL, **keys)
    return kind(model=small(), args=args, train_dataset=rows, eval_dataset=validation, data_collator=collate)


def sft(rows: Any, **keys: Any) -> Trainer:
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(str(MODEL))
    if not hasattr(rows, "__len__"):
        keys["max_steps"] = 4
    args = SFTConfig(output_dir=tempfile.mkdtemp(), bf16=False, **USUAL, **keys)
    model = small(len(tokenizer), tokenizer.convert_tokens_to_ids("<|im_end|>"))
    return SFTTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer)


def chats() -> Dataset:
    turns = [("What is {} and {}?", "That is {}."), ("And {} less {}?", "It makes {}, or so they say.")]
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": turns[number % 2][0].format(number, number + 3)}],
                "completion": [{"role": "assistant", "content": turns[number % 2][1].format(2 * number + 3)}],
            }
            for number in range(COUNT)
        ]
    )


def of_this_rank() -> Dataset:
    return Dataset.from_list(ROWS).shard(torch.distributed.get_world_size(), torch.distributed.get_rank())


EACH_READS = {"accelerator_config": {"dispatch_batches": False}}

CASES: dict[str, Callable[[], Trainer]] = {
    "rows": lambda: built(Dataset.from_list(ROWS), validation=Dataset.from_list(ROWS[:21])),
    "list": lambda: built(RAGGED),
    "drop last": lambda: built(Dataset.from_list(RAGGED), dataloader_drop_last=True),
    "split batches": lambda: built(Dataset.from_list(RAGGED), accelerator_config={"split_batches": True}),
    "dispatched": lambda: built(Dataset.from_list(ROWS), accelerator_config={"dispatch_batches": True}),
    "by length": lambda: built(Dataset.from_list(RAGGED), train_sampling_strategy="group_by_length"),
    "few rows": lambda: built(Dataset.from_list(ROWS[:10])),
    "stream": lambda: built(Stream(ROWS), collate=default_data_collator),
    "stream, each reads": lambda: built(Stream(RAGGED), **EACH_READS),
    "stream in shards": lambda: built(Dataset.from_list(RAGGED).to_iterable_dataset(num_shards=4), **EACH_READS),
    "stream, ragged": lambda: built(Stream(RAGGED)),
    "stream, once": lambda: built(Stream(one for one in ROWS)),
    "own loader": lambda: built(None, Prepared, max_steps=6),
    "own loader, not shared": lambda: built(None, Unprepared, max_steps=6),
    "sharded twice": lambda: built(of_this_rank()),
    "one process fails": lambda: built(Dataset.from_list(ROWS), collate=fails_on_the_second),
    "own loss": lambda: built(Dataset.from_list(ROWS), Gathering),
    "sft": lambda: sft(chats(), max_steps=4),
    "sft, packed": lambda: sft(chats(), packing=True, max_length=256),
    "sft, stream": lambda: sft(chats().to_iterable_dataset(num_shards=4), **EACH_READS),
}


QUICK = {
    2: ("by length", "stream", "stream, ragged", "sharded twice", "one process fails", "own loss", "sft, packed"),
    4: ("rows", "stream, each reads", "own loader, not shared"),
}
"""Cases of the tests by the number of their processes; ``python -m bench.strangers.ranks`` has all of them."""

RIGHT = {
    "stream, ragged": ("batches-order", "fail", "differ in width"),
    "own loader, not shared": ("batches-order", "fail", "24 come to several of the"),
    "sharded twice": ("batches-order", "fail", "never come in one epoch; each process holds other rows"),
    "stream, once": ("batches-order", "skip", "what is read here would be missing in training"),
    "one process fails": ("batches-order", "skip", "by process 1: ValueError: this process alone cannot read"),
}
"""Check, verdict and part of the message of the cases that are not simply clear."""


def wrong(name: str, everyone: list[dict[str, Any]]) -> list[str]:
    """What is not right about a case, as each process has told it."""
    found = everyone[0]
    check, verdict, words = RIGHT.get(name, ("batches-order", "pass", ""))
    verdict_found, message = found["findings"][check]
    faults = [f"{check} {verdict_found}: {message}"] if verdict_found != verdict or words not in message else []
    alarms = {one: text for one, (said, text) in found["findings"].items() if said in ("fail", "warn", "crash")}
    faults += [f"{one}: {text}" for one, text in alarms.items() if one != check]
    faults += ["the losses are not those without the gate"] if not all(one["same"] for one in everyone) else []
    return faults + (["the processes were told different things"] if any(one != found for one in everyone) else [])


def outcome(build: Callable[[], Trainer]) -> dict[str, Any]:
    """What the gate says, and whether the losses are those without it."""
    trainer = build()
    gate = Gate(trainer, ignore=["config", "machine"])
    trainer.add_callback(gate)
    with contextlib.suppress(GateError):
        trainer.train()
    report = gate.report
    assert report is not None
    same = report.verdict is Verdict.FAIL or losses(trainer) == losses(_trained(build()))
    return {
        "verdict": report.verdict,
        "findings": {one.check: [one.verdict, one.message] for one in report.findings},
        "read": report.subject["read"],
        "same": same,
        "steps": trainer.state.global_step,
    }


def _trained(trainer: Trainer) -> Trainer:
    trainer.train()
    return trainer


def losses(trainer: Trainer) -> list[float]:
    return [record["loss"] for record in trainer.state.log_history if "loss" in record]


def observe(file: str, names: Iterable[str]) -> None:
    torch.set_num_threads(1)
    found = {name: outcome(CASES[name]) for name in names}
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, found)
    if torch.distributed.get_rank() == 0:
        by_case = {name: [one[name] for one in everyone] for name in found}
        Path(file).write_text(json.dumps({name: wrong(name, all_found) for name, all_found in by_case.items()}))


def be_refused() -> None:
    """A script that nobody has prepared for a refusal."""
    trainer = built(None, Unprepared, max_steps=6)
    trainer.add_callback(Gate(trainer, ignore=["config"]))
    trainer.train()


def run_script(file: str, folder: Path) -> None:
    """A script that knows nothing of processes, started by a launcher."""
    from tests.scripts.running import report_of

    report = report_of("two_processes", folder)
    if torch.distributed.get_rank() == 0:
        bad = {one.check: one.message for one in report.findings if one.verdict in ("fail", "warn", "crash")}
        Path(file).write_text(json.dumps({"bad": bad, "order": report["batches-order"].message}))


def launch(count: int, work: Callable[[], None]) -> list[int]:
    """Do ``work`` in so many processes that know of each other; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(count):
        if child := os.fork():
            children.append(child)
            continue
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": str(count)}
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            os._exit(1)
        os._exit(0)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main(file: str) -> int:
    from tests.evidence import launched_levels
    from tests.scripts.running import fill

    def work(names: tuple[str, ...], count: int) -> None:
        observe(f"{file}.{count}", names)
        if count == 2:
            launched_levels.observe(f"{file}.levels", launched_levels.TESTED)

    codes: dict[str, Any] = {}
    for count, names in QUICK.items():
        codes[f"{count} processes"] = launch(count, lambda names=names, count=count: work(names, count))
    codes["refused"] = launch(2, be_refused)
    with tempfile.TemporaryDirectory() as folder:
        filled = fill(Path(folder))
        codes["script"] = launch(2, lambda: run_script(f"{file}.script", filled))
    codes["levels"] = json.loads(Path(f"{file}.levels").read_text())
    codes["found in the script"] = json.loads(Path(f"{file}.script").read_text())
    found = {str(count): json.loads(Path(f"{file}.{count}").read_text()) for count in QUICK}
    Path(file).write_text(json.dumps(found | codes))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
