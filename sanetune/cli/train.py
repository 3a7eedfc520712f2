"""sanetune train."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import config_argument, guarded


@click.command(name="train")
@config_argument
@click.option("--resume", is_flag=True, help="Go on from the run's last checkpoint.")
@guarded
def command(config: Path, overrides: tuple[str, ...], resume: bool) -> None:
    """Train as CONFIG says; the run's folder holds model, curves, samples and the resolved configuration.

    OVERRIDE: section.key=value, as in train.num_train_epochs=1
    """
    from sanetune.config.load import load

    settings = load(config, overrides)

    from sanetune import api

    api.train(settings, resume=resume)
