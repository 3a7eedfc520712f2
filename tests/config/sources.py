"""Configurations as mappings, and what is said about one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.config import load
from sanetune.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LEAST = {"model": {"name": "some/model"}, "data": {"train": "some/data"}}


def train(**keys: object) -> dict:
    return {**LEAST, "train": keys}


def refusal(source, overrides=()) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(source, overrides)
    return caught.value
