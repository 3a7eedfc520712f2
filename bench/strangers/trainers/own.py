"""Scripts with parts of their own: loss, optimizer, loader, collator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.strangers.trainers.masked import PadsLabels, trainer_on
from bench.strangers.trainers.material import ROWS, Listed, Script, alpaca, arguments, gpt2, names
from bench.strangers.trainers.streams import rows_of


def own_loss(folder: Path, shift: bool = True, masked: bool = True, teacher: bool = False) -> Any:
    """``compute_loss`` reads a mask of its own; the batches have no labels."""
    import torch
    from transformers import Trainer

    kit = gpt2("<|pad|>")
    plain = PadsLabels(kit.tokenizer.pad_token_id)

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = plain(rows)
        mask = batch.pop("labels") != -100
        return {**batch, "loss_mask": mask if masked else batch["attention_mask"]}

    class Own(Trainer):
        calls = 0

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            self.calls += 1
            by = 1 if shift else 0
            mask = inputs.pop("loss_mask")[:, by:].float()
            outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            logits, targets = outputs.logits[:, : mask.shape[1]], inputs["input_ids"][:, by:]
            losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
            loss = (losses * mask).sum() / mask.sum()
            if teacher:
                loss = loss + outputs.hidden_states[-1].pow(2).mean()
            return (loss, outputs) if return_outputs else loss

    return Own(
        model=kit.model,
        args=arguments(folder, remove_unused_columns=False),
        train_dataset=Listed(rows_of(kit)),
        data_collator=collate,
        processing_class=kit.tokenizer,
    )


def logged_loss(folder: Path) -> Any:
    """``compute_loss`` only logs something and hands on to the trainer's own."""
    from transformers import Trainer

    kit = gpt2("<|pad|>")

    class Own(Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **keys: Any) -> Any:
            self.log({"tokens": float(inputs["input_ids"].numel())})
            return super().compute_loss(model, inputs, return_outputs=return_outputs, **keys)

    return Own(
        model=kit.model,
        args=arguments(folder),
        train_dataset=Listed(rows_of(kit)),
        data_collator=PadsLabels(kit.tokenizer.pad_token_id),
        processing_class=kit.tokenizer,
    )


def weighted_loss(folder: Path) -> Any:
    """``compute_loss_func``: the labels count, with a weight each."""
    import torch
    from transformers import Trainer

    kit = gpt2("<|pad|>")

    def weighted(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits, targets = outputs["logits"][:, :-1], labels[:, 1:]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none", ignore_index=-100)
        weights = torch.linspace(1.0, 0.5, losses.shape[1])
        return (losses * weights).sum() / (targets != -100).sum()

    return Trainer(
        model=kit.model,
        args=arguments(folder),
        train_dataset=Listed(rows_of(kit)),
        data_collator=PadsLabels(kit.tokenizer.pad_token_id),
        processing_class=kit.tokenizer,
        compute_loss_func=weighted,
    )


def own_optimizer(folder: Path) -> Any:
    """``optimizers=``: the learning rate of the arguments is not the one of the run."""
    import torch
    from transformers import Trainer

    kit = gpt2("<|pad|>")
    optimizer = torch.optim.AdamW(kit.model.parameters(), lr=5.0)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    return Trainer(
        model=kit.model,
        args=arguments(folder),
        train_dataset=Listed(rows_of(kit)),
        data_collator=PadsLabels(kit.tokenizer.pad_token_id),
        processing_class=kit.tokenizer,
        optimizers=(optimizer, schedule),
    )


def own_loader(folder: Path) -> Any:
    """``get_train_dataloader`` gives what it likes; ``train_dataset`` is not set."""
    from torch.utils.data import DataLoader
    from transformers import Trainer

    kit = gpt2("<|pad|>")
    loader: Any = DataLoader(
        Listed(rows_of(kit)), batch_size=4, shuffle=True, collate_fn=PadsLabels(kit.tokenizer.pad_token_id)
    )

    class Own(Trainer):
        def get_train_dataloader(self) -> Any:
            return loader

    return Own(model=kit.model, args=arguments(folder), processing_class=kit.tokenizer)


def no_tokenizer(folder: Path) -> Any:
    """The trainer was never told of a tokenizer."""
    kit = gpt2("<|pad|>")
    trainer = trainer_on(kit, folder, rows_of(kit))
    trainer.processing_class = None
    trainer.callback_handler.processing_class = None
    return trainer


def tokenizing_collator(folder: Path) -> Any:
    """Rows are text until they are batched."""
    from transformers import Trainer

    kit = gpt2("<|pad|>")
    texts = [{"text": row["output"] + kit.tokenizer.eos_token} for row in alpaca()[:ROWS]]

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = dict(kit.tokenizer([row["text"] for row in rows], return_tensors="pt", padding=True))
        return {**batch, "labels": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)}

    return Trainer(
        model=kit.model,
        args=arguments(folder, remove_unused_columns=False),
        train_dataset=Listed(texts),
        data_collator=collate,
        processing_class=kit.tokenizer,
    )


LABELS = "labels-none labels-on-prompt labels-missing-reply labels-disagree labels-scarce labels-shifted"

PROMPTS = names("labels-on-prompt")

SCRIPTS = [
    Script("a loss of its own, without labels", own_loss),
    Script("a loss of its own on everything", lambda folder: own_loss(folder, masked=False), warns=PROMPTS),
    Script("a loss of its own, not shifted", lambda folder: own_loss(folder, shift=False), names("labels-shifted")),
    Script("a loss that needs more than logits", lambda folder: own_loss(folder, teacher=True), skips=names(LABELS)),
    Script("a loss that is logged", logged_loss),
    Script("a loss with weights", weighted_loss),
    Script("an optimizer of its own", own_optimizer),
    Script("a loader of its own", own_loader),
    Script("no tokenizer", no_tokenizer, skips=names("template-missing")),
    Script("a collator that tokenizes", tokenizing_collator, advice=names("batches-padding")),
]
