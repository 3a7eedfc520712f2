"""Checks that the saved model, loaded again, gives the outputs of the trained one.

Shapes: T tokens of one row, V vocabulary.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sanetune.engine.distributed import is_main_process
from sanetune.engine.save import save_model
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import SaveReload
from sanetune.runs import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS = 128
"""Tokens of the row on which the two models are compared, at most."""


def save_reload(
    harness: ProbeHarness, tokenizer: PreTrainedTokenizerBase, stop_tokens: Iterable[int]
) -> SaveReload | None:
    """Save a copy of the model as a run does, load it with transformers alone, and compare the two.

    A new adapter is moved away from zero first.

    Args:
        harness: The model, which is not changed.
        tokenizer: The tokenizer that is saved with the model.
        stop_tokens: Ids of tokens that end an answer.

    Returns:
        The differences; None where there is no memory for a second copy, where the model is quantised, and beside the
        main process, since transformers writes nothing there.
    """
    import psutil
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    stops = set(stop_tokens)
    size = sum(weight.numel() * weight.element_size() for weight in harness.model.parameters())
    if 3 * size > psutil.virtual_memory().available or getattr(harness.model, "is_quantized", False):
        return None
    if not is_main_process():
        return None
    ids = harness.batches[0]["input_ids"][:1, :TOKENS].cpu()
    with harness.untouched(), tempfile.TemporaryDirectory() as folder, torch.no_grad():
        trained = harness.session.detached_copy()
        _move_adapter(trained)
        before = _next_token(trained, ids)
        run = Run(Path(folder))
        save_model(trained, tokenizer, run, stop_token_ids=sorted(stops))
        after = _next_token(AutoModelForCausalLM.from_pretrained(str(run.model), dtype=trained.dtype), ids)
        saved = AutoTokenizer.from_pretrained(str(run.model))
        ends = GenerationConfig.from_pretrained(str(run.model)).eos_token_id
    return SaveReload(
        largest_difference=float((before - after).abs().max()),
        same_template=saved.chat_template == tokenizer.chat_template,
        missing_stop_tokens=tuple(sorted(stops - set(ends if isinstance(ends, list) else [ends]))),
        sixteen_bits=trained.dtype != torch.float32,
        merged=hasattr(trained, "peft_config"),
    )


def _move_adapter(model: nn.Module) -> None:
    """Make the adapter non-zero: merging a new one, which is zero, would test nothing."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator).to(weight.dtype))


def _next_token(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Log-probabilities of the token after each of ``ids`` (1, T), in float32: (1, T, V)."""
    logits: Tensor = model.eval()(input_ids=ids, use_cache=False).logits
    return logits.float().log_softmax(-1)
