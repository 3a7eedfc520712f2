"""Trainers as people build them, around a tiny model, and what can be told of them and their runs."""

from __future__ import annotations

import gc
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

WORDS = 32


def row(number: int) -> dict[str, Any]:
    """A prompt of five tokens, an answer that follows from it, and the end token 1."""
    start = number % 9 + 4
    ids = [3, start, (start * 5) % 20 + 4, (start * 3) % 20 + 4, 2]
    answer = [start, start + 1, start + 2, *([start + 3] * (number % 3)), 1]
    return {"input_ids": ids + answer, "labels": [-100] * 5 + answer}


def rows(count: int = 32, first: int = 0) -> list[dict[str, Any]]:
    return [row(number) for number in range(first, first + count)]


class Collator:
    """Pads, and drops a token of the prompt at random."""

    def __init__(self) -> None:
        self.random = random.Random(1)

    def __call__(self, some: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        at = self.random.randrange(1, 4)
        some = [{name: one[name][:at] + one[name][at + 1 :] for name in ("input_ids", "labels")} for one in some]
        width = max(len(one["input_ids"]) for one in some)
        ids = [one["input_ids"] + [0] * (width - len(one["input_ids"])) for one in some]
        labels = [one["labels"] + [-100] * (width - len(one["labels"])) for one in some]
        mask = [[1] * len(one["input_ids"]) + [0] * (width - len(one["input_ids"])) for one in some]
        return {
            "input_ids": torch.tensor(ids),
            "labels": torch.tensor(labels),
            "attention_mask": torch.tensor(mask),
        }


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(rows(40))


class Loud(TrainerCallback):
    """Counts what it is told; a check must tell it nothing."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_train_begin(self, *args: Any, **keywords: Any) -> None:
        self.heard.append("begin")

    def on_log(self, *args: Any, **keywords: Any) -> None:
        self.heard.append("log")


class OwnLoss(Trainer):
    """A loss of one's own, which counts its calls and weighs tokens by place."""

    calls = 0

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        self.calls += 1
        labels = inputs.pop("labels")
        logits = model(**inputs).logits[:, :-1]
        losses = functional.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=-100)
        loss = losses.sum() / (labels[:, 1:] != -100).sum() * (1 + 0.01 * self.calls)
        return (loss, None) if return_outputs else loss


def model(dropout: float = 0.1, width: int = 16) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=width, intermediate_size=width, num_hidden_layers=2, num_attention_heads=2,
        pad_token_id=0, eos_token_id=1, attention_dropout=dropout, max_position_embeddings=64,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def with_lora() -> Any:
    from peft import LoraConfig, get_peft_model

    found = get_peft_model(model(), LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_dropout=0.1))
    return found


def quantised(folder: Path, kind: str) -> Any:
    """The model with its linear layers in 4 or 8 bits, and LoRA beside them."""
    from peft import LoraConfig, get_peft_model
    from transformers import BitsAndBytesConfig

    model(dropout=0.0, width=64).save_pretrained(folder)
    four = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32,
        bnb_4bit_use_double_quant=True,
    )  # fmt: skip
    eight = BitsAndBytesConfig(load_in_8bit=True)
    loaded = LlamaForCausalLM.from_pretrained(
        folder, quantization_config=four if kind == "4bit" else eight, device_map={"": "cpu"}, dtype=torch.float32
    )
    torch.manual_seed(0)
    return get_peft_model(loaded, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_dropout=0.1))


def built(folder: Path, kind: str) -> Trainer:
    """The trainer ``kind``, always alike."""
    random.seed(7)
    np.random.seed(7)
    keys: dict[str, Any] = {}
    parts: dict[str, Any] = {"train_dataset": rows(), "eval_dataset": rows(8, 40), "data_collator": Collator()}
    if kind in ("4bit", "8bit"):
        parts["model"] = quantised(folder.parent / kind, kind)
    else:
        parts["model"] = with_lora() if kind == "lora" else model()
    maker: type[Trainer] = OwnLoss if kind == "own loss" else Trainer
    if kind == "accumulation":
        keys |= {"gradient_accumulation_steps": 3, "per_device_train_batch_size": 2}
    if kind == "checkpointing":
        keys |= {"gradient_checkpointing": True, "neftune_noise_alpha": 5.0}
    if kind == "best":
        keys |= {"load_best_model_at_end": True, "save_strategy": "steps", "eval_strategy": "steps"}
        keys |= {"eval_steps": 2, "save_steps": 2}
    if kind == "stream":
        parts["train_dataset"] = Stream()
    if kind == "arrow":
        parts["train_dataset"] = datasets.Dataset.from_list(rows())
        parts["eval_dataset"] = None
    args = TrainingArguments(
        output_dir=str(folder), **{"max_steps": 6, "per_device_train_batch_size": 4, "learning_rate": 1e-2,
        "logging_steps": 1, "report_to": "none", "use_cpu": True, "disable_tqdm": True, "save_strategy": "no",
        "seed": 3} | keys
    )  # fmt: skip
    if kind == "own optimizer":
        optimizer = torch.optim.SGD(
            [{"params": [weight], "lr": 0.05 if weight.dim() > 1 else 0.01} for weight in parts["model"].parameters()],
            momentum=0.9,
        )
        parts["optimizers"] = (optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5))
    return maker(args=args, callbacks=[Loud()], **parts)


def packed(folder: Path) -> Trainer:
    """TRL's trainer, which packs its rows."""
    from trl import SFTConfig, SFTTrainer

    torch.manual_seed(0)
    args = SFTConfig(
        output_dir=str(folder), packing=True, max_length=24, max_steps=6, per_device_train_batch_size=2,
        learning_rate=1e-2, logging_steps=1, report_to="none", use_cpu=True, bf16=False, disable_tqdm=True,
        save_strategy="no", pad_token="<pad>", eos_token="<end>", seed=3,
    )  # fmt: skip
    data = {
        "train_dataset": datasets.Dataset.from_list(rows()),
        "eval_dataset": datasets.Dataset.from_list(rows(8, 40)),
    }
    return SFTTrainer(model=model(0.0), args=args, processing_class=words(), **data)


def words() -> Any:
    """A tokenizer of as many words as the model has ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<end>", *(f"w{number}" for number in range(2, WORDS))]
    plain = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="w2"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<end>", unk_token="w2")


def state_of(trainer: Trainer) -> dict[str, Any]:
    """All that training starts from, in plain values that can be compared."""
    gc.collect()  # accelerate keeps weak references to the loaders of whoever trained before
    found: dict[str, Any] = {
        "weights": {name: value.clone() for name, value in trainer.model.state_dict(keep_vars=False).items()},
        "trained": [weight.requires_grad for weight in trainer.model.parameters()],
        "gradients": [weight.grad for weight in trainer.model.parameters()],
        "modes": [module.training for module in trainer.model.modules()],
        "attributes": [sorted(vars(module)) for module in trainer.model.modules()],
        "hooks": [len(module._forward_hooks) for module in trainer.model.modules()],
        "config": trainer.model.config.to_dict(),
        "generation": getattr(trainer.model, "generation_config", None) and trainer.model.generation_config.to_dict(),
        "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "state": {name: repr(value) for name, value in vars(trainer.state).items()},
        "control": dict(vars(trainer.control)),
        "args": trainer.args.to_dict(),
        "callbacks": [id(one) for one in trainer.callback_handler.callbacks],
        "heard": [one.heard for one in trainer.callback_handler.callbacks if isinstance(one, Loud)],
        "attributes of the trainer": {name: id(value) for name, value in vars(trainer).items()},
        "accelerator": {name: len(value) for name, value in vars(trainer.accelerator).items() if type(value) is list},
        "gradient state": {
            name: re.sub("<weakref at 0x[0-9a-f]+; dead>", "None", repr(value))  # of a loader that is gone
            for name, value in vars(trainer.accelerator.gradient_state).items()
        },
        "files": sorted(str(path) for path in Path(trainer.args.output_dir).rglob("*")),
        "collator": getattr(getattr(trainer.data_collator, "random", None), "getstate", lambda: None)(),
        "own": getattr(trainer, "calls", None),
    }
    if trainer.optimizer is not None:
        found["optimizer"] = repr(trainer.optimizer.state_dict())
        found["scheduler"] = repr(trainer.lr_scheduler.state_dict())
    return found


def same(before: Any, after: Any) -> bool:
    """Whether two states are equal to the last bit; what is no number is equal to what is none either."""
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)
    if isinstance(before, torch.Tensor):
        alike = before.dtype == after.dtype and before.shape == after.shape
        return alike and bool(torch.isclose(before, after, rtol=0, atol=0, equal_nan=True).all())
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(same, before, after))
    return bool(before == after) or (before != before and after != after)


def run_of(trainer: Trainer, **keywords: Any) -> dict[str, Any]:
    """What a run leaves: its records without times, and the weights."""
    trainer.train(**keywords)
    timed = ("runtime", "per_second")
    history = [
        {key: value for key, value in record.items() if not key.endswith(timed)} for record in trainer.state.log_history
    ]
    return {"history": history, "weights": dict(trainer.model.state_dict())}
