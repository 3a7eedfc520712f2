"""The accelerator of a run: devices, processes and mixed precision, from the run's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import DistributedDataParallelKwargs

if TYPE_CHECKING:
    from trl import SFTConfig


def make_accelerator(arguments: SFTConfig) -> Accelerator:
    """Return the accelerator that ``arguments`` describe. Accumulation is the loop's own matter."""
    given = arguments.accelerator_config
    loading = DataLoaderConfiguration(
        split_batches=given.split_batches,
        dispatch_batches=given.dispatch_batches,
        even_batches=given.even_batches,
        use_seedable_sampler=given.use_seedable_sampler,
        non_blocking=given.non_blocking,
        data_seed=arguments.data_seed,
    )
    unused = arguments.ddp_find_unused_parameters
    several = DistributedDataParallelKwargs(
        # Checkpointed layers run twice, which the search for unused weights does not stand.
        find_unused_parameters=not arguments.activation_checkpointing if unused is None else unused
    )
    return Accelerator(mixed_precision=arguments.mixed_precision, dataloader_config=loading, kwargs_handlers=[several])
