"""Infers defaults for unset values from the sizes of model, machine and data, each with its reason.

A rule gets the configuration, as far as it is resolved, and the sizes, and gives a value and the reason for it. Rules
run in order, so that a later one may rely on an earlier one: steps on the batch size, the evaluation interval on the
steps. What the user has set is never changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from sanetune.config.consistency import check_consistency
from sanetune.config.nested import YamlValue
from sanetune.config.origin import Origin, OriginKind
from sanetune.config.schema import Config
from sanetune.config.section import Dtype
from sanetune.config.sizes import ModelSizes, RunSizes
from sanetune.planning.feasibility import refuse_impossible
from sanetune.planning.learning_rates import Method, learning_rate
from sanetune.planning.steps import is_uneven, step_plan

Answer: TypeAlias = tuple[YamlValue, str] | None
"""A value and the reason for it; None: the key stays unset."""

MIN_STEPS = 200
"""Steps a run should have for its curve to mean something; tinker-cookbook asks for at least 100, better 1,000."""
BATCHES = (4, 128)
"""Smallest and largest effective batch that is chosen: 128 is that of Alpaca, Tulu 2 and 3 and OLMo 2."""


def method_of(config: Config) -> Method:
    """Return how the model is trained: all weights, LoRA, or LoRA on quantised weights."""
    if config.model.adapter is None:
        return "full"
    return "qlora" if config.model.quantization else "lora"


def usual_lr(config: Config, sizes: ModelSizes) -> float:
    """Return the peak learning rate that is inferred for a model of these ``sizes`` where ``config`` has none."""
    return learning_rate(method_of(config), sizes.parameters, sizes.hidden)[0]


def resolve(config: Config, sizes: RunSizes) -> Config:
    """Return a copy of ``config`` in which every unset value is filled in, with the reason in ``origins``.

    ``max_length`` is left to the preparation of the data.

    Raises:
        ConfigError: What is set cannot work on this machine, with this data, or together with an inferred default.
    """
    refuse_impossible(config, sizes)
    resolved = config.model_copy(deep=True)
    if resolved.model.dtype is None:
        dtype, reason = _dtype(resolved, sizes)
        resolved.model.dtype = dtype
        resolved.origins["model.dtype"] = Origin(OriginKind.INFERRED, reason=reason)
    for key, rule in RULES:
        if key in resolved.train.given and resolved.train.given[key] is not None:
            continue
        answer = rule(resolved, sizes)
        if answer is not None:
            resolved.train.given[key] = answer[0]
            resolved.origins[f"train.{key}"] = Origin(OriginKind.INFERRED, reason=answer[1])
    check_consistency(resolved, resolved.place)
    return resolved


def _dtype(config: Config, sizes: RunSizes) -> tuple[Dtype, str]:
    if method_of(config) == "full":
        return "float32", "all weights are trained: 16 bits would round small updates away; bf16 is used to compute"
    if sizes.machine.device == "cuda" and sizes.machine.has_bf16:
        return "bfloat16", "the weights are frozen, and the GPU computes in bf16: half the memory"
    if sizes.machine.device == "cuda":
        return "float16", "the weights are frozen: half the memory"
    return "float32", f"no 16-bit format is fast on this {sizes.machine.device}"


def _use_cpu(config: Config, sizes: RunSizes) -> Answer:
    return (True, "no GPU was found") if sizes.machine.device == "cpu" else None


def _bf16(config: Config, sizes: RunSizes) -> Answer:
    if config.train.get("fp16"):
        return False, "fp16 is given"
    if sizes.machine.device == "cuda" and sizes.machine.has_bf16 and not config.train.get("use_cpu"):
        return True, "the GPU computes in bf16: half the memory and about twice the speed of fp32"
    return False, f"computes in fp32: bf16 is slow or missing on this {sizes.machine.device}"


def _fp16(config: Config, sizes: RunSizes) -> Answer:
    if sizes.machine.device == "cuda" and not sizes.machine.has_bf16 and not config.train.get("bf16"):
        return True, "the GPU has no bf16; loss scaling guards the small gradients"
    return None


def _learning_rate(config: Config, sizes: RunSizes) -> Answer:
    return learning_rate(method_of(config), sizes.model.parameters, sizes.model.hidden)


def _epochs(config: Config, sizes: RunSizes) -> Answer:
    if int(config.train.get("max_steps", -1)) > 0:
        return None
    rows = sizes.data.train_examples
    if rows < 20_000:
        return 3.0, f"{rows:,} examples: three epochs, as Alpaca; the best checkpoint is kept where there is validation"
    if rows < 200_000:
        return 2.0, f"{rows:,} examples: two epochs, as Tulu 2 and OLMo 2"
    return 1.0, f"{rows:,} examples: one epoch, as Zephyr"


def _per_device(config: Config, sizes: RunSizes) -> Answer:
    room, reason = _tokens_at_once(sizes)
    fits = _power_of_two(room / max(1.0, sizes.data.mean_tokens or 512.0), 1, 8)
    share = config.train.get("gradient_accumulation_steps", 1) * max(1, sizes.machine.devices)
    target = _target_batch(config, sizes)
    largest = max(1, min(fits, target // share))
    halves = [largest >> k for k in range(largest.bit_length())]
    most = {size: target // (size * share) for size in halves}
    if config.train.get("gradient_accumulation_steps"):
        most = dict.fromkeys(halves, 1)
    # So that one that leaves an epoch's last step nearly empty gives way to a smaller one.
    size = next((one for one in halves if _even_steps(sizes, one * share, most[one]) is not None), largest)
    return size, f"{reason}; about {sizes.data.mean_tokens:,.0f} tokens per example; effective batch of about {target}"


def _tokens_at_once(sizes: RunSizes) -> tuple[int, str]:
    """Tokens of one batch on one device: a careful estimate by the model's size, until memory is measured."""
    for limit, tokens in ((5e8, 16_384), (3e9, 8_192), (1e10, 4_096)):
        if sizes.model.parameters < limit:
            return tokens, f"{tokens:,} tokens at once for a model below {limit / 1e9:g} billion parameters"
    return 2_048, "2,048 tokens at once for a model of 10 billion parameters and more"


def _target_batch(config: Config, sizes: RunSizes) -> int:
    """A power of two that leaves about MIN_STEPS steps."""
    max_steps = int(config.train.get("max_steps", -1))
    if max_steps > 0:
        return 16
    epochs = float(config.train.get("num_train_epochs", 3.0))
    return _power_of_two(sizes.data.train_examples * epochs / MIN_STEPS, *BATCHES)


def _accumulation(config: Config, sizes: RunSizes) -> Answer:
    target = _target_batch(config, sizes)
    share = int(config.train.given["per_device_train_batch_size"]) * max(1, sizes.machine.devices)
    most = max(1, target // share)
    steps = _even_steps(sizes, share, most) or 1
    if int(config.train.get("max_steps", -1)) > 0:
        return steps, f"{target} examples per step, as max_steps gives the steps; at most 128, as Alpaca and Tulu"
    left = sizes.data.train_examples * float(config.train.get("num_train_epochs", 3.0)) / target
    if 0 < left < MIN_STEPS:
        return steps, f"{target} examples per step, the fewest that are inferred: they leave {left:,.0f} steps or so"
    return steps, f"{target} examples per step leave about {MIN_STEPS} steps or more; at most 128, as Alpaca and Tulu"


def _even_steps(sizes: RunSizes, at_once: int, most: int) -> int | None:
    """The most batches of ``at_once`` examples, up to ``most``, whose sum is no more than the data and leaves no nearly
    empty step at the end of an epoch; None: none."""
    examples = sizes.data.train_examples
    counts = range(max(1, most), 0, -1)
    fair = (k for k in counts if not examples or (k * at_once <= examples and not is_uneven(examples, k * at_once)))
    return next(fair, None)


def _eval_batch(config: Config, sizes: RunSizes) -> Answer:
    return int(config.train.given["per_device_train_batch_size"]), "as in training"


def _warmup(config: Config, sizes: RunSizes) -> Answer:
    total = step_plan(config, sizes).total_steps
    if total < 500:
        return 0.1, f"a tenth of {total:,} steps, as Zephyr and SmolLM2: a short run needs a larger share"
    return 0.03, f"3 % of {total:,} steps, as Alpaca, Tulu and OLMo 2"


def _scheduler(config: Config, sizes: RunSizes) -> Answer:
    return "cosine", "Alpaca, Zephyr and SmolLM fall along a cosine"


def _weight_decay(config: Config, sizes: RunSizes) -> Answer:
    return 0.0, "Alpaca and Tulu 3 use none"


def _eval_strategy(config: Config, sizes: RunSizes) -> Answer:
    if sizes.data.validation_examples:
        return "steps", f"{sizes.data.validation_examples:,} validation examples are measured while training"
    return "no", "there are no validation examples"


def _eval_steps(config: Config, sizes: RunSizes) -> Answer:
    if config.train.given["eval_strategy"] != "steps":
        return None
    total = step_plan(config, sizes).total_steps
    given = config.train.get("save_steps")
    if given and config.train.get("load_best_model_at_end", True):
        return given, "as often as a checkpoint is saved, so that the best one can be kept"
    return max(1, round(total / 10)), f"ten times in {total:,} steps"


def _save_strategy(config: Config, sizes: RunSizes) -> Answer:
    evaluates = config.train.given["eval_strategy"]
    return (evaluates, "as evaluation") if evaluates != "no" else ("steps", "a run that is interrupted can be resumed")


def _save_steps(config: Config, sizes: RunSizes) -> Answer:
    if config.train.given["save_strategy"] != "steps":
        return None
    if config.train.given["eval_strategy"] == "steps":
        return config.train.given["eval_steps"], "as often as there is an evaluation, so that the best one can be kept"
    total = step_plan(config, sizes).total_steps
    return max(1, round(total / 5)), f"five times in {total:,} steps"


def _save_limit(config: Config, sizes: RunSizes) -> Answer:
    return 3, "the three latest, and the best; older ones are deleted"


def _best(config: Config, sizes: RunSizes) -> Answer:
    given = config.train.given
    if not sizes.data.validation_examples or given["eval_strategy"] == "no":
        return False, "no validation loss says which checkpoint is best"
    if given["save_strategy"] not in (given["eval_strategy"], "best"):
        return False, f"checkpoints come by {given['save_strategy']}, evaluations by {given['eval_strategy']}"
    if given["save_strategy"] == "steps" and not _is_multiple(given["save_steps"], given["eval_steps"]):
        return False, f"save_steps, {given['save_steps']}, is no multiple of eval_steps, {given['eval_steps']}"
    return True, "the checkpoint with the lowest validation loss is kept as the result"


def _metric(config: Config, sizes: RunSizes) -> Answer:
    return (
        ("eval_loss", "the validation loss decides which checkpoint is best")
        if config.train.get("load_best_model_at_end")
        else None
    )


def _greater(config: Config, sizes: RunSizes) -> Answer:
    metric = config.train.get("metric_for_best_model")
    return (not str(metric).endswith("loss"), f"follows from {metric}") if metric else None


def _logging(config: Config, sizes: RunSizes) -> Answer:
    total = step_plan(config, sizes).total_steps
    steps = max(1, min(10, total // 200))
    return steps, f"about {total // steps:,} points on the curve"


def _sampling(config: Config, sizes: RunSizes) -> Answer:
    if config.train.get("packing"):
        return None
    return "group_by_length", "examples of like length share a batch: less padding"


def _activation_checkpointing(config: Config, sizes: RunSizes) -> Answer:
    if sizes.machine.device == "cuda" and sizes.model.parameters >= 1e9:
        return (
            True,
            "a billion parameters or more: activations are computed twice to save memory, for about 20 % more time",
        )
    return False, "the activations of a model of this size fit; recomputing them would cost about 20 % more time"


def _seed(config: Config, sizes: RunSizes) -> Answer:
    return 42, "TRL's default, written down so that the run can be repeated"


def _data_seed(config: Config, sizes: RunSizes) -> Answer:
    return int(config.train.given["seed"]), "as train.seed: order of the examples"


RULES: tuple[tuple[str, Callable[[Config, RunSizes], Answer]], ...] = (
    ("use_cpu", _use_cpu),
    ("fp16", _fp16),
    ("bf16", _bf16),
    ("learning_rate", _learning_rate),
    ("num_train_epochs", _epochs),
    ("per_device_train_batch_size", _per_device),
    ("gradient_accumulation_steps", _accumulation),
    ("per_device_eval_batch_size", _eval_batch),
    ("warmup_steps", _warmup),
    ("lr_scheduler_type", _scheduler),
    ("weight_decay", _weight_decay),
    ("logging_steps", _logging),
    ("eval_strategy", _eval_strategy),
    ("eval_steps", _eval_steps),
    ("save_strategy", _save_strategy),
    ("save_steps", _save_steps),
    ("save_total_limit", _save_limit),
    ("load_best_model_at_end", _best),
    ("metric_for_best_model", _metric),
    ("greater_is_better", _greater),
    ("train_sampling_strategy", _sampling),
    ("activation_checkpointing", _activation_checkpointing),
    ("seed", _seed),
    ("data_seed", _data_seed),
)
"""Key of ``train`` -> how it is filled in where it is unset, in this order."""


def _power_of_two(value: float, smallest: int, largest: int) -> int:
    """The largest power of two up to ``value``, within bounds."""
    return max(smallest, min(largest, 1 << int(math.log2(max(1.0, value)))))


def _is_multiple(save: float, evaluate: float) -> bool:
    return round(save * 1_000_000) % max(1, round(evaluate * 1_000_000)) == 0
