"""Keys that have another name today, and what becomes of each.

Source: TRL 1.16's ``SFTConfig`` and transformers 5.23's ``TrainingArguments``, every old name tried there (each is a
``TypeError``, or a deprecation). The keys of TRL's own ``ModelConfig`` are understood in ``model`` as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from sanetune.config.nested import YamlValue

Pairs: TypeAlias = list[tuple[str, YamlValue]]
"""``section.key`` and value, of each key that is set instead of an old one."""


@dataclass(frozen=True, slots=True)
class Rename:
    """What became of an old key."""

    to: str
    """The ``section.key`` of today; "" for a key that does nothing any more."""
    note: str
    """What else has changed, in words."""
    translate: Callable[[YamlValue], Pairs] | None = None
    """Old value -> what is set instead, where that is not the same value under the new key."""

    def pairs(self, value: YamlValue) -> Pairs:
        """What is set instead of the old key with ``value``.

        Raises:
            ValueError: The value cannot be translated; the message says what was expected.
        """
        if self.translate is not None:
            return self.translate(value)
        return [(self.to, value)] if self.to else []


def _flag(key: str, when_true: YamlValue, when_false: YamlValue = None) -> Callable[[YamlValue], Pairs]:
    def translate(value: YamlValue) -> Pairs:
        if not isinstance(value, bool):
            raise ValueError("true or false")
        chosen = when_true if value else when_false
        return [] if chosen is None else [(key, chosen)]

    return translate


def _warmup(value: YamlValue) -> Pairs:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError("a share of the steps, from 0 to below 1")
    return [("train.warmup_steps", float(value))]


def _trackers(value: YamlValue) -> Pairs:
    if value in (None, "none", ["none"]):
        return [("run.trackers", [])]
    if not isinstance(value, (str, list)):
        raise ValueError("a name or a list of names")
    return [("run.trackers", [value] if isinstance(value, str) else value)]


def _adapter(name: str) -> Callable[[YamlValue], Pairs]:
    return lambda value: [(f"model.adapter.{name}", value)]


_MOVED = {
    "train.max_seq_length": "train.max_length",
    "train.evaluation_strategy": "train.eval_strategy",
    "train.no_cuda": "train.use_cpu",
    "train.per_gpu_train_batch_size": "train.per_device_train_batch_size",
    "train.per_gpu_eval_batch_size": "train.per_device_eval_batch_size",
    "train.push_to_hub_model_id": "train.hub_model_id",
    "train.push_to_hub_token": "train.hub_token",
    "train.gradient_checkpointing": "train.activation_checkpointing",
    "train.gradient_checkpointing_kwargs": "train.activation_checkpointing_kwargs",
    "train.dispatch_batches": "train.accelerator_config.dispatch_batches",
    "train.split_batches": "train.accelerator_config.split_batches",
    "train.dataset_num_proc": "data.workers",
    "train.chat_template_path": "model.chat_template",
    "train.trust_remote_code": "model.trust_remote_code",
    "train.output_dir": "run.output_dir",
    "train.run_name": "run.name",
    "train.torch_dtype": "model.dtype",
    "train.model_init_kwargs.torch_dtype": "model.dtype",
    "train.model_init_kwargs.dtype": "model.dtype",
    "train.model_init_kwargs.attn_implementation": "model.attention",
    "train.model_init_kwargs.revision": "model.revision",
    "train.model_init_kwargs.trust_remote_code": "model.trust_remote_code",
    "model.torch_dtype": "model.dtype",
    "model.model_name_or_path": "model.name",
    "model.model_name": "model.name",
    "model.path": "model.name",
    "model.model_revision": "model.revision",
    "model.attn_implementation": "model.attention",
    "model.chat_template_path": "model.chat_template",
    "model.lora": "model.adapter",
}

_GONE = {
    "train.overwrite_output_dir": "a run is never overwritten; give run.output_dir another folder",
    "train.logging_dir": "TensorBoard's files go into the run's folder",
    "train.save_safetensors": "weights are always saved as safetensors",
    "train.include_tokens_per_second": "tokens per second are always recorded",
    "train.include_inputs_for_metrics": "no metrics function is used",
    "train.half_precision_backend": "there is one backend",
    "train.fp16_backend": "there is one backend",
    "train.fp16_opt_level": "there is one backend",
    "train.jit_mode_eval": "transformers no longer has it",
    "train.use_ipex": "transformers no longer has it",
    "train.torchdynamo": "transformers no longer has it; see torch_compile_backend",
    "train.use_mps_device": "the device is found",
    "train.past_index": "transformers no longer has it",
    "train.mp_parameters": "transformers no longer has it",
    "train.ray_scope": "transformers no longer has it",
    "train.push_to_hub_organization": "write it into hub_model_id, as in organization/name",
    "train.dataset_batch_size": "TRL no longer has it",
    "train.num_of_sequences": "TRL no longer has it",
    "train.chars_per_token": "TRL no longer has it",
    "train.dataset_text_field": "rows of text are recognised; another column goes into data.fields",
    "train.eos_token": "what ends a turn is read off the chat template (model.chat_template) and saved with the model",
    "train.pad_token": "padding takes a token that is free, not one that ends turns",
    "train.padding_free": "packs are flattened where the attention needs it",
    "model.use_auth_token": "log in with: hf auth login",
}

_SPECIAL = {
    "train.warmup_ratio": Rename("train.warmup_steps", "a value below 1 is a share of the steps", _warmup),
    "train.group_by_length": Rename(
        "train.train_sampling_strategy", "", _flag("train.train_sampling_strategy", "group_by_length", "random")
    ),
    "train.assistant_only_loss": Rename(
        "data.loss_on", "labels are made before the trainer sees them", _flag("data.loss_on", "assistant", "all")
    ),
    "train.completion_only_loss": Rename(
        "data.loss_on", "labels are made before the trainer sees them", _flag("data.loss_on", "assistant", "all")
    ),
    "train.report_to": Rename("run.trackers", "", _trackers),
    "model.load_in_4bit": Rename("model.quantization", "", _flag("model.quantization", "4bit")),
    "model.load_in_8bit": Rename("model.quantization", "", _flag("model.quantization", "8bit")),
    "model.use_peft": Rename("model.adapter", "", _flag("model.adapter", "lora")),
    "model.lora_r": Rename("model.adapter.r", "", _adapter("r")),
    "model.lora_alpha": Rename("model.adapter.alpha", "", _adapter("alpha")),
    "model.lora_dropout": Rename("model.adapter.dropout", "", _adapter("dropout")),
    "model.lora_target_modules": Rename("model.adapter.target", "", _adapter("target")),
    "model.lora_modules_to_save": Rename("model.adapter.modules_to_save", "", _adapter("modules_to_save")),
    "model.use_rslora": Rename("model.adapter.rslora", "", _adapter("rslora")),
    "model.use_dora": Rename("model.adapter.dora", "", _adapter("dora")),
    "model.adapter.lora_alpha": Rename("model.adapter.alpha", "", _adapter("alpha")),
    "model.adapter.lora_dropout": Rename("model.adapter.dropout", "", _adapter("dropout")),
    "model.adapter.target_modules": Rename("model.adapter.target", "", _adapter("target")),
    "model.adapter.use_rslora": Rename("model.adapter.rslora", "", _adapter("rslora")),
    "model.adapter.use_dora": Rename("model.adapter.dora", "", _adapter("dora")),
    "model.adapter.lora_r": Rename("model.adapter.r", "", _adapter("r")),
}

RENAMES: dict[str, Rename] = {
    **{old: Rename(new, "") for old, new in _MOVED.items()},
    **{old: Rename("", reason) for old, reason in _GONE.items()},
    **_SPECIAL,
}
"""Old ``section.key`` -> what it is called today."""

VALUES: dict[tuple[str, str], str] = {
    ("train.packing_strategy", "bfd-requeue"): "bfd_split",
    ("train.packing_strategy", "ffd"): "bfd",
    ("train.loss_type", "chunked_nll"): "nll",
}
"""(``section.key``, old value) -> value of today."""
