"""Fine-tune language models on instructions, and check a run before it spends the budget.

The public names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.api import check, compare, parts, plan, prepare, replay, sweep, train
    from sanetune.api_auto import auto
    from sanetune.callback import Gate, guard
    from sanetune.callback_watch import Watch
    from sanetune.config import Config, load
    from sanetune.data.prepared import Prepared
    from sanetune.engine.hooks import Hooks
    from sanetune.errors import UserError
    from sanetune.finding import GateError, Report
    from sanetune.workflows.train import Trained

__version__ = "0.1.0"

_WHERE = {
    "auto": "sanetune.api_auto",
    "check": "sanetune.api",
    "guard": "sanetune.callback",
    "Gate": "sanetune.callback",
    "Watch": "sanetune.callback_watch",
    "train": "sanetune.api",
    "parts": "sanetune.api",
    "Hooks": "sanetune.engine.hooks",
    "prepare": "sanetune.api",
    "plan": "sanetune.api",
    "compare": "sanetune.api",
    "replay": "sanetune.api",
    "sweep": "sanetune.api",
    "Config": "sanetune.config.schema",
    "load": "sanetune.config.load",
    "UserError": "sanetune.errors",
    "GateError": "sanetune.finding",
    "Report": "sanetune.finding",
    "Prepared": "sanetune.data.prepared",
    "Trained": "sanetune.workflows.train",
}

__all__ = [
    "Config",
    "Gate",
    "GateError",
    "Hooks",
    "Prepared",
    "Report",
    "Trained",
    "UserError",
    "Watch",
    "__version__",
    "auto",
    "check",
    "compare",
    "guard",
    "load",
    "parts",
    "plan",
    "prepare",
    "replay",
    "sweep",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
