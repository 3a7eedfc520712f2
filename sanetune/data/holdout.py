"""Choose the rows that are held out for validation, by prompt, so that no prompt is in both splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import xxhash

from sanetune.data.conversation import Conversation
from sanetune.text import normalise

_WHOLE = 2**64


def prompt_key(conversation: Conversation) -> bytes:
    """Return 16 bytes that are equal for two conversations that begin alike.

    Compared are the system message and the first user turn, without case, white space and Unicode variants; where there
    is no user turn, all messages; of plain text, the text.
    """
    if conversation.text is not None:
        parts = ["text", conversation.text]
    else:
        system = next((m["content"] for m in conversation.messages if m["role"] in ("system", "developer")), "")
        user = next((m["content"] for m in conversation.messages if m["role"] == "user"), None)
        parts = [system, user] if user is not None else ["messages", repr(conversation.messages)]
    return xxhash.xxh3_128_digest("\x1f".join(map(normalise, parts)).encode("utf-8", "replace"))


def split(keys: Sequence[bytes], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices of the rows to train on and of those held out, both ascending.

    Rows of one key stay together. A key is held out by its hash with ``seed`` alone, so that it stays in its split when
    rows are appended; about ``share`` of the rows are (binomial spread). A key with more than half of the rows to be
    held out never is, since it would be most of the validation split. With at least two keys and a share between 0 and
    1, neither split is empty; a single key is trained on.

    >>> split([b"a", b"b", b"a", b"c", b"d"], 0.2, seed=0)
    ([0, 1, 2, 3], [4])

    Args:
        keys: The prompt key of each row.
        share: The share of the rows to hold out, 0 to 1.
        seed: Which keys are held out.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")
    if share in (0, 1):
        everything = list(range(len(keys)))
        return (everything, []) if share == 0 else ([], everything)
    sizes = Counter(keys)
    bound = max(1.0, share * len(keys) / 2)
    draws = {key: xxhash.xxh3_64_intdigest(key, seed % _WHOLE) for key in sizes}
    held_out = {key for key, size in sizes.items() if draws[key] < share * _WHOLE and size <= bound}
    if len(held_out) == len(sizes):
        held_out.discard(max(sizes, key=lambda key: draws[key], default=b""))
    elif not held_out and len(sizes) > 1:
        held_out = {min(sizes, key=lambda key: (sizes[key], draws[key]))}
    return [i for i, key in enumerate(keys) if key not in held_out], [
        i for i, key in enumerate(keys) if key in held_out
    ]
