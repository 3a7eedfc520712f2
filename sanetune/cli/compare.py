"""The command `sanetune compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import guarded, json_option, write_json
from sanetune.commands import typed_of

if TYPE_CHECKING:
    from sanetune.workflows.comparing.result import Compared
    from sanetune.workflows.comparing.votes import Tally


@click.command(name="compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--prompt", "prompts", metavar="TEXT", multiple=True, help="A prompt of your own (repeatable).")
@click.option("-n", "count", type=click.IntRange(min=0), default=32, show_default=True, help="Validation rows to ask.")
@click.option("--show", "shown", type=click.IntRange(min=0), default=5, show_default=True, help="Answers to show.")
@click.option("--evaluate", "tasks", metavar="TASK", multiple=True, help="Measure with lm-eval first (repeatable).")
@click.option("--evaluate-limit", "limit", type=click.IntRange(min=1), help="Documents of each task, at most.")
@click.option("--blind", is_flag=True, help="Vote on answers without knowing whose they are: a, b, =, s, q.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the sides of --blind.")
@json_option
@guarded
def command(
    runs: tuple[Path, ...],
    prompts: tuple[str, ...],
    count: int,
    shown: int,
    tasks: tuple[str, ...],
    limit: int | None,
    blind: bool,
    seed: int,
    json_file: Path | None,
) -> None:
    """Say whether the tuned model of RUN is better than its base, or the models of other RUNs than that of the first.

    All answer the same prompts with the same greedy decoding, and the validation loss is compared row by row. The
    verdict names what decided it. With --blind, you decide: votes are kept in the first run's folder, and the command
    goes on where you stopped.
    """
    from sanetune import api

    if limit is not None and not tasks:
        raise click.UsageError("--evaluate-limit is for --evaluate TASK: give both, or neither.")
    if typed_of({"seed": "--seed"}) and not blind:
        raise click.UsageError("--seed draws the sides of --blind: give both, or neither.")
    for run in runs if tasks else ():
        api.evaluate(run, tasks, limit, ("base", "tuned") if len(runs) == 1 else ("tuned",))
    found = api.compare_runs(runs, prompts=list(prompts), count=count)
    quiet = str(json_file) == "-"
    votes = None
    if blind:
        votes = _vote(runs[0], found, seed, quiet)
    elif not quiet:
        from sanetune.report.terminal import compared as view

        view.show(found, shown=shown)
    if json_file is not None:
        write_json(json_file, _figures(found) | ({"votes": votes.to_json()} if votes is not None else {}))


def _vote(run: Path, found: Compared, seed: int, quiet: bool) -> Tally:
    from rich.console import Console

    from sanetune.report.terminal.voting import ask, tally_view
    from sanetune.runs import Run
    from sanetune.workflows.comparing.votes import Votes

    console = Console(stderr=quiet, highlight=False)
    votes = Votes(Run(run), found, seed)
    ask(votes, found, _key, console)
    console.print(tally_view(votes.tally(), votes.names))
    return votes.tally()


def _key() -> str:
    """The next key; where there is no terminal, the next character of standard input that is no white space."""
    if sys.stdin.isatty():
        return click.getchar()
    while (sign := sys.stdin.read(1)).isspace():
        pass
    return sign


def _figures(found: Compared) -> dict[str, object]:
    """The figures; of base and tuned model those that this command has always written come first."""
    from sanetune.workflows.comparing.stored import comparison_of

    alone = [one.name for one in found.models] == ["base", "tuned"]
    return (comparison_of(found).to_json() if alone else {}) | {"compared": found.figures()}
