"""Which sections and keys there are, and what is said about one that there is not."""

from __future__ import annotations

from sanetune.config import messages, other_names
from sanetune.config.draft import Draft
from sanetune.config.schema import Config
from sanetune.config.section import Section
from sanetune.errors import ConfigError, Place

SECTIONS: dict[str, type[Section]] = {
    name: field.annotation if isinstance(field.annotation, type) else Section
    for name, field in Config.model_fields.items()
}


def every_key() -> list[str]:
    """All of ``section.key`` that can be written today, SFTConfig's keys last."""
    from sanetune.config import trl_fields

    own = [f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields if key != "given"]
    return own + [f"train.{key}" for key in trl_fields.fields()]


def check_keys(draft: Draft) -> None:
    """Check that every section and key exists, and every value of SFTConfig's keys against the type that it takes.

    Values of the other keys are checked with the schema, in :func:`sanetune.config.validate.validate`.

    Raises:
        ConfigError: For the first that does not.
    """
    for section in draft.values:
        if section not in SECTIONS:
            raise unknown_key(section, draft.place(section))
    for section, model in SECTIONS.items():
        keys = draft.values.get(section)
        for key in keys if isinstance(keys, dict) else ():
            path = f"{section}.{key}"
            if key in model.model_fields and path != "train.given":
                continue
            if section != "train":
                raise unknown_key(path, draft.place(path))
            _check_trl_key(draft, path)


def _check_trl_key(draft: Draft, path: str) -> None:
    from sanetune.config import trl_fields
    from sanetune.config.nested import find

    key = path.removeprefix("train.")
    if key not in trl_fields.fields():
        raise unknown_key(path, draft.place(path))
    value = find(draft.values, path)
    expected = None if trl_fields.is_unset(key, value) else trl_fields.problem(key, value)
    if expected:
        raise messages.wrong_value(path, value, expected, draft.place(path))


def unknown_key(path: str, place: Place | None) -> ConfigError:
    """The error for a section or ``section.key`` that does not exist, with what was probably meant."""
    section = path.split(".")[0]
    names = [one for one in every_key() if one.startswith(f"{section}.")] if section in SECTIONS else []
    names = names if "." in path else list(SECTIONS)
    listed = ", ".join(name.removeprefix(f"{section}.") for name in names[:12])
    known = f"Known here: {listed}{', ...' if len(names) > 12 else ''}"
    return ConfigError(
        f"there is no key {path!r}" if "." in path else f"there is no section {path!r}",
        "An unknown key would be ignored, and the run would not be what the file says.",
        advice(path) or (known if names else f"Known sections: {', '.join(SECTIONS)}"),
        place,
    )


def advice(path: str) -> str:
    """Say what was probably meant by a key or section that does not exist; "" where nothing is near.

    >>> advice("train.cutoff_len"), advice("lr")
    ('It is called train.max_length here.', 'It is called train.learning_rate here.')
    >>> advice("budget.device")
    'Did you mean budget.devices?'
    """
    for near in (f"{path}s", path.removesuffix("s")):
        if near in every_key():
            return f"Did you mean {near}?"
    if found := other_names.ADVICE.get(path.split(".")[-1].lower()):
        return found
    if found := key_for(path):
        same = found.split(".")[-1] == path.split(".")[-1]
        return f"Did you mean {found}?" if same else f"It is called {found} here."
    names = every_key()
    section = path.split(".")[0]
    own = [one for one in names if one.startswith(f"{section}.")] if "." in path else list(SECTIONS)
    return messages.meant(path, own) or messages.meant(path, names)


def key_for(path: str) -> str:
    """Return our key for a name that another tool has for it, or that lacks its section; "" for none."""
    last, names = path.split(".")[-1].lower().replace("-", "_"), every_key()
    if last in other_names.KEYS:
        return other_names.KEYS[last]
    section, _, rest = path.partition(".")
    if rest and section not in SECTIONS and section in other_names.SECTIONS:
        moved = f"{other_names.SECTIONS[section]}.{rest}"
        if moved in names or moved.rpartition(".")[0] == "model.adapter":
            return moved
    same = [name for name in names if name.split(".")[-1] == last]
    return same[0] if same else other_names.SECTIONS.get(path, "")
