"""Put several examples into one row of ``max_length`` tokens, by best-fit decreasing.

Documents of a pack do not attend to each other: each keeps its own positions (they restart at 0) and no attention mask
joins them (:mod:`sanetune.data.collator`). Nothing is truncated: an example goes whole into the fullest pack that still
has room.
"""

from __future__ import annotations

from collections.abc import Sequence


def best_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Return packs as lists of indices into ``lengths``: every index is in exactly one pack.

    Best-fit decreasing needs at most 11/9 of the fewest packs possible, plus 4 (Johnson 1973). Packs with r tokens of
    room are kept in a stack for each r, and a bit per r in one integer finds the tightest fit: about a microsecond for
    each example. Equal inputs give equal packs.

    >>> best_fit_decreasing([60, 30, 90, 10], 100)
    [[2], [0, 1, 3]]

    Args:
        lengths: Tokens of each example.
        capacity: Tokens of a pack.

    Raises:
        ValueError: A length is not in 1 to ``capacity``.
    """
    if any(not 0 < length <= capacity for length in lengths):
        raise ValueError(f"lengths must be in 1 to {capacity}, found {min(lengths)} to {max(lengths)}")
    packs: list[list[int]] = []
    with_room: dict[int, list[int]] = {}
    rooms = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[index]
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            pack = with_room[room].pop()
            if not with_room[room]:
                rooms ^= 1 << room
            packs[pack].append(index)
        else:
            room, pack = capacity, len(packs)
            packs.append([index])
        left = room - length
        if left:
            if not rooms >> left & 1:
                rooms |= 1 << left
                with_room[left] = []
            with_room[left].append(pack)
    return packs
