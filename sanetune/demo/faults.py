"""The faults that the demo injects: what each is, how people get into it, which checks find it, and how it is fixed.

Nothing that comes with the package is changed: injected rows, templates and settings are in the demo's own folder.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanetune.demo import MODEL, TRAIN, VALIDATION
from sanetune.evidence.registry import Level

LEARNING_RATE = 1.5e-3
"""Of the sound run."""
TOO_HIGH = 10
"""Times that, in the fault ``rate``."""
TOO_SHORT = 96
"""``max_length`` in tokens, in the fault ``cut``."""
CONTEXT = 512
"""Tokens that the embedded model takes."""

TRIAL = {"trial_steps": 60, "trial_eval_steps": 20, "samples": 8}
"""A trial of 200 steps would be all of these runs, or more."""

Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that the demo injects.

    Attributes:
        name: As ``--fault`` takes it.
        injected: What is wrong, in a sentence.
        how: The way people get into it.
        checks: Those of which one has to fail.
        level: Level of checks that finds it.
        inject: Changes the settings, and writes files into the folder.
        fix: Changes the text of the configuration as a person does, and returns it with a sentence on what was done;
            called only where the fixes of the checks were not enough.
        within: Context of the whole demo run.
        shows_tokens: Whether one row is shown token by token.
    """

    name: str
    injected: str
    how: str
    checks: tuple[str, ...]
    level: Level
    inject: Callable[[Path, Settings], None]
    fix: Callable[[str], tuple[str, str]] | None = None
    within: Callable[[], AbstractContextManager[None]] = nullcontext
    shows_tokens: bool = False


def raise_learning_rate(folder: Path, settings: Settings) -> None:
    """A learning rate ten times too high; smaller batches than elsewhere, because the whole check is made twice."""
    settings["train"] |= {
        "learning_rate": TOO_HIGH * LEARNING_RATE,
        "per_device_train_batch_size": 8,
        "eval_steps": 100,
    }
    settings["check"]["level"] = "trial"


def drop_stop_token(folder: Path, settings: Settings) -> None:
    """A chat template that writes no end token after answers."""
    file = folder / "template.jinja"
    file.write_text(
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
        "{% if message['role'] != 'assistant' %}{{ '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        encoding="utf-8",
    )
    settings["model"]["chat_template"] = file.name


def shuffle_answers(folder: Path, settings: Settings) -> None:
    """Every answer moves to the next row with as many of them."""
    rows = [json.loads(line) for line in TRAIN.read_text(encoding="utf-8").splitlines()]
    by_count: dict[int, list[list[dict[str, str]]]] = {}
    for row in rows:
        answers = [message for message in row["messages"] if message["role"] == "assistant"]
        by_count.setdefault(len(answers), []).append(answers)
    for alike in by_count.values():
        texts = [[message["content"] for message in answers] for answers in alike]
        for answers, others in zip(alike, [*texts[1:], texts[0]], strict=True):
            for message, text in zip(answers, others, strict=True):
                message["content"] = text
    file = folder / "train.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    settings["data"]["train"] = file.name


def take_sound_rows(text: str) -> tuple[str, str]:
    """The fix of shuffled answers."""
    from sanetune.config import yaml_edit

    done = (
        "No program can know which answer belongs to which question. A person has to join the two tables again, by"
        " their key; here the sound file takes its place."
    )
    return yaml_edit.change(text, {"data.train": str(TRAIN)}), done


def pack(folder: Path, settings: Settings) -> None:
    """Packing; :func:`mask_of_ones` makes the documents of a pack see each other."""
    settings["train"] |= {"packing": True, "per_device_train_batch_size": 8}


@contextlib.contextmanager
def mask_of_ones() -> Iterator[None]:
    """Give the collator's packs an attention mask of ones.

    With a mask transformers ignores positions, and every document attends to those before it.
    """
    from unittest import mock

    import torch

    from sanetune.data.collator import Collator

    sound = Collator.__call__

    def masked(collator: Collator, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = sound(collator, rows)
        if "position_ids" in batch:
            batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        return batch

    with mock.patch.object(Collator, "__call__", masked):
        yield


def truncate(folder: Path, settings: Settings) -> None:
    """Rows are truncated to a short ``max_length``."""
    settings["data"]["overlong"] = "cut"
    settings["train"]["max_length"] = TOO_SHORT


def raise_max_length(text: str) -> tuple[str, str]:
    """The fix of truncated rows."""
    from sanetune.config import yaml_edit

    done = f"The finding says what to do, and the model's context allows it: train.max_length becomes {CONTEXT}."
    return yaml_edit.change(text, {"train.max_length": CONTEXT}), done


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "rate",
            f"The learning rate is {TOO_HIGH * LEARNING_RATE:g}, {TOO_HIGH} times what suits this model.",
            "A learning rate for LoRA used for all weights, one for another batch size, or a zero too few.",
            ("model-rate-critical", "curve-rate-beaten"),
            "trial",
            raise_learning_rate,
        ),
        Fault(
            "prompt-loss",
            "A training script of your own has the users' messages in the loss along with the answers.",
            "That is TRL's default for SFTTrainer on rows of messages.",
            ("labels-on-prompt",),
            "static",
            lambda folder, settings: None,
            shows_tokens=True,
        ),
        Fault(
            "no-stop",
            "A chat template of your own writes no end token after answers.",
            "A template typed from memory, or taken from a model that ends its turns in another way.",
            ("template-end-unlearnt",),
            "static",
            drop_stop_token,
            shows_tokens=True,
        ),
        Fault(
            "shuffled",
            "Every answer is beside the question of the row before.",
            "Questions and answers in two tables, one of them sorted or filtered, joined by the number of the row.",
            ("model-pairs-shuffled",),
            "probe",
            shuffle_answers,
            take_sound_rows,
        ),
        Fault(
            "leak",
            "Rows are packed, and an attention mask of ones lets each document attend to those before it in its pack.",
            "A collator of your own, or a model whose attention ignores positions (Falcon, OPT, gpt-oss).",
            ("packs-leak",),
            "probe",
            pack,
            within=mask_of_ones,
        ),
        Fault(
            "cut",
            f"Rows longer than {TOO_SHORT} tokens are truncated, and most answers lose their end.",
            "TRL truncates at max_length (1,024 tokens by default) without a message.",
            ("tokens-cut-reply",),
            "static",
            truncate,
            raise_max_length,
            shows_tokens=True,
        ),
    )
}


def inject(fault: Fault, out: Path, epochs: float = 1) -> Path:
    """Write a configuration of ``epochs`` with ``fault`` in it, and its files, into ``out``; return the file."""
    from sanetune.config import yaml_edit

    out.mkdir(parents=True, exist_ok=True)
    chosen = sound_settings(epochs)
    fault.inject(out, chosen)
    file = out / "sanetune.yaml"
    file.write_text(yaml_edit.change(HEAD.format(fault=fault), {**_flat(chosen)}), encoding="utf-8")
    return file


HEAD = "# {fault.injected}\nmodel: {{}}\n"


def sound_settings(epochs: float = 1) -> Settings:
    """Return the settings of a short run of ``epochs`` without a fault."""
    return {
        "model": {"name": str(MODEL)},
        "data": {"train": str(TRAIN), "validation": str(VALIDATION)},
        "train": {
            "num_train_epochs": epochs,
            "learning_rate": LEARNING_RATE,
            "per_device_train_batch_size": 16,
            "gradient_accumulation_steps": 1,
            "eval_strategy": "steps",
            "eval_steps": 50,
            "save_steps": 50,
            "logging_steps": 10,
        },
        "check": {"level": "probe", **TRIAL},
        "run": {"output_dir": "run", "name": "demo", "trackers": []},
    }


def _flat(settings: Settings) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, values in settings.items() for key, value in values.items()}
