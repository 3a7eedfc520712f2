"""Which configurations a change is about: those that changed themselves, or whose data, template or model did."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.errors import RunError, UserError

if TYPE_CHECKING:
    from sanetune.config.schema import Config

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
    names = top = None
    if reference and not reference.startswith("-"):  # which git would take for an option
        top = _git(root, "rev-parse", "--show-toplevel")
        diff = ("diff", "--name-only", "-z", "--no-renames")
        names = _git(root, *diff, f"{reference}...HEAD", "--")
        if names is None:  # without a common ancestor, as in a shallow clone
            names = _git(root, *diff, reference, "HEAD", "--")
    if names is None or top is None:
        raise RunError(
            f"git does not know what has changed since {reference}.",
            "Without it, it is not known which configurations have to be checked.",
            "Fetch the commit (on GitHub: actions/checkout with fetch-depth: 0), or check them all.",
        )
    return [Path(top.strip(), name) for name in names.split("\0") if name]


def configurations(root: Path, patterns: Sequence[str] = ()) -> list[Path]:
    """Return the configurations below ``root``: those that fit ``patterns``, or all YAML files that are ours.

    Another tool's configuration has to be named by a pattern.

    Raises:
        RunError: A pattern fits no file.
    """
    if not patterns:
        return [file for file in _yaml_files(root) if _is_configuration(file)]
    found: dict[Path, None] = {}
    for pattern in patterns:
        fitting = sorted(path for path in root.glob(pattern) if path.is_file())
        if not fitting:
            raise RunError(f"No configuration fits {pattern}.", "Nothing would be checked.", "Correct the pattern.")
        found |= dict.fromkeys(fitting)
    return list(found)


def affected_by(config: Path, changed: Iterable[Path]) -> list[Path]:
    """Return those of the ``changed`` files that ``config`` reads; all, where it cannot be read itself."""
    from sanetune.workflows.configuration import open_config

    changed = [path.resolve() for path in changed]
    if config.resolve() in changed:
        return [config.resolve()]
    try:
        settings, _ = open_config(config)
        inputs = list(_inputs(settings))
    except UserError:
        return changed
    return [path for path in changed if any(path == one or one in path.parents for one in inputs)]


def _inputs(config: Config) -> Iterator[Path]:
    """Files and folders that a configuration reads; of a pattern, the folder that it begins in."""
    import glob

    for source in (*config.data.train, *(config.data.validation or ())):
        path = Path(source.path)
        while glob.has_magic(str(path)):
            path = path.parent
        yield path.resolve()
    for text in (config.model.name, config.model.chat_template or ""):
        if text and Path(text).exists():
            yield Path(text).resolve()


def _yaml_files(root: Path) -> list[Path]:
    names = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.yaml", "*.yml")
    if names is not None:
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


def _git(root: Path, *words: str) -> str | None:
    """What git answers; None where it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
