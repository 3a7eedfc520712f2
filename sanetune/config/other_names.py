"""Names that other tools, or people, have for our keys, values and sections: for messages about unknown ones.

They are not read as ours: a key that is known by another name elsewhere may have another meaning there.
"""

from __future__ import annotations

_KEYS = {
    "model.name": "base_model,model_name,model_name_or_path,model_id,pretrained,pretrained_model,checkpoint",
    "model.dtype": "torch_dtype,precision,weights_dtype",
    "model.attention": "flash_attention,flash_attn,attn,attn_implementation,sdp_attention,xformers_attention",
    "model.chat_template": "template,chat_template_jinja,prompt_template,chat_template_path",
    "model.quantization": "load_in_4bit,load_in_8bit,quantization_bit,quantize,bits,bnb,bnb_4bit,quant",
    "model.adapter": "use_lora,use_peft,finetuning_type,finetune_type,peft,lora,lora_config,peft_config,method",
    "model.adapter.r": "lora_r,lora_rank,rank,lora_dim",
    "model.adapter.alpha": "lora_alpha",
    "model.adapter.dropout": "lora_dropout",
    "model.adapter.target": "lora_target,lora_target_modules,target_modules,lora_target_linear",
    "model.adapter.modules_to_save": "lora_modules_to_save,additional_target",
    "data.train": "dataset,datasets,dataset_name,dataset_path,train_file,train_data,train_dataset,data_path,files",
    "data.validation": "eval_dataset,test_dataset,test_datasets,eval_data,eval_file,validation_file,val_data,dev",
    "data.holdout": "val_set_size,val_size,test_split_size,test_size,validation_split,eval_split,val_split,val_ratio",
    "data.loss_on": "train_on_inputs,train_on_prompt,mask_inputs,mask_prompt,assistant_only_loss,completion_only_loss,"
    "mask_history,train_on_responses_only,roles_to_train",
    "data.overlong": "excess_length_strategy,truncation,truncate",
    "data.fields": "columns,field_messages,column_mapping,formatting,dataset_text_field,messages_key",
    "data.max_examples": "max_samples,max_train_samples,num_samples",
    "data.workers": "preprocessing_num_workers,dataset_num_proc,num_proc",
    "train.learning_rate": "lr,learningrate,peak_lr",
    "train.num_train_epochs": "epochs,num_epochs,n_epochs,epoch,max_epochs",
    "train.max_steps": "steps,total_steps,num_steps,max_iters,iters",
    "train.per_device_train_batch_size": "batch_size,micro_batch_size,train_batch_size,bs,batchsize",
    "train.per_device_eval_batch_size": "eval_batch_size",
    "train.gradient_accumulation_steps": "gradient_accumulation,grad_accum,accumulation_steps,grad_accumulation_steps,"
    "accumulate_grad_batches",
    "train.max_length": "sequence_len,cutoff_len,max_seq_length,max_seq_len,seq_len,seq_length,context_length,"
    "context_len,block_size,max_tokens,model_max_length",
    "train.packing": "sample_packing,pack,neat_packing,pack_dataset",
    "train.optim": "optimizer",
    "train.lr_scheduler_type": "scheduler,lr_schedule,lr_scheduler,schedule",
    "train.warmup_steps": "warmup,num_warmup_steps,warmup_ratio",
    "train.weight_decay": "wd,decay",
    "train.max_grad_norm": "clip_grad,max_norm,gradient_clipping,grad_clip,gradient_clip_val,clip_grad_norm",
    "train.activation_checkpointing": "gradient_checkpointing,grad_checkpointing",
    "train.eval_strategy": "evaluation_strategy",
    "train.eval_steps": "evals_per_epoch,eval_interval,eval_every",
    "train.save_steps": "saves_per_epoch,save_interval,save_every",
    "train.logging_steps": "log_interval,log_every",
    "train.seed": "random_seed",
    "train.early_stopping_patience": "patience,early_stopping,early_stopping_steps",
    "check.level": "level,depth",
    "run.output_dir": "output,out,output_dir,out_dir,save_dir,output_path,outdir",
    "run.name": "experiment,run_name,wandb_name,experiment_name,project_name,wandb_run_id",
    "run.trackers": "report_to,wandb,logger,loggers,wandb_project,tracker,use_wandb,trackio,mlflow,tensorboard",
    "run.devices": "gpus,n_gpus,num_gpus,n_gpu,nproc_per_node",
    "run.sample_prompts": "prompts,sample_prompt,eval_prompts",
}

KEYS: dict[str, str] = {name: key for key, names in _KEYS.items() for name in names.split(",")}
"""Name elsewhere -> our key."""

SECTIONS = {
    "lora": "model.adapter",
    "peft": "model.adapter",
    "adapter": "model.adapter",
    "training": "train",
    "trainer": "train",
    "sft": "train",
    **dict.fromkeys(("finetune", "fine_tune", "finetuning", "fine_tuning"), "train"),
    "optimizer": "train",
    "dataset": "data",
    "datasets": "data",
    "tokenizer": "model",
    "checks": "check",
    "gate": "check",
    "logging": "run",
}
"""Section elsewhere -> the one that has such keys here."""

ADVICE = {
    "device": "The device is found: a GPU where there is one. Train on the processor with train.use_cpu: true, and "
    "choose a GPU with CUDA_VISIBLE_DEVICES.",
    "device_map": "A model is on one device for each process; start several with `accelerate launch -m sanetune`.",
    "deepspeed_config": "Give DeepSpeed's file as train.deepspeed.",
    "tokenizer_name": "The tokenizer is that of model.name.",
    "resume_from_checkpoint": "Go on with `sanetune train CONFIG --resume`.",
    "do_train": "Every run trains; `sanetune check` does not.",
    "do_eval": "Every run with validation rows is evaluated (data.validation or data.holdout).",
    "system_prompt": "System prompts are those of the rows, or the chat template's own.",
    "shuffle": "Rows are shuffled with train.seed.",
}
"""Key that there is nowhere here -> what to do instead."""

VALUE_ADVICE = {
    ("model.adapter.type", "qlora"): "QLoRA is LoRA on quantised weights: model.adapter: lora and "
    "model.quantization: 4bit",
    ("model.adapter.type", "dora"): "Write model.adapter: {type: lora, dora: true}",
    ("model.adapter.type", "rslora"): "Write model.adapter: {type: lora, rslora: true}",
    **{
        ("model.adapter.type", name): "Without model.adapter all weights are trained: delete the key."
        for name in ("full", "none", "false", "no", "off")
    },
    **{
        (f"train.{name}", "auto"): "Leave it out, and let `sanetune plan CONFIG --measure --write` choose it by "
        "measuring steps."
        for name in (
            "per_device_train_batch_size",
            "gradient_accumulation_steps",
            "activation_checkpointing",
            "packing",
            "bf16",
        )
    },
}
"""(``section.key``, value in lower case) -> what to write instead."""

_VALUES = {
    ("model.quantization", "4bit"): "nf4 fp4 int4 4 4-bit",
    ("model.quantization", "8bit"): "int8 8 8-bit llm.int8",
    ("data.loss_on", "assistant"): "completion completions response responses answers output assistants",
    ("data.overlong", "cut"): "truncate trim truncation",
    ("data.overlong", "drop"): "skip remove filter discard",
}

VALUES = {(key, name): value for (key, value), names in _VALUES.items() for name in names.split()}
"""(``section.key``, value elsewhere) -> our value."""
