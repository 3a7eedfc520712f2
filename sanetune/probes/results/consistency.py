"""Results of probes that compute the same number in two ways: packed or alone, in parts or at once, saved or not.

Losses are in nats. If the model is sound, the two ways differ by rounding alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartLoss:
    """The loss before any step.

    Attributes:
        loss: Mean over the tokens in the loss of the first batches.
        tokens: Number of these tokens.
        vocab_size: Tokens that the model can write; guessing among them costs ln(vocab_size).
    """

    loss: float
    tokens: int
    vocab_size: int


@dataclass(frozen=True, slots=True)
class PackingIsolation:
    """Losses of packed documents in their pack and alone, except for the first document of each pack.

    Attributes:
        packed: Whether the batches have packs.
        documents: Documents that were compared.
        tokens: Their tokens in the loss.
        mean_difference: Mean absolute difference between the two losses of a token.
        largest_difference: Largest absolute difference.
        attention: The model's attention implementation.
        model_type: As the model's configuration names it.
        sixteen_bits: Whether weights or matrix products have 16 bits.
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
    """Losses of one row in its batch and alone.

    Attributes:
        tokens: Tokens in the loss of the row.
        padded_tokens: Its padding in the batch.
        mean_difference: Mean absolute difference between the two losses of a token.
        largest_difference: Largest absolute difference.
        sixteen_bits: Whether weights or matrix products have 16 bits.
    """

    tokens: int
    padded_tokens: int
    mean_difference: float
    largest_difference: float
    sixteen_bits: bool


@dataclass(frozen=True, slots=True)
class Accumulation:
    """The gradient of two micro-batches, from the training loop and from the definition of the loss.

    Attributes:
        tokens: Tokens in the loss of the smaller and of the larger micro-batch.
        difference: Norm of the difference of the two gradients, divided by ``norm``.
        norm: Norm of the gradient from the definition; None: no weight gets a gradient.
        sixteen_bits: Whether weights or matrix products have 16 bits.
    """

    tokens: tuple[int, int]
    difference: float
    norm: float | None
    sixteen_bits: bool


@dataclass(frozen=True, slots=True)
class SaveReload:
    """The trained model, compared with the same model saved and loaded by transformers.

    Attributes:
        largest_difference: Largest absolute difference between log-probabilities of the next token, in nats.
        same_template: Whether the saved chat template is the one of training.
        missing_stop_tokens: Ids of tokens that end an answer but are no stop tokens of the saved model.
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
        added: Number of added tokens in the tokenizer.
        seen: Added tokens in the first batches, as in the vocabulary.
        frozen: "embedding", "output head" or both, if some of their rows get no gradient.
    """

    added: int
    seen: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
