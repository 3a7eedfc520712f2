"""The accelerator of a run: devices, processes and mixed precision, from the run's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import DistributedDataParallelKwargs, FullyShardedDataParallelPlugin

from sanetune.engine import sharding

if TYPE_CHECKING:
    from trl import SFTConfig


def make_accelerator(arguments: SFTConfig) -> Accelerator:
    """Return the accelerator that ``arguments`` describe. Accumulation is the loop's own matter.

    Raises:
        ConfigError: FSDP1 is asked for.
    """
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
    plugin = None
    if arguments.fsdp_plugin_args is not None:
        plugin = FullyShardedDataParallelPlugin(**arguments.fsdp_plugin_args)
    accelerator = Accelerator(
        mixed_precision=arguments.mixed_precision,
        dataloader_config=loading,
        fsdp_plugin=plugin,
        kwargs_handlers=[several],
    )
    sharding.set_up(accelerator, plugin)
    return accelerator
