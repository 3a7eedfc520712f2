"""Results of the probes, as plain values that can be written to JSON and imported without torch.

They are in a package of their own because reports and checks read them in processes that never load torch.
"""

from sanetune.probes.results.comparison import Comparison
from sanetune.probes.results.consistency import (
    Accumulation,
    AddedTokens,
    BatchIndependence,
    PackingIsolation,
    SaveReload,
    StartLoss,
)
from sanetune.probes.results.forgetting import Drift, Forgetting, GeneralAnswer, GeneralLoss
from sanetune.probes.results.lr_comparison import LearningRateComparison, LearningRateRun
from sanetune.probes.results.overfit import Overfit, OverfitAttempt, RecitedReply, StuckToken
from sanetune.probes.results.own_evaluation import OwnEvaluation
from sanetune.probes.results.ranks import RankComparison, RowDistribution, SavedWeights
from sanetune.probes.results.single_steps import (
    CriticalLearningRate,
    FirstStep,
    LargestStep,
    ParameterUpdate,
    PeakMemory,
)
from sanetune.probes.results.throughput import SpeedSwitch, Throughput
from sanetune.probes.results.trial import PromptSwapGain, Sample, Samples, Timing, Trial

__all__ = [
    "Accumulation",
    "AddedTokens",
    "BatchIndependence",
    "Comparison",
    "CriticalLearningRate",
    "Drift",
    "FirstStep",
    "Forgetting",
    "GeneralAnswer",
    "GeneralLoss",
    "LargestStep",
    "LearningRateComparison",
    "LearningRateRun",
    "Overfit",
    "OverfitAttempt",
    "OwnEvaluation",
    "PackingIsolation",
    "ParameterUpdate",
    "PeakMemory",
    "PromptSwapGain",
    "RankComparison",
    "RecitedReply",
    "RowDistribution",
    "Sample",
    "Samples",
    "SaveReload",
    "SavedWeights",
    "SpeedSwitch",
    "StartLoss",
    "StuckToken",
    "Throughput",
    "Timing",
    "Trial",
]
