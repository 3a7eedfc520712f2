"""What a configuration names besides model and data: it has to be there before anything that takes long begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.config.schema import Config


def require_inputs(config: Config) -> None:
    """Check the file of ``check.keep`` and the tasks of ``run.evaluate``.

    Args:
        config: The configuration.

    Raises:
        DataError: ``check.keep`` cannot be read.
        ConfigError: lm-eval is not installed, or a file of tasks is not there.
    """
    from sanetune.probes.general.material import material_of
    from sanetune.workflows.evaluating.harness import require_harness

    material_of(config.check.keep)
    require_harness(config.run.evaluate, config.place("run.evaluate"))
