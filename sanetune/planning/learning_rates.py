"""Looks up learning rates in published recipes, by method and model size.

Sources:
- the law of tinker-cookbook (``hyperparam_utils.get_lr``, 2026-08): 5e-5 x M x (2000 / hidden) ^ 0.781, with M = 10
  for LoRA and 1 for training all weights. It meets what was measured on a Llama of 260 thousand parameters (7e-4
  against a best of 1e-3).
- Alpaca, Zephyr and Tulu 2: 2e-5 for all weights of 7-billion models; Alpaca, Tulu 2 and s1: 1e-5 from 13 billion on.
- Tinker's sweep over 35 models from 1 to 550 billion parameters: LoRA at 3e-4 is best in 22 of them, at most 0.02
  nats from the best in all, and never diverges; the best learning rate does not depend on the rank.
- QLoRA (Guanaco) and Zephyr: 2e-4 for quantised 7-billion models, 1e-4 from 33 billion on.
"""

from __future__ import annotations

from typing import Literal

Method = Literal["full", "lora", "qlora"]

HIDDEN_OF_LAW = 2000
EXPONENT = 0.781
BASE = 5e-5
HIGHEST_LORA = 3e-3
"""In Tinker's sweep nearly all runs that diverged were at 3e-3. Only far smaller models get that high here: on a
Llama of 260 thousand parameters it was the best of 3e-4, 1e-3, 3e-3, 1e-2 and 3e-2 (validation loss after 120 steps of
16 Alpaca rows: 2.91, 2.52, 2.44, 2.91, 4.60)."""


def learning_rate(method: Method, parameters: int, hidden: int) -> tuple[float, str]:
    """Return a learning rate to start from, and where it comes from.

    >>> learning_rate("lora", 7_000_000_000, 4096)[0]
    0.0003

    Args:
        method: How the model is trained.
        parameters: Parameters of the model.
        hidden: Width of its hidden states; 0: not known.
    """
    billions = parameters / 1e9
    if method == "qlora":
        if billions >= 30:
            return 1e-4, "QLoRA's learning rate for models from 33 billion parameters on (Guanaco)"
        return 2e-4, "the learning rate of QLoRA (Guanaco 7B) and Zephyr-7b for quantised models with LoRA"
    law = BASE * (HIDDEN_OF_LAW / hidden) ** EXPONENT if hidden else BASE
    if method == "lora":
        if billions >= 1 or hidden >= HIDDEN_OF_LAW or not hidden:
            return (
                3e-4,
                "LoRA: best or within 0.02 nats of it in Tinker's sweep over 35 models (1B to 550B), no divergence",
            )
        lr = _two_digits(min(10 * law, HIGHEST_LORA))
        return lr, f"LoRA: Tinker's law 10 x 5e-5 x (2000 / {hidden}) ^ 0.781, at most {HIGHEST_LORA:g}"
    if billions >= 12:
        return 1e-5, "all weights, 13 billion parameters and more: Alpaca 13B, Tulu 2 70B, s1-32B"
    if billions >= 3:
        return 2e-5, "all weights, 3 to 12 billion parameters: SmolLM3-3B, Alpaca 7B, Zephyr-7b, Tulu 2 7B"
    return _two_digits(law), f"all weights: Tinker's law 5e-5 x (2000 / {hidden or HIDDEN_OF_LAW}) ^ 0.781"


def _two_digits(lr: float) -> float:
    return float(f"{lr:.1e}")
