"""Pre-training of the demo's base model: first short lists to copy, then the shop's stories.

A model this small learns to copy late, if at all, from prose alone. A few hundred steps on lists that are called
out four times make it look up what came before; the stories then teach it what to look for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tools.demo_model.tokenizer import CONTEXT, END

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

#: Steps on lists, each of `LIST_ROWS` rows of `LIST_TOKENS` tokens; then steps on stories, of `BATCH` full rows.
LIST_STEPS, LIST_ROWS, LIST_TOKENS = 250, 64, 64
STORY_STEPS, BATCH = 750, 8
#: Peak learning rates of the matrices (Muon) and of the embedding and the norms (AdamW): high, as the run is short.
MATRIX_LR, OTHER_LR = 0.02, 3e-3
#: Steps of warm-up; and over the second half of the stories the learning rate falls to this share of its peak.
WARM_UP, LAST_SHARE = 50, 0.05

#: About 1.1 M parameters: two of its four layers are what copying needs, the other two know what to copy.
SHAPE: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": True,
    "initializer_range": 0.04,
}


def encode(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    """The token ids of each text, closed by `<|endoftext|>`."""
    end = tokenizer.convert_tokens_to_ids(END)
    return [[*encoding.ids, end] for encoding in tokenizer.backend_tokenizer.encode_batch(list(texts))]


def pack(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast, rows: int) -> Tensor:
    """Token ids of shape (rows, CONTEXT): stories end to end.

    Stories in one row see each other, as in most pre-training: a base has to live with what precedes.
    """
    import torch

    stream = [token for ids in encode(texts, tokenizer) for token in ids]
    if len(stream) < rows * CONTEXT:
        raise ValueError(f"the corpus holds {len(stream)} tokens, {rows * CONTEXT} are needed")
    return torch.tensor(stream[: rows * CONTEXT]).view(rows, CONTEXT)


def cut(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """Token ids of shape (texts, LIST_TOKENS): one list per row, cut or filled with `<|endoftext|>`."""
    import torch

    end = tokenizer.convert_tokens_to_ids(END)
    rows = [ids[:LIST_TOKENS] + [end] * (LIST_TOKENS - len(ids)) for ids in encode(texts, tokenizer)]
    return torch.tensor(rows)


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """The untrained base: Llama architecture, and the generation settings of a base (it stops at `<|endoftext|>`)."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **SHAPE, **ends))
    model.generation_config = GenerationConfig(**ends)
    return model


def optimizers_for(model: LlamaForCausalLM) -> list[Optimizer]:
    """Muon for the matrices of the layers, AdamW for the embedding and the norms."""
    import torch

    from tools.demo_model.muon import Muon

    embedding = model.get_input_embeddings().weight
    matrices = [p for p in model.parameters() if p.ndim == 2 and p is not embedding]
    others = [p for p in model.parameters() if p.ndim != 2 or p is embedding]
    adamw = torch.optim.AdamW(others, lr=OTHER_LR, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [Muon(matrices, lr=MATRIX_LR), adamw]


def share_of_peak(step: int, steps: int, decay: int) -> float:
    """Learning rate at `step` as a share of its peak: warm-up, hold, then a fall over the last `decay` steps."""
    return LAST_SHARE + (1 - LAST_SHARE) * min(1, (step + 1) / WARM_UP, (steps - step) / max(1, decay))


def pretrain(
    model: LlamaForCausalLM, list_rows: Tensor, story_rows: Tensor, say: Callable[[str], Any] = print
) -> float:
    """Train `model` in place, each row seen once; the mean loss of the last 50 steps, in nats per token."""
    optimizers = optimizers_for(model)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    batches = [*list_rows.split(LIST_ROWS), *story_rows.split(BATCH)]
    decay = math.ceil(len(story_rows) / BATCH / 2)
    model.train()
    losses: list[float] = []
    start = time.perf_counter()
    for step, batch in enumerate(batches):
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        share = share_of_peak(step, len(batches), decay)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            optimizer.step()
        model.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            seconds = time.perf_counter() - start
            say(f"step {step + 1:5d}/{len(batches)}  loss {sum(losses[-50:]) / 50:.3f}  {seconds:.0f} s")
    model.eval()
    return sum(losses[-50:]) / len(losses[-50:])
