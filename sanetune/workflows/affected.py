"""Which configurations a change is about: those that changed themselves, or of which a file that they read did."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.messages import short
from sanetune.config.paths import named_paths
from sanetune.errors import RunError, UserError
from sanetune.text import one_line

if TYPE_CHECKING:
    from sanetune.config.schema import Config

WRITTEN = {"run.output_dir", "train.resume_from_checkpoint"}
"""Keys of paths that runs write and checks do not read."""
SECONDS = 60
"""Longest time that git may take."""
LARGEST = 1_000_000
"""Bytes of a YAML file that is read to see whether it is a configuration."""
HIDDEN = (".git", ".venv", "venv", "node_modules", "runs", "site-packages")
"""Folders without configurations of the user's own, where git cannot say which files are theirs."""


def changed_since(reference: str, root: Path) -> list[Path]:
    """Return the files that differ between ``HEAD`` and where its branch left ``reference``, deleted ones too.

    Raises:
        RunError: ``root`` is in no git repository, or the commit is not in the clone.
    """
    if reference.startswith("-"):  # which git would take for an option
        raise _unknown(reference, "it is no commit")
    diff = ("diff", "--name-only", "-z", "--no-renames")
    try:
        top = Path(_git(root, "rev-parse", "--show-toplevel").strip())
        try:
            names = _git(root, *diff, f"{reference}...HEAD", "--")
        except _GitError:  # without a common ancestor, as in a shallow clone
            names = _git(root, *diff, reference, "HEAD", "--")
    except _GitError as error:
        raise _unknown(reference, str(error)) from None
    return [top / name for name in names.split("\0") if name]


def _unknown(reference: str, reason: str) -> RunError:
    return RunError(
        f"git does not know what has changed since {short(reference)}: {reason}.",
        "Without it, it is not known which configurations have to be checked.",
        "Fetch the commit (on GitHub: actions/checkout with fetch-depth: 0), or check them all.",
    )


def configurations(root: Path, patterns: Sequence[str] = ()) -> list[Path]:
    """Return the configurations below ``root``: those that fit ``patterns``, or all YAML files that are ours.

    Another tool's configuration has to be named by a pattern.

    Raises:
        RunError: A pattern fits no file below ``root``, or is none.
    """
    if not patterns:
        return [file for file in _yaml_files(root) if _is_configuration(file)]
    found: dict[Path, None] = {}
    for pattern in patterns:
        inside = Path(pattern).relative_to(root) if Path(pattern).is_relative_to(root) else Path(pattern)
        try:
            fitting = sorted(path for path in root.glob(str(inside)) if path.is_file() and ".." not in inside.parts)
        except (ValueError, IndexError, NotImplementedError):  # pathlib's for what is no pattern, and for other folders
            fitting = []
        if not fitting:
            raise RunError(
                f"No configuration below {root} fits {short(pattern)}.",
                "Nothing would be checked.",
                "Correct the pattern, or start in the folder above the configurations.",
            )
        found |= dict.fromkeys(fitting)
    return list(found)


def affected_by(config: Path, changed: Iterable[Path]) -> list[Path]:
    """Return those of the ``changed`` files that ``config`` reads; all, where it cannot be read itself."""
    from sanetune.importers import import_config
    from sanetune.workflows.configuration import open_config

    changed = [path.resolve() for path in changed]
    if config.resolve() in changed:
        return [config.resolve()]
    try:
        settings, _ = open_config(config)
        imported = import_config(config)
        inputs = [*_inputs(settings), *(file.resolve() for file in (imported.files if imported else ()))]
    except UserError:
        return changed
    return [path for path in changed if any(path == one or one in path.parents for one in inputs)]


def _inputs(config: Config) -> Iterator[Path]:
    """Files and folders that a configuration reads, gone ones too; of a pattern, the folder that it begins in."""
    import glob

    for key, text in named_paths(config):
        if key in WRITTEN:
            continue
        path = config.folder / text  # an id on the Hub is no file that changes
        while glob.has_magic(str(path)):
            path = path.parent
        yield path.resolve()


def _yaml_files(root: Path) -> list[Path]:
    with contextlib.suppress(_GitError):
        names = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.yaml", "*.yml")
        return [path for name in sorted(names.split("\0")) if name and (path := root / name).is_file()]
    found = sorted([*root.rglob("*.yaml"), *root.rglob("*.yml")])
    return [path for path in found if not set(path.relative_to(root).parts) & set(HIDDEN)]


def _is_configuration(file: Path) -> bool:
    """Whether a YAML file has the sections that a configuration of ours needs, and none of another program's."""
    from sanetune.config.keys import SECTIONS
    from sanetune.config.yaml_read import parse, read_text

    if file.stat().st_size > LARGEST:
        return False
    try:
        values, _, _ = parse(read_text(file), file)
    except UserError:
        return False
    return {"model", "data"} <= set(values) <= set(SECTIONS)


class _GitError(Exception):
    """Git is not installed, takes too long, or has refused; the text is its first line."""


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
        )
    except FileNotFoundError:
        raise _GitError("git is not installed") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _GitError(one_line(str(error), 200)) from None
    if done.returncode:
        raise _GitError(one_line(done.stderr.strip().partition("\n")[0], 200).rstrip("."))
    return done.stdout
