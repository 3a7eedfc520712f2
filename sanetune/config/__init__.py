"""The configuration: its schema, how it is read and checked, and how it is written."""

from __future__ import annotations

from sanetune.config.load import load
from sanetune.config.origin import Origin, OriginKind, Renamed
from sanetune.config.schema import Config

__all__ = ["Config", "Origin", "OriginKind", "Renamed", "load"]
