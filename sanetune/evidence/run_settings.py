"""The numbers of a run that checks judge, whoever starts it: our configuration or a trainer that is already built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sanetune.config.machine import Machine
    from sanetune.config.section import LossOn
    from sanetune.planning.learning_rates import Method
    from sanetune.planning.steps import StepPlan


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The model, and how it is trained."""

    name: str
    """Its folder, or its id on the Hub."""
    method: Method
    """All weights (``full``), an adapter (``lora``), or an adapter on quantised weights (``qlora``)."""
    parameters: int
    """Parameters in all; 0: not known."""
    trainable: int
    """Parameters that are trained."""
    hidden: int
    """Width of the hidden states; 0: not known."""
    context: int | None
    """Tokens that the model can attend to; None: not known."""
    embedding_rows: int | None
    """Ids that the model can look up: rows of its input embedding; None: not known."""
    stored_dtype: str | None
    """Number format of the weights on disk, e.g. ``bfloat16``; None: not known."""
    weights_dtype: str | None
    """Number format of the weights in training; None: not known."""
    bf16: bool
    """Whether it computes in bf16."""
    fp16: bool
    """Whether it computes in fp16."""
    revision: str | None = None
    """Commit, tag or branch on the Hub."""
    trust_remote_code: bool = False
    """Whether Python code of the model's repository is run."""


@dataclass(frozen=True, slots=True)
class DataSettings:
    """The rows, and which of their tokens count."""

    train_examples: int = 0
    """Training examples before packing; 0: not known."""
    validation_examples: int = 0
    """Validation examples."""
    validation_size_unknown: bool = False
    """Validation rows come from a stream: there are some, and their number is not known."""
    not_held_out: str = ""
    """Why no row is held out for validation, where that is known."""
    train_tokens: int = 0
    """Tokens of the training examples after truncation; 0: not known."""
    loss_tokens: int = 0
    """Those of them that are in the loss; 0: not known."""
    loss_on: LossOn = "assistant"
    """Which turns are meant to be in the loss."""
    loss_reduction: Literal["mean", "sum"] = "mean"
    """How the losses of a step's tokens become one number."""
    max_length: int | None = None
    """Tokens of the longest example (or of a pack); None: not known."""
    packing: bool = False
    """Whether examples are packed."""
    grouped_by_length: bool = False
    """Whether examples of like length share a batch."""
    sequential: bool = False
    """Whether a setting keeps the rows in the order of the file."""


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """What is evaluated, saved and sent to trackers. Intervals in steps are in :class:`StepPlan`."""

    eval_strategy: str = "no"
    """When validation rows are evaluated: ``no``, ``steps`` or ``epoch``."""
    save_strategy: str = "no"
    """When checkpoints are saved: ``no``, ``steps``, ``epoch`` or ``best``."""
    save_total_limit: int | None = None
    """Checkpoints that are kept; None: all."""
    load_best: bool = False
    """Whether the best checkpoint is the result."""
    metric: str | None = None
    """The metric that says which is best; None: not given."""
    metric_names: tuple[str, ...] = ("eval_loss",)
    """What an evaluation of this run yields."""
    trackers: tuple[str, ...] = ()
    """Programs that show the curves."""
    evaluated_by: tuple[str, ...] = ()
    """Classes of the user's own callbacks that evaluate rows, whichever these are."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """A run in numbers."""

    model: ModelSettings
    machine: Machine
    steps: StepPlan
    """Batch sizes, steps, learning rate and intervals. Its examples are packs where the data is packed."""
    data: DataSettings
    monitoring: MonitoringSettings
    given: dict[str, Any] = field(default_factory=dict)
    """Keys of ``train`` that the user has set, in SFTConfig's names."""
