"""What probes found that compare two ways to the same number: packed and alone, in parts and at once, saved and loaded.

Losses are in nats. Differences of two ways that should agree are of rounding alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartLoss:
    """The loss before any step.

    Attributes:
        loss: Mean over the tokens in the loss of the first batches.
        tokens: How many these are.
        vocab_size: Tokens that the model can write; guessing among them costs ln(vocab_size).
    """

    loss: float
    tokens: int
    vocab_size: int


@dataclass(frozen=True, slots=True)
class PackingIsolation:
    """The losses of packed documents, in their pack and alone. Only documents behind another one are compared.

    Attributes:
        packed: Whether the batches hold packs at all.
        documents: Documents that were compared.
        tokens: Their tokens in the loss.
        mean_difference: Between a token's two losses, on average.
        largest_difference: The largest.
        attention: The model's attention implementation.
        model_type: As the model's configuration names it.
        sixteen_bits: Whether weights or products have 16 bits.
    """

    packed: bool
    documents: int = 0
    tokens: int = 0
    mean_difference: float = 0.0
    largest_difference: float = 0.0
    attention: str = ""
    model_type: str = ""
    sixteen_bits: bool = False


@dataclass(frozen=True, slots=True)
class BatchIndependence:
    """The losses of one row, in its batch and alone.

    Attributes:
        tokens: Tokens in the loss of the row.
        padded_tokens: Padding behind it in the batch.
        mean_difference: Between a token's two losses, on average.
        largest_difference: The largest.
        sixteen_bits: Whether weights or products have 16 bits.
    """

    tokens: int
    padded_tokens: int
    mean_difference: float
    largest_difference: float
    sixteen_bits: bool


@dataclass(frozen=True, slots=True)
class Accumulation:
    """The gradient of two micro-batches, as the loop takes it and as the loss is defined.

    Attributes:
        tokens: Tokens in the loss of the smaller and of the larger micro-batch.
        difference: Norm of the difference of the two gradients, over the norm of the defined one.
        norm: Of the defined gradient; None: no weight gets one.
        sixteen_bits: Whether weights or products have 16 bits.
    """

    tokens: tuple[int, int]
    difference: float
    norm: float | None
    sixteen_bits: bool


@dataclass(frozen=True, slots=True)
class SaveReload:
    """The model as it trains, and the same saved and loaded with plain transformers.

    Attributes:
        largest_difference: Between the log-probabilities of the next token, in nats.
        same_template: Whether the saved chat template is the one of training.
        missing_stop_tokens: Ids of tokens that end an answer and that the saved model does not stop at.
        sixteen_bits: Whether the weights have 16 bits.
        merged: Whether an adapter was merged into them.
    """

    largest_difference: float
    same_template: bool
    missing_stop_tokens: tuple[int, ...]
    sixteen_bits: bool
    merged: bool


@dataclass(frozen=True, slots=True)
class AddedTokens:
    """Tokens of the data that the model's own tokenizer does not have.

    Attributes:
        added: How many the tokenizer has.
        seen: Those of them in the first batches, as the vocabulary writes them.
        frozen: "embedding" and "output head", where not all of their rows get a gradient.
    """

    added: int
    seen: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
