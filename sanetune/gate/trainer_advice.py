"""Advice on a trainer that somebody has built names the keywords of its own classes, not a configuration's keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sanetune.finding import Finding

if TYPE_CHECKING:
    from transformers import Trainer

KEY = re.compile(r"\b(?:train|data|model|run)\.[a-z_]+(?:\.[a-z_]+)*|sanetune (?:check|data) CONFIG")
"""What a configuration has, and a trainer has not."""

SENTENCES: tuple[tuple[str, str, str], ...] = (
    (
        r"Set data\.loss_on: assistant\.",
        "Set assistant_only_loss=True in SFTConfig, or give the rows as prompt and completion.",
        "Give the tokens of prompts the label -100.",
    ),
    (
        r"Let sanetune make the labels \(data\.loss_on: assistant\), or repair the response template; .*\.",
        "Correct the template that marks the answers, or give the rows as prompt and completion.",
        "Correct the place at which the labels of an answer begin.",
    ),
    (
        r"Set train\.packing: true \(documents stay isolated\), or group rows by length",
        "Set packing=True (documents stay isolated) or train_sampling_strategy='group_by_length' in SFTConfig",
        "Set train_sampling_strategy='group_by_length' in TrainingArguments",
    ),
    (r"train\.max_length", "max_length", "the max_length of your tokenization"),
)
"""A pattern, and what it becomes in advice on TRL's trainer and on transformers'."""

WORDS: tuple[tuple[str, str], ...] = (
    (r"[;.] sanetune check CONFIG --write-clean DIR writes [^.]*\.", "."),
    (r"; sanetune data CONFIG shows [^.]*\.", "."),
    (r" with sanetune data CONFIG", ""),
    (r"\(data\.holdout: 0\.1\) or name a file \(data\.validation\)", "and give them to the trainer as eval_dataset"),
    (r"\(`?data\.holdout: 0\.1`?\) and evaluate", "(eval_dataset, eval_strategy='steps') and evaluate"),
    (r"let sanetune split the training rows \(data\.holdout\): rows", "split them anew so that rows"),
    (r"\(`?data\.overlong: drop`?\)", "(dataset.filter)"),
    (r"mix general rows in with `?data\.replay`?", "add general rows to train_dataset (concatenate_datasets)"),
    (r"`?model\.chat_template: chatml`?", "tokenizer.chat_template"),
    (r"model\.chat_template: FILE", "tokenizer.chat_template"),
    (r"Narrow model\.freeze or widen model\.train_only", "Set requires_grad of more weights"),
    (r"model\.adapter\.tokens", "trainable_token_indices in LoraConfig"),
    (r"model\.adapter\.target", "target_modules in LoraConfig"),
    (r"model\.attention: (\w+)", r"attn_implementation='\1' in from_pretrained"),
    (r"model\.dtype: (\w+)", r"dtype='\1' in from_pretrained"),
    (r"model\.dtype", "dtype in from_pretrained"),
    (r"run\.trackers", "report_to"),
    (r"run\.output_dir", "output_dir"),
    (r"train\.(\w+): true\b", r"\1=True"),
    (r"train\.(\w+): false\b", r"\1=False"),
    (r"train\.(\w+): ([\d.]*\d)", r"\1=\2"),
    (r"\b(learning_rate): ([\d.e-]*\d)", r"\1=\2"),
    (r"train\.(\w+): (\w+)", r"\1='\2'"),
    (r"train\.(\w+)", r"\1"),
)
"""Patterns, and what they become in advice on any trainer."""


@dataclass(frozen=True, slots=True)
class TrainerAdvice:
    """How advice is written for one trainer.

    Attributes:
        arguments: The name of the class of its arguments.
        keywords: What that class takes.
        is_trl: Whether it is TRL's trainer, which prepares rows itself.
    """

    arguments: str
    keywords: frozenset[str]
    is_trl: bool

    @classmethod
    def of(cls, trainer: Trainer) -> TrainerAdvice:
        homes = {one.__module__.partition(".")[0] for one in type(trainer).__mro__}
        return cls(type(trainer.args).__name__, frozenset(vars(trainer.args)), "trl" in homes)

    def rewritten(self, finding: Finding) -> Finding:
        """``finding`` with the trainer's own keywords in its remedy and in the values that it proposes."""
        answers = [self._answer(one) for one in finding.answers]
        return replace(finding, remedy=self.remedy(finding.remedy), fix=self.fix(finding.fix), answers=answers)

    def _answer(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        return {**plain, "words": self.remedy(plain["words"]), "change": self.fix(plain["change"])}

    def remedy(self, text: str) -> str:
        """A remedy in the trainer's words."""
        for pattern, of_trl, of_transformers in SENTENCES:
            text = re.sub(pattern, of_trl if self.is_trl else of_transformers, text)
        for pattern, words in WORDS:
            text = re.sub(pattern, words, text)
        return text

    def fix(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The proposed values that an argument takes, as ``class.keyword``; others are in the remedy."""
        parts = ((key.partition(".")[0], key.partition(".")[2], value) for key, value in values.items())
        return {
            f"{self.arguments}.{key}": value
            for section, key, value in parts
            if section == "train" and key in self.keywords
        }
