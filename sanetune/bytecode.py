"""Compiled files of the libraries: ``python -m sanetune.bytecode`` writes those that sanetune's commands use.

Some installers leave them to the first import, and PYTHONDONTWRITEBYTECODE, which most images of containers set, keeps
that from writing them: then every command compiles thousands of files anew, for a quarter of a minute.
"""

from __future__ import annotations

import compileall
import importlib
import importlib.util
import os
import sys
import time
from pathlib import Path

USED = (
    "torch.utils.tensorboard", "matplotlib.pyplot", "sanetune.engine.trl.engine", "sanetune.api",
    "sanetune.workflows.init", "sanetune.report.terminal.plan", "sanetune.report.html.page", "datasketch",
    "concurrent.futures.process", "multiprocessing.queues", "encodings.utf_8_sig", "transformers.generation.streamers",
)  # fmt: skip
"""Modules that import what the commands import."""
WHOLE = (
    "sanetune", "rich", "pydantic", "torch.profiler", "ruamel.yaml", "PIL", "matplotlib.backends",
    "transformers.models.llama", "transformers.models.qwen2", "transformers.models.qwen3",
    "transformers.models.mistral", "transformers.models.gemma3", "transformers.models.phi3",
    "transformers.models.smollm3", "peft.tuners.lora",
)  # fmt: skip
"""Packages of which a command imports one part or another; of models' own code, that of the usual ones."""
COMMAND = "python -m sanetune.bytecode"


def advice() -> str:
    """Return what to run where each command compiles the libraries anew, in words; "" where none does."""
    if not sys.dont_write_bytecode:
        return ""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None or Path(importlib.util.cache_from_source(spec.origin)).exists():
        return ""
    return (
        "torch is not compiled, and PYTHONDONTWRITEBYTECODE keeps Python from doing it: every command takes several "
        f"times as long. Run once: {COMMAND}"
    )


def advice_once(marks: Path) -> str:
    """As :func:`advice`, but "" where this installation was given it before; ``marks`` is a folder that remembers."""
    words = advice()
    if not words:
        return ""
    mark = marks / f"uncompiled{sys.prefix.replace(os.sep, '-')}"
    try:
        if mark.exists():
            return ""
        marks.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:  # said again next time
        pass
    return words


def compile_used() -> int:
    """Import what the commands import, so that Python writes its compiled files; return how many modules that are."""
    sys.dont_write_bytecode = False
    for name in USED:
        importlib.import_module(name)
    for folder in filter(None, map(_folder, WHOLE)):
        compileall.compile_dir(folder, quiet=2)
    return len(sys.modules)


def _folder(package: str) -> str | None:
    """Where the files of ``package`` are; None where it is not installed."""
    try:
        spec = importlib.util.find_spec(package)
    except ImportError:
        return None
    return None if spec is None or not spec.submodule_search_locations else spec.submodule_search_locations[0]


if __name__ == "__main__":
    began = time.perf_counter()
    count = compile_used()
    print(f"{count:,} modules are compiled ({time.perf_counter() - began:.0f} s)")
