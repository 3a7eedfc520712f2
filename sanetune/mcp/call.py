"""One call of a tool, as its job sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.mcp.confine import opened
from sanetune.mcp.progress import ProgressFile
from sanetune.mcp.roots import Roots

if TYPE_CHECKING:
    from sanetune.config.schema import Config


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as its job sees it.

    Attributes:
        home: Folder of the job.
        arguments: Those of the call.
        roots: What paths are confined to.
        publish: Gets the events of the work.
    """

    home: Path
    arguments: Mapping[str, object]
    roots: Roots
    publish: ProgressFile

    def text(self, name: str) -> str:
        """Return the argument ``name``; "" where it is unset."""
        value = self.arguments.get(name)
        return "" if value is None else str(value)

    def texts(self, name: str) -> Sequence[str]:
        """Return the list ``name``; empty where it is unset."""
        value = self.arguments.get(name)
        return [str(one) for one in value] if isinstance(value, list) else []

    def number(self, name: str, default: int) -> int:
        """Return the count ``name``."""
        value = self.arguments.get(name)
        return value if isinstance(value, int) else default

    def is_set(self, name: str) -> bool:
        """Whether the switch ``name`` is on."""
        return bool(self.arguments.get(name))

    @property
    def overrides(self) -> Sequence[str]:
        """``section.key=value``, each."""
        return self.texts("overrides")

    def config(self) -> Config:
        """Return the configuration of the call, confined."""
        return opened(self.text("config"), self.overrides, self.roots)
