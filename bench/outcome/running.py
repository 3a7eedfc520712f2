"""Makes one run of `bench.outcome` with the project's engine: every step of it, and twenty evaluations."""

from __future__ import annotations

import copy
import math
import resource
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import ROOT, quiet, shared
from bench.outcome.cases import LONG_DATA, TRIAL, Case
from bench.outcome.rows import DATA, Pair, damaged, long_pairs, short_pairs, unused_pairs, write

EVALUATIONS, LONGEST = 12, 96
"""Evaluations of a run; tokens of a row of a brief one, at most."""
LONG_LONGEST, TRIAL_EVAL = 128, 50
"""Tokens of a row of a long run, at most; steps between the evaluations of its trial, as `check.trial_eval_steps`."""
CHAT = ("alpaca", "gsm8k", "demo")
"""Data sets that the models `-chat` have been trained on, by rows that no set-up has."""


@dataclass
class Runner:
    """Makes runs in this process; models and rows are read once.

    Attributes:
        folder: Where rows and the adapted model are written.
    """

    folder: Path
    _pairs: dict[tuple[str, bool], tuple[list[Pair], list[Pair]]] = field(default_factory=dict)
    _prepared: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _models: dict[str, Any] = field(default_factory=dict)

    def pairs(self, data: str, long: bool = False) -> tuple[list[Pair], list[Pair]]:
        """Training and validation pairs of a data set."""
        if (data, long) not in self._pairs:
            self._pairs[data, long] = (long_pairs if long else short_pairs)(data)
        return self._pairs[data, long]

    def run(self, case: Case) -> dict[str, Any]:
        """Make the run; returns its settings and curve as plain values."""
        began = _cpu_seconds()
        with quiet():
            curve = self._curve(case)
        return case.to_json() | curve | {"cpu_seconds": round(_cpu_seconds() - began, 2)}

    def _curve(self, case: Case, save: Path | None = None) -> dict[str, Any]:
        from sanetune.engine.base import ShortRun
        from sanetune.engine.registry import engine_of
        from sanetune.planning.plan import plan
        from sanetune.probes.harness import ProbeHarness
        from sanetune.probes.heldout import held_out_rows
        from sanetune.runs import Run

        prepared = self._rows(case)
        config = plan(self._config(case, *self._files(case)), prepared).config
        with tempfile.TemporaryDirectory() as folder:
            session = engine_of(config).build(config, prepared, Run(Path(folder)), model=self._model(case))
            harness = ProbeHarness(session, config, prepared, [])
            rows = list(range(min(case.rows, len(prepared.train))))
            whole = ShortRun(case.steps, case.steps, int(case.steps * case.warmup), rows)
            watch = _Watch(harness, held_out_rows(harness), _evaluated(case))
            session.train_briefly(whole, watch)
            if save is not None:
                session.detached_copy().save_pretrained(save)
                prepared.tokenizer.save_pretrained(save)
        return watch.plain() | {"rows": len(rows), "vocabulary": harness.vocab_size}

    def _rows(self, case: Case) -> Any:
        from sanetune.data.prepare import prepare

        key = (case.model.split("-")[0], case.data, case.fault, str(case.long))
        if key not in self._prepared:
            prepared = prepare(self._config(case, *self._files(case)))
            if case.fault in _LABELS:
                prepared.__dict__["train"] = prepared.train.map(_LABELS[case.fault])
            self._prepared[key] = prepared
        return self._prepared[key]

    def _files(self, case: Case) -> tuple[Path, Path]:
        fault = case.fault.replace(" ", "-") or "sound"
        data = f"{case.data}-long" if case.long else case.data
        files = self.folder / f"{data}-{fault}.jsonl", self.folder / f"{data}-held-out.jsonl"
        if not files[0].exists():
            train, held_out = self.pairs(case.data, case.long)
            names = list(LONG_DATA if case.long else DATA)
            other = self.pairs(names[names.index(case.data) - 1], case.long)[0]
            write(damaged(train, case.fault, other), files[0])
            write(held_out, files[1])
        return files

    def _config(self, case: Case, train: Path, held_out: Path) -> Any:
        from sanetune.config.load import load

        kind, _, adapter = case.model.partition(" ")
        model: dict[str, Any] = {"name": str(self._base(kind))}
        if not kind.startswith("demo"):
            model["chat_template"] = "chatml"
        if adapter:
            model["adapter"] = {"type": "lora", "r": 8, "alpha": 16, "dropout": 0.0}
        settings: dict[str, Any] = {
            "model": model,
            "data": {"train": str(train), "validation": str(held_out), "workers": 1, "overlong": "cut"},
            "train": {
                "use_cpu": True,
                "learning_rate": case.lr,
                "per_device_train_batch_size": case.batch,
                "gradient_accumulation_steps": 1,
                "num_train_epochs": case.epochs,
                "lr_scheduler_type": case.scheduler,
                "max_grad_norm": case.clip,
                "max_length": LONG_LONGEST if case.long else LONGEST,
                "gradient_checkpointing": False,
                "seed": case.seed,
            },
            "run": {"trackers": [], "output_dir": str(self.folder / "none")},
        }
        return load(settings)

    def _base(self, kind: str) -> Path:
        """The folder of a base model; one for chat is trained when it is first asked for."""
        origin = kind.removesuffix("-chat")
        if kind == origin:
            return ROOT / "sanetune/demo/model" if kind == "demo" else shared() / "models/stories260k"
        if not (made := self.folder / kind).exists():
            write([pair for data in CHAT for pair in unused_pairs(data)], self.folder / "chat-sound.jsonl")
            write(self.pairs(CHAT[0])[1], self.folder / "chat-held-out.jsonl")
            self._curve(Case(origin, "chat", "", 2e-3, 150, 8, 1, "cosine", 0.03), made)
        return made

    def _model(self, case: Case) -> Any:
        """A copy of the base model; None: the engine loads it."""
        kind = case.model.split()[0]
        if kind not in self._models:
            from transformers import AutoModelForCausalLM

            self._models[kind] = AutoModelForCausalLM.from_pretrained(self._base(kind), dtype="float32")
        return copy.deepcopy(self._models[kind])


def _prompt_too(row: dict[str, Any]) -> dict[str, Any]:
    return {"labels": list(row["input_ids"])}


def _shifted(row: dict[str, Any]) -> dict[str, Any]:
    return {"labels": [*row["labels"][1:], -100]}


_LABELS = {"labels on prompt": _prompt_too, "labels shifted": _shifted}


def _evaluated(case: Case) -> set[int]:
    """The steps after which the validation rows are evaluated: even ones; in a trial of 200 steps as a trial does."""
    even = {*range(0, case.steps, math.ceil(case.steps / EVALUATIONS)), case.steps}
    if not case.long:
        return even
    return {*range(0, TRIAL, TRIAL_EVAL), TRIAL, *(step for step in even if step > TRIAL)}


class _Watch:
    """Records every step, and evaluates after those of ``evaluated``."""

    def __init__(self, harness: Any, validation: Any, evaluated: set[int]) -> None:
        self.harness, self.validation, self.evaluated = harness, validation, evaluated
        self.points: list[Any] = []
        self.evaluations: list[Any] = []

    def begin(self) -> None:
        self._evaluate(0)

    def batches(self, batches: Any) -> None: ...

    def step(self, step: int) -> bool:
        if step in self.evaluated:
            self._evaluate(step)
        return bool(self.points) and not math.isfinite(self.points[-1].loss)

    def point(self, point: Any) -> None:
        self.points.append(point)

    def _evaluate(self, step: int) -> None:
        from sanetune.probes.heldout import evaluate_rows

        self.evaluations.append(evaluate_rows(self.harness, self.validation, step))

    def plain(self) -> dict[str, Any]:
        """The curve without the losses of single rows: of those, the standard error of the change since the start."""
        from sanetune.curves.paired import paired_difference

        evaluations = []
        for one in self.evaluations:
            change = paired_difference(self.evaluations[0], one)
            evaluations.append([one.step, _digits(one.loss, 5), _digits(change.std_error, 2) if change else None])
        return {
            "tokens": sum(self.evaluations[0].tokens),
            "losses": [_digits(one.loss, 4) for one in self.points],
            "norms": [_digits(one.grad_norm, 2) for one in self.points],
            "evaluations": evaluations,
        }


def _digits(value: float | None, count: int) -> float | None:
    """The value with so many significant digits; None where it is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{count}g}")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
