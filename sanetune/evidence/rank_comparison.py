"""The comparison that the processes of this launch train as one, with the run's own engine and configuration."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.evidence.processes import channel, process_count
from sanetune.evidence.registry import MissingError

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.results import RankComparison

NOISE = ("neftune_noise_alpha",)
"""Keys that let two passes over the same rows differ."""


def comparison_of_launch(harness: ProbeHarness, plan: Plan, prepared: Prepared) -> RankComparison | None:
    """Make a step of the run with all processes of this launch; None where there is one alone.

    Raises:
        MissingError: The step cannot be compared, with the reason.
    """
    import torch

    from sanetune.engine.distributed import as_launched, kept_states
    from sanetune.engine.isolation import isolated
    from sanetune.engine.library_logs import quiet
    from sanetune.engine.registry import engine_of
    from sanetune.probes.rank_comparison import rank_comparison
    from sanetune.rng import kept_random_states
    from sanetune.runs import Run

    if process_count() == 1:
        return None
    config = isolated(plan.config)
    with as_launched():
        how = how_of(config)
    if how == "DeepSpeed":
        raise MissingError("DeepSpeed has a loop of its own, whose step cannot be compared with one of one process")
    for key in NOISE:
        config.train.given.pop(key, None)
    device = harness.device
    # Two models and an optimizer at once would be more than the run needs.
    harness.model.to("cpu")
    try:
        with (
            kept_states(),
            kept_random_states(),
            quiet(),
            tempfile.TemporaryDirectory() as folder,
            channel() as line,
        ):
            session = engine_of(config).build(config, prepared, Run(Path(folder)))
            comparison = rank_comparison(harness, session, plan.steps.total_steps, line, how)
            del session
            gc.collect()
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        harness.model.to(device)
    if comparison is None:
        raise MissingError("the engine does not show the batches of its steps")
    return comparison


def how_of(config: Config) -> str:
    """Return how the processes of this launch train together: DDP, FSDP or DeepSpeed."""
    if config.train.given.get("deepspeed") or _is_on("ACCELERATE_USE_DEEPSPEED"):
        return "DeepSpeed"
    return "FSDP" if config.train.given.get("fsdp") or _is_on("ACCELERATE_USE_FSDP") else "DDP"


def _is_on(variable: str) -> bool:
    return (os.environ.get(variable) or "").lower() in ("true", "1", "yes")
