"""Trains one short run in a plain loop: AdamW, clipping at 1, and the fault of its case."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.curves.short_runs.cases import BACKWARDS, MIDDLE, Case, cases
from bench.curves.short_runs.row_losses import MASKED, Tokens, losses, padded
from bench.figures import ROOT, shared
from bench.outcome.rows import Pair, short_pairs, unused_pairs

LONGEST = 32
"""Tokens of a row, at most."""
CLIP = 1.0
HELD_OUT = 12
"""Validation rows of another program's run."""
OWN_HELD_OUT = 32
"""Rows that are held out of the training rows of this project's runs beside, or a quarter where they are few."""
CHAT = ("alpaca", "gsm8k", "demo")
"""Data sets whose other rows the models are adapted to before any run: a base model that has seen no conversation
begins above what guessing costs, which is a finding of its own."""
ADAPTING, ADAPTING_BATCH = 150, 8
"""Steps of that, and rows of a step."""
GROWING = 1_500
"""Steps of it where the model begins with random weights."""

Probe = Callable[[int, Any], None]
"""Gets the steps made and the model."""


@dataclass
class Trainer:
    """Makes runs in this process; models and rows are read once.

    Attributes:
        folder: Where the adapted models are kept.
    """

    folder: Path
    _rows: dict[tuple[str, str], tuple[list[Tokens], list[Tokens]]] = field(default_factory=dict)
    _models: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def run(self, case: Case) -> dict[str, Any]:
        """Make the run; returns its settings and curve as plain values, each step with its loss and norm."""
        run = self.prepared(case)
        run.all_steps()
        return (
            case.to_json()
            | {
                "losses": run.losses,
                "norms": run.norms,
                "rows": len(run.rows),
                "vocabulary": run.model.config.vocab_size,
                "evaluated": run.evaluated,
            }
            | ({"sums": run.sums, "tokens": run.tokens} if case.is_own else {})
        )

    def prepared(self, case: Case, order: str = "", probe: Probe | None = None) -> SmallRun:
        """The run before its first step.

        Args:
            case: Its settings.
            order: What the order of its rows and random labels are drawn by; "": the name of the case.
            probe: Called before the first step and after each.
        """
        import torch

        torch.manual_seed(case.number)
        model = copy.deepcopy(self._base(case.model)[0]).train()
        rows, held_out = self._material(case)
        return SmallRun(case, model, rows, held_out, random.Random(order or case.name), probe)

    def unseen(self, case: Case, most: int) -> list[Tokens]:
        """Up to ``most`` rows of the data that the run of ``case`` is not trained on."""
        train, held_out = self._material(case)
        rows, first = self._rows[case.model, case.data]
        return [*(held_out if case.is_own else first), *rows[len(train) : len(rows) - _beside(case, rows)]][:most]

    def _base(self, kind: str) -> tuple[Any, Any]:
        if kind not in self._models:
            from transformers import AutoModelForCausalLM, AutoTokenizer

            origin = ROOT / "sanetune/demo/model" if kind == "demo" else shared() / "models/stories260k"
            tokenizer = AutoTokenizer.from_pretrained(origin)
            if not (adapted := self.folder / f"{kind}-chat").exists():
                new = NEW.get(kind)
                model = new(len(tokenizer)) if new else AutoModelForCausalLM.from_pretrained(origin, dtype="float32")
                _adapted(kind, model, tokenizer, GROWING if new else ADAPTING).save_pretrained(adapted)
            self._models[kind] = AutoModelForCausalLM.from_pretrained(adapted, dtype="float32"), tokenizer
        return self._models[kind]

    def _material(self, case: Case) -> tuple[list[Tokens], list[Tokens]]:
        key = case.model, case.data
        if key not in self._rows:
            tokenizer = self._base(case.model)[1]
            train, held_out = _pairs(case.data)
            self._rows[key] = [_row(tokenizer, one) for one in train], [_row(tokenizer, one) for one in held_out]
        rows, held_out = self._rows[key]
        count = case.strength if case.fault.startswith("few rows") else case.steps * case.batch / case.epochs
        beside = _beside(case, rows)
        rows, reserved = rows[: len(rows) - beside][: max(4, round(count))], rows[len(rows) - beside :]
        if case.fault == "random labels":
            rows = [_garbled(one, random.Random(i), self._base(case.model)[0]) for i, one in enumerate(rows)]
        return rows, [*held_out, *reserved] if case.is_own else held_out[:HELD_OUT]


def _beside(case: Case, rows: Sequence[Tokens]) -> int:
    """How many of the training rows a run evaluates instead."""
    return min(OWN_HELD_OUT, len(rows) // 4) if case.is_own else 0


def _pairs(data: str) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs of a data set."""
    train, held_out = short_pairs(data.removeprefix(BACKWARDS))
    if data.startswith(BACKWARDS):
        return [Pair(one.answer, one.prompt) for one in train], [Pair(one.answer, one.prompt) for one in held_out]
    return train, held_out


def _qwen(vocabulary: int) -> Any:
    """A small Qwen3 with random weights."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3, "head_dim": 24}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return Qwen3ForCausalLM(Qwen3Config(vocab_size=vocabulary, tie_word_embeddings=True, **shape, **heads))


def _gpt2(vocabulary: int) -> Any:
    """A small GPT-2 with random weights; without dropout, so that measuring a run does not change it."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    shape = {"n_embd": 96, "n_layer": 3, "n_head": 4, "n_positions": 64}
    none = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "bos_token_id": None, "eos_token_id": None}
    return GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, **shape, **none))


def _olmo(vocabulary: int) -> Any:
    """A small OLMo 2, whose norms come after attention and feed-forward part, with random weights."""
    import torch
    from transformers import Olmo2Config, Olmo2ForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
    none = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))
    return Olmo2ForCausalLM(Olmo2Config(vocab_size=vocabulary, tie_word_embeddings=True, **shape, **none))


NEW = {"qwen": _qwen, "gpt2": _gpt2, "olmo": _olmo}
"""Models of architectures that the other parts do not have; they know what they were adapted to alone."""


def _adapted(kind: str, model: Any, tokenizer: Any, steps: int) -> Any:
    """The model after a run of ``steps`` steps on conversations whose rows no other run has."""
    case = replace(next(one for one in cases() if one.model == kind and not one.fault), lr=MIDDLE[kind])
    case = replace(case, steps=steps, batch=ADAPTING_BATCH, evaluations=0, scheduler="cosine", warmup=0.03)
    rows = [_row(tokenizer, pair) for data in CHAT for pair in unused_pairs(data)]
    SmallRun(replace(case, curriculum=False), model.train(), rows, [], random.Random(kind)).all_steps()
    return model


def _row(tokenizer: Any, pair: Pair) -> Tokens:
    """The answer is in the loss; of a long prompt its end is kept."""
    prompt = tokenizer(pair.prompt + "\n", add_special_tokens=False)["input_ids"][-LONGEST // 2 :]
    answer = [*tokenizer(pair.answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    answer = answer[: LONGEST - len(prompt)]
    return prompt + answer, [MASKED] * len(prompt) + answer


def _garbled(row: Tokens, chance: random.Random, model: Any) -> Tokens:
    """The row with random labels."""
    labels = [one if one == MASKED else chance.randrange(model.config.vocab_size) for one in row[1]]
    return row[0], labels


@dataclass
class SmallRun:
    """One run, and what it has logged so far."""

    case: Case
    model: Any
    rows: list[Tokens]
    held_out: list[Tokens]
    chance: random.Random
    probe: Probe | None = None
    losses: list[float | None] = field(default_factory=list)
    norms: list[float | None] = field(default_factory=list)
    evaluated: list[list[float | None]] = field(default_factory=list)
    sums: list[list[float | None]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    _order: list[int] = field(default_factory=list)

    def all_steps(self) -> None:
        """Train to the end."""
        import torch

        case = self.case
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=case.lr, weight_decay=0.0)
        every = math.ceil(case.steps / case.evaluations) if case.evaluations else 0
        if every and case.first:
            self._evaluate(0)
        if self.probe:
            self.probe(0, self.model)
        for step in range(1, case.steps + 1):
            if not self._step(step, optimizer):
                break
            if self.probe:
                self.probe(step, self.model)
            if every and (step % every == 0 or step == case.steps):
                self._evaluate(step)

    def _step(self, step: int, optimizer: Any) -> bool:
        """One step; False: a step that has no more numbers for ten steps ends the run."""
        import torch

        case, bad = self.case, 0 < self.case.onset <= step
        if bad and case.fault == "NaN" and step == case.onset:
            with torch.no_grad():
                next(self.model.parameters())[0].fill_(math.inf)
        batch = self._batch()
        if bad and case.fault == "bad batches" and step < case.onset + case.strength:
            batch = [_garbled(one, self.chance, self.model) for one in batch]
        for group in optimizer.param_groups:
            group["lr"] = lr_at(case, step)
        loss = self._loss(batch)
        optimizer.zero_grad()
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP))
        if not (case.fault == "frozen" or (bad and case.fault == "frozen later")):
            optimizer.step()
        self.losses.append(_digits(float(loss.detach()) * (case.strength if case.fault == "summed" else 1)))
        self.norms.append(_digits(norm))
        return not (len(self.losses) > 10 and all(one is None for one in self.losses[-10:]))

    def _batch(self) -> list[Tokens]:
        taken = []
        while len(taken) < self.case.batch:
            if not self._order:
                self._order = list(range(len(self.rows)))
                self.chance.shuffle(self._order)
                if self.case.curriculum and not self.losses:
                    self._order.sort(key=lambda i: -len(self.rows[i][0]))
            taken.append(self.rows[self._order.pop()])
        return taken

    def _loss(self, batch: list[Tokens]) -> Any:
        import torch

        ids, labels = padded(batch)
        logits = self.model(input_ids=ids).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=MASKED)

    def _evaluate(self, step: int) -> None:
        import torch

        self.model.eval()
        with torch.no_grad():
            self.evaluated.append([step, _digits(float(self._loss(self.held_out)))])
        if self.case.is_own:
            each = losses(self.model, self.held_out)
            self.sums.append([_digits(one) for one in each.sums.tolist()])
            self.tokens = [int(one) for one in each.tokens.tolist()]
        self.model.train()


def lr_at(case: Case, step: int) -> float:
    """Learning rate of a step, from 1."""
    if case.fault == "learning rate zero from some step on" and step >= case.onset:
        return 0.0
    warm = case.warmup * case.steps
    if step <= warm:
        return case.lr * step / warm
    return case.lr * _shape(case)((step - 1 - warm) / max(1, case.steps - warm))


def _shape(case: Case) -> Any:
    """The schedule after warm-up: share of the steps done -> share of the peak."""
    return {
        "linear": lambda done: 1 - done,
        "cosine": _cosine,
        "constant": lambda done: 1.0,
        "wsd": lambda done: min(1.0, (1 - done) / 0.2),
        "restarts": partial(_cosine_cycles, cycles=int(case.strength)),
    }[case.scheduler]


def _cosine(done: float) -> float:
    return (1 + math.cos(math.pi * done)) / 2


def _cosine_cycles(done: float, cycles: int) -> float:
    return _cosine(done * cycles % 1.0)


def _digits(value: float) -> float | None:
    """The value with five significant digits; None where it is not finite."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
