"""The command `sanetune train`."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import ConfigCommand, config_argument, guarded, opened, start_processes


@click.command(name="train", cls=ConfigCommand)
@config_argument
@click.option("--resume", is_flag=True, help="Go on from the last complete checkpoint of the run.")
@click.option("--unchecked", metavar="REASON", help="Train without a clearance; the reason is kept in the model card.")
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
