"""The configuration's ``train`` section as TRL's ``SFTConfig``, with what keeps TRL from preparing the data again."""

from __future__ import annotations

import importlib.metadata
import warnings
from typing import TYPE_CHECKING, Any

from sanetune.engine import trackers
from sanetune.errors import ConfigError
from sanetune.runs import Run

if TYPE_CHECKING:
    from trl import SFTConfig

    from sanetune.config.schema import Config

OURS = ("engine", "early_stopping_patience")
"""Keys of ``train`` that are sanetune's own."""

PREPARED: dict[str, Any] = {
    "packing": False,
    "eval_packing": None,
    "padding_free": False,
    "assistant_only_loss": False,
    "completion_only_loss": None,
    "chat_template_path": None,
    "eos_token": None,
    "pad_token": None,
    "model_init_kwargs": None,
}
"""What the data's preparation and the model's loading have done already, and TRL must not do a second time."""


def training_arguments(config: Config, run: Run, *, device: str, validation: bool, resume: bool) -> SFTConfig:
    """Return TRL's arguments for ``config``.

    Args:
        config: The resolved configuration.
        run: The folder that checkpoints go to.
        device: "cuda", "mps" or "cpu".
        validation: Whether there are validation rows.
        resume: Whether the run goes on from a checkpoint.

    Raises:
        ConfigError: When TRL refuses a value, in its words.
    """
    from trl import SFTConfig

    given = {key: value for key, value in dict(config.train.given).items() if key not in OURS}
    given.pop("report_to", None)
    if given.get("deepspeed"):
        require_deepspeed(config)
    trackers.configure(trackers.used(config), run)
    values = _defaults(device, validation, resume) | given | PREPARED
    _resolve_checkpointing(values, device)
    values |= {
        "output_dir": str(run.checkpoints),
        "run_name": given.get("run_name") or getattr(config.run, "name", None) or run.name,
        # Trackers join when the whole run begins, each behind a guard (guarded_tracker.py).
        "report_to": "none",
        "dataset_kwargs": {**(given.get("dataset_kwargs") or {}), "skip_prepare_dataset": True},
        "disable_tqdm": True,
        "length_column_name": "length",
    }
    if device == "cpu":
        values["use_cpu"] = True
    if not validation:
        values |= {"eval_strategy": "no", "load_best_model_at_end": False, "eval_on_start": False}
    if values.get("eval_strategy", "no") == "no" and "eval_on_start" not in given:
        values["eval_on_start"] = False
    if getattr(config.train, "early_stopping_patience", None) and validation:
        values["load_best_model_at_end"] = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            arguments = SFTConfig(**values)
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(
            f"TRL refuses these training settings: {' '.join(str(error).split())}",
            remedy="Correct the `train:` section.",
        ) from error
    if arguments.n_gpu > 1:
        # One process drives one device; several would be wrapped in DataParallel, which TRL does not support.
        arguments._n_gpu = 1
    return arguments


def require_deepspeed(config: Config) -> None:
    """Raise ConfigError where DeepSpeed is not installed, with what to install: transformers names its metadata alone.

    A folder of that name, with DeepSpeed's files in it, is no package.
    """
    try:
        importlib.metadata.version("deepspeed")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            "train.deepspeed is set, and DeepSpeed is not installed.",
            remedy="pip install deepspeed, or divide the model by FSDP2, which needs nothing more: train.fsdp: true.",
            place=config.place("train.deepspeed"),
        ) from None


def _defaults(device: str, validation: bool, resume: bool) -> dict[str, Any]:
    """What holds for keys that are unset even after defaults were inferred."""
    return {
        "bf16": False if device != "cuda" else None,
        # A NaN loss is the news, not noise.
        "logging_nan_inf_filter": False,
        "logging_first_step": True,
        "dataloader_pin_memory": device == "cuda",
        # The base's validation loss is where the curve starts. A resumed run has it already.
        "eval_on_start": validation and not resume,
        "save_total_limit": 3,
        "metric_for_best_model": "eval_loss" if validation else None,
        "greater_is_better": False if validation else None,
    }


def _resolve_checkpointing(values: dict[str, Any], device: str) -> None:
    """Use the new name of activation checkpointing; unset it is on, as in TRL, but not on a CPU, where it only costs
    time."""
    for old, new in (
        ("gradient_checkpointing", "activation_checkpointing"),
        ("gradient_checkpointing_kwargs", "activation_checkpointing_kwargs"),
    ):
        if old in values:
            values.setdefault(new, values[old])
            del values[old]
    if values.get("activation_checkpointing") is None:
        values["activation_checkpointing"] = device != "cpu"
