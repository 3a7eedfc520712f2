"""Imports the flat YAML of TRL's command line: model, SFTConfig, script and mixture of data sets in one mapping."""

from __future__ import annotations

from sanetune.config.nested import YamlMap, YamlValue
from sanetune.config.paths import is_template
from sanetune.errors import ConfigError, Place
from sanetune.importers.imported import ImportedConfig
from sanetune.importers.importer import Importer
from sanetune.importers.trl_data import import_data
from sanetune.importers.trl_keys import ADAPTER, INFERRED, MODEL, ODD, QUIET

NOT_SFT = ("beta", "loss_weights", "num_generations", "reward_model_path", "reward_funcs", "ref_model")
"""Keys of TRL's other trainers (DPO, GRPO, …), which SFTConfig does not have."""


def import_trl(importer: Importer) -> ImportedConfig:
    """Return the importer's file in our sections.

    Raises:
        ConfigError: It is no supervised fine-tuning, or none of its data sets can be read.
    """
    for key in NOT_SFT:
        if importer.take(key) is not None:
            raise ConfigError(
                f"{key} is set: this is no supervised fine-tuning",
                "sanetune checks supervised fine-tunes only.",
                "Give the configuration of `trl sft`.",
                Place(importer.file, importer.lines.get(key)),
            )
    _defaults(importer)
    importer.skip_set(ODD)
    trusted = _model(importer)
    import_data(importer)
    _others(importer)
    return importer.finish("trl", QUIET, trusted)


def _defaults(importer: Importer) -> None:
    from sanetune.config.trl_fields import default_of

    for key in INFERRED:
        importer.put(f"train.{key}", default_of(key))
    importer.put("run.trackers", [])


def _model(importer: Importer) -> bool:
    """Set the section ``model``; returns whether code of the model's repository may run there.

    ``model_init_kwargs`` counts for more than the keys beside it, as in TRL.
    """
    if name := importer.text("model_name_or_path"):
        importer.put("model.name", importer.path(name))
    importer.move(MODEL)
    if is_template(text := importer.text("chat_template")):
        importer.put("model.chat_template", text)
    if template := importer.text("chat_template_path"):
        importer.put("model.chat_template", importer.path(template))
        if not importer.path(template).endswith((".jinja", ".j2", ".jinja2", ".txt")):
            importer.config["model"].pop("chat_template")
            importer.skip("chat_template_path", "a template is copied from no other model: give its Jinja file")
    dtype, old = importer.text("dtype"), importer.text("torch_dtype")
    importer.put("model.dtype", dtype or old or "float32")
    more = importer.take("model_init_kwargs")
    trusted = importer.flag("trust_remote_code")
    names = {"torch_dtype": "dtype", "dtype": "dtype", "attn_implementation": "attention", "revision": "revision"}
    for key, value in (more if isinstance(more, dict) else {}).items():
        if key in names:
            importer.put(f"model.{names[key]}", value)
        elif key == "trust_remote_code":
            trusted = bool(value)
        elif key not in ("use_cache", "device_map", "low_cpu_mem_usage"):
            importer.skip(f"model_init_kwargs.{key}", "not known to this reader", value)
    four, eight = importer.flag("load_in_4bit"), importer.flag("load_in_8bit")
    importer.put("model.quantization", "4bit" if four else "8bit" if eight else None)
    _adapter(importer)
    return trusted


def _adapter(importer: Importer) -> None:
    section: YamlMap = {"type": "lora", "r": 16, "alpha": 32, "dropout": 0.05}
    for theirs, ours in ADAPTER.items():
        value = importer.take(theirs)
        section |= {} if value is None else {ours: [value] if ours == "modules_to_save" and _is_text(value) else value}
    target = importer.take("lora_target_modules")
    if not importer.flag("use_peft"):
        return
    if target is None:
        target = _usual_target(importer)
    if isinstance(target, list) and target == ["all-linear"]:
        target = "all-linear"
    importer.put("model.adapter", {**section, "target": target})


def _is_text(value: YamlValue) -> bool:
    return isinstance(value, str)


def _usual_target(importer: Importer) -> YamlValue:
    """The modules that PEFT takes for an architecture where none are named; all linear ones where it cannot be known
    here."""
    from pathlib import Path

    import orjson

    name = importer.config["model"].get("name")
    file = Path(str(name)) / "config.json"
    try:
        kind = orjson.loads(file.read_bytes()).get("model_type") if file.is_file() else None
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind is not None:
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

        if kind in USUAL:
            return [*USUAL[kind]]
    importer.skip("lora_target_modules", "unset: PEFT chooses by architecture; every linear layer is adapted here", [])
    return "all-linear"


def _others(importer: Importer) -> None:
    """Keys of SFTConfig by today's names, and by those that they had before."""
    from sanetune.config import trl_fields
    from sanetune.config.old_keys import RENAMES

    for key in [key for key in importer.values if key not in importer.taken and key not in QUIET]:
        rename = RENAMES.get(f"train.{key}") or RENAMES.get(f"model.{key}")
        if rename is not None:
            _renamed(importer, key)
        elif key in trl_fields.fields():
            importer.move({key: f"train.{key}"})


def _renamed(importer: Importer, key: str) -> None:
    from sanetune.config.old_keys import RENAMES

    rename = RENAMES.get(f"train.{key}") or RENAMES[f"model.{key}"]
    number = importer.number(key) if key == "warmup_ratio" else None
    value = importer.take(key) if number is None else number
    if value is None:
        return
    try:
        pairs = rename.pairs(value)
    except ValueError as error:
        importer.skip(key, f"it would have to be {error}")
        return
    if not pairs and not rename.to:
        importer.skip(key, rename.note)
    for path, translated in pairs:
        importer.put(path, translated)
