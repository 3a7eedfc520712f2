"""Scripts whose loss, step or task is not the usual one, around the demo's model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from bench.strangers.levels.scripts import arguments, chats, kit, masked, plain
from bench.strangers.trainers.material import Listed, Script, names

STEPS = 8


def made(folder: Path, maker: Any = None, parts: Any = None, **keys: Any) -> Any:
    """A trainer of the demo's model on 160 rows with hand-made masks, for eight steps."""
    return plain(folder, maker, parts=parts, **{"max_steps": STEPS, "eval_strategy": "no", "warmup_steps": 0} | keys)


def chatglm(folder: Path) -> Any:
    """The LoRA script of ChatGLM: rows are sorted in the collator, and a prompt's last token is in the loss."""
    import torch
    from transformers import Trainer

    tokenizer, _ = kit()

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        rows = sorted(rows, key=lambda row: -len(row["input_ids"]))
        width, ids, labels = len(rows[0]["input_ids"]), [], []
        for row in rows:
            spare, first = width - len(row["input_ids"]), row["seq_len"] - 1
            labels.append([-100] * first + row["input_ids"][first:] + [-100] * spare)
            ids.append(row["input_ids"] + [tokenizer.pad_token_id] * spare)
        return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}

    class Modified(Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            outputs = model(input_ids=inputs["input_ids"], labels=inputs["labels"])
            return (outputs.loss, outputs) if return_outputs else outputs.loss

    opens = tokenizer.convert_tokens_to_ids("<|im_start|>")
    rows = []
    for question, answer in chats("train", 160):
        prompt = [*tokenizer(f"Instruction: {question['content']}\nAnswer: ")["input_ids"], opens]
        reply = [*tokenizer(answer["content"])["input_ids"], tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + reply, "seq_len": len(prompt)})
    parts = {"train_dataset": Listed(rows), "eval_dataset": None, "data_collator": collate}
    return made(folder, Modified, lambda model: parts, remove_unused_columns=False)


def mamba(folder: Path) -> Any:
    """The trainer of Mamba scripts: every token is learned, padding too."""
    from torch.nn import functional
    from transformers import Trainer

    class Mamba(Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            ids = inputs.pop("input_ids")
            logits = model(ids).logits[:, :-1]
            loss = functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
            return (loss, logits) if return_outputs else loss

    return made(folder, Mamba)


def firefly(folder: Path) -> Any:
    """Firefly: the batch has ``target_mask``, and a loss object that the trainer was given makes labels of it."""
    import torch
    from torch import nn
    from transformers import Trainer

    tokenizer, _ = kit()

    class TargetLoss:
        def __init__(self, ignored: int) -> None:
            self.ignored, self.loss = ignored, nn.CrossEntropyLoss(ignore_index=ignored)

        def __call__(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
            outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], return_dict=True)
            labels = torch.where(inputs["target_mask"] == 1, inputs["input_ids"], self.ignored)
            logits = outputs.logits[..., :-1, :].contiguous()
            loss = self.loss(logits.view(-1, logits.size(-1)), labels[..., 1:].contiguous().view(-1))
            return (loss, outputs) if return_outputs else loss

    class Own(Trainer):
        def __init__(self, *given: Any, compute: Any, **keys: Any) -> None:
            super().__init__(*given, **keys)
            self.compute = compute

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            return self.compute(model, inputs, return_outputs)

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        width = max(len(row["input_ids"]) for row in rows)
        padded = [row["input_ids"] + [tokenizer.pad_token_id] * (width - len(row["input_ids"])) for row in rows]
        targets = [[int(label >= 0) for label in row["labels"]] for row in rows]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in targets]
        return {
            "input_ids": torch.tensor(padded),
            "attention_mask": torch.tensor(mask),
            "target_mask": torch.tensor([row + [0] * (width - len(row)) for row in targets]),
        }

    parts = {"data_collator": collate, "compute": TargetLoss(-100)}
    return made(folder, Own, lambda model: parts, remove_unused_columns=False)


def distilled(folder: Path) -> Any:
    """A teacher beside the student: cross-entropy on answers, divergence on every position, padding too."""
    import torch
    from torch.nn import functional
    from transformers import Trainer

    class Distilling(Trainer):
        def __init__(self, *given: Any, teacher: Any, **keys: Any) -> None:
            super().__init__(*given, **keys)
            self.teacher = teacher.eval()

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            outputs = model(**inputs)
            with torch.no_grad():
                taught = self.teacher(**inputs).logits
            own, taught = functional.log_softmax(outputs.logits / 2, -1), functional.softmax(taught / 2, -1)
            apart = functional.kl_div(own, taught, reduction="none").sum(-1).mean()
            loss = 0.5 * outputs.loss + 0.5 * 4 * apart
            return (loss, outputs) if return_outputs else loss

    def parts(model: Any) -> dict[str, Any]:
        torch.manual_seed(1)
        teacher = copy.deepcopy(model)
        with torch.no_grad():
            for weight in teacher.parameters():
                weight += 0.02 * torch.randn_like(weight)
        return {"teacher": teacher}

    return made(folder, Distilling, parts)


def near_the_start(folder: Path) -> Any:
    """The distance of the weights to those that training began with is part of the loss."""
    import torch
    from transformers import Trainer

    class Near(Trainer):
        def __init__(self, *given: Any, **keys: Any) -> None:
            super().__init__(*given, **keys)
            self.start = [weight.detach().clone() for weight in self.model.parameters()]

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            outputs = model(**inputs)
            apart = [torch.mean((w - b) ** 2) for w, b in zip(model.parameters(), self.start, strict=True)]
            loss = outputs.loss + 10.0 * torch.stack(apart).mean()
            return (loss, outputs) if return_outputs else loss

    return made(folder, Near)


def adversarial(folder: Path) -> Any:
    """FGM: ``training_step`` makes a second pass with moved embeddings, and moves them back."""
    from transformers import Trainer

    class Adversarial(Trainer):
        def training_step(self, model: Any, inputs: Any, *more: Any, **keys: Any) -> Any:
            model.train()
            inputs = self._prepare_inputs(inputs)
            loss = self.compute_loss(model, dict(inputs))
            loss.backward()
            kept = {}
            for name, weight in model.named_parameters():
                if weight.requires_grad and "embed_tokens" in name and weight.grad is not None:
                    kept[name] = weight.data.clone()
                    weight.data.add_(weight.grad / weight.grad.norm())
            self.compute_loss(model, dict(inputs)).backward()
            for name, weight in model.named_parameters():
                if name in kept:
                    weight.data = kept[name]
            return loss.detach()

    return made(folder, Adversarial)


def weighted_rows(folder: Path) -> Any:
    """A column of weights: the loss of each row counts so much."""
    from torch.nn import functional
    from transformers import DataCollatorForSeq2Seq, Trainer

    tokenizer, _ = kit()
    collator = DataCollatorForSeq2Seq(tokenizer)

    class Weighted(Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            weights, labels = inputs.pop("weight"), inputs.pop("labels")
            outputs = model(**inputs)
            losses = functional.cross_entropy(
                outputs.logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=-100
            )
            rows = losses.sum(1) / (labels[:, 1:] != -100).sum(1)
            loss = (rows * weights).sum() / weights.sum()
            return (loss, outputs) if return_outputs else loss

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        weights = torch.tensor([row["weight"] for row in rows])
        return {**collator([{k: v for k, v in row.items() if k != "weight"} for row in rows]), "weight": weights}

    rows = [row | {"weight": (0.5, 1.0, 2.0)[n % 3]} for n, row in enumerate(masked(tokenizer, "train", 160))]
    parts = {"train_dataset": Listed(rows), "eval_dataset": None, "data_collator": collate}
    return made(folder, Weighted, lambda model: parts, remove_unused_columns=False)


def r_drop(folder: Path) -> Any:
    """Two passes with dropout, which have to agree on the answers."""
    from torch.nn import functional
    from transformers import Trainer

    class Agreeing(Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            one, two = model(**inputs), model(**inputs)
            counted = inputs["labels"] != -100
            logs = [functional.log_softmax(one.logits[counted], -1), functional.log_softmax(two.logits[counted], -1)]
            apart = functional.kl_div(logs[0], logs[1], log_target=True, reduction="batchmean")
            loss = (one.loss + two.loss) / 2 + apart
            return (loss, one) if return_outputs else loss

    def parts(model: Any) -> dict[str, Any]:
        model.config.attention_dropout = 0.1
        for layer in model.model.layers:
            layer.self_attn.attention_dropout = 0.1
        return {}

    return made(folder, Agreeing, parts)


def baichuan(folder: Path) -> Any:
    """Baichuan 2: the label at the token that opens a user's turn is the end token; rows are padded beforehand."""
    import torch
    from transformers import default_data_collator

    tokenizer, _ = kit()
    opens, end, pad = tokenizer.convert_tokens_to_ids("<|im_start|>"), tokenizer.eos_token_id, tokenizer.pad_token_id
    rows = []
    for question, answer in chats("train", 160):
        ids, labels = [], []
        for asked, said in ((question, answer), (question, answer)):
            prompt = tokenizer(asked["content"])["input_ids"]
            reply = tokenizer(said["content"])["input_ids"]
            ids += [opens, *prompt, opens, *reply]
            labels += [end, *[-100] * len(prompt), -100, *reply]
        ids, labels = [*ids, end][:256], [*labels, end][:256]
        spare = 256 - len(ids)
        ids, labels = torch.tensor(ids + [pad] * spare), torch.tensor(labels + [-100] * spare)
        rows.append({"input_ids": ids, "labels": labels, "attention_mask": ids.ne(pad)})
    parts = {"train_dataset": Listed(rows), "eval_dataset": None, "data_collator": default_data_collator}
    return made(folder, parts=lambda model: parts)


def encoder_decoder(folder: Path) -> Any:
    """T5 by ``Seq2SeqTrainer``."""
    import torch
    from transformers import (
        DataCollatorForSeq2Seq,
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        T5Config,
        T5ForConditionalGeneration,
    )

    tokenizer, _ = kit()
    torch.manual_seed(0)
    size = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
    model = T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **size))
    rows = [
        {
            "input_ids": tokenizer(f"answer: {question['content']}")["input_ids"],
            "labels": [*tokenizer(answer["content"])["input_ids"], tokenizer.eos_token_id],
        }
        for question, answer in chats("train", 80)
    ]
    return Seq2SeqTrainer(
        model=model,
        args=arguments(folder, Seq2SeqTrainingArguments, max_steps=STEPS, eval_strategy="no"),
        train_dataset=Listed(rows),
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
        processing_class=tokenizer,
    )


def classifier(folder: Path) -> Any:
    """A head with three classes on the model: one label for each row."""
    import torch
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

    from bench.strangers.levels.scripts import HOME

    tokenizer, _ = kit()
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(str(HOME / "model"), num_labels=3)
    model.config.pad_token_id = tokenizer.pad_token_id
    rows = [
        {"input_ids": tokenizer(question["content"])["input_ids"], "labels": number % 3}
        for number, (question, _) in enumerate(chats("train", 80))
    ]
    parts = {"model": model, "train_dataset": Listed(rows), "data_collator": DataCollatorWithPadding(tokenizer)}
    return made(folder, parts=lambda _: parts | {"eval_dataset": None})


def preferences(folder: Path) -> Any:
    """TRL's trainer of preferences."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    tokenizer, model = kit()
    pairs = chats("train", 80)
    rows = [
        {"prompt": q["content"], "chosen": a["content"], "rejected": pairs[(n + 7) % 80][1]["content"]}
        for n, (q, a) in enumerate(pairs)
    ]
    args = arguments(folder, DPOConfig, bf16=False, max_steps=STEPS, eval_strategy="no")
    return DPOTrainer(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)


SCRIPTS = [
    Script("ChatGLM's script, a token of the prompt in the loss", chatglm, warns=names("labels-on-prompt")),
    Script("Mamba's trainer", mamba, names("labels-on-padding"), names("labels-on-prompt")),
    Script("Firefly's target mask", firefly),
    Script("distillation on every position", distilled, names("labels-on-padding"), names("labels-on-prompt")),
    Script("distance to the first weights", near_the_start),
    Script("adversarial steps", adversarial),
    Script("weights of rows", weighted_rows),
    Script("two passes that agree", r_drop, warns=names("labels-on-padding")),
    Script("Baichuan's labels", baichuan, warns=names("labels-shifted"), advice=names("batches-padding")),
    Script("an encoder and a decoder", encoder_decoder),
    Script("classes of rows", classifier),
    Script("preferences", preferences),
]
