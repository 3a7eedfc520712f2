"""Checks the values of a configuration against the schema, and makes the Config."""

from __future__ import annotations

from pydantic import ValidationError

from sanetune.config.draft import Draft
from sanetune.config.keys import SECTIONS
from sanetune.config.nested import YamlMap, find, key_of
from sanetune.config.origin import Origin, OriginKind
from sanetune.config.pydantic_errors import config_error
from sanetune.config.schema import Config, TrainSection


def validate(draft: Draft) -> Config:
    """The Config of a draft whose keys are known, with the origin of every value.

    Raises:
        ConfigError: A value has the wrong type, is out of its range, or is missing.
    """
    values = {section: dict(keys) if isinstance(keys, dict) else {} for section, keys in draft.values.items()}
    values["train"] = _train(values.get("train", {}))
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise config_error(error, draft.place) from None
    return config.came_from(_origins(draft), draft.renamed, draft.file)


def _train(keys: YamlMap) -> YamlMap:
    """The section ``train`` as its model has it: SFTConfig's keys that are set go into ``given``."""
    own: YamlMap = {key: value for key, value in keys.items() if key in TrainSection.model_fields}
    given = {key: value for key, value in keys.items() if key not in own}
    if given:
        from sanetune.config import trl_fields

        given = {key: value for key, value in given.items() if not trl_fields.is_unset(key, value)}
    return {**own, "given": given}


def _origins(draft: Draft) -> dict[str, Origin]:
    """One origin for each ``section.key``. A part that was overridden or renamed speaks for the whole."""
    origins = {
        f"{section}.{key}": Origin(OriginKind.DEFAULT, reason=(field.description or "").replace("\n", " "))
        for section, model in SECTIONS.items()
        for key, field in model.model_fields.items()
        if key != "given"
    }
    for path, origin in draft.origins.items():
        key = key_of(path)
        if find(draft.values, key) is not None:
            nested_given = path != key and origin.kind is OriginKind.GIVEN
            if not nested_given or origins[key].kind is OriginKind.DEFAULT:
                origins[key] = origin
    return origins
