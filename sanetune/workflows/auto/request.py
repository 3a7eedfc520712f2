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
LONGEST = 3650 * UNITS["d"]
"""Seconds of a budget, at most."""
DEAREST = 100_000_000
"""US dollars of a budget, at most."""


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


_NUMBER = r"(?<![\w.])-?\d+(?:\.\d+)?"
_MONEY = rf"-?\$\s*-?\d+(?:\.\d+)?|{_NUMBER}\s*(?:\$|usd\b|dollars?\b)"
_TIME = r"(-?\d+(?:\.\d+)?)\s*(d|h|m|s)(?:ays?|ours?|inutes?|ins?|econds?|ecs?|rs?)?(?![a-z])"


def parse_budget(text: str) -> Budget:
    """Read ``6h``, ``1d 12h``, ``1h30m``, ``90m``, ``45s`` or ``$50``; time and dollars may both be given.

    >>> parse_budget("1h30m"), parse_budget("$50")
    (Budget(seconds=5400.0, usd=None), Budget(seconds=None, usd=50.0))

    Raises:
        ConfigError: It is none of these, or nothing, or beyond all sense.
    """
    left = text.strip().lower().replace(",", " ")
    money = [float(re.sub(r"[^\d.-]", "", one)) for one in re.findall(_MONEY, left)]
    left = re.sub(_MONEY, " ", left)
    times = re.findall(_TIME, left)
    left = re.sub(_TIME, " ", left).strip()
    parts = [float(number) * UNITS[unit] for number, unit in times]
    bare = re.fullmatch(_NUMBER, left)
    if len(text) > 100 or (left and not bare) or not (bare or money or parts):
        raise _refused(text, "is not understood")
    if bare and float(left) > 0:
        alone = f"Write --budget {left}h, --budget {left}m or --budget '${left}'."
        each = "Give each number its unit, as in --budget 1h30m."
        raise _refused(text, f"has no unit for {left}", each if money or parts else alone)
    if bare or min([*money, *parts]) < 0 or 0 in (sum(money) if money else 1, sum(parts) if parts else 1):
        raise _refused(text, "must be above zero")
    if sum(parts) > LONGEST or sum(money) > DEAREST:
        raise _refused(
            text, f"is beyond {LONGEST // UNITS['d']:,} days or ${DEAREST:,}", "Leave --budget out for no limit."
        )
    return Budget(sum(parts) if parts else None, sum(money) if money else None)


def _refused(text: str, fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(
        f"the budget {text[:60]!r} {fault}",
        "It says when to stop spending.",
        remedy or 'Write a time or dollars, as in --budget 6h, --budget "1d 12h" or --budget "$50".',
    )


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


def usd_per_hour(config: Config) -> float | None:
    """Return what an hour of all devices costs in US dollars; None: no price is set."""
    from sanetune.forecast.cost import paid_devices

    price = config.budget.usd_per_device_hour
    if not price:
        return None
    return price * (paid_devices(config.budget.devices).number or config.run.devices or 1)


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
    request.budget.limit(usd_per_hour(settings))
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
