"""Keys of axolotl 0.19 and what becomes of each."""

from __future__ import annotations

from sanetune.config.nested import YamlMap

MOVED = {
    "base_model": "model.name",
    "revision_of_model": "model.revision",
    "model_revision": "model.revision",
    "output_dir": "run.output_dir",
    "sequence_len": "train.max_length",
    "sample_packing": "train.packing",
    "micro_batch_size": "train.per_device_train_batch_size",
    "eval_batch_size": "train.per_device_eval_batch_size",
    "gradient_accumulation_steps": "train.gradient_accumulation_steps",
    "max_steps": "train.max_steps",
    "learning_rate": "train.learning_rate",
    "optimizer": "train.optim",
    "optim_args": "train.optim_args",
    "lr_scheduler": "train.lr_scheduler_type",
    "lr_scheduler_kwargs": "train.lr_scheduler_kwargs",
    "weight_decay": "train.weight_decay",
    "adam_beta1": "train.adam_beta1",
    "adam_beta2": "train.adam_beta2",
    "adam_epsilon": "train.adam_epsilon",
    "max_grad_norm": "train.max_grad_norm",
    "neftune_noise_alpha": "train.neftune_noise_alpha",
    "noisy_embedding_alpha": "train.neftune_noise_alpha",
    "seed": "train.seed",
    "logging_steps": "train.logging_steps",
    "save_total_limit": "train.save_total_limit",
    "save_only_model": "train.save_only_model",
    "load_best_model_at_end": "train.load_best_model_at_end",
    "metric_for_best_model": "train.metric_for_best_model",
    "greater_is_better": "train.greater_is_better",
    "early_stopping_patience": "train.early_stopping_patience",
    "dataloader_drop_last": "train.dataloader_drop_last",
    "dataloader_num_workers": "train.dataloader_num_workers",
    "auto_find_batch_size": "train.auto_find_batch_size",
    "optim_target_modules": "train.optim_target_modules",
    "hub_model_id": "train.hub_model_id",
    "hub_strategy": "train.hub_strategy",
    "hub_revision": "train.hub_revision",
}
"""Their key -> our ``section.key``."""

DEFAULTS: YamlMap = {
    "load_best_model_at_end": False,
    "train_sampling_strategy": "random",
    "activation_checkpointing": False,
    "max_length": 512,
    "packing": False,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "lr_scheduler_type": "cosine",
    "optim": "adamw_torch_fused",
    "weight_decay": 0.0,
    "save_total_limit": 4,
}
"""What Axolotl does where its file says nothing."""

_QUIET = """
auto_resume_from_checkpoints bnb_4bit_compute_dtype bnb_4bit_quant_type bnb_4bit_use_double_quant chunked_cross_entropy
cut_cross_entropy dataloader_pin_memory dataloader_prefetch_factor dataset_keep_in_memory dataset_num_proc
dataset_prepared_path dataset_processes ddp_bucket_cap_mb ddp_find_unused_parameters ddp_timeout ddp debug device_map
eval_max_new_tokens eval_sample_packing eval_table_size flash_attn_cross_entropy flash_attn_fuse_mlp flash_attn_fuse_qkv
flash_attn_rms_norm gc_steps generate_samples gpu_memory_limit gradient_checkpointing_kwargs hf_mlflow_log_artifacts
hf_use_auth_token include_tkps include_tokens_per_second is_falcon_derived_model is_llama_derived_model
is_mistral_derived_model is_qwen_derived_model liger_cross_entropy liger_fused_linear_cross_entropy liger_glu_activation
liger_layer_norm liger_rms_norm liger_rope liger_swiglu local_rank lora_fan_in_fan_out lora_mlp_kernel lora_o_kernel
lora_on_cpu lora_qkv_kernel loss_watchdog_patience loss_watchdog_threshold low_cpu_mem_usage max_memory merge_lora
mlflow_experiment_name mlflow_run_name mlflow_tracking_uri model_type pad_to_multiple_of pad_to_sequence_len
profiler_steps push_dataset_to_hub sample_packing_bin_size sample_packing_group_size save_first_step save_safetensors
strict tf32 tokenizer_legacy tokenizer_type tokenizer_use_fast torch_compile torch_compile_backend torch_compile_mode
type_of_model use_tensorboard wandb_entity wandb_log_model wandb_run_id wandb_watch world_size xformers_attention
"""

QUIET = frozenset(_QUIET.split())
"""Keys that change nothing that is checked."""

_ONE_LR = "every weight takes train.learning_rate"
_OWN_CONFIG = "the model's own configuration is used"
_EVERY_LAYER = "every layer with such a module is adapted; name parts of a layer in model.adapter.target"
_SPREAD = "how the run is spread over devices is not checked"

INSTEAD = {
    "peft_feedforward_modules": "judged as LoRA",
    "base_model_config": _OWN_CONFIG,
    "overrides_of_model_config": _OWN_CONFIG,
    "model_kwargs": _OWN_CONFIG,
    "rope_scaling": _OWN_CONFIG,
    "lora_model_dir": "the model is checked without it",
    "lora_layers_to_transform": _EVERY_LAYER,
    "peft_layers_to_transform": _EVERY_LAYER,
    "loraplus_lr_ratio": _ONE_LR,
    "loraplus_lr_embedding": _ONE_LR,
    "embedding_lr": _ONE_LR,
    "embedding_lr_scale": _ONE_LR,
    "lr_groups": _ONE_LR,
    "unfrozen_parameters": "every weight counts as trained: model.train_only takes parts of names, with wildcards",
    "dataset_exact_deduplication": "copies of rows are not left out",
    "max_packed_sequence_len": "packs are as long as train.max_length",
    "resume_from_checkpoint": "go on with `sanetune train FILE --resume`",
    "context_parallel_size": _SPREAD,
    "sequence_parallel_degree": _SPREAD,
    "tensor_parallel_size": _SPREAD,
}
"""Keys that are known and not carried over -> what holds instead."""

QUIET_PLUGINS = ("liger", "cut_cross_entropy")
"""Parts of the names of plugins that only compute the same in another way."""

ATTENTION = {
    "flash_attention": "flash_attention_2",
    "sdp_attention": "sdpa",
    "flex_attention": "flex_attention",
    "eager_attention": "eager",
}

FILES = ("json", "csv", "parquet", "arrow")
"""Kinds of file that may stand for the path of a data set, whose files are then in ``data_files``."""

_ENTRY = """
chat_template chat_template_jinja conversation data_files field ds_type field_messages field_tools
message_field_content message_field_role message_field_training message_field_training_detail
message_property_mappings name path preprocess_shards revision roles shards roles_to_train split train_on_eos
trust_remote_code type
"""

ENTRY = frozenset(_ENTRY.split())
"""Keys of a data set that are read, or change nothing that is checked. Those of `ODD` are noted by themselves."""

TEMPLATE = "chat_template of the file is used, or the model's own"

ODD = {
    "message_field_training": "marks on single messages are not carried over",
    "message_field_training_detail": "marks on single messages are not carried over",
    "drop_system_message": "system turns are kept here",
    "split_thinking": "reasoning is not split off here",
    "train_on_eot": "the end token of each trained turn is in the loss",
    "conversation": TEMPLATE,
    "input_transform": "rows are read as they are",
}
"""Keys of a data set that change which tokens are in the loss, and are not carried over."""
