"""Evidence of a run that a configuration describes, up to the batches: no weights are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.schema import Config
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError
from sanetune.events import Publish, silent
from sanetune.evidence.batch_scan import BatchScanner
from sanetune.evidence.batch_stats import BatchStats, SplitStats
from sanetune.evidence.config_settings import settings_of
from sanetune.evidence.conversations import SPLITS, ConversationStore, Rows
from sanetune.evidence.data_loss import DataLoss, RefusedRows
from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.launch_state import LaunchState
from sanetune.evidence.registry import evidence
from sanetune.evidence.roles_from_text import DroppedTexts, RoleFinder, TokenRoleStore, write
from sanetune.evidence.saved_template import SavedTemplate
from sanetune.evidence.template_literals import Literals

if TYPE_CHECKING:
    import datasets
    import torch
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.conversation_file import ConversationFile
    from sanetune.data.prepare import Prepared
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.planning.plan import Plan


ON_ROWS = ("rows",)
"""What evidence about rows, their tokens and labels depends on; see :data:`sanetune.evidence.registry.GROUPS`."""


@dataclass(frozen=True, slots=True)
class ReadSources:
    """What reading all sources once has given: figures about the rows, the readable ones as conversations, and the
    files that hold them."""

    rows: Rows
    conversations: ConversationStore
    files: Mapping[str, ConversationFile]

    @classmethod
    def of(cls, config: Config, files: Mapping[str, ConversationFile]) -> ReadSources:
        """Return what ``files`` hold, split as ``config`` says."""
        return cls(
            Rows.of((files[name] for name in SPLITS if name in files), skipped=config.data.on_bad_row == "skip"),
            ConversationStore.of(files, config.data),
            files,
        )


@dataclass(frozen=True, slots=True)
class PreparationResult:
    """Prepared rows, or the error that says why there are none; and the rows that the template refuses."""

    prepared: Prepared | None
    refused: RefusedRows
    error: TemplateError | None = None

    @classmethod
    def of(cls, prepared: Prepared) -> PreparationResult:
        """Return the result of a preparation that went well."""
        return cls(prepared, RefusedRows(prepared.stats["rows"], prepared.refused_count, prepared.refused))


def given_rows(config: Config, prepared: Prepared) -> dict[str, ReadSources | PreparationResult]:
    """Return the evidence about rows that were prepared already, by name: none of them is read again."""
    return {"read_sources": ReadSources.of(config, prepared.sources), "preparation": PreparationResult.of(prepared)}


@dataclass(frozen=True, slots=True)
class RoleDerivation:
    """What the independent route over every example has given: the role of each token, and the texts of messages that
    the rendered text does not contain."""

    token_roles: TokenRoleStore
    dropped_texts: DroppedTexts


@dataclass(slots=True)
class ConfigEvidence:
    """Builders of evidence for ``config``, cheapest first.

    Attributes:
        scratch: A folder for what would fill the memory.
        publish: Gets how many rows are done.
    """

    config: Config
    scratch: Path
    publish: Publish = silent

    @evidence()
    def launch(self) -> LaunchState:
        """The processes of this launch; torch is imported where something says that there are several."""
        from sanetune.config.launch import announced
        from sanetune.engine.distributed import processes

        there = announced()
        together = processes(self.config).num_processes if there is not None and there.started else 1
        return LaunchState.of(together, self.config.run.devices, starts=True)

    @evidence(label="loading the tokenizer", depends_on=ON_ROWS)
    def tokenizer(self) -> PreTrainedTokenizerBase:
        from sanetune.data.tokenizer import load_tokenizer

        return load_tokenizer(self.config.model)

    @evidence(depends_on=ON_ROWS)
    def template(self, tokenizer: PreTrainedTokenizerBase) -> ChatTemplate | None:
        from sanetune.data.tokenizer import chat_template

        return chat_template(tokenizer)

    @evidence(label="reading rows", depends_on=ON_ROWS)
    def read_sources(self) -> ReadSources:
        """All rows, read once: :meth:`preparation` goes on with the same conversations."""
        from sanetune.data.conversation_file import read_sources

        files = read_sources(self.config.data, leave_out_bad=True, publish=self.publish)
        return ReadSources.of(self.config, files)

    @evidence(depends_on=ON_ROWS)
    def rows(self, read_sources: ReadSources) -> Rows:
        return read_sources.rows

    @evidence(depends_on=ON_ROWS)
    def conversations(self, read_sources: ReadSources) -> ConversationStore:
        return read_sources.conversations

    @evidence(label="rendering and tokenizing", depends_on=ON_ROWS)
    def preparation(self, tokenizer: PreTrainedTokenizerBase, read_sources: ReadSources) -> PreparationResult:
        """The preparation, without the rows that cannot be used; where the template refuses every row, those."""
        from sanetune.data.prepare import prepare
        from sanetune.data.refusals import RefusedError

        config, files = self.config, read_sources.files
        try:
            prepared = prepare(config, tokenizer, publish=self.publish, leave_out_bad=True, sources=files)
        except RefusedError as error:
            count = error.refusals.count
            return PreparationResult(None, RefusedRows(count, count, error.refusals.first), error)
        return PreparationResult.of(prepared)

    @evidence(depends_on=ON_ROWS)
    def refused_rows(self, preparation: PreparationResult) -> RefusedRows:
        return preparation.refused

    @evidence(depends_on=ON_ROWS)
    def prepared(self, preparation: PreparationResult) -> Prepared:
        """The prepared rows; raises where there are none."""
        if preparation.prepared is None:
            assert preparation.error is not None
            raise preparation.error
        return preparation.prepared

    @evidence(depends_on=ON_ROWS)
    def data_loss(self, prepared: Prepared) -> DataLoss:
        return DataLoss.of(prepared)

    @evidence(label="planning")
    def plan(self, prepared: Prepared) -> Plan:
        from sanetune.planning.plan import plan

        return plan(self.config, prepared)

    @evidence()
    def run_settings(self, plan: Plan, prepared: Prepared) -> RunSettings:
        return settings_of(plan, prepared)

    @evidence(depends_on=ON_ROWS)
    def stop_tokens(self, prepared: Prepared, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
        """Token ids that will end generation of the saved model: those it learns, and those it stopped at before."""
        from sanetune.data.tokenizer import stop_tokens

        own = tokenizer.convert_tokens_to_ids(list(stop_tokens(tokenizer, self.config.model)))
        return frozenset([*prepared.stop_token_ids, *own])

    @evidence(depends_on=ON_ROWS)
    def saved_template(self, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate | None) -> SavedTemplate:
        """What will be in the run's model folder: the tokenizer with which it was trained."""
        source = tokenizer.chat_template
        if isinstance(source, dict):
            source = source.get("default")
        return SavedTemplate(template=source, trained_template=template.source if template else None)

    @evidence(label="deriving the role of each token", depends_on=ON_ROWS)
    def role_derivation(
        self, prepared: Prepared, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate | None
    ) -> RoleDerivation:
        """The independent route over every example."""
        from sanetune.data.labelling import final_end
        from sanetune.data.tokenizer import stop_tokens

        stops = stop_tokens(tokenizer, self.config.model)
        literals = Literals.of(template, stops) if template else Literals({}, stops)
        finder = RoleFinder(
            template,
            tokenizer.backend_tokenizer,
            literals,
            self.config.data.loss_on,
            tokenizer.eos_token,
            final_end(self.config, tokenizer, template) if template else None,
        )
        file = self.scratch / "token_roles.arrow"
        dropped = write(finder, prepared, file)
        return RoleDerivation(TokenRoleStore(file), dropped)

    @evidence(depends_on=ON_ROWS)
    def dropped_texts(self, role_derivation: RoleDerivation) -> DroppedTexts:
        return role_derivation.dropped_texts

    @evidence(depends_on=ON_ROWS)
    def token_roles(self, role_derivation: RoleDerivation) -> TokenRoleStore:
        return role_derivation.token_roles

    @evidence(label="reading the batches", depends_on=("rows", "batches"))
    def batch_stats(self, plan: Plan, prepared: Prepared, token_roles: TokenRoleStore) -> BatchStats:
        """One epoch of the engine's own dataloaders."""
        from sanetune.engine.registry import engine_of

        found = engine_of(plan.config).epoch(plan.config, prepared)
        train = self._split("train", prepared.train, found.train, prepared, token_roles)
        if prepared.validation is None or found.validation is None:
            return BatchStats(train, pad=prepared.tokenizer.pad_token_id)
        validation = self._split("validation", prepared.validation, found.validation, prepared, token_roles)
        return BatchStats(train, validation, prepared.tokenizer.pad_token_id)

    def _split(
        self,
        name: str,
        rows: datasets.Dataset,
        loader: Iterable[dict[str, torch.Tensor]],
        prepared: Prepared,
        token_roles: TokenRoleStore,
    ) -> SplitStats:
        known = KnownExamples.of(rows, lambda number: prepared.conversation(name, number).place)
        stats = SplitStats(name, known.size)
        pad = prepared.tokenizer.pad_token_id
        BatchScanner(stats, known, partial(token_roles.of, name), prepared.tokenizer, pad).read(loader, self.publish)
        return stats
