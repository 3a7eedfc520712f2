"""The command `sanetune verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sanetune.cli import complete_check, guarded, json_option, names_callback, run_argument, write_json


@click.command(name="verify")
@run_argument
@click.option("--endpoint", metavar="URL", default="", help="A running server: vLLM, llama.cpp, Ollama, or another.")
@click.option(
    "--gguf",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A GGUF file; without --endpoint it is served here by llama.cpp (pip install 'sanetune[serve]').",
)
@click.option("--model", metavar="NAME", default="", help="Which of the server's models, where it has several.")
@click.option("--storage", metavar="TYPE", default="", help="How the server stores weights (Q8_0, F16), if it is mute.")
@click.option("--api-key-env", "key_env", metavar="NAME", default="", help="The variable that holds the server's key.")
@click.option("--timeout", "seconds", type=click.FloatRange(min=1), default=120.0, show_default=True,
              help="Seconds that one answer may take.")  # fmt: skip
@click.option("-n", "count", type=click.IntRange(min=0, max=200), default=8, show_default=True, help="Rows to ask.")
@click.option("--prompt", "prompts", metavar="TEXT", multiple=True, help="A prompt of your own (repeatable).")
@click.option("--select", multiple=True, callback=names_callback, metavar="NAMES", shell_complete=complete_check,
              help="Only these checks.")  # fmt: skip
@click.option("--ignore", multiple=True, callback=names_callback, metavar="NAMES", shell_complete=complete_check,
              help="Leave these checks out.")  # fmt: skip
@click.option("--verbose", "-v", is_flag=True, help="Show every check, with its message and numbers.")
@json_option
@guarded
def command(
    run: Path,
    endpoint: str,
    gguf: Path | None,
    model: str,
    storage: str,
    key_env: str,
    seconds: float,
    count: int,
    prompts: tuple[str, ...],
    select: list[str],
    ignore: list[str],
    verbose: bool,
    json_file: Path | None,
) -> None:
    """Prove that a server, or a GGUF file, is the model that RUN trained.

    The run's held-out prompts have to become the trained token ids, answers have to stop and to agree token for token,
    and calls and reasoning to come back parsed. RUN may also be a model's folder: then general questions are asked.

    Example: sanetune verify runs/mine --endpoint http://127.0.0.1:8000

    Exit code 0: no check failed (warnings are allowed), 1: one did, 2: the run, server or file cannot be used.
    """
    from sanetune.report.terminal import findings
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.verify import Request, verify

    request = Request(endpoint, gguf, model, storage, key_env, seconds, count, prompts, 0, select, ignore)
    report = verify(run, request, LiveTerminal())
    if str(json_file) != "-":
        findings.show(report, detail=findings.Detail.EVERYTHING if verbose else findings.Detail.SHORT)
    if json_file is not None:
        write_json(json_file, report.to_json())
    sys.exit(report.exit_code)
