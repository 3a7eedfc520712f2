"""Simulates training steps and an evaluation of a model that is not there, for the memory that they would take.

The model is built from its config.json on fake tensors and trained as the engine trains it: the same adapter, frozen
parts, activation checkpointing, mixed precision, output head and optimizer. Nothing is downloaded and nothing computed.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sanetune.data.model_files import locate
from sanetune.engine.adapters import base_of
from sanetune.engine.batch_shape import BatchShape
from sanetune.engine.library_logs import quiet
from sanetune.engine.models import DTYPES, make_trainable, set_activation_checkpointing, train_dtype
from sanetune.engine.registry import engine_of
from sanetune.forecast.allocations import Allocations
from sanetune.forecast.simulated_optimizer import simulated_optimizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

    from sanetune.config.schema import Config


@dataclass(frozen=True, slots=True)
class StepBytes:
    """Bytes of tensors on one device that trains alone.

    Attributes:
        weights: All weights, tied ones once.
        gradients: Gradients of one step.
        optimizer: State of the optimizer.
        step: Peak of a step, with the optimizer's state: weights, gradients, activations and all.
        evaluation: Peak of an evaluation, with the optimizer's state; 0 without validation rows.
        weight_size: Bytes of one weight.
        block_matrices: Matrices in transformer blocks, those of an adapter left out.
        largest_matrix: The largest of them.
        largest_block: All of the largest transformer block.
        outside_blocks: What is in no transformer block: embeddings, head, norm.
    """

    weights: int
    gradients: int
    optimizer: int
    step: int
    evaluation: int
    weight_size: int = 4
    block_matrices: int = 0
    largest_matrix: int = 0
    largest_block: int = 0
    outside_blocks: int = 0


class NotSimulatedError(Exception):
    """The model's code reads numbers, which fake tensors do not have, or the optimizer is not known; the message says
    which."""


def simulate(
    config: Config, model: PreTrainedModel, train: BatchShape, evaluated: BatchShape | None, device: str
) -> StepBytes:
    """Return the memory of steps on ``train`` and an evaluation of ``evaluated``.

    Args:
        config: The resolved configuration.
        model: What :func:`model_on_meta` returned; it is on fake tensors afterwards.
        train: The largest micro-batch.
        evaluated: The largest validation batch; None: there is none.
        device: "cpu", "cuda" or "mps": the output head differs.

    Raises:
        NotSimulatedError: The model cannot run without numbers.
    """
    from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with FakeTensorMode():
                _give_storage(model)
                return _Simulation(config, model, device).bytes(train, evaluated)
    except (DataDependentOutputException, DynamicOutputShapeException, NotImplementedError, RuntimeError) as error:
        raise NotSimulatedError(" ".join(str(error).split())[:200]) from error


def model_on_meta(config: Config) -> PreTrainedModel:
    """Build the model as it trains, its adapter and frozen parts included, on torch's meta device.

    Quantised weights have the format that they would have without.

    Raises:
        ModelError: There is no such model.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    section, given = config.model, config.train.given
    where = locate(section.name, section.revision, weights=False)
    remote = section.trust_remote_code
    with quiet(), torch.device("meta"):
        own = AutoConfig.from_pretrained(where.name, **where.keywords, trust_remote_code=remote)
        dtype = train_dtype(section, bf16=bool(given.get("bf16")), fp16=bool(given.get("fp16")))
        # Eager attention keeps all its weights; any other implementation keeps what the architecture's usual one does.
        attention = "eager" if section.attention == "eager" else None
        built = AutoModelForCausalLM.from_config(
            own, dtype=_dtype(dtype, own), trust_remote_code=remote, attn_implementation=attention
        )
        built.config.get_text_config().use_cache = False
        tuned, _ = make_trainable(built, section.model_copy(update={"quantization": None}))
    trained: PreTrainedModel = tuned.train()
    return trained


def _give_storage(model: torch.nn.Module) -> None:
    """Put fake tensors in place of those on the meta device, which have no storage; tied weights stay tied."""
    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                fake = made.setdefault(
                    id(weight), torch.nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype), weight.requires_grad)
                )
                module._parameters[name] = fake
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)


def _dtype(dtype: torch.dtype | str, model: PretrainedConfig) -> torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    name = dtype if dtype != "auto" else str(getattr(model, "dtype", None) or "float32")
    found: torch.dtype = getattr(torch, DTYPES.get(name.removeprefix("torch."), "float32"))
    return found


class _Simulation:
    """Steps of one model on fake tensors."""

    def __init__(self, config: Config, model: PreTrainedModel, device: str) -> None:
        given = config.train.given
        self.model, self.device, self.engine = model, device, engine_of(config)
        self.accumulates = int(given.get("gradient_accumulation_steps") or 1) > 1
        self.mixed = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(
            "bf16" if given.get("bf16") else "fp16" if given.get("fp16") else ""
        )
        self.trained = [weight for weight in model.parameters() if weight.requires_grad]
        self.clipped = given.get("max_grad_norm", 1.0)
        name = str(given.get("optim") or "adamw_torch_fused")
        optimizer = simulated_optimizer(name, self.trained)
        if optimizer is None:
            raise NotSimulatedError(f"what train.optim: {name} keeps is not known here")
        self.optimizer = optimizer
        on = given.get("activation_checkpointing", given.get("gradient_checkpointing"))
        on = device != "cpu" if on is None else bool(on)
        set_activation_checkpointing(model, on, given.get("activation_checkpointing_kwargs") or {})
        if on and not all(weight.requires_grad for weight in model.parameters()):
            model.enable_input_require_grads()

    def bytes(self, train: BatchShape, evaluated: BatchShape | None) -> StepBytes:
        weights = list(self.model.parameters())
        lasting = sum(_bytes(one) for one in [*weights, *self.model.buffers()])
        trained = sum(map(_bytes, self.trained))
        with Allocations([*weights, *self.model.buffers()]) as allocations:
            for number in range(2):  # the first one makes the optimizer's state
                allocations.restart()
                self._step(train)
                if number == 0:
                    state = allocations.now - lasting
            step, peak = allocations.peak, 0
            if evaluated is not None:
                allocations.restart()
                self._evaluation(evaluated)
                peak = allocations.peak
        return StepBytes(lasting, trained, state, step, peak, *_blocks(self.model))

    def _step(self, shape: BatchShape) -> None:
        for _ in range(2 if self.accumulates else 1):
            self._loss(shape).backward()
        if self.clipped:
            torch.nn.utils.clip_grad_norm_(self.trained, float(self.clipped))
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _loss(self, shape: BatchShape) -> Tensor:
        with torch.autocast("cpu", self.mixed) if self.mixed else contextlib.nullcontext():
            return self.engine.loss_on_shapes(self.model, shape, self.device)

    @torch.no_grad()
    def _evaluation(self, shape: BatchShape) -> None:
        self._loss(shape)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _blocks(model: PreTrainedModel) -> tuple[int, int, int, int, int]:
    """The last five fields of :class:`StepBytes`."""
    base = base_of(model)
    lists = [one for one in base.modules() if isinstance(one, torch.nn.ModuleList) and len(one) > 1]
    blocks = list(max(lists, key=lambda one: sum(map(_bytes, one.parameters())), default=()))
    sizes = [sum(map(_bytes, block.parameters())) for block in blocks]
    named = [(name, weight) for block in blocks for name, weight in block.named_parameters()]
    matrices = [_bytes(weight) for name, weight in named if weight.dim() >= 2 and "lora_" not in name]
    whole = sum(map(_bytes, base.parameters()))
    return _size(base), sum(matrices), max(matrices, default=0), max(sizes, default=0), whole - sum(sizes)


def _size(model: torch.nn.Module) -> int:
    return next((weight.element_size() for weight in model.parameters()), 4)
