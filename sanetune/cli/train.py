"""sanetune train."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import config_argument, guarded


@click.command(name="train")
@config_argument
@click.option("--resume", is_flag=True, help="Go on from the run's last checkpoint.")
@click.option("--unchecked", metavar="REASON", help="Train without a clearance; the reason stands in the model card.")
@guarded
def command(config: Path, overrides: tuple[str, ...], resume: bool, unchecked: str | None) -> None:
    """Train as CONFIG says; the run's folder holds model, curves, samples and the resolved configuration.

    Starts with a clearance that fits, which a passed `sanetune check` leaves in the run. Without one it checks first,
    as check.level says. Exit code 1: the check failed, and nothing was trained.

    OVERRIDE: section.key=value, as in train.num_train_epochs=1
    """
    from sanetune.config.load import load

    settings = load(config, overrides)

    from sanetune import api

    api.train(settings, resume=resume, unchecked=unchecked)
