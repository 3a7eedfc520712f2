"""What importing another tool's configuration gives: sections of ours, and what could not be carried over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sanetune.config.nested import YamlMap, YamlValue
from sanetune.errors import Place
from sanetune.text import shorten

LONGEST = 120
"""Characters of a value that a note shows."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A key that was not carried over, or not in full.

    >>> str(Skipped("special_tokens", {"pad_token": "x"}, "the tokenizer is read as it is stored"))
    "special_tokens: {'pad_token': 'x'} (the tokenizer is read as it is stored)"
    """

    key: str
    """The key, as in ``datasets.0.type``."""
    value: YamlValue
    reason: str
    """Why not, or what holds instead."""
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.key}: {shorten(repr(self.value), LONGEST)} ({self.reason})"


@dataclass(frozen=True, slots=True)
class ImportedConfig:
    """Another tool's configuration in our sections."""

    tool: str
    """``axolotl``, ``llama-factory`` or ``trl``."""
    file: Path
    config: dict[str, YamlMap]
    """Section -> its keys, as :func:`sanetune.config.load` takes them."""
    skipped: list[Skipped]
    trust_remote_code: bool = False
    """Whether the file asks for it. It is not in ``config``: reading a file must not run anybody's code, but a check
    may judge it."""
    files: tuple[Path, ...] = ()
    """Other files whose content it took, as LLaMA-Factory's ``dataset_info.json``."""
