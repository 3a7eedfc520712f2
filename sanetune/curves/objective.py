"""What a log's training aims at, by the names of the figures that it has.

Preference and reinforcement learning log a ``loss`` too, which is no cross entropy: it may be negative, begin at ln 2
or rise in a healthy run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PREFERENCE, REINFORCEMENT = "preference training", "reinforcement learning"

_REINFORCEMENT = ("reward", "reward_std", "episode", "policy_loss", "value_loss", "kl_loss")
_REINFORCEMENT_GROUPS = ("objective", "policy", "ppo", "completions", "completion_length", "clip_ratio")
_PREFERENCE = ("kl", "nll_loss", "log_odds_ratio", "log_odds_chosen")
_PREFERENCE_GROUPS = ("logps", "logits", "rewards")


def objective_of(names: Iterable[str]) -> str:
    """Return what the training aims at, in words; empty where it is the next token.

    Args:
        names: Of all figures in the log; those of evaluations may begin with ``eval_``, and trackers write ``train/``.

    >>> objective_of(["loss", "grad_norm", "eval_rewards/margins"]), objective_of(["loss", "reward", "kl"])
    ('preference training', 'reinforcement learning')
    >>> objective_of(["loss", "mean_token_accuracy"])
    ''
    """
    plain = {re.sub("^(eval|train)[_/]", "", name) for name in names}
    groups = {name.partition("/")[0] for name in plain if "/" in name}
    if plain.intersection(_REINFORCEMENT) or groups.intersection(_REINFORCEMENT_GROUPS):
        return REINFORCEMENT
    if plain.intersection(_PREFERENCE) or groups.intersection(_PREFERENCE_GROUPS):
        return PREFERENCE
    return ""
