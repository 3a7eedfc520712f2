"""The same faults through TRL alone: does it raise, warn, or train on?

Each fault is built as somebody would who uses TRL and nothing else, and two steps are trained. What the clean twin
makes TRL say is not counted: only what the fault adds is.
"""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from bench.faults.cases import environment
from bench.faults.inspection import broken
from bench.faults.recipes import recipes
from bench.faults.setups import Setup, make, to_messages

STEPS = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """What TRL did: the error that it raised ("" = it trained two steps), and what it said on the way."""

    error: str = ""
    messages: tuple[str, ...] = ()
    seconds: float = 0.0


def with_fault(name: str, on: str, folder: Path) -> Heard:
    """TRL on a set-up with the fault in it."""
    recipe = recipes()[name]
    setup = make(on.partition("/")[0], folder / "setup", folder.parent / "models")
    kind = on.partition("/")[2]

    def trainer() -> Any:
        if recipe.inject is None:  # TRL's own trainer, on the rows that the recipe spoils
            return broken(recipe, setup, "rows" if kind == "plain" else kind)[0]
        recipe.inject(setup)
        return _of(setup)

    return heard(trainer, setup)


def without(on: str, folder: Path) -> Heard:
    """TRL on the clean twin."""
    from bench.faults.trainers import Kit, build

    setup = make(on.partition("/")[0], folder / "setup", folder.parent / "models")
    kind = on.partition("/")[2]
    kit = Kit.of("rows" if kind == "plain" else kind)
    return heard((lambda: build(setup, kit)) if kind else (lambda: _of(setup)), setup)


def heard(make_trainer: Any, setup: Setup) -> Heard:
    """Builds the trainer, trains two steps, and keeps what is raised and said."""
    said = _Listener()
    began, error = time.perf_counter(), ""
    with environment(setup.environment), warnings.catch_warnings(record=True) as caught, said:
        warnings.simplefilter("always")
        try:
            trainer = make_trainer()
            trainer.args.max_steps = STEPS
            trainer.train()
        except MemoryError:
            raise
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
    found = [*said.messages, *(str(one.message) for one in caught)]
    return Heard(_plain(error), tuple(dict.fromkeys(map(_plain, found))), time.perf_counter() - began)


def verdict(fault: Heard, twin: Heard) -> tuple[str, str]:
    """(raises, warns, trains on or n/a; the words)."""
    if twin.error:
        return "n/a", f"the clean twin raises: {twin.error}"
    if fault.error:
        return "raises", fault.error
    new = [text for text in fault.messages if text not in twin.messages and "deprecated" not in text]
    return ("warns", new[0]) if new else ("trains on", "")


class _Listener(logging.Handler):
    """Collects warnings in the logs of TRL, transformers, accelerate and peft."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> _Listener:
        self._loggers = [logging.getLogger(name) for name in (None, "transformers", "trl", "accelerate", "datasets")]
        for logger in self._loggers:
            logger.addHandler(self)
        self._streams = redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO())
        for stream in self._streams:
            stream.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        for stream in self._streams:
            stream.__exit__(None, None, None)
        for logger in self._loggers:
            logger.removeHandler(self)


def _plain(text: str) -> str:
    """Without what differs between two runs of the same: folders, numbers, seconds."""
    text = re.sub(r"/\S*/", "…/", text)
    return " ".join(re.sub(r"\d+(\.\d+)?", "N", text).split())[:300]


def _of(setup: Setup) -> Any:
    """What somebody with TRL alone would write for this set-up."""
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    name, trusted = setup.model["name"], {"trust_remote_code": bool(setup.model.get("trust_remote_code"))}
    tokenizer = AutoTokenizer.from_pretrained(name, **trusted)
    _install(tokenizer, setup.model.get("chat_template"))
    arguments = {"disable_tqdm": True, "bf16": False, **setup.train}
    arguments |= {"output_dir": setup.config["run"]["output_dir"], "save_only_model": True}
    arguments["report_to"] = setup.config["run"]["trackers"] or "none"
    files = {"train": setup.data["train"]}
    validation = setup.data.get("validation")
    files |= {"test": validation} if validation else {}
    rows = load_dataset("json", data_files=files, cache_dir=str(setup.folder / "hub"))
    rows = rows.map(lambda row: _messages(row, setup.row_format), remove_columns=_others(rows, setup.row_format))
    share = setup.data.get("holdout", 0)
    if not validation and share:
        rows = rows["train"].train_test_split(test_size=share, seed=0)
        arguments.setdefault("eval_strategy", "steps")
        arguments.setdefault("eval_steps", 10)
    if isinstance(arguments.get("model_init_kwargs"), dict):
        model: Any = name
    else:
        dtype = setup.model.get("dtype", "float32")
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **trusted)
        if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
            model.resize_token_embeddings(len(tokenizer))
    return SFTTrainer(
        model=model,
        args=SFTConfig(**arguments),
        train_dataset=rows["train"],
        eval_dataset=rows.get("test"),
        processing_class=tokenizer,
        peft_config=_adapter(setup),
    )


def _install(tokenizer: Any, template: str | None) -> None:
    from sanetune.data.template.chat_template import CHATML

    if template == "chatml":
        tokenizer.chat_template = CHATML
        tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    elif template:
        tokenizer.chat_template = Path(template).read_text(encoding="utf-8")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token


def _messages(row: dict[str, Any], format_: str) -> dict[str, Any]:
    """As people map their columns; messages stay as they are, but for what Arrow fills in."""
    if format_ != "messages":
        return to_messages(row, format_)
    if row.get("messages") is None:
        return {"messages": None}
    kept = [{key: value for key, value in turn.items() if value is not None} for turn in row["messages"]]
    return {"messages": kept} | ({"tools": json.dumps(row["tools"])} if row.get("tools") else {})


def _others(rows: Any, format_: str) -> list[str]:
    names = rows["train"].column_names
    return [name for name in names if name not in ("messages", "tools")] if format_ == "messages" else names


def _adapter(setup: Setup) -> Any:
    if setup.model.get("adapter") is None:
        return None
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")
