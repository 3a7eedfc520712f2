"""Every piece of evidence that a check can name, from whatever source it is built."""

from __future__ import annotations

from functools import cache

from sanetune.evidence.from_config import ConfigEvidence
from sanetune.evidence.from_model import ModelEvidence
from sanetune.evidence.from_server import ServerEvidence
from sanetune.evidence.from_trainer import TrainerEvidence
from sanetune.evidence.registry import LEVELS, Declaration, Level, declarations

SOURCES = (ConfigEvidence, TrainerEvidence, ModelEvidence, ServerEvidence)
"""The classes that build evidence. The first that declares a name is the one whose declaration counts."""


@cache
def catalogue() -> dict[str, Declaration]:
    """Return the declaration of each piece of evidence by its name."""
    found = {"config": Declaration("config")}  # there before anything is built
    for source in SOURCES:
        for declaration in declarations(source):
            found.setdefault(declaration.name, declaration)
    return found


def level_of(names: tuple[str, ...]) -> Level:
    """Return the first level at which all the evidence ``names`` can be had.

    >>> level_of(("conversations", "tokenizer")), level_of(("conversations", "harness"))
    ('static', 'probe')
    """
    levels = [found.level for name in names if (found := catalogue().get(name))]
    return max(levels, key=LEVELS.index, default=LEVELS[0])
