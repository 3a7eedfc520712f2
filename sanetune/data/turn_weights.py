"""Read what a message says about its own place in the loss: "do not learn this turn", under any of its usual names."""

from __future__ import annotations

from collections.abc import Mapping

from sanetune.data.conversation import Conversation, Message
from sanetune.data.json_values import parsed
from sanetune.errors import DataError
from sanetune.text import json_type, listing, quote

LEARN = (
    "weight",
    "train",
    "training",
    "trainable",
    "is_trainable",
    "do_train",
    "train_on",
    "learn",
    "learnable",
    "loss",
    "in_loss",
    "compute_loss",
    "loss_mask",
    "loss_weight",
    "loss_scale",
)
"""Keys of a message whose false or 0 takes it out of the loss."""

LEAVE_OUT = ("masked", "is_masked", "mask", "no_loss", "ignore_loss")
"""Keys of a message whose true or 1 takes it out of the loss."""

DETAILS = ("train_detail", "training_detail", "message_field_training_detail")
"""Keys with the parts of a message that are in the loss, as Axolotl writes them."""

FLAGS = frozenset((*LEARN, *LEAVE_OUT, *DETAILS))

_WORDS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}

Part = tuple[int, int]
"""Characters of a message's content: from the first, to the one behind the last."""


def learned(message: Mapping[str, object], key: str | None = None) -> bool | None:
    """Return whether a message is to be learned, or None where it does not say so.

    >>> learned({"role": "assistant", "content": "Hi", "weight": 0}), learned({"masked": False}), learned({})
    (False, True, None)

    Args:
        message: As in the file.
        key: A further key that says so, as true or false.

    Raises:
        DataError: The value is neither yes nor no, or two keys contradict each other.
    """
    keys = (key, *LEARN) if key else LEARN
    said = {name: _flag(name, message[name]) for name in keys if message.get(name) is not None}
    for name in LEAVE_OUT:
        if name not in said and message.get(name) is not None:
            if name == "mask" and not isinstance(message[name], bool):
                raise _unclear(name, message[name], "Whether 0 or 1 is learned there is not known.")
            said[name] = not _flag(name, message[name])
    if len(set(said.values())) > 1:
        raise DataError(f"{listing(said)} contradict each other", "", "Keep one of them.")
    return next(iter(said.values()), None)


def _flag(name: str, value: object) -> bool:
    if isinstance(value, str):
        value = _WORDS.get(value.strip().lower(), value)
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise _unclear(name, value, "Weights between turns are not supported; training on it in full would be another run.")


def _unclear(name: str, value: object, reason: str) -> DataError:
    return DataError(
        f"the message has {name} {quote(value, 20)}, neither yes nor no",
        reason,
        'Write true to learn the turn and false to mask it: "train": false.',
    )


def masked_parts(content: object, details: object) -> list[Part]:
    """Return the parts of ``content`` that are not learned, where ``details`` lists those that are.

    As in Axolotl, ``end_offset`` is the last character of a part, and what no part names is not learned.

    >>> masked_parts("Paris, no: Lyon.", [{"begin_offset": 11, "end_offset": 15, "train": True}])
    [(0, 11)]

    Raises:
        DataError: ``details`` are no such list, or a part is not inside ``content``.
    """
    details = parsed(details, "train_detail")
    if not isinstance(details, list) or not isinstance(content, str):
        raise _no_details(f"{json_type(details)} beside content that is {json_type(content)}")
    masked, at = [], 0
    for start, end in sorted(_part(detail, len(content)) for detail in details if _trains(detail)):
        if start > at:
            masked.append((at, start))
        at = max(at, end)
    return [*masked, (at, len(content))] if at < len(content) else masked


def flagged_messages(conversation: Conversation) -> list[Message]:
    """Return the messages of a conversation with what it masks written into them, as rows have it."""
    messages = list(conversation.messages)
    for index in {part.message for part in conversation.masked}:
        parts = [part for part in conversation.masked if part.message == index]
        if any(part.end is None for part in parts):
            messages[index] = {**messages[index], "train": False}
            continue
        borders = [0, *(at for part in parts for at in (part.start, part.end or 0)), len(messages[index]["content"])]
        learned_parts = [
            {"begin_offset": start, "end_offset": end - 1, "train": True}
            for start, end in zip(borders[::2], borders[1::2], strict=True)
            if start < end
        ]
        nothing = {"begin_offset": 0, "end_offset": 0, "train": False}
        messages[index] = {**messages[index], "train_detail": learned_parts or [nothing]}
    return messages


def _trains(detail: object) -> bool:
    if not isinstance(detail, dict) or detail.get("train") is None:
        raise _no_details(f"a part without `train`: {quote(detail)}")
    return _flag("train", detail["train"])


def _part(detail: Mapping[str, object], length: int) -> Part:
    start, last = detail.get("begin_offset"), detail.get("end_offset")
    if type(start) is not int or type(last) is not int or not 0 <= start <= last < length:
        raise _no_details(f"a part from {quote(start, 20)} to {quote(last, 20)} of {length} characters")
    return start, last + 1


def _no_details(found: str) -> DataError:
    return DataError(
        f"the parts to learn are not understood: {found}",
        "",
        'A part is written {"begin_offset": 0, "end_offset": 9, "train": true}; the end is its last character.',
    )
