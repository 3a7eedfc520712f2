"""QLoRA: an adapter beside weights of 4 or 8 bits, on a processor too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.data.collator import Collator
from sanetune.engine.loss import measure
from sanetune.engine.models import load_model
from sanetune.runs import Run
from tests.engine.running import train

Config = Callable[..., SimpleNamespace]


@pytest.mark.parametrize(("engine", "bits"), [("accelerate", "4bit"), ("accelerate", "8bit"), ("trl", "4bit")])
def test_an_adapter_learns_beside_quantised_weights_and_is_merged_into_whole_ones(
    engine: str, bits: str, prepared: Any, config: Config, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM

    settings = config(
        engine=engine, model={"adapter": {"type": "lora", "dropout": 0.0}, "quantization": bits}, max_steps=6,
        learning_rate=1e-2,
    )  # fmt: skip
    stored = [weight.dtype for weight in load_model(settings.model).parameters()]
    assert {"4bit": torch.uint8, "8bit": torch.int8}[bits] in stored
    run = Run.create(tmp_path / "run")
    outcome = train(settings, prepared, run)
    losses = [record.loss for record in outcome.records if record.kind == "validation"]
    assert losses[-1] < 0.8 * losses[0]
    whole = AutoModelForCausalLM.from_pretrained(run.model)
    assert all(weight.is_floating_point() for weight in whole.parameters())
    # The merged model has whole weights under the adapter in place of rounded ones.
    assert measure(whole, prepared.validation, Collator(0)).loss == pytest.approx(losses[-1], rel=0.1)
