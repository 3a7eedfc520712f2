"""The command line: one file per command, imported when that command is run.

Nothing here imports torch, transformers, datasets, numpy, matplotlib or pydantic: a command's help has to be there
at once.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar, cast

import click

from sanetune import __version__, collector
from sanetune.atomic import write_bytes
from sanetune.commands import typed
from sanetune.errors import UserError, require_utf8_name
from sanetune.pipes import ends_as_the_pipe_does
from sanetune.text import did_you_mean, escape_control

if TYPE_CHECKING:
    from sanetune.config.schema import Config

P = ParamSpec("P")
R = TypeVar("R")
Function = TypeVar("Function", bound=Callable[..., Any])

HOME = Path(__file__).resolve().parents[1]
"""The folder of the package."""

COMMANDS = {
    "demo": "Run everything on an embedded model and data.",
    "init": "Write a commented sanetune.yaml for a model and data.",
    "data": "Show lengths, dropped rows, and which tokens are in the loss.",
    "plan": "Show what a run will do: batch size, steps, schedules.",
    "check": "Find faults before the budget is spent, and fix some of them.",
    "train": "Train, if the run is cleared.",
    "launch": "Write the file with which Slurm, a cloud or Ray starts the run.",
    "ci": "Check the configurations that changed files affect.",
    "clearance": "Verify that a run's clearance is about the weights to deploy.",
    "diagnose": "Say what a run's log shows, whoever wrote it.",
    "replay": "Make one step of a run again, and rank its rows.",
    "compare": "Say which model is better: base, tuned, or those of several runs.",
    "sweep": "Compare learning rates and other values in short runs.",
    "auto": "Carry it all, from data and a budget to a model that is proved better.",
    "mcp": "Serve these commands to a coding agent.",
    "chat": "Talk to the tuned model.",
    "verify": "Prove that a server or a GGUF file is the trained model.",
    "export": "Write a GGUF file, merge an adapter, or upload to the Hub.",
    "report": "Write one HTML page about a run, serve it live, or compare runs.",
    "doctor": "Say what this machine can train with, and what is missing.",
    "explain": "Show the page of one check.",
    "checks": "List all checks.",
}
"""Command -> its line in the list, so that the list needs none of the commands' files (``cli/NAME.py``)."""


ALIASES = {
    **dict.fromkeys(("finetune", "fine-tune", "fit", "sft", "run", "tune", "start"), "train"),
    **dict.fromkeys(("validate", "lint", "test", "fix"), "check"),
    **dict.fromkeys(("evaluate", "eval", "diff", "benchmark"), "compare"),
    **dict.fromkeys(("search", "grid", "optimize", "optimise", "hpo", "tune-lr", "lr-finder"), "sweep"),
    **dict.fromkeys(("autopilot", "agent", "pilot", "automl"), "auto"),
    **dict.fromkeys(("new", "create", "config", "setup", "convert", "import"), "init"),
    **dict.fromkeys(("show", "preview", "inspect", "tokens", "tokenize", "dataset"), "data"),
    **dict.fromkeys(("infer", "generate", "talk", "inference", "serve"), "chat"),
    **dict.fromkeys(("dry-run", "steps", "estimate"), "plan"),
    **dict.fromkeys(("logs", "log", "analyse", "analyze", "curves"), "diagnose"),
    **dict.fromkeys(("help", "docs", "doc"), "explain"),
    **dict.fromkeys(("submit", "sbatch", "job", "deploy"), "launch"),
    **dict.fromkeys(("list", "rules"), "checks"),
    **dict.fromkeys(("env", "environment", "info", "versions", "system-check"), "doctor"),
}
"""What other tools call a command -> ours, for a message."""


WORDS = "sanetune.words"
"""Where click keeps all that was typed after the command's name."""


class ConfigCommand(click.Command):
    """A command that takes ``CONFIG [OVERRIDE]...``: a value that was typed as an option is shown as an override."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = ctx.meta[WORDS] = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if hint := _as_override(error.option_name, typed):
                raise click.UsageError(f"No such option: {error.option_name}. {hint}", ctx) from None
            raise


def _as_override(option: str, typed: Sequence[str]) -> str:
    """The override that an unknown option stands for; "" where it is no key."""
    from sanetune.config.keys import every_key, key_for

    key = option.lstrip("-").replace("-", "_")
    found = key if key in every_key() else key_for(key)
    if not found:
        return ""
    at = next((n for n, word in enumerate(typed) if word.split("=")[0] == option), len(typed))
    word, after = (typed[at], typed[at + 1 : at + 2]) if at < len(typed) else ("", [])
    value = word.partition("=")[2] or (after[0] if after and not after[0].startswith("--") else "true")
    return f"A value of the configuration is changed with: {found}={value}"


class LazyGroup(click.Group):
    """A group that imports a command's file only when that command is run or its help asked for."""

    make_context = ends_as_the_pipe_does()(click.Group.make_context)  # the help is printed here
    invoke = ends_as_the_pipe_does()(click.Group.invoke)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with collector.importing():
            command: click.Command = importlib.import_module(f"sanetune.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            alias = ALIASES.get(args[0].lower())
            hint = f"Did you mean {alias}?" if alias else did_you_mean(args[0], COMMANDS, most=1, cutoff=0.5)
            raise click.UsageError(f"No such command {args[0]!r}. {hint}".rstrip(), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sanetune")
def main() -> None:
    """Fine-tune a language model on instructions, and check the run before it spends the budget.

    Start with: sanetune demo, or: sanetune init MODEL DATA

    Commands that read a configuration take overrides after it, for example train.learning_rate=1e-4.
    """


def guarded(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what the user can fix into a message and its exit code, Ctrl-C into 130 and SIGTERM into 143.

    A bug keeps its traceback.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if sys.dont_write_bytecode:
            advise()
        try:
            _require_utf8_names(kwargs)
            if not isinstance(config := kwargs.get("config"), Path):
                return function(*args, **kwargs)
            with typed(str(config), cast(tuple[str, ...], kwargs.get("overrides", ()))):
                return function(*args, **kwargs)
        except UserError as error:
            _end(error)
        except KeyboardInterrupt as error:
            from sanetune.engine.signals import TerminatedError

            terminated = isinstance(error, TerminatedError)
            click.echo("\nTerminated." if terminated else "\nInterrupted.", err=True)
            sys.exit(143 if terminated else 130)
        except BrokenPipeError:
            raise  # see ends_as_the_pipe_does
        except Exception as error:
            from sanetune.workflows.faults import user_error

            if (known := user_error(error)) is None:
                raise
            _end(known)

    return run


def _require_utf8_names(given: Mapping[str, object]) -> None:
    """Check what was typed and, where it may be relative, the folder that it starts from."""
    words = [one for value in given.values() for one in (value if isinstance(value, tuple) else (value,))]
    names = [one for one in words if isinstance(one, str | Path)]
    for name in [*names, Path.cwd()] if any(isinstance(value, Path | tuple) for value in given.values()) else names:
        require_utf8_name(name)


def _end(error: UserError) -> NoReturn:
    """Say why the command ends, and end it; of several processes, one says so."""
    from sanetune.engine.distributed import is_quiet_end

    if not is_quiet_end(error):
        complain(error)
    sys.exit(error.exit_code)


def start_processes(settings: Config, *, checks: bool = False) -> None:
    """Run this very command in several processes and end with their exit code, where that is how it has to train.

    Args:
        settings: The configuration.
        checks: Whether the command only checks it.
    """
    from sanetune.config.launch import adopt
    from sanetune.engine.distributed import STARTED
    from sanetune.engine.orphans import end_when_orphaned
    from sanetune.workflows.together import run_together, start_of

    adopt()
    if STARTED in os.environ:
        end_when_orphaned()
    if (start := start_of(settings, checks=checks)) is not None:
        context = click.get_current_context()
        sys.exit(run_together(start, [str(context.info_name), *context.meta[WORDS]]))


def advise() -> None:
    """Say once to standard error how to compile the libraries, where each command would compile them anew."""
    from sanetune.bytecode import advice_once
    from sanetune.data.cache import cache_folder

    if words := advice_once(cache_folder()):
        click.echo(f"Note: {words}", err=True)


def complain(error: UserError) -> None:
    """Print to standard error what happened, why it matters and what to do."""
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(escape_control(error.headline, strict=True), err=True)
    for part in (error.rationale, error.remedy):
        if part:
            click.echo(escape_control(part, strict=True), err=True)


def complete_override(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the keys that an override may begin with, for the shell's completion; trl is not imported for it."""
    from sanetune.config.other_names import KEYS

    keys = {key for key in KEYS.values() if not key.startswith("model.adapter.")}
    return [f"{key}=" for key in sorted(keys) if key.startswith(incomplete)]


def complete_check(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of checks and families that begin so, for the shell's completion; none is imported for it."""
    files = [file for file in (HOME / "checks").glob("*/*.py") if not file.stem.startswith("_")]
    names = {f"{file.parent.name}-{file.stem}".replace("_", "-") for file in files}
    return sorted(name for name in names | {file.parent.name for file in files} if name.startswith(incomplete))


def config_argument(function: Function) -> Function:
    """Add ``CONFIG [OVERRIDE...]``: the YAML file and changes to it."""
    function = click.argument("overrides", nargs=-1, metavar="[OVERRIDE]...", shell_complete=complete_override)(
        function
    )
    return click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))(function)


def opened(file: Path, overrides: tuple[str, ...]) -> Config:
    """Return the configuration in ``file``, whichever tool wrote it; what of it is not understood is printed."""
    with collector.importing():
        from sanetune.workflows.configuration import open_config
    settings, notes = open_config(file, overrides)
    for note in notes:
        click.echo(escape_control(f"! {note}", strict=True), err=True)
    _require_no_inputs(settings, file)
    return settings


OUTPUTS = ("json_file", "sarif", "junit", "html", "write_baseline")
"""Parameters whose value is a file that a command writes over."""


def _require_no_inputs(settings: Config, file: Path) -> None:
    from sanetune.workflows.outputs import require_baseline_or_new, require_no_inputs

    context = click.get_current_context()
    given = {one.name: context.params.get(one.name or "") for one in context.command.params}
    options = {one.name: one.opts[0] for one in context.command.params}
    outputs = {options[name]: value for name in OUTPUTS if isinstance(value := given.get(name), Path)}
    require_no_inputs(settings, file, {option: value for option, value in outputs.items() if str(value) != "-"})
    if isinstance(baseline := given.get("write_baseline"), Path):
        require_baseline_or_new(baseline)


def run_argument(function: Function) -> Function:
    """Add ``RUN``: the folder of a run."""
    return click.argument("run", metavar="RUN", type=click.Path(path_type=Path))(function)


def names_callback(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> list[str]:
    """Split repeated and comma-separated names, for options such as ``--select``."""
    return [name.strip() for one in value for name in one.split(",") if name.strip()]


def json_option(function: Function) -> Function:
    """Add ``--json F``: also write the figures to a file."""
    return click.option(
        "--json",
        "json_file",
        metavar="F",
        type=click.Path(path_type=Path, allow_dash=True),
        help="Also write the figures to this file as JSON (- for standard output).",
    )(function)


def write_json(file: Path, figures: object) -> None:
    """Write ``figures`` to ``file`` whole or not at all; NaN and infinity become null (see :mod:`sanetune.atomic`).

    Raises:
        RunError: The file cannot be written.
    """
    import orjson

    text = orjson.dumps(figures, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS) + b"\n"
    _write(file, text)


def write_text(file: Path, text: str) -> None:
    """Write ``text`` to ``file`` whole or not at all; ``-`` is standard output.

    Raises:
        RunError: The file cannot be written.
    """
    _write(file, text.encode("utf-8", "replace"))


def _write(file: Path, text: bytes) -> None:
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    write_bytes(file, text, "The figures would be lost.", "Give another file.")


def _plain(value: object) -> object:
    """A value that JSON does not know: a path, or one of numpy's numbers."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
