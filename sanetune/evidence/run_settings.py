"""The numbers of a run that checks judge, whoever starts it: our configuration, a built trainer, another tool's
YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class RunSettings:
    """A run in numbers. None: not known. Steps are optimizer steps; tokens are counted after cutting."""

    # the model
    model: str
    method: Literal["full", "lora", "qlora"]
    parameters: int
    trainable: int
    hidden: int
    context: int | None
    embedding_rows: int | None
    """Ids that the model can look up: rows of its input embedding."""
    stored_dtype: str | None
    """Number format of the weights on disk, e.g. ``bfloat16``."""
    weights_dtype: str | None
    """Number format of the weights in training."""
    revision: str | None
    trust_remote_code: bool
    # the machine
    device: str
    device_has_bf16: bool
    devices: int
    # steps
    learning_rate: float
    scheduler: str
    warmup_steps: int
    total_steps: int
    steps_per_epoch: int
    epochs: float
    per_device: int
    accumulation: int
    effective: int
    """Effective batch size: examples (or packs) behind one step."""
    last_step_batches: int
    """Batches per device in the last step of an epoch; fewer than ``accumulation`` where they do not come out even."""
    bf16: bool
    fp16: bool
    loss_reduction: Literal["mean", "sum"] = "mean"
    max_length: int | None = None
    packing: bool = False
    grouped_by_length: bool = False
    # what is measured and kept (None: never)
    logging_steps: int | None = None
    eval_strategy: str = "no"
    eval_steps: int | None = None
    save_strategy: str = "no"
    save_steps: int | None = None
    save_total_limit: int | None = None
    load_best: bool = False
    metric: str | None = None
    metric_names: tuple[str, ...] = ("eval_loss",)
    """What an evaluation of this run yields."""
    trackers: tuple[str, ...] = ()
    # the data
    train_examples: int = 0
    validation_examples: int = 0
    held_out_unknown: bool = False
    """Validation rows come from a stream: there are some, and nobody knows how many."""
    train_tokens: int = 0
    loss_tokens: int = 0
    # what was meant
    loss_on: Literal["assistant", "last", "all"] = "assistant"
    given: dict[str, Any] = field(default_factory=dict)
    """Keys of ``train`` that the user has written, in SFTConfig's names; an open key is not in it."""
