"""What a reader sees in the real logs: which checks should speak, and why.

Causes and courses were read from plots and numbers before limits were set. ``curve-unmeasured`` follows its limit of
four epochs; it is true of a healthy course too, and then no false alarm. A log without an entry in :data:`EXPECTED` has
nothing that its curve could prove.
"""

from __future__ import annotations

from bench.curves.real_noise import GALLERY

EXPECTED: dict[str, tuple[str, ...]] = {
    "lr_hot": ("curve-diverged",),  # 1.4 to 30 within 40 steps, ends at 7.6
    "lr_zero": ("curve-rate-zero",),  # scatters about 1.47; the learning rate is 0
    "bad_labels": ("curve-start-high",),  # begins at 18.9
    "fp16_nan": ("curve-diverged", "curve-nan"),  # 1.4 to 15, ends at 7.4; two infinite norms
    "overfit": ("curve-overfit",),  # evaluations 1.25 at step 30, 3.76 at the end
    "Fujump__qlora__output": ("curve-staircase", "curve-unmeasured"),  # 24 epochs, flat inside them, no evaluation
    "JustinBStrong__qlora__output": ("curve-diverged", "curve-unmeasured"),  # 1.0 to 29.6; 80 epochs
    "SecurityLab-UCD__UniTSyn__results_checkpoint-3500": ("curve-start-high",),  # 35, above any vocabulary
    # 13.8 at the start; the learning rate rises to step 500 of 555; 4.5 epochs
    "SecurityLab-UCD__UniTSyn__results_checkpoint-500__6b42b2e": (
        "curve-start-high",
        "curve-warmup-long",
        "curve-unmeasured",
    ),
    "agosalvez__tfm-lora-specialized-adapter__results": ("curve-unmeasured",),  # 20 epochs, down to 0.04
    "aigoncharov__trainer_state_viz": ("curve-overfit",),  # evaluations rise from the first epoch on, 1.11 to 2.75
    "arkB__morazubot_v4__output": ("curve-unmeasured",),  # 50 epochs, very smooth
    "huloujun__GreenBuilding-QA-LLM__outputs_checkpoint-135": ("curve-unmeasured",),  # five epochs
    "huloujun__GreenBuilding-QA-LLM__outputs_checkpoint-640": ("curve-unmeasured",),  # five epochs
    "syGOAT__Mistral-v0.2-Translator-bf16": ("curve-staircase", "curve-unmeasured"),  # 0.42 to 0.32, 0.28 to 0.18
    "yc1999__stanford_alpaca__output": ("curve-staircase",),  # 1.09 to 0.72 to 0.41 at the boundaries
}
"""Folder of a log -> the checks that should speak, and why."""


def repository(name: str, listed: dict[str, str]) -> str:
    """The repository of a log; ``listed``: of those in logs/wild."""
    return listed.get(name, GALLERY)
