"""The command `sanetune export`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sanetune.cli import guarded, json_option, run_argument, write_json
from sanetune.commands import typed_of

FOR_GGUF = {
    "force": "--force",
    "storage": "--type",
    "pre": "--pre",
    "converter": "--converter",
    "proved": "--verify/--no-verify",
}
"""What only the GGUF file has a use for: parameters, and how they are written."""
TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")


@click.command(name="export")
@run_argument
@click.option("--gguf", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write one GGUF file.")
@click.option("--force", is_flag=True, help="Replace a GGUF file that is there.")
@click.option("--type", "storage", type=click.Choice(TYPES), default="f16", show_default=True,
              help="How the weights of the file are stored.")  # fmt: skip
@click.option("--pre", metavar="NAME", default="", help="llama.cpp's name for the tokenizer's splitting, if unknown.")
@click.option(
    "--converter",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="llama.cpp's convert_hf_to_gguf.py: writes the file in place of sanetune's own writer.",
)
@click.option("--verify/--no-verify", "proved", default=True, help="Serve the file and compare it with the run.")
@click.option("--merge", "merged", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Merge the adapter into its base.")  # fmt: skip
@click.option("--push-to-hub", "repository", metavar="REPO", default="", help="Upload to owner/name on the Hub.")
@click.option("--public", is_flag=True, help="A repository that is made is public; it is private otherwise.")
@json_option
@guarded
def command(
    run: Path,
    gguf: Path | None,
    force: bool,
    storage: str,
    pre: str,
    converter: Path | None,
    proved: bool,
    merged: Path | None,
    repository: str,
    public: bool,
    json_file: Path | None,
) -> None:
    """Hand the model of RUN on: as a GGUF file, merged into its base, or to the Hub with card, clearance and badge.

    A GGUF file is served by llama.cpp and compared with the run, as `sanetune verify` does (pip install
    'sanetune[serve]').

    Example: sanetune export runs/mine --gguf mine.gguf --type q8_0
    """
    if gguf is None and merged is None and not repository:
        raise click.UsageError("Nothing to do: give --gguf FILE, --merge DIR or --push-to-hub REPO.")
    if public and not repository:
        raise click.UsageError("--public is for --push-to-hub REPO: give both, or neither.")
    if gguf is None and (names := typed_of(FOR_GGUF)):
        raise click.UsageError(f"{', '.join(names)}: for --gguf FILE alone, which is not given.")
    from sanetune.workflows import export

    found: dict[str, Any] = {"schema": 1}
    code = 0
    if merged is not None:
        done = export.merge(run, merged)
        found["merged"] = asdict(done)
        _say(
            f"merged into {done.folder}: {done.logits:,} logits, the largest difference {done.difference:.1e}",
            json_file,
        )
    if gguf is not None:
        export.export_gguf(run, gguf, storage=storage, pre=pre, converter=converter, force=force)
        found["gguf"] = {"file": gguf, "type": storage, "bytes": gguf.stat().st_size}
        _say(f"written {gguf} ({gguf.stat().st_size / 2**20:,.1f} MiB)", json_file)
        if proved:
            code, found["verification"] = _verified(run, gguf, json_file)
    if repository:
        pushed = export.push(run, repository, private=not public)
        found["pushed"] = asdict(pushed)
        _say(f"uploaded {len(pushed.files)} files to {pushed.url}", json_file)
    if json_file is not None:
        write_json(json_file, found)
    sys.exit(code)


def _verified(run: Path, file: Path, json_file: Path | None) -> tuple[int, dict[str, Any]]:
    """Serve the file and compare it with the run; the exit code and the report."""
    from sanetune.report.terminal import findings
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.verify import Request, verify

    report = verify(run, Request(gguf=file), LiveTerminal())
    if str(json_file) != "-":
        findings.show(report)
    return report.exit_code, report.to_json()


def _say(words: str, json_file: Path | None) -> None:
    click.echo(words, err=str(json_file) == "-")
