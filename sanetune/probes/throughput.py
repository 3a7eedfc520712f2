"""Measures how much time settings would save, from forward and backward passes with and without them.

Passes with and without a setting alternate, so that other load on the machine is not mistaken for a gain.

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
"""Measured passes of each kind, after a warm-up pass."""
ROOM = 0.7
"""Fraction of the memory that a step without activation checkpointing may take, since other batches may be longer."""
SAME = 1e-2
"""Largest relative difference of the losses up to which two attention implementations count as equal."""
LEAST_PADDING = 0.1
"""Fraction of padding below which its cost is not measured."""


def throughput(harness: ProbeHarness, padding_share: float) -> Throughput:
    """Time every setting that can be changed on the harness's batches, and change it back.

    Args:
        harness: The model.
        padding_share: Fraction of padding in the batches of the whole run.
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
    """Return the seconds of each call of ``now`` and of ``other``, called alternately on ``device``."""
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
    """One forward and backward pass."""
    harness.gradients([batch])
    for weight in harness.trained().values():
        weight.grad = None


def _attention(harness: ProbeHarness, batch: Batch) -> SpeedSwitch | None:
    """Eager attention, which stores the whole matrix of scores, against sdpa; None where their losses differ."""
    eager = getattr(harness.model.config, "_attn_implementation", None) == "eager"
    if not eager or not getattr(base_of(harness.model), "_supports_sdpa", False):
        return None
    losses = {}
    for name in ("eager", "sdpa"):
        with _attention_set_to(harness, name):
            harness.model.eval()
            losses[name] = harness.loss([batch])
            harness.model.train()
    if abs(losses["sdpa"] - losses["eager"]) > SAME * abs(losses["eager"]):
        return None

    def other() -> None:
        with _attention_set_to(harness, "sdpa"):
            _pass(harness, batch)

    now, fast = in_turns(lambda: _pass(harness, batch), other, harness.device)
    return SpeedSwitch("eager attention instead of sdpa", now, fast, {"model.attention": "sdpa"})


@contextlib.contextmanager
def _attention_set_to(harness: ProbeHarness, name: str) -> Iterator[None]:
    base = base_of(harness.model)
    before = base.config._attn_implementation
    base.set_attn_implementation(name)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


def _checkpointing(harness: ProbeHarness, batch: Batch) -> SpeedSwitch | None:
    """Activation checkpointing, against a step without it if that takes at most ROOM of the memory."""
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
    """float32 on a GPU that supports bf16."""
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
    """The batch with the run's usual padding, against the same batch truncated to the number of its tokens."""
    padded = [
        (abs(_padding_share(one) - share), number)
        for number, one in enumerate(harness.batches)
        if "attention_mask" in one
    ]
    if not padded or share < LEAST_PADDING:
        return None
    batch = harness.batches[min(padded)[1]]
    keep = max(2, round((1 - _padding_share(batch)) * batch["input_ids"].shape[1]))
    truncated = {name: value[:, :keep] if value.dim() == 2 else value for name, value in batch.items()}
    if not loss_token_count(truncated):
        return None
    now, other = in_turns(lambda: _pass(harness, batch), lambda: _pass(harness, truncated), harness.device)
    fix = {} if harness.settings.groups_by_length else {"train.train_sampling_strategy": "group_by_length"}
    return SpeedSwitch("padding in the batches", now, other, fix, "Pack the rows (train.packing: true).")


def _padding_share(batch: Batch) -> float:
    """The fraction of padding in a batch of padded rows."""
    return 1 - float(batch["attention_mask"].float().mean())
