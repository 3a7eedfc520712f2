"""``python -m sanetune.mcp.nursery``: imports the libraries once, then starts a job for each line of standard input.

A line is the folder of a job; the answer is a line with the number of its process. At the end of the input it ends, and
the jobs go on. Nothing but imports happens here: no thread, no device and no random state is there when a job is forked
off.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

from sanetune import collector

LIBRARIES = (
    "sanetune.engine.trl.engine",
    "sanetune.api",
    "sanetune.workflows.init",
    "sanetune.report.html.page",
    "sanetune.report.run_files",
    "sanetune.gate.catalogue",
    "sanetune.mcp.work",
    "datasketch",
    "peft",
    "datasets",
    "transformers.models.auto.modeling_auto",
    "transformers.trainer",
    "scipy.stats",
)
"""Modules that import what most jobs need."""


def main() -> None:
    """Start jobs until the input ends."""
    collector.own_process()
    with collector.importing():
        for name in LIBRARIES:
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries jobs that have ended
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        from sanetune.mcp.job import leave, run

        leave(run(line.rstrip("\n")))


if __name__ == "__main__":
    main()
