"""Render, tokenize and label the conversations of a split: the second stage of preparation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sanetune.data import examples, stored_errors
from sanetune.data.cache import cache_folder, key_of, read_batches, replacing
from sanetune.data.conversation_file import ConversationFile
from sanetune.data.conversation_table import BATCH_CHARACTERS
from sanetune.data.labels import Labeller
from sanetune.data.refusals import Refusals
from sanetune.data.workers import cores
from sanetune.errors import TemplateError
from sanetune.events import Publish, silent

IN_PROCESS = 2_000
"""Below this many conversations, starting workers costs more than it saves."""


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """All examples of one split on disk: whole, neither truncated nor packed.

    Attributes:
        file: An Arrow stream file with the columns of :data:`sanetune.data.examples.SCHEMA`, in the order of the
            conversations.
        key: A hash of the conversations, template, tokenizer and options: equal keys mean equal content.
        source: The conversations that the examples are made from.
        refusals: Conversations that the template refuses. They are not in ``file``.
    """

    file: Path
    key: str
    source: ConversationFile
    refusals: Refusals


def make_examples(
    source: ConversationFile, labeller: Labeller, *, workers: int | None = None, publish: Publish = silent
) -> ExampleFile:
    """Make the examples of a split, or find them in the cache.

    Args:
        source: The conversations.
        labeller: Makes ids and labels.
        workers: The number of processes (unset: one per core).
        publish: Gets the number of conversations that are done.

    Raises:
        TemplateError: There is no template, or it was stopped at a limit. Rows that it refuses are listed instead.
    """
    key = _key(source, labeller)
    folder = cache_folder() / "examples" / key
    if not (folder / "about.json").is_file():
        few = source.conversations < IN_PROCESS and source.file.stat().st_size < 10 * BATCH_CHARACTERS
        with replacing(folder) as scratch:
            refusals = examples.write(
                read_batches(source.file),
                labeller,
                scratch / "examples.arrow",
                processes=1 if few else workers or cores(),
                publish=publish,
            )
            about = {"count": refusals.count, "first": [stored_errors.to_json(error) for error in refusals.first]}
            (scratch / "about.json").write_text(json.dumps({"refused": about}))
    refused = json.loads((folder / "about.json").read_text())["refused"]
    first = [stored_errors.from_json(TemplateError, error) for error in refused["first"]]
    return ExampleFile(folder / "examples.arrow", key, source, Refusals(refused["count"], first))


def _key(source: ConversationFile, labeller: Labeller) -> str:
    template = labeller.turns.template if labeller.turns else None
    return key_of(
        [
            source.key,
            labeller.loss_on,
            labeller.eos_token,
            labeller.turns.stops if labeller.turns else None,
            repr(labeller.turns.final_end) if labeller.turns else None,
            template and (template.source, template.specials),
            # Llama's templates write today's date into the system turn.
            date.today().isoformat() if template and "strftime_now" in template.source else None,
            labeller.tokenizer.to_str(),
        ]
    )
