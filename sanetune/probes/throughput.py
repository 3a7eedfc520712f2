"""What a setting would save: one forward and backward pass with it and without, in turns, on the run's own batch.

Passes with and without take turns, so that a machine that others use as well is not mistaken for a gain.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sanetune.engine.adapters import base_of
from sanetune.engine.batches import Batch, loss_token_count
from sanetune.probes.device_speed import synchronize
from sanetune.probes.results import SpeedSwitch, Throughput

if TYPE_CHECKING:
    import torch

    from sanetune.probes.harness import ProbeHarness

TURNS = 4
"""Passes of each kind, after one that is not counted."""
ROOM = 0.7
"""Share of the device's memory that a step may take without activation checkpointing: other batches may be longer."""
SAME = 1e-2
"""Largest relative difference of the losses with which two attention implementations count as the same."""
LEAST_PADDING = 0.1
"""Share of padding below which its cost is not measured."""


def throughput(harness: ProbeHarness, padding_share: float) -> Throughput:
    """Time every switch that can be tried on the harness's batches; nothing is changed for good.

    Args:
        harness: The model.
        padding_share: Share of padding in the batches of the whole run.
    """
    batch = max(harness.batches, key=lambda one: one["input_ids"].numel())
    with harness.untouched(training=True):
        tried = [
            _attention(harness, batch),
            _checkpointing(harness, batch),
            _precision(harness, batch),
            _padding(harness, padding_share),
        ]
    switches = sorted((one for one in tried if one is not None), key=lambda one: -one.saved_share)
    return Throughput(switches, harness.settings.dataloader_workers)


def in_turns(
    now: Callable[[], None], other: Callable[[], None], device: torch.device
) -> tuple[list[float], list[float]]:
    """Seconds of both, called in turns."""
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(TURNS + 1):
        for seconds, call in zip(took, (now, other), strict=True):
            synchronize(device)
            began = time.perf_counter()
            call()
            synchronize(device)
            if turn:
                seconds.append(time.perf_counter() - began)
    return took


def _pass(harness: ProbeHarness, batch: Batch) -> None:
    harness.gradients([batch])
    for weight in harness.trained().values():
        weight.grad = None


def _attention(harness: ProbeHarness, batch: Batch) -> SpeedSwitch | None:
    """Eager attention writes the whole square of scores; sdpa does not. Only where both give the same loss."""
    eager = getattr(harness.model.config, "_attn_implementation", None) == "eager"
    if not eager or not getattr(base_of(harness.model), "_supports_sdpa", False):
        return None
    losses = {}
    for name in ("eager", "sdpa"):
        with _attending(harness, name):
            harness.model.eval()
            losses[name] = harness.loss([batch])
            harness.model.train()
    if abs(losses["sdpa"] - losses["eager"]) > SAME * abs(losses["eager"]):
        return None

    def other() -> None:
        with _attending(harness, "sdpa"):
            _pass(harness, batch)

    now, fast = in_turns(lambda: _pass(harness, batch), other, harness.device)
    return SpeedSwitch("eager attention instead of sdpa", now, fast, {"model.attention": "sdpa"})


@contextlib.contextmanager
def _attending(harness: ProbeHarness, name: str) -> Iterator[None]:
    base = base_of(harness.model)
    before = base.config._attn_implementation
    base.set_attn_implementation(name)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


def _checkpointing(harness: ProbeHarness, batch: Batch) -> SpeedSwitch | None:
    """Activations computed twice, where a step without that takes at most ROOM of the memory."""
    from sanetune.probes.peak_memory import peak_of_a_step

    session, base = harness.session, base_of(harness.model)
    if not harness.settings.activation_checkpointing or not hasattr(base, "activation_checkpointing_enable"):
        return None
    was = bool(base.is_activation_checkpointing)

    def with_it() -> None:
        session.set_activation_checkpointing(True)
        _pass(harness, batch)

    def without() -> None:
        session.set_activation_checkpointing(False)
        _pass(harness, batch)

    try:
        session.set_activation_checkpointing(False)
        found = peak_of_a_step(harness, batch)
        if not found.fits or found.peak_bytes > ROOM * found.total_bytes:
            return None
        now, other = in_turns(with_it, without, harness.device)
    finally:
        session.set_activation_checkpointing(was)
    return SpeedSwitch(
        "activation checkpointing, while memory has room", now, other, {"train.activation_checkpointing": False}
    )


def _precision(harness: ProbeHarness, batch: Batch) -> SpeedSwitch | None:
    """float32 on a GPU that computes in bf16."""
    import torch

    if harness.device.type != "cuda" or harness.settings.mixed_precision:
        return None
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        return None
    if any(weight.dtype in (torch.bfloat16, torch.float16) for weight in harness.model.parameters()):
        return None

    def mixed() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            _pass(harness, batch)

    now, other = in_turns(lambda: _pass(harness, batch), mixed, harness.device)
    return SpeedSwitch("float32 instead of bf16", now, other, {"train.bf16": True})


def _padding(harness: ProbeHarness, share: float) -> SpeedSwitch | None:
    """The batch that is padded like the whole run, against the same one cut to as many places as it has tokens."""
    padded = [
        (abs(_empty(one) - share), number) for number, one in enumerate(harness.batches) if "attention_mask" in one
    ]
    if not padded or share < LEAST_PADDING:
        return None
    batch = harness.batches[min(padded)[1]]
    keep = max(2, round((1 - _empty(batch)) * batch["input_ids"].shape[1]))
    cut = {name: value[:, :keep] if value.dim() == 2 else value for name, value in batch.items()}
    if not loss_token_count(cut):
        return None
    now, other = in_turns(lambda: _pass(harness, batch), lambda: _pass(harness, cut), harness.device)
    fix = {} if harness.settings.groups_by_length else {"train.train_sampling_strategy": "group_by_length"}
    return SpeedSwitch("padding in the batches", now, other, fix, "Pack the rows (train.packing: true).")


def _empty(batch: Batch) -> float:
    """The share of padding in a batch of padded rows."""
    return 1 - float(batch["attention_mask"].float().mean())
