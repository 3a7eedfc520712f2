"""The tuned model as a folder that anything can load: weights, tokenizer, chat template, stop tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.atomic import write_text
from sanetune.engine.checkpoints import replacing
from sanetune.engine.generate import stop_ids
from sanetune.runs import Run

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


def save_model(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    run: Run,
    *,
    stop_token_ids: Sequence[int] = (),
    state_dict: dict[str, Tensor] | None = None,
    reload_base: Callable[[], PreTrainedModel] | None = None,
) -> PreTrainedModel:
    """Write ``run.model`` (and ``run.adapter``, when the model carries one), each whole or not at all.

    An adapter is saved by itself and then merged into the base, in place, so that plain ``AutoModelForCausalLM`` loads
    the tuned model.

    Args:
        model: The tuned model; its adapter is merged afterwards.
        tokenizer: What is saved with it.
        run: Where to.
        stop_token_ids: Ids of tokens that end an answer, besides the tokenizer's end token.
        state_dict: The gathered weights of a model that is sharded over processes.
        reload_base: Loads an unquantised base to merge into, where the trained one is quantised.

    Returns:
        The plain model as it is now in ``run.model``.
    """
    from peft import PeftModel

    plain = model
    if isinstance(model, PeftModel):
        with replacing(run.adapter) as folder:
            model.save_pretrained(folder, safe_serialization=True)
            tokenizer.save_pretrained(folder)
        plain = _merge(model, run.adapter, reload_base)
        state_dict = None
    plain.generation_config = generation_config(plain, tokenizer, stop_token_ids)
    plain.config.get_text_config().use_cache = True
    with replacing(run.model) as folder:
        plain.save_pretrained(folder, safe_serialization=True, **({"state_dict": state_dict} if state_dict else {}))
        tokenizer.save_pretrained(folder)
    return plain


def generation_config(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, stop_token_ids: Sequence[int] = ()
) -> GenerationConfig:
    """Return the model's own generation settings, with every token that ends an answer and the pad token."""
    from transformers import GenerationConfig

    own = getattr(model, "generation_config", None)
    config = GenerationConfig.from_dict(own.to_dict()) if own is not None else GenerationConfig()
    before = config.eos_token_id
    before = [before] if isinstance(before, int) else list(before or [])
    stops = list(dict.fromkeys([*stop_ids(tokenizer, stop_token_ids), *before]))
    config.eos_token_id = stops[0] if len(stops) == 1 else stops or None
    if tokenizer.pad_token_id is not None:
        config.pad_token_id = tokenizer.pad_token_id
    if not config.do_sample:
        # transformers refuses to save sampling settings beside greedy decoding, which some base models carry.
        config.temperature = config.top_p = config.top_k = None
    return config


def write_card(run: Run, card: str) -> None:
    """Put the model card beside the weights, and beside the adapter's."""
    for folder in (run.model, run.adapter):
        if folder.is_dir():
            write_text(folder / "README.md", card)


def _merge(model: PeftModel, adapter: Path, reload_base: Callable[[], PreTrainedModel] | None) -> PreTrainedModel:
    """The base with the adapter added to its weights."""
    quantised = getattr(model, "is_loaded_in_4bit", False) or getattr(model, "is_loaded_in_8bit", False)
    if quantised and reload_base is not None:
        from peft import PeftModel

        # Merging into 4-bit weights would round the adapter away and leave a folder that needs bitsandbytes.
        model = PeftModel.from_pretrained(reload_base(), str(adapter))
    merged: PreTrainedModel = model.merge_and_unload()
    return merged
