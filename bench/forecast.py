"""Forecasts of memory and time beside measurements, over models, methods, batches and formats, on a processor.

Memory: `sanetune plan --forecast` beside the peak of what torch's own profiler saw allocated in steps and an evaluation
of the run's engine. Seconds (``--time``): the step time that the first steps give beside that of the steps that follow,
in CPU seconds of one thread, so that other programs on the cores count little. Results are kept one by one in a folder,
and a second run goes on from them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import shared, show

if TYPE_CHECKING:
    import datasets

    from sanetune.data.prepare import Prepared
    from sanetune.engine.base import RunSession, StepBatches
    from sanetune.engine.batches import Batch
    from sanetune.planning.plan import Plan

MODELS: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 64},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 64},
    "gpt_neox": {},
    "phi3": {"num_key_value_heads": 4},
}
"""Architecture -> what its configuration has beside :data:`SIZES`."""
SIZES = {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4, "num_attention_heads": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "full, 8 rows": {"per_device_train_batch_size": 8},
    "full, 2 rows, 4 accumulated": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4},
    "full, checkpointed": {"per_device_train_batch_size": 8, "activation_checkpointing": True},
    "full, bf16": {"per_device_train_batch_size": 8, "bf16": True},
    "full, packed": {"per_device_train_batch_size": 2, "packing": True, "max_length": 512},
    "full, packed, bf16, checkpointed": {
        "per_device_train_batch_size": 2, "packing": True, "max_length": 512, "bf16": True,
        "activation_checkpointing": True,
    },
    "full, SGD": {"per_device_train_batch_size": 4, "optim": "sgd"},
    "full, Adafactor": {"per_device_train_batch_size": 4, "optim": "adafactor"},
    "LoRA": {"per_device_train_batch_size": 8, "adapter": "lora"},
    "LoRA, checkpointed": {"per_device_train_batch_size": 8, "adapter": "lora", "activation_checkpointing": True},
    "LoRA, packed, bf16 weights": {
        "per_device_train_batch_size": 2, "packing": True, "max_length": 512, "adapter": "lora", "bf16": True,
    },
    "16-bit weights": {"per_device_train_batch_size": 8, "dtype": "bfloat16"},
}  # fmt: skip
MEASURED, FOLLOWING = 10, 24
"""Optimizer steps that the time is forecast from, and those that it is compared with."""


def model_folder(name: str, folder: Path) -> Path:
    """A small model of the architecture ``name`` with random weights and a real tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = shared() / "tokenizers/minimind"
    own = AutoConfig.for_model(name, vocab_size=16384, pad_token_id=0, **SIZES, **MODELS[name])
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(own, dtype=torch.float32).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / file, folder / file)
    assert len(AutoTokenizer.from_pretrained(folder)) <= 16384
    return folder


def plan_of(model: Path, given: dict[str, Any], folder: Path) -> tuple[Plan, Prepared]:
    """The plan of a setting, and its rows."""
    from sanetune.config.load import load
    from sanetune.data.prepare import prepare
    from sanetune.planning.plan import plan
    from tests import real

    section = {key: given[key] for key in ("adapter", "dtype") if key in given}
    train = {"learning_rate": 1e-4} | {key: value for key, value in given.items() if key not in section}
    data = {"train": real.STORIES["alpaca"], "max_examples": 400, "holdout": 0.1}
    config = load(real.config(shared(), model, data, folder / "run", train, chat_template="chatml", **section))
    prepared = prepare(config)
    return plan(config, prepared), prepared


def memory_beside(made: Plan, prepared: Prepared, session: RunSession) -> dict[str, Any]:
    """Forecast and measured peak of a step and of an evaluation, in bytes of tensors."""
    from sanetune.forecast.ahead import forecast_ahead

    ahead = forecast_ahead(made, prepared, None)
    assert ahead.memory is not None, ahead.notes
    step, evaluation = measured_peaks(session, *largest_batches(made, prepared, session))
    return {
        "step": ahead.memory.step, "measured step": step,
        "evaluation": ahead.memory.evaluation, "measured evaluation": evaluation,
    }  # fmt: skip


def largest_batches(made: Plan, prepared: Prepared, session: RunSession) -> tuple[Batch, Batch]:
    """A batch of the longest training rows and one of the longest validation rows."""

    def longest(rows: datasets.Dataset, size: int) -> Batch:
        lengths = [len(row["input_ids"]) for row in rows]
        order = sorted(range(len(lengths)), key=lambda number: -lengths[number])[:size]
        return session.collate([rows[number] for number in order])

    settings = session.settings
    assert prepared.validation is not None
    return (
        longest(prepared.train, settings.per_device_train_batch_size),
        longest(prepared.validation, settings.per_device_eval_batch_size),
    )


def measured_peaks(session: RunSession, batch: Batch, evaluated: Batch) -> tuple[int, int]:
    """Peaks of the second of two optimizer steps and of an evaluation, from the profiler's record of allocations."""
    import torch
    from torch.profiler import ProfilerActivity, profile, record_function

    model, settings = session.model, session.settings
    session.set_activation_checkpointing(settings.activation_checkpointing)
    before = sum(one.numel() * one.element_size() for one in {*model.parameters(), *model.buffers()})
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    with profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as profiler, session.optimizer() as optimizer:
        for number in range(2):
            with record_function(f"part {number}"):
                pass
            session.forward_backward_step([batch] * settings.gradient_accumulation_steps)
            torch.nn.utils.clip_grad_norm_(trained, settings.max_grad_norm or 1.0)
            optimizer.step()
            optimizer.zero_grad()
        with record_function("part 2"):
            pass
        session.evaluate(evaluated)
    events = profiler.profiler.kineto_results.events()
    begins = {event.name(): event.start_ns() for event in events if event.name().startswith("part ")}
    alive, peaks = before, [0, 0, 0]
    for event in sorted((one for one in events if one.name() == "[memory]"), key=lambda one: one.start_ns()):
        alive += event.nbytes()
        part = sum(event.start_ns() >= begins[f"part {number}"] for number in (1, 2))
        peaks[part] = max(peaks[part], alive)
    return peaks[1], peaks[2]


@dataclass
class Clock:
    """Notes the CPU seconds and tokens of each step of a short run."""

    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    padded: list[int] = field(default_factory=list)
    last: float = 0.0

    def begin(self) -> None:
        self.last = time.process_time()

    def batches(self, batches: StepBatches) -> None:
        self.tokens.append(batches.tokens)
        self.padded.append(batches.padded_tokens)

    def step(self, step: int) -> bool:
        now = time.process_time()
        self.seconds.append(now - self.last)
        self.last = now
        return False

    def point(self, point: object) -> None:
        """Losses are not needed."""


def time_beside(made: Plan, session: RunSession) -> dict[str, Any]:
    """CPU seconds of a step, forecast from the first steps of the run, and of those that follow."""
    import torch

    from sanetune.engine.base import ShortRun
    from sanetune.forecast.time import step_time_of
    from sanetune.probes.results import Timing

    torch.set_num_threads(1)
    clock, steps = Clock(), MEASURED + FOLLOWING
    session.train_briefly(ShortRun(steps, max(steps, made.steps.total_steps), made.steps.warmup_steps), clock)
    first = Timing(clock.seconds[:MEASURED], clock.tokens[:MEASURED], [], clock.padded[:MEASURED])
    following = clock.tokens[MEASURED:]
    seconds = step_time_of(first, statistics.fmean(following)).seconds.middle
    return {"step seconds": seconds, "measured step seconds": statistics.fmean(clock.seconds[MEASURED:])}


def results(folder: Path, quick: bool, timed: bool) -> Iterator[dict[str, Any]]:
    """One result after the other, as far as they are not there yet."""
    from sanetune.engine.registry import engine_of
    from sanetune.runs import Run

    models = list(MODELS)[:1] if quick else list(MODELS)
    for name in models:
        with tempfile.TemporaryDirectory() as place:
            model = model_folder(name, Path(place) / "model")
            for setting, given in list(SETTINGS.items())[:: 4 if quick else 1]:
                file = folder / f"{name}, {setting}{', timed' if timed else ''}.json"
                if not file.is_file():
                    made, prepared = plan_of(model, given, Path(place))
                    session = engine_of(made.config).build(made.config, prepared, Run(Path(place) / "run"))
                    found = time_beside(made, session) if timed else memory_beside(made, prepared, session)
                    file.write_text(json.dumps({"model": name, "setting": setting} | found) + "\n")
                yield json.loads(file.read_text())


def error(row: dict[str, Any], name: str) -> float:
    """The forecast's error as a share of what was measured."""
    measured: float = row[f"measured {name}"]
    return float(row[name]) / measured - 1


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep results here, and go on from them")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--time", action="store_true", help="seconds of a step, not memory")
    parser.add_argument("--quick", action="store_true", help="a smaller run, under a minute")
    given = parser.parse_args(arguments)
    names = ["step seconds"] if given.time else ["step", "evaluation"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.results or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(results(folder, given.quick, given.time))
    errors = {name: [abs(error(row, name)) for row in rows] for name in names}
    figures = {
        name: {"settings": len(some), "median error": statistics.median(some), "worst error": max(some)}
        for name, some in errors.items()
    }
    table = [[row["model"], row["setting"], *(f"{error(row, name):+.2%}" for name in names)] for row in rows]
    table += [["median of sizes", "", *(f"{figures[name]['median error']:.2%}" for name in names)]]
    table += [["largest", "", *(f"{figures[name]['worst error']:.2%}" for name in names)]]
    columns = ["model", "setting", *(f"error, {name}" for name in names)]
    show("Forecast beside measurement", columns, table, {"figures": figures, "rows": rows}, given.json)


if __name__ == "__main__":
    main()
