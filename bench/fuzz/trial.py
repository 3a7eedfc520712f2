"""One case in a process of its own: what the gate says, how long it takes, how much memory it needs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import ROOT

MODEL = ROOT / "sanetune/demo/model"
DATA = ROOT / "sanetune/demo/data/train.jsonl"
ROWS = 40
"""Sound rows beside a fuzzed template."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``found``: checks failed or warned; ``error``: the input was refused with a clear error; ``bad``: a crash, a
    hang or a traceback, which ``trace`` shows."""

    name: str
    found: bool
    error: bool
    bad: bool
    seconds: float
    megabytes: float
    trace: str = ""


def tried(
    name: str,
    folder: Path,
    suffix: str = "jsonl",
    data: bytes | None = None,
    template: str | None = None,
    inside: bool = False,
    limit: float = 120.0,
) -> Outcome:
    """Checks ``data`` (default: sound rows) with ``template`` (default: the model's), which is ``inside`` the model's
    folder or a file of its own. Killed after ``limit`` seconds."""
    work = folder / "case"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    settings = _settings(work, suffix, data, template, inside)
    _loaded()
    outcome = work / "outcome.json"
    began = time.perf_counter()
    child = os.fork()
    if not child:
        _inside(settings, work, outcome)
    peak = _waited(child, began + limit)
    seconds = time.perf_counter() - began
    try:
        said = json.loads(outcome.read_text())
    except (OSError, ValueError):
        said = {"found": False, "error": False, "trace": f"killed after {seconds:.0f} s, or died", "base": 0.0}
    memory = max(0.0, peak - said["base"])
    return Outcome(name, said["found"], said["error"], bool(said["trace"]), seconds, memory, said["trace"])


def _settings(work: Path, suffix: str, data: bytes | None, template: str | None, inside: bool) -> dict[str, Any]:
    file, model = work / f"rows.{suffix}", MODEL
    file.write_bytes(b"\n".join(DATA.read_bytes().splitlines()[:ROWS]) if data is None else data)
    settings: dict[str, Any] = {
        "model": {"name": str(model)},
        "data": {"train": str(file)},
        "train": {"per_device_train_batch_size": 8},
        "run": {"trackers": []},
    }
    if template is not None:
        written = template.encode("utf-8", "surrogatepass")
        if inside:
            model = work / "model"
            shutil.copytree(MODEL, model)
            (model / "chat_template.jinja").write_bytes(written)
            settings["model"]["name"] = str(model)
        else:
            (work / "template.jinja").write_bytes(written)
            settings["model"]["chat_template"] = str(work / "template.jinja")
    return settings


def _loaded() -> None:
    """Imports what a check needs, so that it is not counted."""
    import datasets  # noqa: F401
    import torch
    import transformers  # noqa: F401
    import trl  # noqa: F401

    import sanetune.engine.trl.engine
    import sanetune.evidence.from_config
    import sanetune.planning.plan  # noqa: F401

    torch.set_num_threads(1)


def _inside(settings: dict[str, Any], work: Path, file: Path) -> None:
    """In the child: looks, shows in every form, writes the outcome, ends."""
    os.environ |= {"SANETUNE_CACHE": str(work / "cache"), "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    base = _resident()
    try:
        said = _checked(settings, work) | {"base": base}
    except BaseException:
        said = {"found": False, "error": False, "trace": traceback.format_exc(), "base": base}
    file.write_text(json.dumps(said))
    os._exit(0)


def _checked(settings: dict[str, Any], work: Path) -> dict[str, Any]:
    from sanetune.config.load import load
    from sanetune.errors import UserError
    from sanetune.finding import Verdict
    from sanetune.report.html.collect import page_of
    from sanetune.workflows import clean as cleaner
    from sanetune.workflows.check import evidence_of, run_checks

    try:
        config = load(settings)
        with evidence_of(config) as evidence:
            report = run_checks(config, evidence)
            _written(report, page_of(config, evidence, report), work)
            try:
                cleaner.write(evidence, work / "clean")
            except Exception as error:  # the evidence that it needs may be missing
                from sanetune.evidence.registry import MissingError

                if not isinstance(error, (MissingError, UserError)):
                    raise
    except UserError as error:
        str(error).encode()
        return {"found": False, "error": True, "trace": ""}
    crashes = report.of(Verdict.CRASH)
    trace = "\n".join(f"{finding.check}: {finding.message}\n{finding.traceback}" for finding in crashes)
    bad = bool(report.of(Verdict.FAIL, Verdict.WARN))
    return {"found": bad, "error": report.unusable is not None, "trace": trace}


def _written(report: Any, page: str, work: Path) -> None:
    """Every form of the report, as the command writes it."""
    from rich.console import Console

    from sanetune.cli import write_json, write_text
    from sanetune.report.junit import junit
    from sanetune.report.sarif import sarif
    from sanetune.report.terminal import findings

    write_text(work / "page.html", page)
    write_text(work / "junit.xml", junit(report))
    write_json(work / "report.json", report.to_json())
    write_json(work / "sarif.json", sarif(report, work))
    with (work / "terminal.txt").open("w", encoding="utf-8") as out:
        findings.show(report, Console(file=out, width=80, highlight=False))


def _waited(child: int, end: float) -> float:
    """The child's peak of memory in MB; killed at ``end``."""
    while True:
        done, _, usage = os.wait4(child, os.WNOHANG)
        if done:
            return usage.ru_maxrss / 1024
        if time.perf_counter() > end or _resident(child) > 6_000:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def _resident(process: int | str = "self") -> float:
    """Memory of a process in MB."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
