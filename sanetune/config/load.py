"""Loads a configuration: from a YAML file, a mapping or a Config, and overrides, to a checked Config."""

from __future__ import annotations

from collections.abc import Sequence

from sanetune.config.consistency import check_consistency
from sanetune.config.keys import check_keys
from sanetune.config.override import apply_override, read_override
from sanetune.config.paths import name_run, resolve_paths
from sanetune.config.rename import rename_old_keys
from sanetune.config.schema import Config
from sanetune.config.source import Source, read_source
from sanetune.config.split_names import resolve_folder_splits
from sanetune.config.validate import validate


def load(source: Source, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration and check it.

    >>> config = load({"model": {"name": "owner/model"}, "data": {"train": "owner/data"}}, ["data.holdout=0.2"])
    >>> config.data.holdout, str(config.origins["data.holdout"])
    (0.2, 'given on the command line')

    Args:
        source: A YAML file, a mapping of sections, or a Config, which is copied.
        overrides: Texts ``section.key=value``, the value typed as in YAML. A relative path in one is looked up from
            the current folder first, those in the file from the file's folder.

    Returns:
        The configuration. Paths in it are absolute, old names of keys are translated, and every value has its origin.

    Raises:
        ConfigError: Something cannot be used as it is; the error has file and line.
    """
    draft = rename_old_keys(read_source(source))
    for number, text in enumerate(overrides, start=1):
        following = next(iter(overrides[number : number + 1]), "")
        draft = apply_override(draft, rename_old_keys(read_override(text, following)))
    check_keys(draft)
    config = validate(draft)
    check_consistency(config, draft.place)
    resolve_paths(config)
    resolve_folder_splits(config)
    name_run(config)
    return config
