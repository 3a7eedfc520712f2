"""A model, ready to train: loaded whole, placed on its device, with its adapter or its frozen weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sanetune.config.machine import local_rank
from sanetune.config.sizes import ModelSizes
from sanetune.data.model_files import Location, locate
from sanetune.engine.adapters import Frozen, add_adapter, base_of, freeze, numbers_of, rows_of
from sanetune.engine.library_logs import quiet
from sanetune.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.config.schema import ModelSection

DTYPES = {
    "float32": "float32", "fp32": "float32", "bfloat16": "bfloat16", "bf16": "bfloat16", "float16": "float16",
    "fp16": "float16", "half": "float16", "auto": "auto",
}  # fmt: skip


def load_model(
    section: ModelSection, *, dtype: str | None = None, device: str | None = None, quantize: bool = True
) -> PreTrainedModel:
    """Load the weights of ``section.name`` in full, without adapter or freezing (see :func:`make_trainable`).

    Only safetensors are read.

    Args:
        section: The configuration's ``model`` section.
        dtype: Format of the weights, e.g. "bfloat16"; None: the section's, else the checkpoint's own.
        device: Where they are put; None: where torch puts them, the CPU.
        quantize: Whether ``section.quantization`` counts.

    Raises:
        ModelError: For whatever keeps the model from being exactly the one in the files.
        ConfigError: Where code of the repository would run without a pinned revision.
    """
    _check_remote_code(section)
    where = locate(section.name, section.revision)
    keywords: dict[str, Any] = {"dtype": _torch_dtype(dtype or section.dtype or "auto")}
    if attention := section.attention:
        keywords["attn_implementation"] = attention
    quantization = section.quantization if quantize else None
    if quantization:
        keywords |= _quantized(quantization, device)
    model = _from_pretrained(section, where, keywords)
    if quantization:
        leave_packing_off(model)
    elif device is not None:
        model.to(device)
    return model


def _from_pretrained(section: ModelSection, where: Location, keywords: dict[str, Any]) -> PreTrainedModel:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    remote = section.trust_remote_code
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
                f"The weights of {where.name} cannot be read: {error}.", remedy="Download them again."
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


def _explain(error: Exception, section: ModelSection, where: Location) -> ModelError:
    """What transformers' exception means, as far as its words establish that; otherwise they are passed on."""
    words = " ".join(str(error).split())
    attention = section.attention
    if attention and ("attn_implementation" in words or "ttention" in words):
        return ModelError(
            f"The attention implementation {attention!r} cannot be used: {words[:300]}",
            remedy="Set model.attention to sdpa or eager (always there), or install the package that it needs.",
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
            remedy="Update transformers, or, for a model that ships its own code, read that code, pin model.revision "
            "and set model.trust_remote_code: true.",
        )
    if "trust_remote_code" in words or "custom code" in words:
        return ModelError(
            f"{where.name} needs Python code from its repository to run.",
            "Code from a repository can do anything on this machine.",
            "Read it, pin model.revision to that commit, and set model.trust_remote_code: true.",
        )
    if "no file named model.safetensors" in words:
        return ModelError(
            f"{where.name} has no safetensors weights.", remedy="Convert its weights to safetensors first."
        )
    return ModelError(f"The model {where.name} cannot be loaded: {words[:400]}")


def _check_remote_code(section: ModelSection) -> None:
    if section.trust_remote_code and not section.revision:
        raise ConfigError(
            "model.trust_remote_code is on, but model.revision is not set.",
            "The code could then change between two runs, and would run unread.",
            "Set model.revision to the commit whose code you have read.",
        )


def _torch_dtype(name: str) -> torch.dtype | str:
    import torch

    if (known := DTYPES.get(str(name).removeprefix("torch."))) is None:
        raise ModelError(f"model.dtype is {name!r}.", remedy="Use float32, bfloat16, float16 or auto.")
    dtype: torch.dtype | str = known if known == "auto" else getattr(torch, known)
    return dtype


def _quantized(quantization: str, device: str | None) -> dict[str, Any]:
    """Arguments for a bitsandbytes model (Dettmers et al. 2023, arXiv:2305.14314: NF4, double quantisation)."""
    import importlib.util

    import torch

    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"model.quantization: {quantization} needs bitsandbytes, which is not installed.",
            remedy="pip install 'sanetune[quantization]', or leave model.quantization out.",
        )
    from transformers import BitsAndBytesConfig

    on_gpu = torch.cuda.is_available() and device != "cpu"
    compute = torch.float32
    if on_gpu:
        compute = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16

    config = BitsAndBytesConfig(
        load_in_4bit=quantization == "4bit",
        load_in_8bit=quantization == "8bit",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": config, "device_map": {"": local_rank() if on_gpu else "cpu"}}


def leave_packing_off(model: nn.Module) -> None:
    """Let no forward pass of evaluation rewrite 4-bit weights.

    On processors with bfloat16 instructions bitsandbytes packs them anew in the first one, rounds their scales, and has
    no way back to the same bits.
    """
    for module in model.modules():
        if "support_avx512bf16_for_cpu" in vars(module):
            vars(module)["support_avx512bf16_for_cpu"] = False


def attention_of(model: PreTrainedModel) -> str:
    """Return the attention implementation that ``model`` runs with, e.g. ``sdpa`` or ``flash_attention_2``."""
    return str(getattr(model.config.get_text_config(), "_attn_implementation", None) or "")


def set_activation_checkpointing(model: PreTrainedModel | PeftModel, on: bool, given: Mapping[str, Any]) -> None:
    """Switch activation checkpointing on or off; models that cannot do it are left alone.

    Args:
        model: The model, with its adapter.
        on: Whether activations are computed again in the backward pass.
        given: transformers' ``activation_checkpointing_kwargs``.
    """
    base = base_of(model)
    if not hasattr(base, "activation_checkpointing_enable"):
        return
    if not on:
        base.activation_checkpointing_disable()
        return
    others = dict(given)
    layers, offload = others.pop("every_n_layers", 1), others.pop("offload", False)
    base.activation_checkpointing_enable(
        activation_checkpointing_kwargs=others or None, every_n_layers=layers, offload=offload
    )


def fit_to_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Grow the embedding where the tokenizer has ids beyond it; return what was done in words, None where nothing was.

    New rows start from the mean and covariance of the old ones (Hewitt 2021), so that they disturb the model least.
    They are drawn from a seed of their own: the base model that is asked, trained, compared and merged into is the same
    one in every process. An embedding larger than the tokenizer is left alone: many models pad theirs.
    """
    import torch

    weight = model.get_input_embeddings().weight
    rows = rows_of(weight)
    if len(tokenizer) <= rows:
        return None
    # The random states of other GPUs are left alone: reading them would take memory on each.
    with quiet(), torch.random.fork_rng([weight.device] if weight.device.type == "cuda" else []):
        torch.manual_seed(0)
        model.resize_token_embeddings(len(tokenizer))
    return f"embedding grown from {rows:,} to {len(tokenizer):,} rows, for the tokens that the tokenizer added"


def new_tokens(section: ModelSection, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of tokens that the model was never trained on, and those of ``adapter.tokens``, ascending.

    The first are those that ``tokenizer`` has and the model's own tokenizer does not; the embedding may have rows for
    them, but they are as they were drawn.

    Raises:
        ConfigError: For one of ``adapter.tokens`` that the tokenizer does not have.
    """
    from transformers import AutoTokenizer

    where = locate(section.name, section.revision)
    remote = section.trust_remote_code
    with quiet():
        own = AutoTokenizer.from_pretrained(where.name, **where.keywords, trust_remote_code=remote).get_vocab()
    vocabulary = tokenizer.get_vocab()
    named = (section.adapter.tokens if section.adapter else None) or []
    if absent := [token for token in named if token not in vocabulary]:
        raise ConfigError(
            f"model.adapter.tokens names {absent[0]!r}, which the tokenizer does not have.",
            "Its row cannot be trained.",
            "Write tokens as the vocabulary has them, as `sanetune check` does.",
        )
    return sorted({vocabulary[token] for token in named} | {vocabulary[token] for token in set(vocabulary) - set(own)})


def make_trainable(
    model: PreTrainedModel, section: ModelSection, new_tokens: Sequence[int] = ()
) -> tuple[PreTrainedModel | PeftModel, Frozen]:
    """Add the adapter and freeze as ``section`` says; return the model (perhaps wrapped by peft) and what is trained.

    ``new_tokens``: ids whose rows are trained beside an adapter.
    """
    adapter = section.adapter
    if adapter is None and section.quantization:
        raise ModelError(
            "model.quantization is set, but model.adapter is not.",
            "Quantised weights cannot be trained; an adapter beside them can (QLoRA).",
            "Set model.adapter: lora.",
        )
    tuned: PreTrainedModel | PeftModel = model
    if adapter is not None:
        if section.quantization:
            from peft import prepare_model_for_kbit_training

            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        tuned = add_adapter(model, adapter, new_tokens)
    return tuned, freeze(tuned, section.freeze, section.train_only)


def sizes_of(model: PreTrainedModel) -> ModelSizes:
    """Return the sizes of a model that is built, with its adapter; tied weights count once."""
    config = model.config.get_text_config()
    weights = list(model.parameters())
    native = getattr(config, "dtype", None)
    return ModelSizes(
        parameters=numbers_of(weights),
        trainable=numbers_of(weight for weight in weights if weight.requires_grad),
        hidden=int(getattr(config, "hidden_size", 0) or 0),
        layers=int(getattr(config, "num_hidden_layers", 0) or 0),
        context=int(getattr(config, "max_position_embeddings", 0) or getattr(config, "n_positions", 0) or 0),
        vocabulary=int(getattr(config, "vocab_size", 0) or 0),
        stored_dtype=None if native is None else str(native).removeprefix("torch."),
        model_type=str(config.model_type),
    )


def train_dtype(section: ModelSection, *, bf16: bool, fp16: bool = False) -> torch.dtype | str:
    """Return the dtype to load for training; it is inferred where ``model.dtype`` is unset.

    Full fine-tuning keeps float32 master weights (bfloat16 has 8 bits of precision: an update of 2e-5 of a weight is
    lost); under an adapter the frozen base needs none, so it takes the mixed-precision type.
    """
    if given := section.dtype:
        return str(given)
    if section.adapter is None:
        return "float32"
    return "bfloat16" if bf16 else "float16" if fp16 else "float32"
