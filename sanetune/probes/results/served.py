"""What was asked of the trained model and of a server that runs it, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any

from sanetune.data.conversation import Message
from sanetune.engine.answer import Answer
from sanetune.errors import Place
from sanetune.serving.server import ChatReply, Prompt

LEAST = 0.01
"""Tokens of a lower probability do not count: their log-probabilities move most and matter least."""


@dataclass(frozen=True, slots=True)
class TrainedAnswer:
    """What the trained model answers to one prompt, greedily.

    Attributes:
        prompt: What it was asked.
        prompt_ids: The token ids that it was asked with.
        answer_ids: What it wrote, without the token that ended it.
        ended: Whether it ended by itself.
        answer: The same as text.
        log_probs: At each of the first tokens: id -> log-probability in nats, of the likeliest ones.
        end_after: Token ids after which it ends an answer: prompt and answer, up to the stop token.
        place: The row that the prompt is from.
        trained_on: Whether the prompt's ids are those of a row of the run.
        row: What the row itself answers, as a message; None: there is none.
    """

    prompt: Prompt
    prompt_ids: list[int]
    answer_ids: list[int]
    ended: bool
    answer: Answer
    log_probs: list[dict[int, float]]
    end_after: list[int] | None = None
    place: Place | None = None
    trained_on: bool = False
    row: Message | None = None


@dataclass(frozen=True, slots=True)
class PromptPair:
    """The ids that one prompt becomes, and those that the server builds of it.

    Attributes:
        trained: By the run: what was trained on.
        served: By the server; None: it does not tell.
        counted: Tokens of the prompt that the server counted when it was asked; None: it does not say.
        text: The last message, for a witness.
        place: The row.
        same_text: Whether both lists of ids are the same text, which is then only split into other tokens.
    """

    trained: list[int]
    served: list[int] | None
    counted: int | None
    text: str
    place: Place | None = None
    same_text: bool = False


@dataclass(frozen=True, slots=True)
class ServedPrompts:
    """All prompts, as ids.

    Attributes:
        pairs: One for each prompt.
        bos: The id of the token that begins a text; None: the tokenizer has none.
        untold: Why the server does not tell the ids; "": it does.
        texts: Token id -> its text, of those that differ.
    """

    pairs: list[PromptPair]
    bos: int | None
    untold: str = ""
    texts: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndTrial:
    """What a server does where the trained model ends its answer.

    Attributes:
        ended: Whether it ended the answer, too.
        likeliest: Whether the likeliest token was one that ends the trained model's answers; None: it did not say.
        text: What it wrote instead.
        stop: The token that ends the answer, as text.
        prompt: The last message.
        place: The row.
    """

    ended: bool
    likeliest: bool | None
    text: str
    stop: str
    prompt: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """One position of an answer: what the trained model and the server give to the token there.

    Attributes:
        prompt: The number of the prompt.
        position: The number of the token in the answer, from 0.
        trained: Id -> log-probability in nats, of the trained model's likeliest tokens.
        served: The same of the server's.
        rounded: The same of the trained model, when it computes as if it were stored as what the server runs.
    """

    prompt: int
    position: int
    trained: Mapping[int, float]
    served: Mapping[int, float]
    rounded: Mapping[int, float]

    @property
    def likeliest(self) -> tuple[int, int]:
        """The likeliest token of the trained model, and of the server."""
        return _likeliest(self.trained), _likeliest(self.served)

    @property
    def same(self) -> bool:
        """Whether both take the same token."""
        first, second = self.likeliest
        return first == second

    @property
    def margin(self) -> float:
        """Nats between the trained model's likeliest token and the server's choice; 0 where they agree."""
        first, second = self.likeliest
        floor = min(self.trained.values())
        return self.trained[first] - self.trained.get(second, floor)


def _likeliest(log_probs: Mapping[int, float]) -> int:
    return max(log_probs, key=lambda token: log_probs[token])


def deviation(of: Mapping[int, float], other: Mapping[int, float]) -> float:
    """Return how far the log-probabilities of ``other`` are from ``of``: the mean in nats, weighted by probability.

    Tokens below 1 % do not count. One that ``other`` does not list counts with the lowest that it lists, so that this
    is at most the true distance.

    >>> round(deviation({1: -0.1, 2: -3.0}, {1: -0.2, 2: -3.0}), 3)
    0.095
    """
    floor = min(other.values(), default=0.0)
    counted = {token: value for token, value in of.items() if exp(value) >= LEAST}
    weight = sum(exp(value) for value in counted.values())
    if not weight:
        return 0.0
    return sum(exp(value) * abs(value - other.get(token, floor)) for token, value in counted.items()) / weight


@dataclass(frozen=True, slots=True)
class FloatCopy:
    """What the same server says of a copy of the file with the same values, stored as 32-bit numbers.

    Attributes:
        served: At each position of :class:`ServedTokens`, in its order: id -> log-probability in nats.
    """

    served: list[Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class ServedTokens:
    """The first tokens of all answers, side by side.

    Attributes:
        pairs: One for each position.
        storage: What the weights are stored as; the trained model computed so for ``rounded``.
        assumed: Whether the server does not say so, and it was assumed.
        texts: Token id -> its text, of the likeliest ones.
        prompts: The last message of each prompt.
        copy: The experiment that tells the server's arithmetic from the weights; None: it was not made.
        no_copy: Why it was not made, where it was to be.
    """

    pairs: Sequence[TokenPair]
    storage: str
    assumed: bool
    texts: Mapping[int, str]
    prompts: Sequence[str]
    copy: FloatCopy | None = None
    no_copy: str = ""

    def mean(self, which: str) -> float:
        """Return the mean deviation in nats of ``served``, ``rounded`` or ``copy`` from the trained model."""
        others: list[Mapping[int, float]] = (
            list(self.copy.served) if which == "copy" and self.copy else [getattr(one, which) for one in self.pairs]
        )
        found = [deviation(one.trained, other) for one, other in zip(self.pairs, others, strict=True)]
        return sum(found) / len(found) if found else 0.0


@dataclass(frozen=True, slots=True)
class ChatPair:
    """One prompt as a client asks it: what the trained model wrote, and what the server's chat returned."""

    trained: TrainedAnswer
    served: ChatReply


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """How far a tensor of a file is from the trained one.

    Attributes:
        name: Its name in the trained model.
        stored: Its type in the file.
        error: The root mean square of the difference, in parts of the tensor's own.
        explained: What rounding to that type makes of it, likewise.
    """

    name: str
    stored: str
    error: float
    explained: float


@dataclass(frozen=True, slots=True)
class WeightComparison:
    """The weights of a file beside the trained ones.

    Attributes:
        tensors: Those that were compared.
        missing: Trained ones that the file does not have.
        uncompared: Those whose type is not understood, with the reason.
        reshaped: Those of another shape, with both shapes.
        more: Tensors of the file that the trained model does not have.
    """

    tensors: list[TensorDifference]
    missing: list[str]
    uncompared: Mapping[str, str]
    reshaped: Mapping[str, str] = field(default_factory=dict)
    more: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RenderedPair:
    """One prompt as two templates render it; ``error`` where the second does not."""

    trained: str
    served: str
    error: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ServedTemplate:
    """The template of a file or of a server, beside the run's.

    Attributes:
        source: Where it is from: ``the file`` or ``the server``.
        same: Whether the two texts are equal.
        missing: Whether there is none.
        pairs: The prompts, rendered by both.
    """

    source: str
    same: bool
    missing: bool
    pairs: list[RenderedPair]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a GGUF file says of its tokenizer, and what the run's says.

    Attributes:
        name: The file's name.
        values: The metadata that is about tokens, by key, without the vocabulary.
        tokens: Tokens of the file's vocabulary.
        trained_tokens: Tokens of the run's.
        different: The ids whose texts differ, with both texts; at most a few.
        differing: How many they are.
        stops: Ids that end an answer as trained.
        listed: Ids that the file lists as ends.
        texts: Token id -> its text, of those in ``stops`` and ``listed``.
    """

    name: str
    values: Mapping[str, Any]
    tokens: int
    trained_tokens: int
    different: Sequence[tuple[int, str, str]]
    differing: int
    stops: Sequence[int]
    listed: Sequence[int]
    texts: Mapping[int, str]
