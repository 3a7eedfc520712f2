"""Which sections and keys there are, and what is said about one that there is not."""

from __future__ import annotations

from sanetune.config import messages
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
    every = every_key()
    section = path.split(".")[0]
    names = [one for one in every if one.startswith(f"{section}.")] if "." in path else list(SECTIONS)
    near = messages.meant(path, names) or messages.meant(path.split(".")[-1], every)
    listed = ", ".join(name.removeprefix(f"{section}.") for name in names[:12])
    return ConfigError(
        f"there is no key {path!r}" if "." in path else f"there is no section {path!r}",
        "An unknown key would be ignored, and the run would not be what the file says.",
        near or f"Known here: {listed}{', ...' if len(names) > 12 else ''}",
        place,
    )
