"""MinHash signatures of rows, of fixed size, so that copies among any number of rows can be found in memory.

A signature holds hashes of the text and of the prompt, and a MinHash of the word pairs.

Shapes: N rows of a split, B bands, M minima of a signature.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sanetune.data.conversation import Conversation, Message
from sanetune.evidence.conversations import ConversationSplit
from sanetune.text import WORDS, normalise

if TYPE_CHECKING:
    import numpy as np
    from datasketch import MinHash  # type: ignore[import-untyped]

BANDS, DEPTH = 16, 5
"""The minima of a row's word pairs, in bands. Rows are compared when all DEPTH minima of any of BANDS bands agree: of
pairs that are 75 % alike 1 - (1 - 0.75^5)^16 = 98.7 % are compared, of pairs 20 % alike 0.5 %."""

PROMPT_WORDS = 4
"""Words of the user from which a prompt is more than a greeting."""

BUCKETS = 2**20
_CHUNK = 4096
_BATCH = 256
_ASCII_WORDS = re.compile(rb"\w+")


@dataclass(frozen=True, slots=True)
class MinHashSignatures:
    """The minhash_signatures of one split's N rows."""

    whole_N: np.ndarray  # noqa: N815 -- shape suffix
    """Hash of the conversation: equal for rows that read alike."""
    prompt_N: np.ndarray  # noqa: N815
    """Hash of all that is not the assistant's; 0 where it is too short to tell one row from another."""
    place_N: np.ndarray  # noqa: N815
    """Hash of file and row: equal where a source is repeated on purpose."""
    pairs_N: np.ndarray  # noqa: N815
    """Different word pairs of a row."""
    bands_NB: np.ndarray  # noqa: N815
    minima_NM: np.ndarray  # noqa: N815
    """The low bytes of the minima: enough to tell how alike two rows are."""
    rows_with: np.ndarray
    """In how many rows a word pair stands, by a part of its hash (so at least that many)."""

    def __len__(self) -> int:
        return len(self.whole_N)


def words(conversation: Conversation) -> list[bytes]:
    """The words of a conversation in UTF-8, in order, without its system message."""
    if conversation.text is not None:
        said = conversation.text
    else:
        said = "\n".join(_said(m) for m in conversation.messages if m["role"] not in ("system", "developer"))
    if said.isascii():
        return _ASCII_WORDS.findall(said.lower().encode())
    found = WORDS.findall(unicodedata.normalize("NFKC", said).casefold())
    return [word.encode("utf-8", "replace") for word in found]


_kept: WeakKeyDictionary[ConversationSplit, MinHashSignatures] = WeakKeyDictionary()


def minhash_signatures(side: ConversationSplit) -> MinHashSignatures:
    """The minhash_signatures of a split. Two checks need them: they are made once, and go when the split goes."""
    if side not in _kept:
        _kept[side] = _printed(side)
    return _kept[side]


def _printed(side: ConversationSplit) -> MinHashSignatures:
    import numpy as np
    import xxhash

    size = len(side)
    whole_N, prompt_N, place_N = (np.zeros(size, np.uint64) for _ in range(3))  # noqa: N806
    pairs_N = np.zeros(size, np.uint32)  # noqa: N806
    bands_NB = np.zeros((size, BANDS), np.uint32)  # noqa: N806
    minima_NM = np.zeros((size, BANDS * DEPTH), np.uint8)  # noqa: N806
    rows_with = np.zeros(BUCKETS, np.uint32)
    factors = np.random.default_rng(5).integers(1, 2**62, DEPTH, np.uint64) * np.uint64(2) + np.uint64(1)
    for start, batch in _batches(side):
        minima, seen = [], []
        for row, conversation in enumerate(batch, start):
            whole_N[row] = xxhash.xxh3_64_intdigest(_text(conversation))
            prompt_N[row] = _prompt_hash(conversation)
            place_N[row] = _place_hash(conversation, row)
            hashes = np.unique(hashes_of(words(conversation)))
            pairs_N[row] = len(hashes)
            seen.append(hashes % np.uint32(BUCKETS))
            minima.append(_minima(hashes))
        minima_BM = np.stack(minima)  # noqa: N806
        stop = start + len(batch)
        minima_NM[start:stop] = minima_BM.astype(np.uint8)
        mixed = minima_BM.reshape(-1, BANDS, DEPTH).astype(np.uint64) * factors
        bands_NB[start:stop] = np.bitwise_xor.reduce(mixed >> np.uint64(31), axis=2).astype(np.uint32)
        buckets, counts = np.unique(np.concatenate(seen), return_counts=True)
        rows_with[buckets] += counts.astype(np.uint32)
    return MinHashSignatures(whole_N, prompt_N, place_N, pairs_N, bands_NB, minima_NM, rows_with)


def _batches(side: ConversationSplit) -> Iterator[tuple[int, list[Conversation]]]:
    start, batch = 0, []
    for conversation in side:
        batch.append(conversation)
        if len(batch) == _BATCH:
            yield start, batch
            start, batch = start + len(batch), []
    if batch:
        yield start, batch


@cache
def _empty() -> MinHash:
    from datasketch import MinHash

    return MinHash(BANDS * DEPTH, hashfunc=int, scheme="affine32")


def _minima(hashes: np.ndarray) -> Any:
    sketch = _empty().copy()
    for start in range(0, len(hashes), _CHUNK):  # a row of a megabyte must not make a table of its size times 80
        sketch.update_batch(hashes[start : start + _CHUNK].tolist())
    return sketch.hashvalues


def hashes_of(found: list[bytes]) -> np.ndarray:
    """The hash of each pair of neighbouring words; of a single word that of the word."""
    import numpy as np
    import xxhash

    single = np.fromiter(map(xxhash.xxh32_intdigest, found), np.uint32, len(found))
    return single[:-1] * np.uint32(0x9E3779B1) + single[1:] if len(single) > 1 else single


def _said(message: Message) -> str:
    """Reasoning, text and calls of a message; the numbers that calls are given say nothing."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    called = "\n".join(f"{call['name']} {call.get('arguments')}" for call in calls)
    return f"{message.get('reasoning_content', '')}\n{message['content']}\n{called}"


def _text(conversation: Conversation) -> bytes:
    if conversation.text is not None:
        parts = [normalise(conversation.text)]
    else:
        parts = [f"{m['role']}\x1f{normalise(_said(m))}" for m in conversation.messages]
        if conversation.tools:
            parts.append(repr(conversation.tools))
    return "\x1e".join(parts).encode("utf-8", "replace")


def _place_hash(conversation: Conversation, row: int) -> int:
    import xxhash

    place = conversation.place
    known = place.row is not None and place.row >= 0
    return xxhash.xxh3_64_intdigest(
        f"{place.file}\0{place.row if known else f'unknown {row}'}".encode("utf-8", "replace")
    )


def _prompt_hash(conversation: Conversation) -> int:
    """Of the system message and all that the user and the tools say."""
    import xxhash

    asked = [normalise(m["content"]) for m in conversation.messages if m["role"] == "user"]
    if sum(len(WORDS.findall(text[:200])) for text in asked) < PROMPT_WORDS:
        return 0
    parts = [f"{m['role']}\x1f{normalise(m['content'])}" for m in conversation.messages if m["role"] != "assistant"]
    return xxhash.xxh3_64_intdigest("\x1e".join(parts).encode("utf-8", "replace"))


def first_of(values: np.ndarray) -> np.ndarray:
    """For each value the index of the first one equal to it."""
    import numpy as np

    _, first, back = np.unique(values, return_index=True, return_inverse=True)
    return np.asarray(first[back])
