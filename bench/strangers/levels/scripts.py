"""The demo's model and rows in trainers as people build them, each with the findings that are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sanetune

HOME = Path(sanetune.__file__).parent / "demo"
ROWS, STEPS, BATCH = 160, 60, 8


@dataclass(frozen=True)
class Script:
    """One trainer.

    Attributes:
        name: What it is, in a few words.
        build: Gives the trainer; its argument is a folder.
        fails: Checks of which at least one has to fail; none: nothing may fail.
        may: Further checks that may fail of the same cause.
    """

    name: str
    build: Callable[[Path], Any]
    fails: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


def kit() -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoTokenizer.from_pretrained(str(HOME / "model")), AutoModelForCausalLM.from_pretrained(str(HOME / "model"))


@cache
def chats(split: str, count: int) -> list[list[dict[str, str]]]:
    """Conversations of one question and one answer."""
    lines = (HOME / "data" / f"{split}.jsonl").read_text().splitlines()
    found = [json.loads(line)["messages"] for line in lines]
    return [[turn for turn in chat if turn["role"] != "system"][:2] for chat in found][:count]


def masked(tokenizer: Any, split: str, count: int, shift: int = 0) -> list[dict[str, Any]]:
    """``### Question`` and ``### Answer``, labels by hand; ``shift``: they are moved to the left, as for a loss that
    does not shift."""
    rows = []
    for question, answer in chats(split, count):
        prompt = tokenizer(f"### Question:\n{question['content']}\n\n### Answer:\n")["input_ids"]
        reply = [*tokenizer(answer["content"])["input_ids"], tokenizer.eos_token_id]
        labels = [-100] * len(prompt) + reply
        rows.append({"input_ids": prompt + reply, "labels": labels[shift:] + [-100] * shift})
    return rows


def arguments(folder: Path, kind: Any = None, **keys: Any) -> Any:
    from transformers import TrainingArguments

    settings = {
        "max_steps": STEPS, "per_device_train_batch_size": BATCH, "learning_rate": 1e-3, "logging_steps": 10,
        "report_to": "none", "use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "eval_strategy": "steps",
        "eval_steps": 30, "warmup_steps": 5,
    } | keys  # fmt: skip
    return (kind or TrainingArguments)(output_dir=str(folder), **settings)


def plain(folder: Path, maker: Any = None, shift: int = 0, lora: bool = False, parts: Any = None, **keys: Any) -> Any:
    """transformers' Trainer with hand-made masks. ``parts``: gives more of its arguments for its model."""
    from datasets import Dataset
    from transformers import DataCollatorForSeq2Seq, Trainer

    tokenizer, model = kit()
    more = parts(model) if parts else {}
    if lora:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    return (maker or Trainer)(
        **{
            "model": model,
            "args": arguments(folder, **keys),
            "train_dataset": Dataset.from_list(masked(tokenizer, "train", ROWS, shift)),
            "eval_dataset": Dataset.from_list(masked(tokenizer, "validation", 40, shift)),
            "data_collator": DataCollatorForSeq2Seq(tokenizer),
            "processing_class": tokenizer,
        }
        | more
    )


def sft(folder: Path, stream: bool = False, **keys: Any) -> Any:
    """TRL's trainer on messages."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tokenizer, model = kit()
    train = Dataset.from_list([{"prompt": chat[:1], "completion": chat[1:]} for chat in chats("train", ROWS)])
    held_out = Dataset.from_list([{"prompt": chat[:1], "completion": chat[1:]} for chat in chats("validation", 40)])
    return SFTTrainer(
        model=model,
        args=arguments(folder, SFTConfig, bf16=False, max_length=512, eos_token="<|im_end|>", **keys),
        train_dataset=train.to_iterable_dataset() if stream else train,
        eval_dataset=held_out,
        processing_class=tokenizer,
    )


def own_loss(kind: str) -> Any:
    """A Trainer with ``compute_loss``: ``right``, ``sign``, ``detached``, ``shifted``, ``unmasked``."""
    from torch.nn import functional
    from transformers import Trainer

    class Own(Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            labels = inputs.pop("labels")
            logits = model(**inputs).logits
            if kind == "detached":
                logits = logits.detach()
            if kind == "unmasked":
                labels = inputs["input_ids"].clone()
            ahead = 2 if kind == "shifted" else 1
            logits, labels = logits[:, :-ahead], labels[:, ahead:]
            loss = functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100)
            loss = -loss if kind == "sign" else loss
            return (loss, None) if return_outputs else loss

    return Own


def optimizer(lr: float = 1e-3, scheduler: Any = None) -> Callable[[Any], dict[str, Any]]:
    """An optimizer of one's own over the model's weights, with a schedule over its steps."""
    import torch

    def parts(model: Any) -> dict[str, Any]:
        built = torch.optim.AdamW(model.parameters(), lr=lr)
        course = scheduler or (lambda step: 1 - step / STEPS)
        return {"optimizers": (built, torch.optim.lr_scheduler.LambdaLR(built, course))}

    return parts


def of_another_model(model: Any) -> dict[str, Any]:
    """The optimizer was made for a model that was loaded again afterwards."""
    return optimizer()(kit()[1])


def frozen(model: Any) -> dict[str, Any]:
    model.requires_grad_(False)
    return {}


def half(model: Any) -> dict[str, Any]:
    """Weights in fp16, and no scaler."""
    import torch

    return {"model": model.to(torch.float16)}


def texts(folder: Path) -> Any:
    """Every token is learned; the collator for language models."""
    from transformers import DataCollatorForLanguageModeling

    def parts(model: Any) -> dict[str, Any]:
        return {"data_collator": DataCollatorForLanguageModeling(kit()[0], mlm=False)}

    return plain(folder, parts=parts)


LR_HIGH = ("curve-rate-beaten", "model-rate-critical")
UNUSUAL = ("config-rate-unusual",)
LEARNS_NOT = ("model-cannot-overfit", "curve-diverged", "curve-plateau", "curve-rate-beaten", "model-rate-critical")

SHIFTED = ("labels-disagree", "labels-missing-reply", "labels-on-prompt", "template-end-unlearnt", *LEARNS_NOT)
SHIFTED += ("model-start-loss", "curve-start-high")

SCRIPTS = [
    Script("hand-made masks", plain),
    Script("hand-made masks, LoRA", lambda folder: plain(folder, lora=True, learning_rate=5e-3)),
    Script("hand-made masks, accumulation", lambda folder: plain(folder, gradient_accumulation_steps=2)),
    Script("own loss", lambda folder: plain(folder, own_loss("right"))),
    Script(
        "own loss, accumulated and not divided",
        lambda folder: plain(folder, own_loss("right"), gradient_accumulation_steps=4),
        ("model-accumulation-bias",),
    ),
    Script("own optimizer and schedule", lambda folder: plain(folder, parts=optimizer())),
    Script("SFTTrainer, prompt and completion", sft),
    Script("SFTTrainer, packed", lambda folder: sft(folder, packing=True)),
    Script("SFTTrainer, stream", lambda folder: sft(folder, stream=True)),
    Script(
        "learning rate 100 times too high",
        lambda folder: plain(folder, learning_rate=1e-1),
        LR_HIGH,
        (*LEARNS_NOT, *UNUSUAL),
    ),
    Script(
        "own optimizer, 100 times too high",
        lambda folder: plain(folder, parts=optimizer(1e-1)),
        LR_HIGH,
        (*LEARNS_NOT, *UNUSUAL),
    ),
    Script("own loss, wrong sign", lambda folder: plain(folder, own_loss("sign")), ("model-gradients-bad",)),
    Script("own loss, detached", lambda folder: plain(folder, own_loss("detached")), ("model-nothing-trainable",)),
    Script(
        "own loss, shifted twice",
        lambda folder: plain(folder, own_loss("shifted")),
        ("labels-shifted",),
        SHIFTED,
    ),
    Script(
        "labels shifted twice",
        lambda folder: plain(folder, shift=1),
        ("labels-shifted",),
        SHIFTED,
    ),
    Script(
        "own loss, no mask",
        lambda folder: plain(folder, own_loss("unmasked")),
        ("labels-on-prompt", "labels-on-padding"),
        ("labels-disagree",),
    ),
    Script("all weights frozen", lambda folder: plain(folder, parts=frozen), ("model-nothing-trainable",)),
    Script("optimizer of another model", lambda folder: plain(folder, parts=of_another_model), ("model-update-lost",)),
    Script(
        "schedule that stays at zero",
        lambda folder: plain(folder, parts=optimizer(scheduler=lambda step: 0.0)),
        ("curve-rate-zero",),
        ("curve-plateau", "curve-rate-beaten", "samples-unchanged"),
    ),
    Script(
        "fp16 weights, no scaler",
        lambda folder: plain(folder, parts=half),
        ("config-precision", "model-update-lost", "model-gradients-bad"),
        (*LEARNS_NOT, "curve-nan", "curve-rate-beaten", "model-accumulation-bias"),
    ),
]  # fmt: skip
