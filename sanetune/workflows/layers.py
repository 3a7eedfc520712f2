"""Ranks the layers of the model that a configuration trains, whatever of it the configuration freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.events import ChecksEnded, ChecksStarted, EvidenceStarted, Publish, bracket, silent

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.probes.results.layers import LayerRanking


def layers_of(config: Config, publish: Publish = silent) -> LayerRanking:
    """Prepare the rows, load the model and rank its layers.

    Args:
        config: The configuration; its adapter, quantisation and frozen weights are left out.
        publish: Gets the progress.

    Raises:
        UserError: The rows or the model cannot be used.
    """
    from sanetune.data.prepare import prepare
    from sanetune.planning.plan import plan
    from sanetune.probes.harness import probe_harness
    from sanetune.probes.layers import rank_layers

    whole = {"adapter": None, "quantization": None, "freeze": None, "train_only": None}
    config = config.model_copy(update={"model": config.model.model_copy(update=whole)})
    prepared = prepare(config, publish=publish)
    planned = plan(config, prepared)
    with bracket(publish, ChecksStarted(), ChecksEnded()), probe_harness(planned.config, prepared) as harness:
        publish(EvidenceStarted("layers"))
        return rank_layers(harness, publish)
