"""Keys of TRL 1.16's command line (`trl sft --config FILE`) that are none of SFTConfig, or need more than a name."""

from __future__ import annotations

INFERRED = (
    "learning_rate", "num_train_epochs", "max_length", "packing", "per_device_train_batch_size",
    "per_device_eval_batch_size", "gradient_accumulation_steps", "lr_scheduler_type", "warmup_steps", "weight_decay",
    "logging_steps", "eval_strategy", "save_strategy", "save_steps", "load_best_model_at_end",
    "train_sampling_strategy", "max_grad_norm", "optim", "seed",
)  # fmt: skip
"""Keys of SFTConfig that sanetune would infer where they are unset: TRL takes SFTConfig's own default for them."""

ADAPTER = {
    "lora_r": "r",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "lora_modules_to_save": "modules_to_save",
    "use_rslora": "rslora",
    "use_dora": "dora",
}
"""Their key -> ours in ``model.adapter``."""

MODEL = {
    "model_revision": "model.revision",
    "attn_implementation": "model.attention",
    "chat_template_path": "model.chat_template",
}
"""Their key -> our ``section.key``."""

ODD = {
    "lora_target_parameters": "adapters go on linear layers only",
    "bnb_4bit_quant_type": "4 bits are NF4 here",
    "dataset_kwargs": "rows are prepared before the trainer sees them",
    "eval_packing": "validation rows are packed as training rows are",
    "eos_token": "what ends a turn is read off the chat template",
    "pad_token": "padding takes a token that is free, not one that ends turns",
    "resume_from_checkpoint": "go on with `sanetune train FILE --resume`",
    "env": "set these variables before the command",
    "deepspeed": "start it with `accelerate launch`",
    "fsdp": "start it with `accelerate launch`",
    "accelerate_config": "start it with `accelerate launch`",
    "auto_insert_empty_system_msg": "no message is put in front of a conversation",
}
"""Keys that are known and not carried over, with what holds instead."""

_QUIET = """
benchmarks bnb_4bit_quant_storage callbacks config dataset_num_proc dataset_streaming debug do_eval do_predict
do_train hub_model_revision ignore_bias_buffers logging_dir lora_task_type overwrite_hub_revision overwrite_output_dir
pad_to_multiple_of padding_free preprocessing_num_workers push_to_hub_revision remove_unused_columns save_safetensors
shuffle_dataset streaming system_prompt tokenizer_name_or_path use_bnb_nested_quant use_fast_tokenizer wandb_entity
wandb_project wandb_run_group
"""

QUIET = frozenset(_QUIET.split())
"""Keys that change nothing that is checked or trained."""

BUILDERS = frozenset({"json", "csv", "parquet", "arrow", "text"})
"""Paths of a data set that name a kind of files, given as ``data_files``."""
