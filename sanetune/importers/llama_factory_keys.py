"""Keys of LLaMA-Factory 0.9.5 and what becomes of each."""

from __future__ import annotations

from sanetune.config.nested import YamlMap

MOVED = {
    "model_revision": "model.revision",
    "output_dir": "run.output_dir",
    "run_name": "run.name",
    "cutoff_len": "train.max_length",
    "packing": "train.packing",
    "per_device_train_batch_size": "train.per_device_train_batch_size",
    "per_device_eval_batch_size": "train.per_device_eval_batch_size",
    "gradient_accumulation_steps": "train.gradient_accumulation_steps",
    "max_steps": "train.max_steps",
    "learning_rate": "train.learning_rate",
    "optim": "train.optim",
    "optim_args": "train.optim_args",
    "lr_scheduler_type": "train.lr_scheduler_type",
    "lr_scheduler_kwargs": "train.lr_scheduler_kwargs",
    "weight_decay": "train.weight_decay",
    "adam_beta1": "train.adam_beta1",
    "adam_beta2": "train.adam_beta2",
    "adam_epsilon": "train.adam_epsilon",
    "max_grad_norm": "train.max_grad_norm",
    "neftune_noise_alpha": "train.neftune_noise_alpha",
    "seed": "train.seed",
    "data_seed": "train.data_seed",
    "logging_steps": "train.logging_steps",
    "save_strategy": "train.save_strategy",
    "save_steps": "train.save_steps",
    "save_total_limit": "train.save_total_limit",
    "save_only_model": "train.save_only_model",
    "metric_for_best_model": "train.metric_for_best_model",
    "greater_is_better": "train.greater_is_better",
    "early_stopping_steps": "train.early_stopping_patience",
    "dataloader_drop_last": "train.dataloader_drop_last",
    "dataloader_num_workers": "train.dataloader_num_workers",
    "bf16": "train.bf16",
    "push_to_hub": "train.push_to_hub",
    "hub_model_id": "train.hub_model_id",
    "hub_strategy": "train.hub_strategy",
    "hub_private_repo": "train.hub_private_repo",
    "hub_always_push": "train.hub_always_push",
    "hub_revision": "train.hub_revision",
    "optim_target_modules": "train.optim_target_modules",
    "fp16": "train.fp16",
}
"""Their key -> our ``section.key``."""

DEFAULTS: YamlMap = {
    "load_best_model_at_end": False,
    "train_sampling_strategy": "random",
    "max_length": 2048,
    "packing": False,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "learning_rate": 5e-5,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
    "optim": "adamw_torch_fused",
    "weight_decay": 0.0,
    "logging_steps": 500,
    "save_strategy": "steps",
    "save_steps": 500,
    "bf16": False,
    "fp16": False,
}
"""What LLaMA-Factory (and transformers below it) does where its file says nothing."""

_QUIET = """
cache_dir compute_accuracy data_shared_file_system dataloader_pin_memory ddp_find_unused_parameters ddp_timeout do_eval
do_predict do_train double_quantization enable_liger_kernel eval_on_each_dataset export_device export_dir
export_hub_model_id export_legacy_format export_size flash_attn_kwargs freeze_multi_modal_projector freeze_vision_tower
gradient_checkpointing hf_hub_token hub_token image_max_pixels image_min_pixels include_effective_tokens_per_second
include_num_input_tokens_seen infer_backend logging_dir logging_strategy low_cpu_mem_usage media_dir ms_hub_token
om_hub_token overwrite_cache overwrite_output_dir plot_loss predict_with_generate preprocessing_batch_size
preprocessing_num_workers print_param_status quantization_device_map quantization_type ray_num_workers
remove_unused_columns save_safetensors swanlab_project swanlab_run_name swanlab_workspace upcast_layernorm
use_fast_tokenizer use_reentrant_gc use_unsloth use_unsloth_gc video_fps video_max_pixels
"""

QUIET = frozenset(_QUIET.split())
"""Keys that change nothing that is checked."""

_ONE_LR = "every weight takes train.learning_rate"
_OPTIM = "the optimizer is the one that optim names"
_START = "an adapter begins without a change of the model"
_ALL_TRAINED = "every weight counts as trained"
_TOKENS = "the tokenizer is read as it is stored"

ODD = {
    **dict.fromkeys(("use_galore", "use_apollo", "use_badam", "use_adam_mini", "use_muon"), _OPTIM),
    **dict.fromkeys(("loraplus_lr_ratio", "loraplus_lr_embedding"), _ONE_LR),
    **dict.fromkeys(("pissa_init", "pissa_convert"), _START),
    **dict.fromkeys(("freeze_trainable_modules", "freeze_extra_modules", "use_llama_pro"), _ALL_TRAINED),
    **dict.fromkeys(("init_special_tokens", "freeze_original_embeddings"), _TOKENS),
    "create_new_adapter": "the model is checked without the first one",
    "tokenized_path": "rows are prepared anew",
    "resume_from_checkpoint": "go on with `sanetune train FILE --resume`",
    "streaming": "all rows are read",
    "mix_strategy": "sources are read one after the other",
    "interleave_probs": "sources are read one after the other",
    "tool_format": "the template writes tool calls",
    "default_system": "the template's own system prompt is used",
    "enable_thinking": "the template's own way is used",
    "preserve_thinking": "the template's own way is used",
    "add_tokens": _TOKENS,
    "add_special_tokens": _TOKENS,
    "new_special_tokens_config": _TOKENS,
    "resize_vocab": _TOKENS,
    "adapter_name_or_path": "the model is checked without it",
    "deepspeed": "how the run is spread over devices is not checked",
    "fsdp": "how the run is spread over devices is not checked",
    "fsdp_config": "how the run is spread over devices is not checked",
    "freeze_trainable_layers": _ALL_TRAINED,
    "rope_scaling": "the model's own context is used",
}
"""Keys that are known and not carried over, with what holds instead."""

OPTIMIZERS = ("galore_", "apollo_", "badam_", "pissa_iter")
"""How the settings of what `ODD` names begin: they need no note of their own."""

ATTENTION = {"fa2": "flash_attention_2", "fa3": "flash_attention_3", "sdpa": "sdpa", "disabled": "eager"}

USUAL: YamlMap = {"prompt": "instruction", "query": "input", "response": "output"}
"""Columns of Alpaca's format where the file names none."""

COLUMNS = {"prompt": "prompt", "query": "input", "response": "completion", "system": "system", "tools": "tools"}
"""Their name for a column of Alpaca's format -> ours."""

TAGS = {
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "call",
    "system_tag": "system",
}
"""Tag -> the role whose name it says."""
