"""What was asked of the autopilot: model, data, budget and goal, as they were typed."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.machine import process_count
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from sanetune.config.schema import Config

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Letter of a unit of time -> seconds."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that all of it may take.

    Attributes:
        seconds: Of this machine; None: no limit of time.
        usd: US dollars; None: no limit of money.
    """

    seconds: float | None = None
    usd: float | None = None

    def limit(self, usd_per_hour: float | None) -> float | None:
        """Return the seconds that may be spent; None: no limit.

        Args:
            usd_per_hour: What an hour of all devices costs; None: no price is known.

        Raises:
            ConfigError: A budget in dollars without a price.
        """
        if self.usd is None:
            return self.seconds
        if not usd_per_hour:
            raise ConfigError(
                f"the budget is ${self.usd:g}, and no price is known",
                "Dollars are counted as time and its price.",
                "Give the price of one device for one hour: budget.usd_per_device_hour=2.5",
            )
        bought = self.usd / usd_per_hour * 3600
        return bought if self.seconds is None else min(bought, self.seconds)


@dataclass(frozen=True, slots=True)
class Request:
    """What the autopilot is to do.

    Attributes:
        model: Folder of the model, or its id on the Hub; "": the one in ``source``.
        data: Files, folders or ids of data sets; empty: those in ``source``.
        source: A configuration to begin with; "": one is written for model and data.
        overrides: ``section.key=value``, each: written into the configuration that it begins with.
        budget: The most that it may take.
        goal: What the model is to be good at, in the user's words.
    """

    model: str = ""
    data: tuple[str, ...] = ()
    source: str = ""
    overrides: tuple[str, ...] = ()
    budget: Budget = Budget()
    goal: str = ""


def parse_budget(text: str) -> Budget:
    """Read ``6h``, ``6h30m``, ``1d 12h``, ``90m``, ``45s`` or ``$50``; both may be given.

    >>> parse_budget("1h 30m"), parse_budget("$50")
    (Budget(seconds=5400.0, usd=None), Budget(seconds=None, usd=50.0))

    Raises:
        ConfigError: It is none of these, or nothing.
    """
    left = text.strip().lower().replace(",", " ")
    money = re.findall(r"\$\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:\$|usd\b|dollars?\b)", left)
    left = re.sub(r"\$\s*\d+(?:\.\d+)?|\d+(?:\.\d+)?\s*(?:\$|usd\b|dollars?\b)", " ", left)
    names = r"(d|h|m|s)(?:ays?|ours?|inutes?|ins?|econds?|ecs?|rs?)?(?![a-z])"
    times = re.findall(rf"(\d+(?:\.\d+)?)\s*{names}", left)
    left = re.sub(rf"\d+(?:\.\d+)?\s*{names}", " ", left)
    seconds = sum(float(number) * UNITS[unit] for number, unit in times) if times else None
    usd = sum(float(one or other) for one, other in money) if money else None
    if left.strip() or not (seconds or usd) or len(text) > 100:
        raise ConfigError(
            f"the budget {text[:60]!r} is not understood",
            "It says when to stop spending.",
            'Write a time or dollars, as in --budget 6h, --budget "1d 12h" or --budget "$50".',
        )
    return Budget(seconds, usd)


def settings_of(request: Request) -> Config:
    """Return the configuration that the request comes to, before anything is inferred.

    Raises:
        ConfigError: A value cannot be used.
    """
    from sanetune.config.load import load
    from sanetune.workflows.configuration import open_config

    if request.source:
        return open_config(Path(request.source), request.overrides)[0]
    return load({"model": {"name": request.model}, "data": {"train": list(request.data)}}, list(request.overrides))


def require_request(request: Request) -> Config:
    """Refuse what is known to be wrong before anything is written, and return the configuration that it comes to.

    Raises:
        ConfigError: A value, the budget or the path of the configuration cannot be used.
        DataError: A file of rows is not there.
        ModelError: The model is not there.
    """
    if request.source and not Path(request.source).is_file():
        raise ConfigError(f"there is no configuration file {request.source}", "", "Check the path given to --from.")
    settings = settings_of(request)
    if (settings.run.devices or 1) > 1 or process_count() > 1:
        raise ConfigError(
            "an autopilot trains in one process, and several devices are asked for",
            "Its journal has one writer.",
            "Leave run.devices out, and train what it has cleared on all devices: sanetune train",
            settings.place("run.devices"),
        )
    request.budget.limit(settings.budget.usd_per_device_hour)
    _require_goal(request.goal)
    _require_there(settings)
    return settings


def _require_goal(text: str) -> None:
    """Refuse a measure that nothing is measured by: the whole budget would be spent before that is seen."""
    from sanetune.workflows.auto.goal import LOSS, measured_goal
    from sanetune.workflows.comparing.measures import CALLS, ENDS, FORMAT_KEPT, REPEATS_ITSELF
    from sanetune.workflows.comparing.right_answers import LABEL, NUMBER

    measures = (LOSS, ENDS, FORMAT_KEPT, REPEATS_ITSELF, CALLS, NUMBER, LABEL)
    goal = measured_goal(text)
    if goal is not None and goal.measure not in measures:
        raise ConfigError(
            f"the goal names the measure {goal.measure!r}, and there is none",
            "No model could reach it.",
            f"The measures are: {', '.join(measures)}. A goal for adviser and judge has no number at its end.",
        )


def _require_there(settings: Config) -> None:
    """Refuse a file of rows or a model that is not there: its folder would be in the way of the next start."""
    from sanetune.data.model_files import locate
    from sanetune.data.sources.files import missing

    for source in (*settings.data.train, *(settings.data.validation or ())):
        path = Path(source.path)
        if path.is_absolute() and not path.exists() and not glob.has_magic(source.path):
            raise missing(path)
    locate(settings.model.name, settings.model.revision)
