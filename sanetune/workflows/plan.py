"""A plan with its forecast: on this machine, or as the run would be on devices that are named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sanetune.errors import ConfigError
from sanetune.forecast.ahead import Ahead, forecast_ahead, plan_on
from sanetune.forecast.cost import PaidDevices, paid_devices
from sanetune.forecast.memory import Sharding
from sanetune.planning.known_devices import DEVICES, known_device, not_understood
from sanetune.planning.plan import Plan, plan_with
from sanetune.workflows.sharding_keys import sharding_of

if TYPE_CHECKING:
    from sanetune.config.schema import Config

_NONE = re.compile(r"\s*(-|0+\s*([x*\u00d7]|\s|$)|$)|.*\s[x*\u00d7]\s*0+\s*$", re.IGNORECASE)
"""Where ``--device`` asks for less than one device."""


def plan_ahead(
    config: Config, device: str | None = None, sharding: Sharding | None = None, *, with_memory: bool = True
) -> tuple[Plan, Ahead]:
    """Plan a run and forecast its memory, time and cost without loading the model.

    Args:
        config: The configuration.
        device: Number and kind of devices, as in ``8 x H100``; None: those of ``budget.devices`` where their kind is
            known, else this machine.
        sharding: How several devices share the work; None: as ``config`` trains.
        with_memory: Whether memory is forecast too, which takes longer than all else.

    Raises:
        ConfigError: ``device`` is not in the table or not understood, or the configuration cannot work.
        ModelError: The model cannot be built.
        DataError: The rows cannot be used.
    """
    from sanetune.data.prepare import prepare
    from sanetune.planning.gather import gather

    if device is not None and _NONE.match(device):
        raise ConfigError(f"--device {device!r} names no device.", remedy='Write one or more, as in "8 x H100".')
    given = paid_devices(device if device is not None else config.budget.devices)
    if device is not None and not given.kind:  # "4090" is a kind, not a number
        given = PaidDevices(None, device)
    known = known_device(given.kind) if given.kind else None
    if device is not None and known is None:
        raise ConfigError(
            f"There is no device {device!r} in the table.",
            "Its memory and speed are not known.",
            f'Known are {", ".join(one.name for one in DEVICES)}; several as in "8 x H100".',
        )
    if device is not None and known is not None and (words := not_understood(given.kind, known)):
        raise ConfigError(
            f"--device {device!r} has words that are not understood: {', '.join(words)}.",
            f"The forecast would be of {given.number or 1} x {known.name}, whatever they mean.",
            'Write the number and the name alone, as in "8 x H100" or "A100 80GB".',
        )
    prepared = prepare(config)
    if known is not None:
        plan = plan_on(config, prepared, known, given.number or config.run.devices or 1)
    else:
        plan = plan_with(config, gather(config, prepared, weights=False))
    devices = plan.sizes.machine.devices
    if sharding not in (None, "ddp") and devices == 1:
        raise ConfigError(
            f"--sharding {sharding} divides a model among devices, and this run has one.",
            remedy='Give them as --device "8 x H100", or set run.devices.',
        )
    shared = sharding or sharding_of(dict(config.train.given))
    return plan, forecast_ahead(plan, prepared, known, shared, with_memory=with_memory)
