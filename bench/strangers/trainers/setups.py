"""Scripts with an optimizer, a sampler, an adapter or callbacks of their own, around the demo's model."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.strangers.levels.scripts import chats, kit, masked
from bench.strangers.trainers.material import Listed, Script, gpt2, names
from bench.strangers.trainers.objectives import STEPS, made


def lora_plus(folder: Path) -> Any:
    """LoRA+: ``create_optimizer`` gives the second matrix of each pair 16 times the learning rate."""
    import torch
    from transformers import Trainer

    class Plus(Trainer):
        def create_optimizer(self, *given: Any) -> Any:
            if self.optimizer is None:
                trained = [(n, w) for n, w in self.model.named_parameters() if w.requires_grad]
                lr = self.args.learning_rate
                groups = [
                    {"params": [w for n, w in trained if "lora_B" not in n], "lr": lr},
                    {"params": [w for n, w in trained if "lora_B" in n], "lr": 16 * lr},
                ]
                self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
            return self.optimizer

    return made(folder, Plus, lora, learning_rate=2e-4)


def lora(model: Any) -> dict[str, Any]:
    from peft import LoraConfig, get_peft_model

    return {"model": get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]))}


def virtual_tokens(model: Any) -> dict[str, Any]:
    """Twenty virtual tokens before each row are all that is trained."""
    from peft import PromptTuningConfig, TaskType, get_peft_model

    return {"model": get_peft_model(model, PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=20))}


def prefix(model: Any) -> dict[str, Any]:
    from peft import PrefixTuningConfig, TaskType, get_peft_model

    return {"model": get_peft_model(model, PrefixTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=8))}


def rescaled(model: Any) -> dict[str, Any]:
    """IA3: a factor for each feature."""
    from peft import IA3Config, TaskType, get_peft_model

    parts = {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}
    return {"model": get_peft_model(model, IA3Config(task_type=TaskType.CAUSAL_LM, **parts))}


def layers_in_turn(model: Any) -> dict[str, Any]:
    """LISA: a callback has frozen the layers, and thaws some of them anew every few steps."""
    import torch
    from transformers import TrainerCallback

    class InTurn(TrainerCallback):
        def __init__(self) -> None:
            self.layers = model.model.layers
            self.set(range(0))

        def set(self, trained: Any) -> None:
            for number, layer in enumerate(self.layers):
                layer.requires_grad_(number in trained)

        def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step % 2 == 0:
                self.set(torch.randperm(len(self.layers))[:1].tolist())

    return {"callbacks": [InTurn()]}


def thawed_later(model: Any) -> dict[str, Any]:
    """All weights are frozen, and a callback thaws them when training begins."""
    from transformers import TrainerCallback

    model.requires_grad_(False)

    class Thaw(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
            model.requires_grad_(True)

    return {"callbacks": [Thaw()]}


def averaged(model: Any) -> dict[str, Any]:
    """A moving average of the weights, made after every step."""
    from transformers import TrainerCallback

    class Averaging(TrainerCallback):
        def __init__(self) -> None:
            self.shadow = {name: value.detach().clone() for name, value in model.state_dict().items()}

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
            for name, value in model.state_dict().items():
                self.shadow[name].mul_(0.99).add_(value, alpha=0.01)

    return {"callbacks": [Averaging()]}


def evaluating(folder: Path) -> Any:
    """Callbacks evaluate before the first step and write answers after each evaluation."""
    import torch
    from transformers import TrainerCallback

    tokenizer, _ = kit()

    class Evaluating(TrainerCallback):
        trainer: Any = None
        asked = 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.trainer.evaluate()

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step == 1:
                control.should_evaluate = True

        def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
            Evaluating.asked += 1
            ids = torch.tensor([tokenizer("### Question:\nWho are you?\n\n### Answer:\n")["input_ids"]])
            model.generate(input_ids=ids, max_new_tokens=3, do_sample=True, pad_token_id=tokenizer.pad_token_id)

    trainer = made(folder, eval_strategy="steps", eval_steps=4)
    found = Evaluating()
    found.trainer = trainer
    trainer.add_callback(found)
    return trainer


def tuples(folder: Path) -> Any:
    """A known notebook on GPT-2: rows are tuples, padded beforehand; the labels are the ids, padding too."""
    import torch
    from torch.utils.data import Dataset, random_split
    from transformers import Trainer

    from bench.strangers.trainers.material import arguments

    owned = gpt2("<|pad|>")

    class Texts(Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.rows = []
            for chat in chats("train", 120):
                text = f"<|endoftext|>{chat[1]['content']}<|endoftext|>"
                found = owned.tokenizer(text, truncation=True, max_length=64, padding="max_length")
                self.rows.append((torch.tensor(found["input_ids"]), torch.tensor(found["attention_mask"])))

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, at: int) -> Any:
            return self.rows[at]

    train, held_out = random_split(Texts(), [100, 20], torch.Generator().manual_seed(0))

    def collate(rows: list[Any]) -> dict[str, Any]:
        ids, mask = (torch.stack([row[at] for row in rows]) for at in (0, 1))
        return {"input_ids": ids, "attention_mask": mask, "labels": ids}

    return Trainer(
        model=owned.model,
        args=arguments(folder, max_steps=STEPS),
        train_dataset=train,
        eval_dataset=held_out,
        data_collator=collate,
    )


def text_blocks(folder: Path) -> Any:
    """As transformers' ``TextDataset``: one file in blocks, and the collator for language models."""
    import torch
    from transformers import DataCollatorForLanguageModeling

    tokenizer, _ = kit()
    ids = tokenizer("\n".join(chat[1]["content"] for chat in chats("train", 400)))["input_ids"]
    blocks = [torch.tensor(ids[at : at + 64]) for at in range(0, len(ids) - 64, 64)]
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    parts = {"train_dataset": Listed(blocks), "eval_dataset": None, "data_collator": collator}  # type: ignore[arg-type]
    return made(folder, parts=lambda model: parts)


def sampled(folder: Path, make: Callable[[Any], Any]) -> Any:
    from transformers import Trainer

    class Sampled(Trainer):
        sampler: Any = None

        def _get_train_sampler(self, *given: Any) -> Any:
            if self.sampler is None:
                self.sampler = make(self.train_dataset)
            return self.sampler

    return made(folder, Sampled, max_steps=-1, num_train_epochs=2)


def by_weight(rows: Any) -> Any:
    """Rare rows are drawn more often, with replacement."""
    from torch.utils.data import WeightedRandomSampler

    return WeightedRandomSampler([1.0 + 3.0 * (n % 4 == 0) for n in range(len(rows))], len(rows))


class Buckets:
    """Rows of about one length in a batch, in another order in each epoch: the sampler counts them itself."""

    def __init__(self, rows: Any) -> None:
        self.lengths, self.epoch = [len(row["input_ids"]) for row in rows], 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        drawn = random.Random(self.epoch)
        self.epoch += 1
        order = list(range(len(self.lengths)))
        drawn.shuffle(order)
        chunks = [sorted(order[at : at + 32], key=self.lengths.__getitem__) for at in range(0, len(order), 32)]
        batches = [chunk[at : at + 8] for chunk in chunks for at in range(0, len(chunk), 8)]
        drawn.shuffle(batches)
        return iter([number for batch in batches for number in batch])


def interleaved(folder: Path) -> Any:
    """Two streams in shares, shuffled in a buffer."""
    from datasets import Dataset, interleave_datasets

    tokenizer, _ = kit()
    rows = masked(tokenizer, "train", 160)
    streams = [Dataset.from_list(some).to_iterable_dataset() for some in (rows[:80], rows[80:])]
    mixed = interleave_datasets(streams, probabilities=[0.7, 0.3], seed=1).shuffle(seed=2, buffer_size=32)
    return made(folder, parts=lambda model: {"train_dataset": mixed})


def joined(folder: Path) -> Any:
    """Two data sets of torch behind each other, and a part of a third."""
    from torch.utils.data import ConcatDataset, Subset

    tokenizer, _ = kit()
    rows = masked(tokenizer, "train", 160)
    parts: Any = [Listed(rows[:60]), Listed(rows[60:100]), Subset(Listed(rows), range(100, 160))]
    return made(folder, parts=lambda model: {"train_dataset": ConcatDataset(parts)})


def best(folder: Path) -> Any:
    """The best checkpoint is loaded at the end, and training stops early."""
    from transformers import EarlyStoppingCallback

    keys = {"eval_strategy": "steps", "eval_steps": 4, "save_strategy": "steps", "save_steps": 4}
    return made(
        folder,
        parts=lambda model: {"callbacks": [EarlyStoppingCallback(2)]},
        **keys,
        load_best_model_at_end=True,
        label_smoothing_factor=0.1,
        neftune_noise_alpha=5.0,
    )


PADDED = names("batches-padding model-start-loss")
"""Advice: full packs would save time, and the weights really are drawn at random."""

SCRIPTS = [
    Script("LoRA+", lora_plus),
    Script("prompt tuning", lambda folder: made(folder, parts=virtual_tokens, learning_rate=1e-2)),
    Script("prefix tuning", lambda folder: made(folder, parts=prefix, learning_rate=1e-2)),
    Script("IA3", lambda folder: made(folder, parts=rescaled, learning_rate=5e-3)),
    Script("layers in turn", lambda folder: made(folder, parts=layers_in_turn)),
    Script(
        "weights that a callback thaws",
        lambda folder: made(folder, parts=thawed_later),
        probed=names("model-nothing-trainable"),
    ),
    Script("a moving average of the weights", lambda folder: made(folder, parts=averaged)),
    Script("callbacks that evaluate", evaluating),
    Script("rows that are tuples", tuples, names("labels-on-padding"), advice=PADDED),
    Script("blocks of one file", text_blocks),
    Script("rows drawn by weight", lambda folder: sampled(folder, by_weight), warns=names("batches-order")),
    Script("batches of one length", lambda folder: sampled(folder, Buckets)),
    Script("two streams in shares", interleaved, skips=names("batches-order")),
    Script("data sets behind each other", joined),
    Script("best checkpoint, smoothing and noise", best),
]
