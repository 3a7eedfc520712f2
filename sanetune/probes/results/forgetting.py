"""What a model has forgotten of general prompts and texts: both models on the same tokens and the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.curves.paired import PairedDifference
from sanetune.engine.answer import Answer


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the tuned model is from the base on the counted tokens of one document. Sums over them, in nats.

    Attributes:
        tokens: Tokens that are counted.
        kl: Of KL(base ‖ tuned) of the next token, over the base's likeliest tokens and all others as one; what is
            merged can only lower it (Cover and Thomas, Elements of Information Theory, 2.9: data processing).
        base: Of the base's cross entropy.
        tuned: Of the tuned model's.
    """

    tokens: int
    kl: float
    base: float
    tuned: float


@dataclass(frozen=True, slots=True)
class GeneralAnswer:
    """A general prompt with the answers of both models.

    Attributes:
        topic: What it is about.
        prompt: Its last message.
        output_format: What the answer has to be; "": anything.
        expects: Texts of which the answer has to contain one.
        base: What the base answered.
        tuned: What the tuned model answers.
        drift: On the base's own answer; None: it is empty.
    """

    topic: str
    prompt: str
    output_format: str
    expects: tuple[str, ...]
    base: Answer
    tuned: Answer
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class GeneralLoss:
    """A general text with the losses of both models.

    Attributes:
        topic: What it is about.
        start: How it begins.
        drift: On its tokens.
    """

    topic: str
    start: str
    drift: Drift


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Both models on general prompts and texts, and on rows of the task.

    Attributes:
        answers: General prompts, in the order of their file.
        texts: General texts that the base knows.
        task: Validation rows; none: there are none.
        steps: Optimizer steps of the tuned model.
        source: ``general``, or the name of the user's file.
        max_new_tokens: Limit on the tokens of an answer.
        bits_per_byte: What the base needs for the texts, those that it does not know too; None without any.
    """

    answers: tuple[GeneralAnswer, ...] = ()
    texts: tuple[GeneralLoss, ...] = ()
    task: tuple[Drift, ...] = ()
    steps: int = 0
    source: str = "general"
    max_new_tokens: int = 0
    bits_per_byte: float | None = None

    @property
    def text_rise(self) -> PairedDifference | None:
        """How much higher the tuned model's loss on the texts is, per token; None for fewer than two."""
        return loss_rise([text.drift for text in self.texts])


def names_of(source: str) -> tuple[str, str]:
    """Return what prompts and texts are called by their :attr:`Forgetting.source`: the package's, or the user's own.

    >>> names_of("general"), names_of("keep.jsonl")
    (('general prompts', 'general text'), ('prompts of yours', 'your texts'))
    """
    return ("general prompts", "general text") if source == "general" else ("prompts of yours", "your texts")


def mean_kl(drifts: Sequence[Drift]) -> PairedDifference | None:
    """Return the mean KL(base ‖ tuned) per token over documents, with its standard error; None for fewer than two.

    >>> mean_kl([Drift(10, 2.0, 9.0, 11.0), Drift(10, 4.0, 9.0, 13.0)])
    PairedDifference(mean=0.3, std_error=0.1, n=2)
    """
    return PairedDifference.of([one.kl for one in drifts], [one.tokens for one in drifts])


def loss_rise(drifts: Sequence[Drift]) -> PairedDifference | None:
    """Return how much higher the tuned model's loss is per token, paired over documents; None for fewer than two.

    >>> loss_rise([Drift(10, 2.0, 9.0, 11.0), Drift(10, 4.0, 9.0, 13.0)])
    PairedDifference(mean=0.3, std_error=0.1, n=2)
    """
    return PairedDifference.of([one.tuned - one.base for one in drifts], [one.tokens for one in drifts])
