"""How long a command takes until it has done its work on a small file, and which libraries it imports for it.

Files are warm and compiled. A command runs in a process of its own, and all take turns, so that a busy machine is busy
for all of them; CPU seconds are less sensitive to that than those of the clock. It fails where a command imports what
it is not to import.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import ROOT, options, show

LIGHT = (
    "torch", "torch._dynamo", "torch._inductor", "torch.distributed", "accelerate", "peft", "trl", "datasets", "sympy",
    "scipy", "matplotlib", "transformers.modeling_utils", "transformers.models.auto.tokenization_auto",
)  # fmt: skip
"""What a command that trains nothing is not to import, for a local model of a usual layout on a CPU-only torch."""

FORBIDDEN: dict[str, tuple[str, ...]] = {
    "init": LIGHT,
    "plan": LIGHT,
    "data": LIGHT,
    "diagnose": LIGHT,
    "check": ("matplotlib", "tensorboard"),
}
"""Command -> modules that it is not to import."""

SHOWN = ("torch", "torch._dynamo", "transformers", "trl", "peft", "datasets", "pandas", "sympy", "scipy")
ROWS = 600

PROBE = """
import json, os, resource, sys
from sanetune.__main__ import run
try:
    run()
except SystemExit as end:
    assert end.code in (0, 1, None), end.code
used = resource.getrusage(resource.RUSAGE_SELF)
loaded = {name: module for name, module in list(sys.modules.items()) if hasattr(module, "__dict__")}
files = {name: vars(module).get("__cached__") for name, module in loaded.items()}
anew = sorted(name for name, file in files.items() if isinstance(file, str) and not os.path.exists(file))
print("MODULES " + json.dumps([used.ru_utime + used.ru_stime, sorted(sys.modules), anew]))
"""


@dataclass(frozen=True)
class Once:
    """One run of a command.

    Attributes:
        seconds: Of the clock.
        cpu_seconds: Of the processor.
        modules: What it has imported.
        compiled_anew: Those of them that have no compiled file.
    """

    seconds: float
    cpu_seconds: float
    modules: list[str]
    compiled_anew: list[str]


def run(words: Sequence[str], folder: Path, compiled: Path | None = None) -> Once:
    """Run a command in ``folder``. ``compiled``: where compiled files are, and no more are written; None: as usual."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SANETUNE_CACHE": str(folder / "cache"), "CI": ""}
    if compiled is not None:
        environment |= {"PYTHONPYCACHEPREFIX": str(compiled), "PYTHONDONTWRITEBYTECODE": "1"}
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    after = os.times()
    lines = [line for line in done.stdout.splitlines() if line.startswith("MODULES ")]
    if not lines:
        sys.exit(f"sanetune {' '.join(words)} has failed:\n{done.stdout}\n{done.stderr}")
    own, modules, anew = json.loads(lines[-1].removeprefix("MODULES "))
    children = after.children_user + after.children_system - before.children_user - before.children_system
    return Once(after.elapsed - before.elapsed, max(own, children), modules, anew)


def commands(folder: Path, rows: int = ROWS) -> dict[str, list[str]]:
    """The words of each command, in the order in which they can run; ``folder`` gets the rows that they read."""
    texts = (
        {"instruction": f"What is {one} plus {one + 3}?", "output": f"The sum of the two is {2 * one + 3}."}
        for one in range(rows)
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    log = [
        {"loss": 2 / (1 + step / 20), "step": step, "learning_rate": 1e-4, "epoch": step / 40} for step in range(1, 80)
    ]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": log, "global_step": 79, "max_steps": 79}))
    model = str(ROOT / "sanetune/demo/model")
    known = {
        "init": ["init", model, "rows.jsonl", "--force"],
        "plan": ["plan", "sanetune.yaml"],
        "data": ["data", "sanetune.yaml"],
        "diagnose": ["diagnose", "trainer_state.json"],
        "check": ["check", "sanetune.yaml", "--level", "static"],
    }
    return {name: words for name, words in known.items() if (ROOT / "sanetune/cli" / f"{name}.py").is_file()}


def wrongly_imported(command: str, modules: Sequence[str]) -> list[str]:
    """Which of the modules that ``command`` is not to import are among ``modules``."""
    return [name for name in FORBIDDEN[command] if name in modules]


def compile_into(folder: Path) -> Path:
    """Let ``python -m sanetune.bytecode`` write compiled files into ``folder``, which is returned."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder)}
    subprocess.run([sys.executable, "-m", "sanetune.bytecode"], env=environment, check=True)
    return folder


def main() -> None:
    args = options(__doc__, uncompiled="as in an image where `python -m sanetune.bytecode` alone has compiled files")
    turns = 2 if args.quick else 7
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as files:
        compiled = compile_into(Path(files)) if args.uncompiled else None
        words = commands(Path(name))
        found: dict[str, list[Once]] = {command: [] for command in words}
        for turn in range(turns + 1):
            for command in words:
                once = run(words[command], Path(name), compiled)
                if turn:  # the first warms the files
                    found[command].append(once)
    table, figures, wrong = [], dict[str, Any](), []
    for command, times in found.items():
        clock = statistics.median(one.seconds for one in times)
        processor = statistics.median(one.cpu_seconds for one in times)
        modules = times[-1].modules
        heavy = [name for name in SHOWN if name in modules]
        wrong += [f"{command} imports {name}" for name in wrongly_imported(command, modules)]
        wrong += [f"{command} compiles {name} anew" for name in times[-1].compiled_anew]
        table.append((command, f"{clock:.2f}", f"{processor:.2f}", f"{len(modules):,}", ", ".join(heavy)))
        figures[command] = {"seconds": clock, "cpu_seconds": processor, "modules": len(modules), "heavy": heavy}
    title = f"Until a command on {ROWS} rows is done (medians of {turns})"
    show(title, ("command", "seconds", "CPU seconds", "modules", "among them"), table, figures, args.json)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
