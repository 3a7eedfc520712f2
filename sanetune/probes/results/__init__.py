"""What each experiment on the real model found: plain values that go to JSON and back, importable without torch.

They lie apart from the probes that make them, because reports and checks read them in processes that never load torch.
"""

from sanetune.probes.results.lr_comparison import LearningRateComparison, LearningRateRun
from sanetune.probes.results.overfit import Overfit, OverfitAttempt, RecitedReply, StuckToken
from sanetune.probes.results.single_steps import (
    CriticalLearningRate,
    FirstStep,
    LargestStep,
    ParameterUpdate,
    PeakMemory,
)
from sanetune.probes.results.trial import PromptSwapGain, Sample, Samples, Timing, Trial

__all__ = [
    "CriticalLearningRate",
    "FirstStep",
    "LargestStep",
    "LearningRateComparison",
    "LearningRateRun",
    "Overfit",
    "OverfitAttempt",
    "ParameterUpdate",
    "PeakMemory",
    "PromptSwapGain",
    "RecitedReply",
    "Sample",
    "Samples",
    "StuckToken",
    "Timing",
    "Trial",
]
