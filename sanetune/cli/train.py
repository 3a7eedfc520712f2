"""The command `sanetune train`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sanetune.cli import ConfigCommand, config_argument, guarded, opened, start_processes

OVERRIDE = re.compile(r"\w+\.[\w.]+=.*")


def unchecked_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--unchecked REASON``."""
    return click.option(
        "--unchecked",
        metavar="REASON",
        callback=_reason,
        help="Train without a clearance; the reason is kept in the model card.",
    )(function)


def _reason(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The reason: who leaves it out has the next word taken for it, which would then be missing."""
    if value is not None and (value.startswith("--") or OVERRIDE.fullmatch(value)):
        raise click.UsageError(f"--unchecked needs a reason, not '{value}': --unchecked \"checked by hand\"")
    return value


@click.command(name="train", cls=ConfigCommand)
@config_argument
@click.option("--resume", is_flag=True, help="Go on from the last complete checkpoint of the run.")
@unchecked_option
@guarded
def command(config: Path, overrides: tuple[str, ...], resume: bool, unchecked: str | None) -> None:
    """Train as CONFIG says; the run's folder then has model, curves, samples and the resolved configuration.

    Training starts with a clearance that fits, which a passed `sanetune check` leaves in the run. Without one the run
    is checked first, at check.level. Exit code 1: the check failed, and nothing was trained.

    With run.devices above 1, as many processes are started and train together; under torchrun, accelerate launch or
    srun it is one of theirs.

    OVERRIDE: section.key=value, as in train.num_train_epochs=1
    """
    settings = opened(config, overrides)
    start_processes(settings)

    from sanetune import api

    api.train(settings, resume=resume, unchecked=unchecked)
