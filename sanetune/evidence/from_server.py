"""Evidence about a server that runs the trained model, and about the file that it runs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.errors import UserError
from sanetune.events import Publish, RowsProcessed, silent
from sanetune.evidence.registry import MissingError, evidence
from sanetune.serving.rounding import FLOATS, known_storage, served_as
from sanetune.serving.server import Server, UndisclosedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.probes.results.served import (
        ChatPair,
        EndTrial,
        FileFacts,
        FloatCopy,
        ServedPrompts,
        ServedTemplate,
        ServedTokens,
        TrainedAnswer,
        WeightComparison,
    )
    from sanetune.probes.served import HeldOut
    from sanetune.serving.gguf_file import GgufFile

ASSUMED = "BF16"
"""What a server computes in that does not say how its weights are stored: the coarsest of the 16-bit formats."""
LARGEST_COPY = 16 * 2**30
"""Bytes of a copy in 32-bit numbers, at most."""
SPARE = 2**30
"""Bytes that are left free on the disk of such a copy."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What is to be found behind the server again.

    Attributes:
        folder: The model, in transformers' form.
        model: The same, loaded in 32-bit numbers.
        tokenizer: Its tokenizer.
        template: Its chat template.
        stops: Ids of the tokens that end its answers.
    """

    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: ChatTemplate
    stops: list[int]


@dataclass(frozen=True, slots=True)
class Served:
    """What is asked, and what is read.

    Attributes:
        load: Loads the trained model.
        held_out: The prompts.
        server: The server; None: there is none, and the file alone is read.
        file: The file that it runs; None: it was not given.
        storage: How its weights are stored, as the user says; "": they do not.
        serve: Runs a file on this machine, as ``server`` runs it; None: it runs elsewhere.
    """

    load: Callable[[], TrainedModel]
    held_out: Sequence[HeldOut]
    server: Server | None = None
    file: GgufFile | None = None
    storage: str = ""
    serve: Callable[[Path], Server] | None = None


class ServerEvidence:
    """Builds evidence about one server or file.

    Args:
        served: What is asked and read.
        publish: Gets the number of answers that the trained model has given.
    """

    def __init__(self, served: Served, publish: Publish = silent) -> None:
        self._served, self._publish = served, publish

    @evidence(level="served", label="loading the trained model")
    def trained_model(self) -> TrainedModel:
        """The model as it was trained."""
        return self._served.load()

    @evidence(level="served")
    def gguf_facts(self, trained_model: TrainedModel) -> FileFacts:
        """What the file says of its tokens."""
        from sanetune.probes.served_file import file_facts

        return file_facts(self._file(), trained_model.tokenizer, trained_model.stops)

    @evidence(level="served", label="comparing the file's weights")
    def gguf_weights(self, trained_model: TrainedModel) -> WeightComparison:
        """How far the file's tensors are from the trained ones."""
        from sanetune.probes.served_file import compare_weights
        from sanetune.serving.gguf_weights import UnknownFormError

        try:
            return compare_weights(self._file(), trained_model.folder)
        except UnknownFormError as error:
            raise MissingError(str(error)) from None

    @evidence(level="served", label="asking the trained model")
    def trained_answers(self, trained_model: TrainedModel) -> list[TrainedAnswer]:
        """What the trained model answers."""
        from sanetune.probes.served import trained_answers

        of = trained_model
        return trained_answers(
            of.model, of.tokenizer, self._served.held_out, of.stops, lambda done: self._publish(RowsProcessed(done))
        )

    @evidence(level="served")
    def served_template(self, trained_model: TrainedModel, trained_answers: list[TrainedAnswer]) -> ServedTemplate:
        """The template of the file or of the server beside the run's."""
        from sanetune.probes.served_file import compare_templates

        if (file := self._served.file) is not None:
            return compare_templates("the file", file.template, trained_model.template, trained_answers)
        server = self._server()
        if not server.template:
            raise MissingError(f"{server.kind} does not tell its chat template")
        return compare_templates("the server", server.template, trained_model.template, trained_answers)

    @evidence(level="served", label="asking the server for prompts")
    def served_prompts(self, trained_model: TrainedModel, trained_answers: list[TrainedAnswer]) -> ServedPrompts:
        """The ids that the server builds."""
        from sanetune.probes.served import served_prompts

        return served_prompts(self._server(), trained_answers, trained_model.tokenizer)

    @evidence(level="served", label="asking the server where answers end")
    def served_ends(self, trained_model: TrainedModel, trained_answers: list[TrainedAnswer]) -> list[EndTrial]:
        """What the server does where answers end."""
        from sanetune.probes.served import served_ends

        tokenizer, stops = trained_model.tokenizer, trained_model.stops
        names = {one: str(tokenizer.decode([one], skip_special_tokens=False)) for one in stops}
        return served_ends(self._server(), trained_answers, stops, names)

    @evidence(level="served", label="comparing the first tokens")
    def served_tokens(self, trained_model: TrainedModel, trained_answers: list[TrainedAnswer]) -> ServedTokens:
        """The first tokens of all answers, side by side."""
        from sanetune.probes.served import first_tokens, served_tokens

        server, model = self._server(), trained_model.model
        self._require_ids(server, trained_answers)
        storage, assumed = self._storage(server)
        with served_as(model, self._storage_of(trained_model, storage)):
            rounded = [first_tokens(model, one.prompt_ids, one.answer_ids) for one in trained_answers]
        found = served_tokens(server, trained_answers, rounded, trained_model.tokenizer, storage, assumed)
        if self._served.serve is None or storage in FLOATS or all(one.same for one in found.pairs):
            return found
        try:
            return replace(found, copy=self._float_copy(trained_answers))
        except (UserError, OSError, NotImplementedError) as error:
            return replace(found, no_copy=str(error).split("\n")[0])

    @evidence(level="served", label="asking the server as a client does")
    def served_chats(self, trained_answers: list[TrainedAnswer]) -> list[ChatPair]:
        """What a client gets."""
        from sanetune.probes.served import served_chats

        return served_chats(self._server(), trained_answers)

    def _server(self) -> Server:
        if self._served.server is None:
            raise MissingError("no server was asked, the file alone was read")
        return self._served.server

    def _file(self) -> GgufFile:
        if self._served.file is None:
            raise MissingError("no file was given (--gguf)")
        return self._served.file

    def _require_ids(self, server: Server, answers: list[TrainedAnswer]) -> None:
        """MissingError where the server takes no ids: then nothing of the rest is worth its time."""
        if not answers:
            raise MissingError("there are no prompts")
        try:
            server.next_token(answers[0].prompt_ids)
        except UndisclosedError as error:
            raise MissingError(str(error)) from None

    def _storage(self, server: Server) -> tuple[str, bool]:
        """How the weights are stored, and whether that is assumed."""
        said = self._served.storage or (self._served.file.storage if self._served.file else "") or server.storage
        found = known_storage(said)
        return (found, False) if found else (ASSUMED, True)

    def _storage_of(self, trained: TrainedModel, storage: str) -> Callable[[str], str]:
        """The type of each layer's weights: as the file has it, or as llama.cpp's quantiser chooses it.

        That keeps what turns tokens into vectors, and vectors into tokens, in at least six bits.
        """
        types = self._types_in_file(trained)

        def of(layer: str) -> str:
            if types and (found := known_storage(types.get(f"{layer}.weight", ""))):
                return found
            ends = layer.rpartition(".")[2] in ("embed_tokens", "lm_head", "wte", "embed_in", "embed_out")
            return "Q6_K" if ends and storage not in (*FLOATS, "Q8_0") else storage

        return of

    def _types_in_file(self, trained: TrainedModel) -> Mapping[str, str]:
        """Name of each trained tensor -> its type in the file; empty where there is no file, or its names are not
        known."""
        from sanetune.serving.gguf_weights import UnknownFormError, names_in_file

        if (file := self._served.file) is None:
            return {}
        try:
            names = names_in_file(trained.folder, file.architecture)
        except UnknownFormError:
            return {}
        stored = {one.name: one.type for one in file.tensors}
        found = {name: stored.get(names[name], "") for name, _ in trained.model.named_parameters()}
        head = stored.get("output.weight") or stored.get("token_embd.weight", "")
        return found | {"lm_head.weight": head}

    def _float_copy(self, answers: list[TrainedAnswer]) -> FloatCopy:
        """What the same server says of the same values in 32-bit numbers."""
        from sanetune.errors import ModelError
        from sanetune.probes.results.served import FloatCopy
        from sanetune.probes.served import ask_positions
        from sanetune.serving.gguf_weights import write_float_copy

        file, serve = self._file(), self._served.serve
        assert serve is not None
        with tempfile.TemporaryDirectory(prefix="sanetune-") as folder:
            if file.float_bytes > min(LARGEST_COPY, shutil.disk_usage(folder).free - SPARE):
                raise ModelError(f"a copy in 32-bit numbers has {file.float_bytes / 2**30:.1f} GiB")
            copy = Path(folder) / "float.gguf"
            write_float_copy(file, copy)
            server = serve(copy)
            return FloatCopy([found for one in answers for found in ask_positions(server, one)])
