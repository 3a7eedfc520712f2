"""The autopilot as a function for scripts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.workflows.auto.machine import Ask
    from sanetune.workflows.auto.request import Request
    from sanetune.workflows.auto.run import AutoResult


def auto(
    request: Request,
    folder: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    ask: Ask | None = None,
    console: Console | None = None,
) -> AutoResult:
    """Carry a model and data to a model that is proved better than its base, or say why not.

    Everything is in the folder: the journal of decisions, the cleaned copy of the data, the runs, the promoted model
    in ``model``, and ``report.html``.

    Args:
        request: Model, data, budget and goal.
        folder: Of the autopilot; None: ``auto/NAME`` after the model.
        resume: Whether to go on with the journal that is there; of ``request`` only a new budget counts then.
        ask: Chooses among the options of each decision; None: the default is taken.
        console: Where progress is shown; None: standard error.

    Raises:
        sanetune.errors.UserError: The request cannot be carried out as it is.
        KeyboardInterrupt: When stopped; it goes on with ``resume``.
    """
    from sanetune.events import to_all
    from sanetune.report.html.auto_page import AutoFiles
    from sanetune.report.run_files import RunFiles
    from sanetune.report.terminal.auto import AutoLines
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.report.terminal.sweep import TrialLines
    from sanetune.workflows.auto.machine import by_default
    from sanetune.workflows.auto.run import auto

    publish = to_all(
        RunFiles(), LiveTerminal(console), AutoLines(console), TrialLines(console, again=False), AutoFiles()
    )
    place = None if folder is None else Path(folder)
    return auto(request, place, resume=resume, ask=ask or by_default, publish=publish)


def dry_run(request: Request, *, console: Console | None = None) -> list[dict[str, Any]]:
    """Return the decisions that :func:`auto` would make if every check passed; nothing is trained, no file is left.

    Args:
        request: Model, data, budget and goal.
        console: Where progress is shown; None: standard error.
    """
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.auto import dry_run as dry

    return dry.dry_run(request, LiveTerminal(console))
