"""Evidence of a trainer that somebody has built: transformers' ``Trainer`` or TRL's ``SFTTrainer``.

Nothing is changed: random states, the accelerator's list of dataloaders and the weights are afterwards what they were,
and rows that can be read only once are not read (:mod:`sanetune.evidence.trainer_batches`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sanetune.data.conversation import Conversation
from sanetune.data.labels import IGNORE_INDEX
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import ConfigError
from sanetune.events import Publish, silent
from sanetune.evidence.batch_scan import BatchScanner
from sanetune.evidence.batch_stats import BatchStats, SplitStats
from sanetune.evidence.conversations import ConversationSplit, ConversationStore
from sanetune.evidence.launch_state import LaunchState
from sanetune.evidence.own_loss import BATCHES as TRIED
from sanetune.evidence.own_loss import TriedLoss
from sanetune.evidence.registry import MissingError, evidence
from sanetune.evidence.roles_from_ids import IdRoleFinder
from sanetune.evidence.run_settings import RunSettings
from sanetune.evidence.saved_template import SavedTemplate
from sanetune.evidence.token_roles import TokenRole
from sanetune.evidence.trainer_batches import (
    STREAMED,
    Split,
    TrainerReader,
    batches_of_the_run,
    evaluated_rows,
    has_own_loss,
    rows_of_the_run,
)
from sanetune.evidence.trainer_ends import stop_tokens_of
from sanetune.evidence.trainer_rows import IdReader, has_ids
from sanetune.evidence.trainer_settings import settings_of
from sanetune.evidence.trainer_task import require_next_tokens
from sanetune.evidence.trainer_tokens import FEW, added_ids, frozen_parts, seen_added, untrained
from sanetune.probes.results import AddedTokens

if TYPE_CHECKING:
    import datasets
    import torch
    from transformers import PreTrainedTokenizerBase, Trainer

    from sanetune.config.section import LossOn

    Rows: TypeAlias = datasets.Dataset | datasets.IterableDataset
    Batch: TypeAlias = dict[str, torch.Tensor]

DECLARING = 1_000
"""Rows from which it is read what is meant to be in the loss."""


@dataclass(slots=True)
class TrainerEvidence:
    """Builders of evidence for ``trainer``, cheapest first.

    Attributes:
        scratch: A folder for what would fill the memory.
        loss_on: Which tokens are meant to be in the loss; unset, see :func:`declared`.
        publish: Gets how many documents are done.
        reader: Reads the batches; None: those of this process, which is alone.
    """

    trainer: Trainer
    scratch: Path
    loss_on: LossOn | None = None
    publish: Publish = silent
    reader: TrainerReader | None = None

    def __post_init__(self) -> None:
        self.reader = self.reader or TrainerReader(self.trainer)
        if self.loss_on not in (None, "assistant", "last", "all"):
            raise ConfigError(
                f"loss_on is {self.loss_on!r}",
                "Labels are compared with what is meant to be in the loss.",
                "It is assistant, last or all; left out, it is read off the rows.",
            )

    @evidence()
    def launch(self) -> LaunchState:
        """The processes of this launch, as the trainer's arguments have found them."""
        return LaunchState.of(max(1, self.trainer.args.world_size))

    @evidence()
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The trainer's tokenizer; a processor's text part; or the collator's, where the trainer has none."""
        given = getattr(self.trainer, "processing_class", None) or self.trainer.data_collator
        tokenizer = getattr(given, "tokenizer", given)
        if tokenizer is None or not hasattr(tokenizer, "convert_ids_to_tokens"):
            raise MissingError("the trainer has no tokenizer (give it as processing_class)")
        return tokenizer

    @evidence()
    def template(self, tokenizer: PreTrainedTokenizerBase) -> ChatTemplate | None:
        from sanetune.data.tokenizer import chat_template

        return chat_template(tokenizer)

    @evidence()
    def stop_tokens(self, tokenizer: PreTrainedTokenizerBase | None = None) -> frozenset[int]:
        """What ends generation of the model as it will be saved."""
        return stop_tokens_of(self.trainer, tokenizer)

    @evidence()
    def saved_template(self, template: ChatTemplate | None) -> SavedTemplate:
        source = template.source if template else None
        return SavedTemplate(template=source, trained_template=source)

    @evidence(label="reading which tokens are meant to be in the loss")
    def role_finder(self, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate | None) -> IdRoleFinder | None:
        """None where turns cannot be told apart: then nobody knows who wrote a token."""
        if template is None:
            return None
        stops = (tokenizer.eos_token,) if tokenizer.eos_token else ()
        role_finder = IdRoleFinder.of(template, tokenizer, stops, self.loss_on or "assistant")
        if role_finder is not None:
            role_finder.torn = self._torn
        if role_finder is not None and self.loss_on is None:
            role_finder.loss_on = declared(self.trainer.train_dataset, role_finder)
        return role_finder

    @evidence()
    def run_settings(self, role_finder: IdRoleFinder | None = None) -> RunSettings:
        """The run in numbers, also where there is no tokenizer that could tell what is meant to be in the loss."""
        return settings_of(self.trainer, role_finder.loss_on if role_finder else self.loss_on or "assistant")

    @evidence(label="reading rows")
    def conversations(
        self,
        tokenizer: PreTrainedTokenizerBase,
        role_finder: IdRoleFinder | None,
        stop_tokens: frozenset[int],
    ) -> ConversationStore:
        """The rows as messages, read back from their ids: from the batches where the data set has none."""
        require_next_tokens(self.trainer)
        if self._torn:
            raise MissingError("packs of the strategy `wrapped` begin and end inside conversations")
        reader = IdReader(tokenizer, role_finder, tokenizer.pad_token_id, stop_tokens)
        trainer, rows = self.trainer, self.trainer.train_dataset
        if has_ids(rows):
            train = self._stored("train", reader.of_rows(rows, rows_of_the_run(trainer)))
        else:
            most = batches_of_the_run(trainer)
            with self._reader.batches("train", most) as batches:
                train = self._stored("train", reader.of_batches(batches, self._of_all(most)))
        held_out = evaluated_rows(trainer)
        if held_out is None or has_ids(held_out):
            found = reader.of_rows(held_out, None if hasattr(held_out, "__len__") else STREAMED) if held_out else ()
            return ConversationStore(train, self._stored("validation", found))
        with self._reader.batches("validation", STREAMED) as batches:
            return ConversationStore(train, self._stored("validation", reader.of_batches(batches, STREAMED)))

    @evidence(label="reading the batches")
    def batch_stats(
        self,
        run_settings: RunSettings,
        stop_tokens: frozenset[int],
        tokenizer: PreTrainedTokenizerBase | None = None,
        role_finder: IdRoleFinder | None = None,
    ) -> BatchStats:
        """One epoch of the trainer's own dataloaders, or as much of it as the run reads."""
        require_next_tokens(self.trainer)
        pad = (
            tokenizer.pad_token_id
            if tokenizer is not None
            else getattr(self.trainer.model.config, "pad_token_id", None)
        )

        def read(name: Split, batches: Iterable[Batch], most: int | None) -> SplitStats:
            source = self._reader
            known = source.known(name, pad, stop_tokens)
            roles_of = role_finder.roles_of if role_finder else lambda ids: None
            stats = SplitStats(name, known.size, sampler=source.sampler, processes=source.processes)
            longest = run_settings.data.max_length
            scanner = BatchScanner(stats, known, roles_of, tokenizer, pad, longest, stop_tokens, most)
            scanner.read(batches, self.publish)
            return stats

        rows = self.trainer.train_dataset
        if hasattr(rows, "__len__") and not len(rows):  # of no rows transformers makes no loader
            train = SplitStats("train", 0)
        else:
            tried = self._tried_loss()
            if tried is None or tried.as_labelled or tried.reason:
                most = batches_of_the_run(self.trainer)
                with self._reader.batches("train", most) as batches:
                    train = read("train", batches, self._of_all(most))
            else:  # the labels are not the last word: those that the loss acts on are
                train = read("train", tried.batches, None)
                train.partial, train.never = True, 0
                return BatchStats(train, pad=pad, own_loss=True)
            if tried is not None and tried.reason:
                return BatchStats(train, pad=pad, own_loss=True, labels_unproved=tried.reason)
        found = BatchStats(train, pad=pad)
        if (held_out := evaluated_rows(self.trainer)) is None or (hasattr(held_out, "__len__") and not len(held_out)):
            return found
        with self._reader.batches("validation", STREAMED) as batches:
            return replace(found, validation=read("validation", batches, STREAMED))

    @evidence(level="probe", depends_on=("rows", "batches"))  # of a trainer it is read off what is frozen
    def added_tokens(self, tokenizer: PreTrainedTokenizerBase) -> AddedTokens:
        """Tokens that the model's own tokenizer lacks, and whether anything of their embeddings is trained."""
        require_next_tokens(self.trainer)
        if not (frozen := frozen_parts(self.trainer)):
            raise MissingError("the embedding and the output head are trained, or parts of them")
        if not (added := added_ids(self.trainer, tokenizer)):
            return AddedTokens(0)
        with self._reader.batches("train", FEW) as batches:
            seen = seen_added(batches, added, frozen)
        named = tokenizer.convert_ids_to_tokens(untrained(self.trainer, added, seen, frozen))
        return AddedTokens(len(added), tuple(map(str, named)), tuple(frozen))

    def _tried_loss(self) -> TriedLoss | None:
        """What the trainer's own loss acts on; None where transformers or TRL computes it."""
        if not has_own_loss(self.trainer):
            return None
        with self._reader.batches("train", TRIED) as batches:
            return TriedLoss.of(self.trainer, batches)

    @property
    def _reader(self) -> TrainerReader:
        assert self.reader is not None
        return self.reader

    def _of_all(self, most: int | None) -> int | None:
        """Batches of all processes, of which each reads ``most``."""
        return None if most is None else most * self._reader.processes

    @property
    def _torn(self) -> bool:
        args = self.trainer.args
        return bool(getattr(args, "packing", False)) and getattr(args, "packing_strategy", "") == "wrapped"

    def _stored(self, name: str, conversations: Iterable[Conversation]) -> ConversationSplit:
        from sanetune.data import conversation_table
        from sanetune.data.cache import open_table

        file = self.scratch / f"{name}.arrow"
        conversation_table.write(conversations, file)
        table = open_table(file)
        return ConversationSplit(name, table, list(range(len(table))))


def declared(rows: Rows | None, role_finder: IdRoleFinder) -> LossOn:
    """Return which turns the rows of a trainer put in the loss.

    ``last`` where, in its first rows with several assistant turns, all of the last turn is in the loss and nothing of
    the others (as in rows of prompt and completion); else ``assistant``.
    """
    import numpy as np

    names = getattr(rows, "column_names", None) or []
    several = 0
    for row in islice(rows, DECLARING) if rows is not None and {"input_ids", "labels"} <= set(names) else ():
        in_loss = np.asarray(row["labels"]) != IGNORE_INDEX
        turns = [one for one in role_finder.segments(np.asarray(row["input_ids"])) if one.role is TokenRole.ASSISTANT]
        if len(turns) > 1 and "seq_lengths" not in names:
            several += 1
            last, earlier = turns[-1], turns[:-1]
            if not in_loss[last.start : last.stop].all() or any(in_loss[one.start : one.stop].any() for one in earlier):
                return "assistant"
    return "last" if several else "assistant"
