"""Which trial to make next where values are searched, and which trials to end early.

The learning rate alone is searched along a line, from where the critical learning rate says that the best one is. Where
other values are searched too, Optuna's TPE sampler proposes them, and its first trials are at those learning rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from sanetune.config.nested import YamlValue
from sanetune.errors import UserError
from sanetune.workflows.sweep.lr_prior import NEAR, LearningRatePrior, next_lr
from sanetune.workflows.sweep.result import SweepTrial
from sanetune.workflows.sweep.space import ADAPTER, LR, Changes, Parameter, Space, applies
from sanetune.workflows.sweep.trial import Prune, never

if TYPE_CHECKING:
    import optuna

FIRST = 3
"""Trials whose learning rates the prior gives before Optuna proposes them."""
PROPOSALS = 50
"""Times that Optuna is asked for values that no trial has before the search ends; the second half are random."""
FEWEST = 3
"""Trials that are never pruned, since there is nothing to compare them with."""


class Search(Protocol):
    """Proposes trials.

    Attributes:
        end: Why it ends where nothing is left to try.
    """

    end: str

    def ask(self, made: Sequence[SweepTrial], pending: Sequence[Changes]) -> Changes | None:
        """Return what the next trial changes, which no other does; None: nothing is left to try.

        Args:
            made: All trials so far.
            pending: What trials change that are under way in other processes.
        """


InEffect = Callable[[Changes], Changes]
"""Gets what was proposed for a trial; returns what the trial changes in effect, so that none is proposed twice."""


def search_of(space: Space, prior: LearningRatePrior | None, seed: int, in_effect: InEffect = dict) -> Search:
    """Return the search through ``space``.

    Args:
        space: With at least one range.
        prior: Where the best learning rate is expected; None: it is not searched.
        seed: Of Optuna's sampler.
        in_effect: See :data:`InEffect`.

    Raises:
        UserError: Optuna is needed and not installed.
    """
    if prior is not None and len(space.parameters) == 1:
        return LineSearch(prior)
    if not has_optuna():
        keys = ", ".join(one.key for one in space.parameters)
        raise UserError(
            f"Searching {keys} needs Optuna, which is not installed.",
            "Lists of values and the learning rate alone are swept without it.",
            "Install it (pip install 'sanetune[sweep]'), or list the values.",
        )
    return OptunaSearch(space, prior, seed, in_effect)


def has_optuna() -> bool:
    """Return whether Optuna is installed."""
    import importlib.util

    return importlib.util.find_spec("optuna") is not None


class LineSearch:
    """Searches the learning rate alone."""

    end = f"the next learning rate would be within {NEAR - 1:.0%} of one that was tried".replace("%", " %")

    def __init__(self, prior: LearningRatePrior) -> None:
        self.prior = prior

    def ask(self, made: Sequence[SweepTrial], pending: Sequence[Changes]) -> Changes | None:
        """See :class:`Search`."""
        losses = {one.lr: one.loss if one.comparable else math.inf for one in made}
        centre = min(losses, key=lambda lr: losses[lr], default=self.prior.middle)
        lowest = losses.get(centre, 0.0)
        for changes in pending:
            # As if the loss rose to both sides of the best one, so that trials under way do not ask for the same.
            lr = float(changes[LR])  # type: ignore[arg-type]
            losses.setdefault(lr, lowest + math.log10(lr / centre) ** 2 + 1e-6)
        found = next_lr(self.prior, losses)
        return None if found is None else {LR: found}


class OptunaSearch:
    """Searches several values with Optuna's TPE sampler."""

    end = f"{PROPOSALS} proposals in a row were of values that a trial has"

    def __init__(self, space: Space, prior: LearningRatePrior | None, seed: int, in_effect: InEffect = dict) -> None:
        self.space, self.prior, self.seed, self.in_effect = space, prior, seed, in_effect

    def ask(self, made: Sequence[SweepTrial], pending: Sequence[Changes]) -> Changes | None:
        """See :class:`Search`."""
        taken = [*(one.changes for one in made), *pending]
        # Whole numbers and lists are proposed again, most of all those that did well: other seeds find others.
        proposals = (self.in_effect(self._proposed(made, len(taken), again)) for again in range(PROPOSALS))
        return next((one for one in proposals if one not in taken), None)

    def _proposed(self, made: Sequence[SweepTrial], count: int, again: int) -> Changes:
        import optuna

        with _quiet():
            # Anew from the trials that are stored: a sweep that was killed goes on as if it had not been.
            seed = self.seed + count + 1000 * again
            study = optuna.create_study(
                sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=2 * FIRST)
                if again < PROPOSALS // 2
                else optuna.samplers.RandomSampler(seed)
            )
            for trial in made:
                if found := self._stored_trial(trial):
                    study.add_trial(found)
            if self.prior is not None and count < FIRST:
                study.enqueue_trial({LR: self._first(self.prior, count)})
            return self._changes(study.ask())

    def _changes(self, asked: optuna.Trial) -> Changes:
        """What ``asked`` changes; of settings that it does not have nothing is asked, so that none is learned from."""
        adapter = {one.key: self._suggested(asked, one) for one in self.space.parameters if one.key == ADAPTER}
        return {one.key: self._suggested(asked, one) for one in self.space.parameters if applies(one.key, adapter)}

    def _first(self, prior: LearningRatePrior, number: int) -> float:
        return prior.clipped(prior.middle * prior.factor ** (0, 1, -1)[number])

    def _suggested(self, asked: optuna.Trial, one: Parameter) -> YamlValue:
        if one.values:
            number = int(asked.suggest_categorical(one.key, list(range(len(one.values)))))
            return one.values[number]
        low, high = self._ends(one)
        if one.whole:
            return int(asked.suggest_int(one.key, int(low), int(high), log=True))
        return float(f"{asked.suggest_float(one.key, low, high, log=True):.3g}")

    def _ends(self, one: Parameter) -> tuple[float, float]:
        if one.key == LR and self.prior is not None:
            return self.prior.low, self.prior.high
        assert one.low is not None and one.high is not None, "only a learning rate has a range of its own"
        return one.low, one.high

    def _stored_trial(self, trial: SweepTrial) -> optuna.trial.FrozenTrial | None:
        """``trial`` as Optuna knows it; None where its values are not of this space."""
        import optuna

        params: dict[str, object] = {}
        distributions: dict[str, optuna.distributions.BaseDistribution] = {}
        for one in (one for one in self.space.parameters if applies(one.key, trial.changes)):
            value = trial.changes.get(one.key)
            if one.values:
                if value not in one.values:
                    return None
                params[one.key] = one.values.index(value)
                distributions[one.key] = optuna.distributions.CategoricalDistribution(list(range(len(one.values))))
                continue
            low, high = self._ends(one)
            if not isinstance(value, int | float) or not low <= value <= high:
                return None
            params[one.key] = value
            distributions[one.key] = (
                optuna.distributions.IntDistribution(int(low), int(high), log=True)
                if one.whole
                else optuna.distributions.FloatDistribution(low, high, log=True)
            )
        state = optuna.trial.TrialState
        value = trial.loss if math.isfinite(trial.loss) else 1e6
        pruned = trial.state == "pruned"
        return optuna.trial.create_trial(
            params=params,
            distributions=distributions,
            values=[value],
            state=state.PRUNED if pruned else state.COMPLETE,
            intermediate_values=dict(trial.curve),
        )


def pruner(made: Sequence[SweepTrial], steps: int) -> Prune:
    """Return what ends a trial of ``steps`` steps that is worse than the median of ``made`` (Optuna's MedianPruner).

    Without Optuna, or with too few trials, none is ended.
    """
    curves = [one.curve for one in made if one.state == "done" and one.planned_steps == steps]
    if len(curves) < FEWEST or not has_optuna():
        return never
    import optuna

    with _quiet():
        # Not in the first half: a high learning rate is behind there, and may win when it has decayed.
        study = optuna.create_study(pruner=optuna.pruners.MedianPruner(FEWEST, n_warmup_steps=steps // 2))
        for curve in curves:
            study.add_trial(optuna.trial.create_trial(values=[curve[-1][1]], intermediate_values=dict(curve)))
        trial = study.ask()

    def prune(step: int, loss: float) -> str:
        trial.report(loss, step)
        return f"at step {step} its loss is above the others' median" if trial.should_prune() else ""

    return prune


class _quiet:  # noqa: N801 -- used as a function
    """Without Optuna's lines on standard error."""

    def __enter__(self) -> None:
        import optuna

        self.before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)

    def __exit__(self, *error: object) -> None:
        import optuna

        optuna.logging.set_verbosity(self.before)
