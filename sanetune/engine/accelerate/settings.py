"""Which keys of the ``train`` section the loop honours: the others are refused, not ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.config.trl_fields import default_of
from sanetune.engine.arguments import OURS, PREPARED
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from sanetune.config.schema import Config

HONOURED = frozenset({
    "max_steps", "num_train_epochs", "per_device_train_batch_size", "per_device_eval_batch_size",
    "gradient_accumulation_steps", "learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon",
    "max_grad_norm", "optim", "optim_args", "optim_target_modules", "lr_scheduler_type", "lr_scheduler_kwargs",
    "warmup_steps", "neftune_noise_alpha", "bf16", "fp16", "tf32", "use_cpu", "seed", "data_seed", "full_determinism",
    "activation_checkpointing", "activation_checkpointing_kwargs", "gradient_checkpointing",
    "gradient_checkpointing_kwargs", "train_sampling_strategy", "dataloader_drop_last", "dataloader_num_workers",
    "dataloader_pin_memory", "dataloader_persistent_workers", "dataloader_prefetch_factor",
    "dataloader_multiprocessing_context", "dataloader_in_order", "accelerator_config", "ddp_backend",
    "ddp_find_unused_parameters", "ddp_timeout", "average_tokens_across_devices", "eval_strategy", "eval_steps",
    "eval_delay", "eval_on_start", "logging_strategy", "logging_steps", "logging_first_step",
    "logging_nan_inf_filter", "save_strategy", "save_steps", "save_total_limit", "save_only_model",
    "load_best_model_at_end", "metric_for_best_model", "greater_is_better", "report_to", "run_name", "output_dir",
    "disable_tqdm", "log_level", "max_length", "truncation_mode", "packing_strategy", "dataset_num_proc",
    "dataset_text_field", "dataset_kwargs", "pad_to_multiple_of", "router_aux_loss_coef", "length_column_name",
    "remove_unused_columns", "use_cache", "fsdp", "fsdp_config", "use_liger_kernel", "trackio_space_id", "project",
    "auto_find_batch_size",
})  # fmt: skip
"""Keys that the loop follows, or that were followed when the rows were prepared."""

REFUSED_VALUES: dict[str, tuple[str, ...]] = {
    "train_sampling_strategy": ("batch_rebalance",),
    "lr_scheduler_type": ("reduce_lr_on_plateau", "greedy"),
    "optim": ("lomo", "adalomo"),
}


def require_honoured(config: Config) -> None:
    """Refuse what the loop would ignore.

    Raises:
        ConfigError: A key has a value that this engine does not follow.
    """
    for key, value in dict(config.train.given).items():
        known = key in HONOURED or key in OURS or key in PREPARED
        text = str(getattr(value, "value", value))
        layered = key == "optim" and text.endswith("_layerwise")
        if layered or text in REFUSED_VALUES.get(key, ()) or (not known and value != default_of(key)):
            raise ConfigError(
                f"train.engine: accelerate does not follow train.{key}: {text}.",
                "The run would be another than the one that was asked for.",
                f"Leave train.{key} out, or set train.engine: trl.",
            )
