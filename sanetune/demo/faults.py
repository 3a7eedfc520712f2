"""The faults that the demo plants: what each is, how people get into it, what finds it, and how it is mended.

Nothing that comes with the package is changed: planted rows, templates and settings lie in the demo's own folder.
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

RATE = 1.5e-3
"""The rate of the sound run."""
HOT = 10
"""Times that, in the fault ``rate``."""
SHORT = 96
"""Tokens, in the fault ``cut``."""
CONTEXT = 512
"""Tokens that the embedded model takes."""

TRIAL = {"trial_steps": 60, "trial_eval_steps": 20, "samples": 8}
"""A trial of 200 steps would be all of these runs, or more."""

Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Fault:
    """``planted``: what is wrong, ``how``: the way people get into it; ``checks``: those that have to fail; ``level``:
    how deep the gate has to look for that.

    ``plant`` changes settings and writes files into the folder. ``mend`` changes the text of the configuration as a
    person does, and says what it did; it is asked only where the gate's own fixes were not enough. ``within``: around
    the whole story.
    """

    name: str
    planted: str
    how: str
    checks: tuple[str, ...]
    level: str
    plant: Callable[[Path, Settings], None]
    mend: Callable[[str], tuple[str, str]] | None = None
    within: Callable[[], AbstractContextManager[None]] = nullcontext
    shows_tokens: bool = False


def rate(folder: Path, settings: Settings) -> None:
    """Smaller batches than elsewhere: the whole check is made twice."""
    settings["train"] |= {"learning_rate": HOT * RATE, "per_device_train_batch_size": 8, "eval_steps": 100}
    settings["check"]["level"] = "trial"


def no_stop(folder: Path, settings: Settings) -> None:
    file = folder / "template.jinja"
    file.write_text(
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
        "{% if message['role'] != 'assistant' %}{{ '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        encoding="utf-8",
    )
    settings["model"]["chat_template"] = file.name


def shuffled(folder: Path, settings: Settings) -> None:
    """Every answer moves to the next row with as many of them."""
    rows = [json.loads(line) for line in TRAIN.read_text(encoding="utf-8").splitlines()]
    by_count: dict[int, list[list[dict[str, str]]]] = {}
    for row in rows:
        said = [message for message in row["messages"] if message["role"] == "assistant"]
        by_count.setdefault(len(said), []).append(said)
    for alike in by_count.values():
        texts = [[message["content"] for message in said] for said in alike]
        for said, others in zip(alike, [*texts[1:], texts[0]], strict=True):
            for message, text in zip(said, others, strict=True):
                message["content"] = text
    file = folder / "train.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    settings["data"]["train"] = file.name


def sound_rows(text: str) -> tuple[str, str]:
    from sanetune.config import yaml_edit

    said = (
        "No program can know which answer belongs to which question. A person has to join the two tables again, by"
        " their key; here the sound file is put in its place."
    )
    return yaml_edit.change(text, {"data.train": str(TRAIN)}), said


def leak(folder: Path, settings: Settings) -> None:
    settings["train"] |= {"packing": True, "per_device_train_batch_size": 8}


@contextlib.contextmanager
def mask_of_ones() -> Iterator[None]:
    """The collator's packs get an attention mask of ones: with one, transformers does not look at positions, and every
    document sees those before it."""
    from unittest import mock

    import torch

    from sanetune.data.collator import Collator

    sound = Collator.__call__

    def masked(collator: Collator, rows: Any) -> dict[str, Any]:
        batch = sound(collator, rows)
        if "position_ids" in batch:
            batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        return batch

    with mock.patch.object(Collator, "__call__", masked):
        yield


def cut(folder: Path, settings: Settings) -> None:
    settings["data"]["overlong"] = "cut"
    settings["train"]["max_length"] = SHORT


def longer(text: str) -> tuple[str, str]:
    from sanetune.config import yaml_edit

    said = f"What to do is said with the finding, and the model has the room: train.max_length goes to {CONTEXT}."
    return yaml_edit.change(text, {"train.max_length": CONTEXT}), said


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "rate",
            f"The learning rate is {HOT * RATE:g}, {HOT} times what this model wants.",
            "A rate for LoRA used for all weights, for another batch size, or a zero too few.",
            ("model-rate-critical", "curve-rate-beaten"),
            "trial",
            rate,
        ),
        Fault(
            "prompt-loss",
            "A training script of one's own learns the users' messages along with the answers.",
            "That is what TRL's SFTTrainer does with rows of messages, unless it is told otherwise.",
            ("labels-on-prompt",),
            "static",
            lambda folder, settings: None,
            shows_tokens=True,
        ),
        Fault(
            "no-stop",
            "A chat template of one's own writes no end token after answers.",
            "A template typed from memory, or taken from a model that ends its turns in another way.",
            ("template-end-unlearnt",),
            "static",
            no_stop,
            shows_tokens=True,
        ),
        Fault(
            "shuffled",
            "Every answer stands with the question of the row before.",
            "Questions and answers in two tables, one of them sorted or filtered, joined by the number of the row.",
            ("model-pairs-shuffled",),
            "probe",
            shuffled,
            sound_rows,
        ),
        Fault(
            "leak",
            "Rows are packed, and an attention mask of ones lets each document see those before it in its pack.",
            "A collator of one's own, or a model whose attention does not look at positions (Falcon, OPT, gpt-oss).",
            ("packs-leak",),
            "probe",
            leak,
            within=mask_of_ones,
        ),
        Fault(
            "cut",
            f"Rows longer than {SHORT} tokens are cut, and most answers lose their end.",
            "TRL cuts at max_length, 1,024 tokens unless it is told otherwise, without a word.",
            ("tokens-cut-reply",),
            "static",
            cut,
            longer,
            shows_tokens=True,
        ),
    )
}


def planted(fault: Fault, out: Path, epochs: float = 1) -> Path:
    """Writes the configuration with ``fault`` in it, and its files, into ``out``; returns the configuration."""
    from sanetune.config import yaml_edit

    out.mkdir(parents=True, exist_ok=True)
    chosen = sound_settings(epochs)
    fault.plant(out, chosen)
    file = out / "sanetune.yaml"
    file.write_text(yaml_edit.change(HEAD.format(fault=fault), {**_flat(chosen)}), encoding="utf-8")
    return file


HEAD = "# {fault.planted}\nmodel: {{}}\n"


def sound_settings(epochs: float = 1) -> Settings:
    """A short run that is in order."""
    return {
        "model": {"name": str(MODEL)},
        "data": {"train": str(TRAIN), "validation": str(VALIDATION)},
        "train": {
            "num_train_epochs": epochs,
            "learning_rate": RATE,
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
