"""A model, ready to train: loaded whole, placed, with its adapter or its frozen part, and told about in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sanetune.config.facts import Facts
from sanetune.data.model_files import Location, locate
from sanetune.engine.adapters import Adapter, Frozen, adapter_of, add_adapter, freeze
from sanetune.engine.library_logs import quiet
from sanetune.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DTYPES = {
    "float32": "float32", "fp32": "float32", "bfloat16": "bfloat16", "bf16": "bfloat16", "float16": "float16",
    "fp16": "float16", "half": "float16", "auto": "auto",
}  # fmt: skip


def default_device() -> str:
    """ "cuda", "mps" or "cpu": the best that this machine has."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def load_model(
    section: Any, *, dtype: str | None = None, device: str | None = None, quantize: bool = True
) -> PreTrainedModel:
    """Load the weights of ``section.name`` in full, without adapter or freezing (see :func:`make_trainable`).

    ``section`` is the configuration's ``model`` part. ``dtype`` (default: the section's, else the checkpoint's own)
    and ``device`` (default: wherever torch puts it, the CPU) say how and where; ``quantize=False`` leaves
    ``section.quantization`` out. Only safetensors are read. Raises :class:`ModelError` for whatever keeps the model
    from being exactly the one in the files.
    """
    _check_remote_code(section)
    where = locate(section.name, getattr(section, "revision", None))
    keywords: dict[str, Any] = {"dtype": _torch_dtype(dtype or getattr(section, "dtype", None) or "auto")}
    if attention := getattr(section, "attention", None):
        keywords["attn_implementation"] = attention
    quantization = getattr(section, "quantization", None) if quantize else None
    if quantization:
        keywords |= _quantized(quantization, device)
    model = _from_pretrained(section, where, keywords)
    if device is not None and not quantization:
        model.to(device)
    return model


def _from_pretrained(section: Any, where: Location, keywords: dict[str, Any]) -> PreTrainedModel:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    remote = bool(getattr(section, "trust_remote_code", False))
    with quiet():
        try:
            model, info = AutoModelForCausalLM.from_pretrained(
                where.name,
                **where.keywords,
                **keywords,
                trust_remote_code=remote,
                use_safetensors=True,
                output_loading_info=True,
            )
        except SafetensorError as error:
            raise ModelError(
                f"The weights of {where.name} cannot be read: {error}.", fix="Download them again."
            ) from None
        except (ValueError, ImportError, OSError, RuntimeError, KeyError) as error:
            raise _explain(error, section, where) from error
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{len(missing)} weights of {where.name} are not in its files, e.g. {missing[0]}.",
            "transformers would fill them with random numbers and go on.",
            "The files are incomplete or belong to another architecture than config.json says: download them again.",
        )
    return model


def _explain(error: Exception, section: Any, where: Location) -> ModelError:
    """Say what transformers' exception means. Only what its words establish; otherwise they are passed on."""
    words = " ".join(str(error).split())
    attention = getattr(section, "attention", None)
    if attention and ("attn_implementation" in words or "ttention" in words):
        return ModelError(
            f"The attention implementation {attention!r} cannot be used: {words[:300]}",
            fix="Set model.attention to sdpa or eager (always there), or install the package that it needs.",
        )
    if "ignore_mismatched_sizes" in words:
        return ModelError(
            f"The weights of {where.name} have other shapes than its config.json says.",
            "They were made with another configuration.",
            "Take config.json and weights from the same place.",
        )
    if "Unrecognized configuration class" in words:
        return ModelError(
            f"{where.name} is not a causal language model.",
            "Fine-tuning on instructions needs a model that continues text (AutoModelForCausalLM).",
            "Choose such a model.",
        )
    if "does not recognize this architecture" in words or "Unrecognized model" in words:
        return ModelError(
            f"transformers does not know the architecture of {where.name}.",
            fix="Update transformers, or, for a model that ships its own code, read that code, pin model.revision "
            "and set model.trust_remote_code: true.",
        )
    if "trust_remote_code" in words or "custom code" in words:
        return ModelError(
            f"{where.name} needs Python code from its repository to run.",
            "Code from a repository can do anything on this machine.",
            "Read it, pin model.revision to that commit, and set model.trust_remote_code: true.",
        )
    if "no file named model.safetensors" in words:
        return ModelError(f"{where.name} has no safetensors weights.", fix="Convert its weights to safetensors first.")
    return ModelError(f"The model {where.name} cannot be loaded: {words[:400]}")


def _check_remote_code(section: Any) -> None:
    if getattr(section, "trust_remote_code", False) and not getattr(section, "revision", None):
        raise ConfigError(
            "model.trust_remote_code is on, but model.revision is not set.",
            "The code could then change between two runs, and would run unread.",
            "Set model.revision to the commit whose code you have read.",
        )


def _torch_dtype(name: str) -> Any:
    import torch

    if (known := DTYPES.get(str(name).removeprefix("torch."))) is None:
        raise ModelError(f"model.dtype is {name!r}.", fix="Use float32, bfloat16, float16 or auto.")
    return known if known == "auto" else getattr(torch, known)


def _quantized(quantization: str, device: str | None) -> dict[str, Any]:
    """Arguments for a bitsandbytes model (Dettmers et al. 2023, arXiv:2305.14314: NF4, double quantisation)."""
    import importlib.util
    import os

    import torch

    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"model.quantization: {quantization} needs bitsandbytes, which is not installed.",
            fix="pip install 'sanetune[quantization]', or leave model.quantization out.",
        )
    if not torch.cuda.is_available() or device == "cpu":
        raise ModelError(
            f"model.quantization: {quantization} needs a CUDA GPU, and this run has none.",
            fix="Leave model.quantization out, or run on a machine with a GPU.",
        )
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=quantization == "4bit",
        load_in_8bit=quantization == "8bit",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16,
    )
    return {"quantization_config": config, "device_map": {"": int(os.environ.get("LOCAL_RANK", 0))}}


def fit_to_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Grow the embedding when the tokenizer has ids beyond it; returns what was done in words, None when nothing was.

    New rows start from the mean and covariance of the old ones (Hewitt 2021), so that they disturb the model least. An
    embedding larger than the tokenizer is left alone: many models pad theirs.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) <= rows:
        return None
    with quiet():
        model.resize_token_embeddings(len(tokenizer))
    return f"embedding grown from {rows:,} to {len(tokenizer):,} rows, for the tokens that the tokenizer added"


def new_tokens(section: Any, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids of ``tokenizer`` whose tokens the model's own tokenizer does not have (its vocabulary has rows for them,
    but nothing was ever learnt in those), and those of ``adapter.tokens``.

    ConfigError for one of these that the tokenizer does not have.
    """
    from transformers import AutoTokenizer

    where = locate(section.name, getattr(section, "revision", None))
    remote = bool(getattr(section, "trust_remote_code", False))
    with quiet():
        own = AutoTokenizer.from_pretrained(where.name, **where.keywords, trust_remote_code=remote).get_vocab()
    vocabulary = tokenizer.get_vocab()
    named = (adapter_of(getattr(section, "adapter", None)) or Adapter()).tokens
    if absent := [token for token in named if token not in vocabulary]:
        raise ConfigError(
            f"model.adapter.tokens names {absent[0]!r}, which the tokenizer does not have.",
            "Its row cannot be trained.",
            "Write tokens as the vocabulary has them, as `sanetune check` does.",
        )
    return sorted({vocabulary[token] for token in named} | {vocabulary[token] for token in set(vocabulary) - set(own)})


def make_trainable(model: PreTrainedModel, section: Any, new_tokens: Sequence[int] = ()) -> tuple[Any, Frozen]:
    """Add the adapter and freeze as ``section`` says; returns the model (perhaps wrapped by peft) and what is
    trained."""
    adapter = adapter_of(getattr(section, "adapter", None))
    if adapter is None and getattr(section, "quantization", None):
        raise ModelError(
            "model.quantization is set, but model.adapter is not.",
            "Quantised weights cannot be trained; an adapter beside them can (QLoRA).",
            "Set model.adapter: lora.",
        )
    tuned: Any = model
    if adapter is not None:
        if getattr(section, "quantization", None):
            from peft import prepare_model_for_kbit_training

            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        tuned = add_adapter(model, adapter, new_tokens)
    return tuned, freeze(tuned, getattr(section, "freeze", None), getattr(section, "train_only", None))


def facts(model: Any, known: Facts = Facts()) -> Facts:  # noqa: B008 -- frozen
    """``known`` with the sizes of a model that is loaded (tied weights count once): what the files and the adapter
    really are."""
    config = model.config.get_text_config()
    weights = list(model.parameters())
    native = getattr(config, "dtype", None)
    return replace(
        known,
        parameters=sum(weight.numel() for weight in weights),
        trainable=sum(weight.numel() for weight in weights if weight.requires_grad),
        hidden=int(getattr(config, "hidden_size", 0) or 0),
        layers=int(getattr(config, "num_hidden_layers", 0) or 0),
        context=int(getattr(config, "max_position_embeddings", 0) or getattr(config, "n_positions", 0) or 0),
        vocabulary=int(getattr(config, "vocab_size", 0) or 0),
        native_dtype=None if native is None else str(native).removeprefix("torch."),
        model_type=str(config.model_type),
    )


def train_dtype(section: Any, *, bf16: bool, fp16: bool = False) -> torch.dtype | str:
    """The dtype to load for training when ``model.dtype`` is open.

    Full fine-tuning keeps float32 master weights (bfloat16 has 8 bits of precision: an update of 2e-5 of a weight is
    lost); under an adapter the frozen base needs none, so it takes the mixed-precision type.
    """
    if given := getattr(section, "dtype", None):
        return str(given)
    if getattr(section, "adapter", None) is None:
        return "float32"
    return "bfloat16" if bf16 else "float16" if fp16 else "float32"
