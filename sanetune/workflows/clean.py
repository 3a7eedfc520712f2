"""Write a cleaned copy of the data, never over it, with a log of every row that was left out or changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sanetune import units
from sanetune.data.conversation import Conversation, Message
from sanetune.data.turn_weights import flagged_messages
from sanetune.errors import Place, RunError
from sanetune.evidence.conversations import ConversationSplit, ConversationStore
from sanetune.evidence.registry import BrokenError, Evidence, MissingError
from sanetune.gate.catalogue import catalogue
from sanetune.gate.runner import Rules

if TYPE_CHECKING:
    from sanetune.checks.base import Limits
    from sanetune.config.schema import Config
    from sanetune.evidence.data_loss import RefusedRows

LOG = "log.jsonl"
BROKEN_ORDER = ("no_user", "assistant_twice", "system_inside", "tool_uncalled")
"""Faults in the order of turns for which a row is left out."""


CLEANS = (
    "rows-unreadable",
    "rows-duplicated",
    "rows-leaked",
    "template-refuses",
    "rows-empty-reply",
    "rows-roles",
    "rows-encoding",
)
"""Checks whose rows a cleaned copy leaves out or repairs."""


@dataclass(slots=True)
class Cleaned:
    """A cleaned copy.

    Attributes:
        folder: Where it is.
        kept: Split -> number of rows.
        left_out: Name of the check that found the fault -> number of rows.
        changed: The same, of rows that were changed.
    """

    folder: Path
    kept: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


def write(evidence: Evidence, folder: Path) -> Cleaned:
    """Write ``train.jsonl``, ``validation.jsonl`` (where there is one) and ``log.jsonl`` into ``folder``.

    Rows are written as messages (``{"messages": [...]}`` or ``{"text": ...}``), whatever format they had. Of copies the
    first stays; of leaked rows the one in validation.

    Raises:
        RunError: The data cannot be read, or the folder has such files already or cannot be written.
    """
    conversations = _conversations(evidence)
    done = Cleaned(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("train.jsonl", "validation.jsonl", LOG):
            if (folder / name).exists():
                raise RunError(
                    f"{folder / name} exists already.",
                    "A cleaned copy never overwrites data.",
                    "Give --write-clean an empty folder.",
                )
        with (folder / LOG).open("w", encoding="utf-8") as log:
            _unreadable(evidence, log, done)
            for split in conversations.sides:
                if len(split):
                    _split(split, conversations, evidence, log, done)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {error.strerror or error}", "", "Give --write-clean another folder."
        ) from None
    return done


def _conversations(evidence: Evidence) -> ConversationStore:
    try:
        found: ConversationStore = evidence["conversations"]
    except MissingError as missing:
        raise RunError(
            f"No cleaned copy is written: {str(missing).rstrip(':.')}.",
            "A copy leaves out single rows; these data cannot be read row by row.",
            evidence.unusable.remedy if evidence.unusable is not None else "",
        ) from None
    return found


def _unreadable(evidence: Evidence, log: TextIO, done: Cleaned) -> None:
    rows = evidence["rows"]
    for error in rows.errors:
        _log(log, error.place or Place(), "left out", "rows-unreadable", error.message)
    done.left_out["rows-unreadable"] += rows.bad


def _split(
    split: ConversationSplit, conversations: ConversationStore, evidence: Evidence, log: TextIO, done: Cleaned
) -> None:
    unwanted = _copies(split, _limits(evidence, "rows-duplicated"))
    if split is conversations.train:
        unwanted |= _leaked(conversations, _limits(evidence, "rows-leaked"))
    refused = _refused(evidence)
    with (done.folder / f"{split.name}.jsonl").open("w", encoding="utf-8") as out:
        for number, conversation in enumerate(split):
            place = conversation.place
            repaired = _repaired(conversation)
            reason = unwanted.get(number) or refused.get((str(place.file), place.row)) or _flaw(conversation)
            if reason:
                _log(log, place, "left out", *reason)
                done.left_out[reason[0]] += 1
                continue
            if repaired:
                _log(log, place, "changed", "rows-encoding", "mojibake was undone")
                done.changed["rows-encoding"] += 1
            out.write(json.dumps(_row(conversation), ensure_ascii=False) + "\n")
            done.kept[split.name] += 1


Reason = tuple[str, str]
"""Name of the check, and what it found in a few words."""


def _limits(evidence: Evidence, check: str) -> Limits:
    """The limits of ``check``, those of the configuration where it has some."""
    config: Config | None = evidence.ready("config")
    return Rules(config.check.limits if config else {}).of(catalogue()[check])


def _copies(split: ConversationSplit, limits: Limits) -> dict[int, Reason]:
    """Rows of ``split`` that are copies of an earlier one."""
    from sanetune.checks.rows._minhash import minhash_signatures
    from sanetune.checks.rows._near_duplicates import near_copies
    from sanetune.checks.rows.duplicated import originals_of

    originals, copies = originals_of(minhash_signatures(split))
    found = {row: ("rows-duplicated", f"an exact copy of row {first} of {split.name}") for row, first in copies}
    for pair in near_copies(split, originals, split, originals, limits, shown=len(split)).pairs:
        words = f"{units.share(pair.alike)} alike to row {pair.other} of {split.name}"
        found.setdefault(max(pair.row, pair.other), ("rows-duplicated", words))
    return found


def _leaked(conversations: ConversationStore, limits: Limits) -> dict[int, Reason]:
    """Training rows that are in the validation split too."""
    import numpy as np

    from sanetune.checks.rows._minhash import minhash_signatures
    from sanetune.checks.rows._near_duplicates import near_copies

    train, validation = conversations.sides
    if not len(validation):
        return {}
    base, found = minhash_signatures(train), minhash_signatures(validation)
    leaked: dict[int, Reason] = {}
    for name, words in (("whole_N", "it is in validation too"), ("prompt_N", "its prompt is in validation too")):
        values = getattr(base, name)
        for row in np.flatnonzero(np.isin(values, getattr(found, name)) & (values != 0)).tolist():
            leaked.setdefault(row, ("rows-leaked", words))
    every = np.arange(len(found)), np.arange(len(base))
    for pair in near_copies(validation, every[0], train, every[1], limits, shown=len(validation)).pairs:
        leaked.setdefault(pair.other, ("rows-leaked", f"{units.share(pair.alike)} alike to a validation row"))
    return leaked


def _refused(evidence: Evidence) -> dict[tuple[str, int | None], Reason]:
    """Rows that the template refuses, by file and row."""
    try:
        refused: RefusedRows = evidence["refused_rows"]
    except (MissingError, BrokenError):
        return {}
    places = [(error.place or Place(), error.message) for error in refused.errors]
    return {(str(place.file), place.row): ("template-refuses", message) for place, message in places}


def _flaw(conversation: Conversation) -> Reason | None:
    """Why nothing can be learned from a conversation by itself; None: something can."""
    from sanetune.checks.rows.empty_reply import emptiness
    from sanetune.checks.rows.encoding import missing_characters
    from sanetune.checks.rows.roles import faults

    if kind := missing_characters(conversation):
        return "rows-encoding", f"an answer has {kind}"
    for message in conversation.messages:
        if message["role"] == "assistant" and (kind := emptiness(message)) in ("blank", "placeholder"):
            return "rows-empty-reply", f"an answer is {kind}"
    if conversation.text is None:
        broken = [kind for kind in faults(conversation) if kind in BROKEN_ORDER]
        if broken:
            return "rows-roles", broken[0].replace("_", " ")
        if not any(message["role"] == "assistant" for message in conversation.messages):
            return "rows-roles", "no answer at all"
    return None


def _repaired(conversation: Conversation) -> bool:
    """Undo mojibake in place; whether there was any."""
    from sanetune.checks.rows.encoding import repaired, unquoted

    changed = False
    for message, name, text in list(_texts(conversation)):
        if any(kind == "mojibake" for kind, _, _ in unquoted(text)) and (better := repaired(text)) != text:
            changed = True
            if message is None:
                conversation.text = better
            else:
                message[name] = better
    return changed


def _texts(conversation: Conversation) -> Iterator[tuple[Message | None, str, str]]:
    if conversation.text is not None:
        yield None, "text", conversation.text
    for message in conversation.messages:
        for name in ("content", "reasoning_content"):
            if isinstance(text := message.get(name), str):
                yield message, name, text


def _row(conversation: Conversation) -> dict[str, Any]:
    if conversation.text is not None:
        return {"text": conversation.text}
    row: dict[str, Any] = {"messages": flagged_messages(conversation)}
    if conversation.tools:
        row["tools"] = conversation.tools
    if conversation.template_kwargs:
        row["chat_template_kwargs"] = conversation.template_kwargs
    return row


def _log(log: TextIO, place: Place, action: str, check: str, reason: str) -> None:
    where = {"file": None if place.file is None else str(place.file), "line": place.line, "row": place.row}
    log.write(json.dumps({**where, "action": action, "check": check, "reason": reason}, ensure_ascii=False) + "\n")
