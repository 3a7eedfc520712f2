"""The files that a user's tasks are made of, so that results of files as they were before are recognised as old."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path

from sanetune.config.paths import is_task_file
from sanetune.gate.identity import hash_file
from sanetune.workflows.evaluating.harness import yaml_files

FUNCTION = ("!", "function")
"""Tag of a name such as ``utils.clean``: a function of ``utils.py`` beside the YAML file."""


def task_files(tasks: Sequence[str]) -> dict[str, str]:
    """Return the hash of each file of ``tasks``, by its path: YAML files, and the files with data, code or YAML that
    those name.

    Args:
        tasks: Names of lm-eval's tasks, which have no file here, or paths of YAML files or folders.

    Raises:
        OSError: A file cannot be read.
    """
    left = [file for name in tasks if is_task_file(name) for file in yaml_files(Path(name))]
    found: dict[str, str] = {}
    while left:
        file = left.pop()
        if str(file) not in found:
            found[str(file)] = str(hash_file(file)["hash"])
            left += _named(file) if file.suffix in (".yaml", ".yml") else ()
    return dict(sorted(found.items()))


def _named(file: Path) -> list[Path]:
    """The files that a YAML file names, from its own folder (code, YAML) or from where lm-eval runs (data)."""
    from ruamel.yaml.error import YAMLError

    try:
        texts = list(_texts(file.read_text(encoding="utf-8")))
    except (YAMLError, ValueError):
        return []  # lm-eval says what is wrong with it
    places = [path for text in texts for path in (file.parent / text, Path(text))]
    # Not `Path.is_file`, which raises for a prompt that is too long for a file's name.
    return [path for path in places if os.path.isfile(path)]


def _texts(text: str) -> Iterator[str]:
    """The values of a YAML file, with the file of each function."""
    from ruamel.yaml import YAML
    from ruamel.yaml.tokens import ScalarToken, TagToken

    tag = None
    for token in YAML(typ="safe", pure=True).scan(text):
        if isinstance(token, ScalarToken):
            yield f"{token.value.rpartition('.')[0]}.py" if tag == FUNCTION else token.value
        tag = token.value if isinstance(token, TagToken) else None
