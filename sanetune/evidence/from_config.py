"""Evidence of a run that a configuration describes, up to the batches: no weights are loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.schema import Config, SourceSection
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import DataError, Place, TemplateError
from sanetune.events import Publish, silent
from sanetune.evidence.batch_scan import BatchScanner, KnownExamples
from sanetune.evidence.batch_stats import BatchStats, SplitStats
from sanetune.evidence.config_settings import settings_of
from sanetune.evidence.conversations import ConversationSplit, ConversationStore, Rows, spool
from sanetune.evidence.data_loss import DataLoss, RefusedRows
from sanetune.evidence.registry import Builder
from sanetune.evidence.roles_from_text import Lost, RoleFinder, TokenRoleStore, write
from sanetune.evidence.saved_template import SavedTemplate
from sanetune.evidence.text_spans import Literals
from sanetune.evidence.token_roles import digest

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class PreparationResult:
    """Prepared rows, or the error that says why there are none; and the rows that the template refuses."""

    prepared: Prepared | None
    refused: RefusedRows
    error: TemplateError | None


@dataclass(slots=True)
class ConfigEvidence:
    """Builders of evidence for ``config``. ``scratch``: a folder for what would fill the memory; ``publish`` gets
    the rows that are done."""

    config: Config
    scratch: Path
    publish: Publish = silent

    def builders(self) -> dict[str, Builder]:
        """Cheapest first."""
        return {
            "tokenizer": self.tokenizer,
            "template": self.template,
            "read_sources": self.read_sources,
            "rows": lambda read_sources: read_sources[0],
            "conversations": lambda read_sources: read_sources[1],
            "preparation": self.preparation,
            "refused_rows": lambda preparation: preparation.refused,
            "prepared": prepared_of,
            "data_loss": DataLoss.of,
            "plan": self.plan,
            "run_settings": settings_of,
            "stop_tokens": stops_of,
            "saved_template": saved_of,
            "role_derivation": self.role_derivation,
            "lost_texts": lambda role_derivation: role_derivation[1],
            "token_roles": lambda role_derivation: role_derivation[0],
            "batch_stats": self.batch_stats,
        }

    def tokenizer(self) -> Any:
        from sanetune.data.tokenizer import load_tokenizer

        return load_tokenizer(self.config.model)

    def template(self, tokenizer: Any) -> ChatTemplate | None:
        from sanetune.data.tokenizer import chat_template

        return chat_template(tokenizer)

    def read_sources(self) -> tuple[Rows, ConversationStore]:
        """All rows read once, the readable ones kept on disk."""
        config = self.config
        sides = {"train": config.data.train} | (
            {"validation": config.data.validation} if config.data.validation else {}
        )
        parts = {name: self._read(name, sources) for name, sources in sides.items()}
        rows = [part for part, _ in parts.values()]
        merged = Rows(
            sum(one.read for one in rows),
            sum(one.bad for one in rows),
            [error for one in rows for error in one.errors],
            sum((one.forms for one in rows), Counter()),
            [file for one in rows for file in one.files],
        )
        return merged, self._conversations({name: file for name, (_, file) in parts.items()})

    def _read(self, name: str, sources: list[SourceSection]) -> tuple[Rows, Path]:
        from sanetune.data.formats import read_conversations
        from sanetune.data.sources.read import Source

        file = self.scratch / f"{name}.arrow"
        data = self.config.data
        read = read_conversations(
            [Source(**section.model_dump()) for section in sources],
            fields=data.fields or None,
            max_examples=data.max_examples if name == "train" else None,
            seed=data.seed,
            on_bad="drop",
        )
        try:
            spool(read, file)
        except DataError:
            if not read.failures:
                raise
        rows = Rows(read.rows, read.failures, read.bad, read.forms, [one.path for one in sources])
        return rows, file

    def _conversations(self, files: dict[str, Path]) -> ConversationStore:
        from sanetune.data.prepare import open_table
        from sanetune.data.splits import split

        table = open_table(files["train"])
        everything = list(range(len(table)))
        if "validation" in files:
            other = open_table(files["validation"])
            return ConversationStore(
                ConversationSplit("train", table, everything),
                ConversationSplit("validation", other, list(range(len(other)))),
            )
        data = self.config.data
        kept, held = split(table.column("key").to_pylist(), data.holdout, data.seed)
        return ConversationStore(
            ConversationSplit("train", table, kept), ConversationSplit("validation", table, held), held_out=bool(held)
        )

    def preparation(self, tokenizer: Any) -> PreparationResult:
        """The preparation, without the rows that cannot be used; where the template refuses every row, those."""
        from sanetune.data.examples import RefusedError
        from sanetune.data.prepare import prepare

        try:
            prepared = prepare(self.config, tokenizer, publish=self.publish, leave_out_bad=True)
        except RefusedError as error:
            count = error.refusals.count
            return PreparationResult(None, RefusedRows(count, count, error.refusals.first), error)
        return PreparationResult(
            prepared, RefusedRows(prepared.stats["rows"], prepared.refused_count, prepared.refused), None
        )

    def plan(self, prepared: Prepared) -> Plan:
        from sanetune.planning.plan import plan

        return plan(self.config, prepared)

    def role_derivation(
        self, prepared: Prepared, tokenizer: Any, template: ChatTemplate | None
    ) -> tuple[TokenRoleStore, Lost]:
        """The independent route over every example."""
        from sanetune.data.tokenizer import stop_tokens

        stops = stop_tokens(tokenizer, self.config.model.name)
        literals = Literals.of(template, stops) if template else Literals({}, stops)
        speaker = RoleFinder(
            template, tokenizer.backend_tokenizer, literals, self.config.data.loss_on, tokenizer.eos_token
        )
        file = self.scratch / "token_roles.arrow"
        lost = write(speaker, prepared, file)
        return TokenRoleStore(file), lost

    def batch_stats(self, plan: Plan, prepared: Prepared, token_roles: TokenRoleStore) -> BatchStats:
        """One epoch of the engine's own dataloaders."""
        from sanetune.engine.registry import engine_of

        found = engine_of(plan.config).epoch(plan.config, prepared)
        train = self._side("train", prepared.train, found.train, prepared, token_roles)
        if found.validation is None:
            return BatchStats(train)
        return BatchStats(train, self._side("validation", prepared.validation, found.validation, prepared, token_roles))

    def _side(self, name: str, rows: Any, loader: Any, prepared: Prepared, token_roles: TokenRoleStore) -> SplitStats:
        known = known_of(rows, lambda number: prepared.conversation(name, number).place)
        side = SplitStats(name, known.size)
        pad = prepared.tokenizer.pad_token_id
        BatchScanner(side, known, partial(token_roles.of, name), prepared.tokenizer, pad).read(loader, self.publish)
        return side


def known_of(rows: Any, place: Callable[[int], Place | None] = lambda number: None) -> KnownExamples:
    """The digests of a data set's examples: of each document where ``rows`` are packs with ``seq_lengths``."""
    import numpy as np

    numbers: dict[int, list[int]] = {}
    size = 0
    packed = "seq_lengths" in rows.column_names
    columns = ["input_ids", *(["seq_lengths"] if packed else [])]
    for batch in rows.select_columns(columns).with_format("numpy").iter(batch_size=256):
        for index, ids in enumerate(batch["input_ids"]):
            borders = np.cumsum([0, *batch["seq_lengths"][index]]) if packed else [0, len(ids)]
            for start, stop in pairwise(borders):
                numbers.setdefault(digest(ids[start:stop]), []).append(size)
                size += 1
    return KnownExamples(size, numbers, place)


def prepared_of(preparation: PreparationResult) -> Prepared:
    """The prepared rows; raises where there are none."""
    if preparation.prepared is None:
        assert preparation.error is not None
        raise preparation.error
    return preparation.prepared


def stops_of(prepared: Prepared, tokenizer: Any) -> frozenset[int]:
    """Token ids that will end generation of the saved model."""
    return frozenset(prepared.stop_token_ids) | frozenset(
        [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    )


def saved_of(tokenizer: Any, template: ChatTemplate | None) -> SavedTemplate:
    """What will lie in the run's model folder: the tokenizer with which it was trained."""
    source = tokenizer.chat_template
    if isinstance(source, dict):
        source = source.get("default")
    return SavedTemplate(template=source, trained_template=template.source if template else None)
