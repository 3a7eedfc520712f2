"""What tells a file, or something on the Hub, from another version of it: hashes and commits.

Files count by their content, whatever they are called and whenever they were written. xxh3 tells a changed file from an
unchanged one as fast as a disk reads; it does not protect against somebody who forges a file on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

from sanetune.data.sources.row import kind_of

Identity: TypeAlias = dict[str, str | int | None]
"""What tells it from other versions.

Of a file: ``hash``, ``size`` in bytes and, for rows in lines, ``lines``.
Of something on the Hub: ``revision`` and ``commit``, which is None where the Hub would not say."""

_BLOCK = 2**22
_THREADS = 4
"""Files that are read at once: beyond that a disk is no faster."""
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz")


def hash_files(paths: Mapping[str, Path], *, lines: bool = False) -> dict[str, Identity]:
    """Return the identity of each file (name -> path); ``lines``: with the number of lines, where rows are lines.

    Raises:
        OSError: A file cannot be read.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        done = pool.map(lambda path: hash_file(path, lines=lines and kind_of(path) == "lines"), paths.values())
        return dict(zip(paths, done, strict=True))


def hash_file(path: Path, *, lines: bool = False) -> Identity:
    """Return a file's hash, its size in bytes and, with ``lines``, the number of its lines."""
    import xxhash

    whole, size, breaks, last = xxhash.xxh3_128(), 0, 0, b"\n"
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            whole.update(view[:count])
            size += count
            if lines:
                breaks += buffer.count(b"\n", 0, count)
                last = bytes(view[count - 1 : count])
    found: Identity = {"hash": whole.hexdigest(), "size": size}
    # The line breaks of a compressed file are not those of its rows.
    if lines and path.suffix.lower() not in _COMPRESSED:
        found["lines"] = breaks + (last != b"\n")
    return found


def hub_commit(name: str, revision: str | None, kind: Literal["model", "dataset"]) -> Identity:
    """Return the commit of a model or data set, as the Hub says or, offline, the copy of it here."""
    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return {"commit": revision}
    commit = _commit_on_hub(name, revision, kind) or _commit_in_cache(name, revision, kind)
    return {"revision": revision or "main", "commit": commit}


def _commit_on_hub(name: str, revision: str | None, kind: str) -> str | None:
    from huggingface_hub import HfApi, constants

    from sanetune.data.model_files import HUB_SECONDS

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        found = HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=HUB_SECONDS).sha
    except Exception:  # noqa: BLE001 -- offline, gated, gone: an error is raised where it is loaded
        return None
    return str(found) if found else None


def _commit_in_cache(name: str, revision: str | None, kind: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    for file in ("config.json", "README.md"):
        path = try_to_load_from_cache(name, file, revision=revision, repo_type=kind)
        if isinstance(path, str):
            return Path(path).parent.name
    return None
