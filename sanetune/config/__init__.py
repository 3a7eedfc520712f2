"""The configuration: what may stand in it, how it is read, what its open values become, and how it is written."""

from __future__ import annotations

from sanetune.config.load import load
from sanetune.config.schema import Config, Origin, Renamed

__all__ = ["Config", "Origin", "Renamed", "load"]
