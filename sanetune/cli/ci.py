"""The command `sanetune ci`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import guarded, write_json, write_text
from sanetune.text import escape_control

if TYPE_CHECKING:
    from sanetune.workflows.ci import CheckedConfig, Selection


@click.command(name="ci")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option("--since", metavar="COMMIT", help="Files that changed since the branch left this commit.")
@click.option(
    "--config",
    "patterns",
    metavar="GLOB",
    multiple=True,
    help="Configurations that are considered. Default: every YAML file with the sections model and data.",
)
@click.option(
    "--level",
    type=click.Choice(["static", "probe", "trial"]),
    default="static",
    show_default=True,
    help="How deep to check.",
)
@click.option(
    "--baseline",
    "baselines",
    metavar="F",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Report of its configuration only what is not in it.",
)
@click.option(
    "--output-format",
    type=click.Choice(["lines", "github"]),
    default="lines",
    show_default=True,
    help="lines: file:line: check [verdict] message; github: annotations of a pull request.",
)
@click.option("--summary", metavar="F", type=click.Path(path_type=Path), help="Append a summary in Markdown to F.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write reports (JSON, SARIF, Code Climate) and clearances into this folder.",
)
@guarded
def command(
    files: tuple[Path, ...],
    since: str | None,
    patterns: tuple[str, ...],
    level: str,
    baselines: tuple[Path, ...],
    output_format: str,
    summary: Path | None,
    out: Path | None,
) -> None:
    """Check the configurations below the current folder that changed FILEs affect: their own, their data, template or
    model.

    Without FILE and --since all of them are checked. Exit code 0: nothing failed, 1: a check failed, 2: an input cannot
    be used.

    Example: sanetune ci --since origin/main --output-format github
    """
    from sanetune.report import lines
    from sanetune.workflows.ci import check_config, selection

    root = Path.cwd()
    for file in files:
        if not file.exists():
            click.echo(escape_control(f"There is no file {file}: it counts as deleted.", strict=True), err=True)
    chosen = selection(root, patterns, files, since)
    known = {}
    if baselines:
        from sanetune.gate.baseline import read_baselines

        known = read_baselines(baselines)
    checked = []
    for config in chosen.configs:
        checked.append(done := check_config(config, level, known.get(config.resolve())))
        for line in (lines.github if output_format == "github" else lines.lines)(done.report):
            click.echo(line)
    if not checked:
        click.echo("No configuration is affected." if chosen.changed is not None else "There is no configuration.")
    _write(chosen, checked, root, summary, out)
    sys.exit(max((one.report.exit_code for one in checked), default=0))


def _write(chosen: Selection, checked: list[CheckedConfig], root: Path, summary: Path | None, out: Path | None) -> None:
    """Write the summary and the folder of reports, where they were asked for."""
    if summary is not None:
        from sanetune.report.job_summary import markdown

        before = summary.read_text(encoding="utf-8") if summary.is_file() else ""
        write_text(summary, before + markdown(chosen, checked, root))
    if out is None:
        return
    from sanetune.report.code_quality import code_quality
    from sanetune.report.sarif import sarif

    runs = []
    for one, name in zip(checked, _names([one.file.relative_to(root) for one in checked]), strict=True):
        log = sarif(one.report, root)
        # Code hosts keep one set of alerts for each of these ids.
        runs += [run | {"automationDetails": {"id": f"sanetune/{name}/"}} for run in log["runs"]]
        write_json(out / name / "report.json", one.report.to_json())
        if one.clearance is not None:
            write_text(out / name / "clearance.json", one.clearance.read_text(encoding="utf-8"))
    if checked:
        write_json(out / "sanetune.sarif", log | {"runs": runs})
    write_json(out / "codequality.json", [issue for one in checked for issue in code_quality(one.report, root)])


def _names(files: list[Path]) -> list[str]:
    """What the folder of each configuration's reports is called: the file without its suffix, where that is unique."""
    short = [file.with_suffix("").as_posix() for file in files]
    return [name if short.count(name) == 1 else file.as_posix() for file, name in zip(files, short, strict=True)]
