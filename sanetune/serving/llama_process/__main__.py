"""The process that runs llama.cpp's server: ``python -m sanetune.serving.llama_process FILE CONTEXT THREADS``.

It says its address on standard output and ends when its standard input is closed, also when whoever started it is
killed.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Serve until standard input ends."""
    # Whoever started this reads one line; what llama.cpp writes would fill the pipe and stop the server.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import xllamacpp

    file, context, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    settings = xllamacpp.CommonParams()
    settings.model.path = file
    settings.n_ctx = context
    settings.warmup = False
    settings.fit_params = False  # what is asked for is what runs, on whatever machine
    settings.verbosity = 2
    # Threads that wait for each other stand still on a busy machine: who sets a number for OpenMP means these, too.
    given = os.environ.get("OMP_NUM_THREADS", "")
    threads = threads or (int(given) if given.isdigit() else 0) or os.cpu_count() or 1
    for part in (settings.cpuparams, settings.cpuparams_batch):
        part.n_threads = threads
    server = xllamacpp.Server(settings)
    print(f"listening {server.listening_address}", file=answer, flush=True)
    sys.stdin.read()
    os._exit(0)  # its threads do not end by themselves


if __name__ == "__main__":
    main()
