"""A run under DeepSpeed's ZeRO: its state whole, by the names of weights, and back.

DeepSpeed keeps a float32 copy of the weights and the optimizer's tensors as flat pieces, one of each process, and
writes them as pickles. Here each weight's part is gathered, so that a checkpoint is safetensors and JSON, and any
number of processes can go on from it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from sanetune.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FLAT = {
    "DeepSpeedZeroOptimizer": "single_partition_of_fp32_groups",
    "DeepSpeedZeroOptimizer_Stage3": "fp32_partitioned_groups_flat",
}
"""DeepSpeed's optimizers, and where each keeps its flat pieces."""
COUNTERS = ("global_steps", "global_samples", "micro_steps", "skipped_steps")
"""What DeepSpeed counts, and decides by when to make a step."""
MASTER = "weight"
"""The name of a weight's own float32 copy beside the tensors of the optimizer."""


def join(*, cpu: bool) -> None:
    """Let DeepSpeed find the processes that have found each other: it compares batch sizes with their number, and under
    ZeRO-3 does so before it looks for them."""
    comm = importlib.import_module("deepspeed.comm")
    if not comm.is_initialized():
        comm.init_distributed(dist_backend="gloo" if cpu else "nccl", auto_mpi_discovery=False)


def leave() -> None:
    """Let models that this process loads or asks from now on be its own: while ZeRO-3 is set, transformers divides what
    it loads, and waits for all processes at each token that it generates."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()


class Zero(Protocol):
    """DeepSpeed's wrapper around an optimizer: one of :data:`FLAT`, as far as it is asked."""

    optimizer: torch.optim.Optimizer
    loss_scaler: object
    _hp_optimizer_states_linked: bool

    def _lazy_init_hp_params_optimizer_state(self) -> None: ...


class DeepSpeedEngine(Protocol):
    """What ``deepspeed.initialize`` returns, as far as it is asked."""

    module: nn.Module
    optimizer: Zero


class ZeroOptimizer:
    """The optimizer of a model under ZeRO; its state is whole. All processes ask together.

    Args:
        engine: DeepSpeed's, after ``deepspeed.initialize``.
        main: Whether this process keeps what :meth:`state_dict` gathers; the others get none of it.

    Raises:
        ConfigError: It is kept in a way that cannot be written without a pickle.
    """

    def __init__(self, engine: DeepSpeedEngine, *, main: bool = True) -> None:
        self._engine, self._main = engine, main
        self._zero = engine.optimizer
        kind = type(self._zero).__name__
        if kind not in FLAT or getattr(self._zero, "swap_optimizer", False):
            place = "files" if kind in FLAT else f"its {kind}"
            raise ConfigError(
                f"DeepSpeed keeps this run's optimizer in {place}, and writes it as pickles.",
                "Reading a pickle can run any code: no run could go on from its checkpoints.",
                "Use ZeRO stage 2 or 3 without offloading to nvme, FSDP2 (train.fsdp: true), or do without resuming: "
                "train.save_only_model: true.",
            )
        self._inner = self._zero.optimizer

    def state_dict(self) -> dict[str, Any]:
        """Return the state in main memory: of each trained weight its float32 copy and the optimizer's tensors."""
        utils = importlib.import_module("deepspeed.utils")
        weights: dict[str, dict[str, Tensor]] = {}
        keys = self._keys()
        self._link()
        for name, weight in self._trained():
            gathered = {MASTER: utils.safe_get_full_fp32_param(weight)}
            gathered |= {key: utils.safe_get_full_optimizer_state(weight, key) for key in keys}
            if self._main:
                weights[name] = {key: value.detach().cpu().clone() for key, value in gathered.items()}
        return {
            "weights": weights,
            "pieces": [self._scalars(flat) for flat in self._flat()],
            "groups": [{key: value for key, value in group.items() if key != "params"} for group in self._groups()],
            "scaler": self._scaler(),
            "engine": {name: getattr(self._engine, name) for name in COUNTERS},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the parts of this process of a whole state.

        Raises:
            ValueError: It is of other weights.
        """
        import torch

        utils = importlib.import_module("deepspeed.utils")
        weights, trained = state_dict["weights"], dict(self._trained())
        if apart := sorted(weights.keys() ^ trained.keys()):
            raise ValueError(f"{len(apart)} names differ, e.g. {apart[0]}")
        keys = sorted({key for one in weights.values() for key in one} - {MASTER})
        # Another number of processes has other pieces; what these hold beside tensors is alike.
        first = state_dict["pieces"][0] if state_dict["pieces"] else {}
        for flat in self._flat():
            self._inner.state[flat] = {key: torch.zeros_like(flat) for key in keys} | _copied(first)
        self._link()
        for name, weight in trained.items():
            for key, value in weights[name].items():
                value = value.to(weight.device)
                if key == MASTER:
                    utils.safe_set_full_fp32_param(weight, value)
                else:
                    utils.safe_set_full_optimizer_state(weight, value, key)
        # A file of somebody else's sets nothing that is not here already.
        for group, kept in zip(self._groups(), state_dict["groups"], strict=True):
            group |= {key: value for key, value in kept.items() if key in group and key != "params"}
        for name in self._scaler().keys() & state_dict["scaler"].keys():
            setattr(self._zero.loss_scaler, name, state_dict["scaler"][name])
        for name in COUNTERS:
            setattr(self._engine, name, state_dict["engine"][name])

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, one) for name, one in self._engine.module.named_parameters() if one.requires_grad]

    def _flat(self) -> list[Tensor]:
        return list(getattr(self._zero, FLAT[type(self._zero).__name__]))

    def _groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self._inner.param_groups
        return groups

    def _keys(self) -> list[str]:
        """The names of the tensors that the optimizer has for each weight."""
        pieces = [(flat, self._inner.state.get(flat, {})) for flat in self._flat()]
        return sorted({key for flat, state in pieces for key, value in state.items() if _alike(value, flat)})

    def _scalars(self, flat: Tensor) -> dict[str, Any]:
        return {key: value for key, value in self._inner.state.get(flat, {}).items() if not _alike(value, flat)}

    def _scaler(self) -> dict[str, float]:
        known = vars(self._zero.loss_scaler) if hasattr(self._zero, "loss_scaler") else {}
        return {key: value for key, value in known.items() if isinstance(value, (bool, int, float))}

    def _link(self) -> None:
        """Let ZeRO-2 find the tensors that each weight has in the pieces: it looks once, maybe before there are any."""
        if hasattr(self._zero, "_hp_optimizer_states_linked"):
            self._zero._hp_optimizer_states_linked = False
            self._zero._lazy_init_hp_params_optimizer_state()


def _alike(value: object, flat: Tensor) -> bool:
    return getattr(value, "shape", None) == flat.shape


def _copied(scalars: dict[str, Any]) -> dict[str, Any]:
    """Tensors among them, such as AdamW's count of steps, for one piece alone: it counts them up in place."""
    return {key: value.clone() if hasattr(value, "clone") else value for key, value in scalars.items()}
