"""What a model could do before it was trained: recorded once, and compared with the same model later.

Of the base, its greedy answers are kept and, at each counted token, its likeliest tokens with their probabilities:
a few megabytes, so that the base need not stay in memory. The forward KL divergence on the new task is what forgetting
was found to follow (arXiv 2509.04259).

Shapes: N counted tokens of a document, V vocabulary, K likeliest tokens.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.answer import Answer
from sanetune.engine.generate import Decoding, encode, stop_ids, write
from sanetune.engine.loss import kept_logits
from sanetune.probes.general.material import GENERAL, GeneralMaterial, material_of
from sanetune.probes.results.forgetting import Drift, Forgetting, GeneralAnswer, GeneralLoss
from sanetune.rng import kept_modes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.data.prepared import Prepared
    from sanetune.probes.harness import ProbeHarness

NEW_TOKENS = 64
"""Tokens of an answer, at most: the prompts ask for a word or a sentence."""
LIKELIEST = 64
"""Tokens of the base's distribution that are kept at each place."""
BATCH = 16
"""Prompts answered at once."""
TASK_ROWS, TASK_TOKENS = 16, 64
"""Validation rows that are measured, and counted tokens of each."""
LONGEST = 1024
"""Tokens of a document, at most."""
POSITIONS = 128
"""Counted tokens whose probabilities (N, V) are in memory at once."""
KNOWN_BITS = 2.0
"""Bits per byte at which a text counts as known. SmolLM2-135M-Instruct needs 0.4 to 1.2 for the English texts of the
package, a model of children's stories with 260,000 weights 2.5, the demo's 6; PPM, which knows nothing but the text
before, needs about 2.2 for a whole English book (book1 of the Calgary corpus)."""
FEWEST_KNOWN = 5
"""Texts that a model has to know before it is asked general prompts."""


@dataclass(frozen=True, slots=True)
class _Document:
    """Token ids, and labels that are masked where nothing is counted."""

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The base on one document: its loss (nats, summed), and its likeliest tokens (N, K) with log probabilities."""

    document: _Document
    loss: float
    tokens: Tensor
    logs: Tensor


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """A model before its training, on general prompts and texts and on rows of its task.

    Attributes:
        material: The prompts and texts.
        prompts: Token ids of each prompt; none: no chat template could render them.
        answers: Greedy answers to them.
        answered: The base on its own answers; None where one is empty.
        texts: The base on the texts; None where it does not know one.
        task: The base on validation rows.
        bits_per_byte: What the base needs for all texts; None without any.
    """

    material: GeneralMaterial
    prompts: list[list[int]]
    answers: list[Answer]
    answered: list[_Recorded | None]
    texts: list[_Recorded | None]
    task: list[_Recorded]
    bits_per_byte: float | None

    @property
    def reason(self) -> str:
        """Why nothing can be compared, in words; "" where something can."""
        if self.prompts or any(one is not None for one in self.texts):
            return ""
        return (
            f"the base needs {self.bits_per_byte:.1f} bits per byte of general text, so there is little it could forget"
            if self.bits_per_byte is not None
            else "no prompt or text could be measured"
        )

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        prepared: Prepared,
        material: GeneralMaterial,
        mixed: torch.dtype | None = None,
    ) -> BaseRecord:
        """Ask ``model`` the prompts and measure it; nothing of it changes.

        Args:
            model: The base.
            prepared: The rows, with the tokenizer and its stop tokens.
            material: The prompts and texts.
            mixed: Format of matrix products, where it is another than the weights'.
        """
        tokenizer = prepared.tokenizer
        with _measuring(model, mixed):
            texts, bits = _known_texts(model, tokenizer, material)
            general = material.source == GENERAL
            asked = not general or sum(one is not None for one in texts) >= FEWEST_KNOWN
            if not asked:
                return cls(material, [], [], [], [None] * len(texts), [], bits)
            prompts = _prompt_ids(tokenizer, material)
            written = _written(model, prepared, prompts)
            answered = [
                _recorded(model, _after(prompt, ids)) if ids else None
                for prompt, ids in zip(prompts, written, strict=True)
            ]
            answers = [_answer(tokenizer, prepared.stop_token_ids, ids) for ids in written]
            task = [_recorded(model, row) for row in _task_documents(prepared)]
            return cls(material, prompts, answers, answered, texts, task, bits)

    def against(
        self, model: PreTrainedModel, prepared: Prepared, steps: int, mixed: torch.dtype | None = None
    ) -> Forgetting:
        """Ask ``model`` the same after ``steps`` optimizer steps, and compare it with the base."""
        tokenizer = prepared.tokenizer
        with _measuring(model, mixed):
            written = _written(model, prepared, self.prompts)
            tuned = [_answer(tokenizer, prepared.stop_token_ids, ids) for ids in written]
            drifts = [None if one is None else _drift(model, one) for one in self.answered]
            texts = [None if one is None else _drift(model, one) for one in self.texts]
            task = [_drift(model, one) for one in self.task]
        prompts = self.material.prompts if self.prompts else ()
        return Forgetting(
            tuple(
                GeneralAnswer(prompt.topic, prompt.text, prompt.output_format, prompt.expects, before, after, drift)
                for prompt, before, after, drift in zip(prompts, self.answers, tuned, drifts, strict=True)
            ),
            tuple(
                GeneralLoss(text.topic, text.text[:60], drift)
                for text, drift in zip(self.material.texts, texts, strict=True)
                if drift is not None
            ),
            tuple(task),
            steps,
            self.material.source,
            NEW_TOKENS,
            self.bits_per_byte,
        )


def before_trial(harness: ProbeHarness, keep: str) -> Callable[[int], Forgetting | str]:
    """Record the model of ``harness``, and return what measures it later, after a number of steps.

    Args:
        harness: The model.
        keep: ``check.keep``.

    Returns:
        Called with optimizer steps: what was forgotten, or in words why that cannot be said.
    """
    material = material_of(keep)
    if material is None:
        return lambda steps: "check.keep is off"
    if not callable(harness.prepared.tokenizer):
        return lambda steps: "there is no tokenizer for general prompts"
    mixed = mixed_dtype(harness.settings.mixed_precision)
    record = BaseRecord.of(harness.model, harness.prepared, material, mixed)
    if reason := record.reason:
        return lambda steps: reason
    return lambda steps: record.against(harness.model, harness.prepared, steps, mixed)


def mixed_dtype(mixed: str | None) -> torch.dtype | None:
    """Return the format of matrix products that ``mixed`` (``bf16``, ``fp16``) names; None for None."""
    return None if mixed is None else torch.bfloat16 if mixed == "bf16" else torch.float16


@contextlib.contextmanager
def _measuring(model: PreTrainedModel, mixed: torch.dtype | None) -> Iterator[None]:
    """Without gradients and dropout, in the run's precision; modes are put back."""
    device = next(model.parameters()).device.type
    with torch.no_grad(), kept_modes(model), torch.autocast(device, dtype=mixed, enabled=mixed is not None):
        model.eval()
        yield


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, material: GeneralMaterial) -> list[list[int]]:
    """The prompts as ids; none where there is no chat template, or it refuses one of them."""
    from jinja2 import TemplateError as JinjaError

    if not getattr(tokenizer, "chat_template", None):
        return []
    try:
        # Models that think at length before they answer are asked to answer at once, where their template knows how.
        return [
            encode(tokenizer, list(prompt.messages), kwargs={"enable_thinking": False}) for prompt in material.prompts
        ]
    except JinjaError:
        return []


def _written(model: PreTrainedModel, prepared: Prepared, prompts: Sequence[list[int]]) -> list[list[int]]:
    """The ids of greedy answers, in the order of ``prompts``, each with the stop token that ended it."""
    tokenizer = prepared.tokenizer
    stops = stop_ids(tokenizer, prepared.stop_token_ids)
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    found: dict[int, list[int]] = {}
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        ids = write(model, tokenizer, [prompts[at] for at in some], Decoding(max_new_tokens=NEW_TOKENS), stops)
        found |= dict(zip(some, ids, strict=True))
    return [found[at] for at in range(len(prompts))]


def _answer(tokenizer: PreTrainedTokenizerBase, more_stops: Sequence[int], ids: list[int]) -> Answer:
    ended = bool(ids) and ids[-1] in stop_ids(tokenizer, more_stops)
    body = ids[:-1] if ended else ids
    text, raw = (tokenizer.decode(body, skip_special_tokens=skip) for skip in (True, False))
    return Answer(text, ended, len(ids), raw=raw)


def _after(prompt: list[int], answer: list[int]) -> _Document:
    return _Document([*prompt, *answer], [IGNORE_INDEX] * len(prompt) + answer)


def _known_texts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, material: GeneralMaterial
) -> tuple[list[_Recorded | None], float | None]:
    """The base on the texts, None where it does not know one of the package's, and its bits per byte over all."""
    found: list[_Recorded | None] = []
    total = size = 0.0
    for text in material.texts:
        ids = list(tokenizer(text.text)["input_ids"])[:LONGEST]
        one = _recorded(model, _Document(ids, ids))
        # Without the first token, which nothing predicts; unknown tokens have no bytes, and do not make it easier.
        written = len(tokenizer.decode(ids[1:], skip_special_tokens=True).encode())
        bits = one.loss / math.log(2)
        known = material.source != GENERAL or bits <= KNOWN_BITS * written
        found.append(one if known and len(one.logs) else None)
        total, size = total + bits, size + written
    return found, total / size if size else None


def _task_documents(prepared: Prepared) -> list[_Document]:
    """Validation rows, evenly spread, with the first tokens of their loss."""
    origin = prepared.origins.get("validation")
    if origin is None:
        return []
    total = len(origin.rows)
    count = min(TASK_ROWS, total)
    found = []
    for number in range(count):
        row = origin.example(number * total // count)
        ids, labels = row["input_ids"][:LONGEST], row["labels"][:LONGEST]
        counted = [at for at, label in enumerate(labels) if label != IGNORE_INDEX and at][:TASK_TOKENS]
        if counted:
            end = counted[-1] + 1
            found.append(_Document(ids[:end], labels[:end]))
    return found


def _recorded(model: PreTrainedModel, document: _Document) -> _Recorded:
    loss = 0.0
    tokens, logs = [], []
    for log_probs, labels in _distributions(model, document):
        loss += _cross_entropy(log_probs, labels)
        likeliest = log_probs.topk(min(LIKELIEST, log_probs.shape[1]), dim=-1)
        tokens.append(likeliest.indices.to("cpu", torch.int32))
        logs.append(likeliest.values.cpu())
    empty = torch.zeros(0, 1)
    return _Recorded(document, loss, torch.cat(tokens) if tokens else empty.int(), torch.cat(logs) if logs else empty)


def _drift(model: PreTrainedModel, base: _Recorded) -> Drift:
    kl = loss = 0.0
    done = 0
    for log_probs, labels in _distributions(model, base.document):
        part = slice(done, done + len(labels))
        done += len(labels)
        tokens = base.tokens[part].to(log_probs.device, torch.long)
        tuned = log_probs.gather(-1, tokens).double()
        kl += float(_kl(base.logs[part].to(log_probs.device).double(), tuned).sum())
        loss += _cross_entropy(log_probs, labels)
    return Drift(done, kl, base.loss, loss)


def _kl(base: Tensor, tuned: Tensor) -> Tensor:
    """KL(base ‖ tuned) in nats (N), over K tokens, given as log probabilities, and all others as one outcome."""
    base_rest, tuned_rest = ((1 - logs.exp().sum(-1)).clamp(min=1e-7) for logs in (base, tuned))
    # A token that cannot come in the base adds nothing, whatever the tuned model says of it.
    among = torch.where(base.isneginf(), 0.0, base.exp() * (base - tuned)).sum(-1)
    return among + base_rest * (base_rest.log() - tuned_rest.log())


def _cross_entropy(log_probs: Tensor, labels: Tensor) -> float:
    return float(-log_probs.gather(-1, labels[:, None]).double().sum())


def _distributions(model: PreTrainedModel, document: _Document) -> Iterator[tuple[Tensor, Tensor]]:
    """Log probabilities (N, V) in 32 bits and labels (N) of the counted tokens, a part of them at a time."""
    if len(document.ids) < 2:
        return
    device = next(model.parameters()).device
    batch = {
        "input_ids": torch.tensor([document.ids], device=device),
        "labels": torch.tensor([document.labels], device=device),
    }
    logits, labels, _ = kept_logits(model, batch)
    counted = (labels[0, 1:] != IGNORE_INDEX).nonzero()[:, 0]
    for places in counted.split(POSITIONS):
        target = labels[0, places + 1].to(logits.device)
        yield functional.log_softmax(logits[0, places.to(logits.device)].float(), dim=-1), target
