"""Translates keys and values that have another name today."""

from __future__ import annotations

from sanetune.config import messages
from sanetune.config.draft import Draft
from sanetune.config.nested import YamlValue, drop, find, leaves, put
from sanetune.config.old_keys import RENAMES, VALUES, Pairs, Rename
from sanetune.config.origin import Origin, OriginKind, Renamed
from sanetune.errors import ConfigError


def rename_old_keys(draft: Draft) -> Draft:
    """``draft`` with the names of today; each old one is noted in ``renamed``.

    Raises:
        ConfigError: A key is given by its old and its new name with different values, or an old value means nothing
            under the new name.
    """
    new = draft.copy()
    for path in [leaf for section, keys in draft.values.items() for leaf in leaves(keys, section)]:
        rename = RENAMES.get(path)
        if rename is not None and rename.to != path:
            _move(new, path, rename)
    for (path, old), value in VALUES.items():
        if find(new.values, path) == old:
            place = new.place(path)
            put(new.values, path, value)
            new.renamed.append(Renamed(path, path, old, place))
            note = f"{old} is called {value} today"
            new.origins[path] = Origin(OriginKind.RENAMED, place, note, old_key=path)
    return new


def _move(draft: Draft, path: str, rename: Rename) -> None:
    """Put the value of ``path`` under the names of today."""
    value, place, origin = find(draft.values, path), draft.place(path), draft.origin(path)
    drop(draft.values, path)
    draft.origins.pop(path, None)
    try:
        pairs = rename.pairs(value)
    except ValueError as error:
        raise messages.wrong_value(path, value, str(error), place) from None
    if path == "train.warmup_ratio":
        pairs = _one_warmup(draft, pairs)
    if not pairs:
        draft.renamed.append(Renamed(path, "", value, place))
    by_override = origin is not None and origin.on_command_line
    for key, translated in pairs:
        present = find(draft.values, key)
        if present is None:
            put(draft.values, key, translated)
            draft.renamed.append(Renamed(path, key, value, place))
            draft.origins[key] = Origin(
                OriginKind.RENAMED,
                None if by_override else place,
                rename.note,
                old_key=path,
                on_command_line=by_override,
            )
        elif present != translated and not _is_same_adapter(key, present):
            raise ConfigError(
                f"{path} is now called {key}, and both are given: "
                f"{messages.short(value)} and {messages.short(present)}",
                "Only one of the two can be meant.",
                f"Delete {path}.",
                place,
            )


def _one_warmup(draft: Draft, pairs: Pairs) -> Pairs:
    """Choose between ``warmup_ratio`` and ``warmup_steps`` as transformers did when it had both.

    Steps above 0 won over the ratio, and 0 of either meant the other.
    """
    steps = find(draft.values, "train.warmup_steps")
    if steps == 0:
        drop(draft.values, "train.warmup_steps")
    return [] if steps and (pairs[0][1] == 0 or (isinstance(steps, int | float) and steps >= 1)) else pairs


def _is_same_adapter(key: str, present: YamlValue) -> bool:
    """``use_peft: true`` beside settings of the adapter asks for the same thing twice."""
    return key == "model.adapter" and isinstance(present, dict | str)
