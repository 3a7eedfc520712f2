"""Imports Axolotl's YAML. Names and defaults are those of axolotl 0.19."""

from __future__ import annotations

from collections.abc import Mapping

from sanetune.config.nested import YamlMap, YamlValue
from sanetune.config.paths import is_template
from sanetune.errors import ConfigError, Place
from sanetune.importers.axolotl_keys import (
    ATTENTION,
    DEFAULTS,
    ENTRY,
    FILES,
    INSTEAD,
    MOVED,
    ODD,
    QUIET,
    QUIET_PLUGINS,
    TEMPLATE,
)
from sanetune.importers.imported import ImportedConfig
from sanetune.importers.importer import UNKNOWN, Importer
from sanetune.importers.rows import (
    ALPACA,
    Columns,
    Need,
    columns_of,
    key_columns,
    put_fields,
    put_holdout,
    put_sources,
    role_columns,
    take_part,
)


def import_axolotl(importer: Importer) -> ImportedConfig:
    """Return the importer's file in our sections.

    Raises:
        ConfigError: It is no supervised fine-tuning, or none of its data sets can be read.
    """
    for key in ("rl", "reward_model", "process_reward_model"):
        if importer.take(key):
            raise ConfigError(
                f"{key} is {importer.values[key]!r}: this is no supervised fine-tuning",
                "sanetune checks supervised fine-tunes only.",
                "Give the configuration of an SFT run.",
                Place(importer.file, importer.lines.get(key)),
            )
    importer.put_all("train", DEFAULTS)
    importer.move(MOVED)
    importer.skip_set(INSTEAD)
    _pushed(importer)
    _plugins(importer)
    epochs = importer.put_epochs("num_epochs", 1.0)
    if name := importer.text("base_model"):
        importer.put("model.name", importer.path(name))
    _adapter(importer)
    _precision(importer)
    _attention(importer)
    _data(importer)
    _schedule(importer, epochs)
    _trackers(importer)
    return importer.finish("axolotl", QUIET, importer.flag("trust_remote_code"))


def _pushed(importer: Importer) -> None:
    """Axolotl pushes to a private repository wherever it is named."""
    if importer.values.get("hub_model_id"):
        importer.put_all("train", {"push_to_hub": True, "hub_private_repo": True, "hub_always_push": True})


def _plugins(importer: Importer) -> None:
    listed = [str(one) for one in _listed(importer.take("plugins"))]
    if others := [one for one in listed if not any(part in one for part in QUIET_PLUGINS)]:
        importer.skip("plugins", "plugins of Axolotl do not run here", [*others])


def _adapter(importer: Importer) -> None:
    numbers = {key: importer.number(f"lora_{key}") for key in ("r", "alpha", "dropout")}
    modules = importer.take("lora_modules_to_save")
    flags = {key: importer.flag(f"peft_use_{key}") for key in ("dora", "rslora")}
    target = importer.take("lora_target_modules")
    target = "all-linear" if importer.flag("lora_target_linear") else target or importer.take("peft_target_modules")
    four, eight = importer.flag("load_in_4bit"), importer.flag("load_in_8bit")
    kind = importer.take("adapter")
    if not kind:
        return
    if kind not in ("lora", "qlora"):
        importer.skip("adapter", "judged as LoRA")
    importer.put("model.adapter", {"type": "lora", "r": 8, "alpha": 16, "dropout": 0.0})
    importer.put_all("model.adapter", {**numbers, **flags, "modules_to_save": modules, "target": target})
    importer.put("model.quantization", "4bit" if four or kind == "qlora" else "8bit" if eight else None)


def _precision(importer: Importer) -> None:
    """Axolotl loads the weights themselves in the format that it computes in.

    DeepSpeed and FSDP keep a float32 copy of them.
    """
    bf16, fp16 = importer.take("bf16"), importer.flag("fp16")
    bf16 = "auto" if bf16 is None else bf16
    pure_bf16, pure_fp16 = importer.flag("bfloat16"), importer.flag("float16")
    copied = [key for key in ("deepspeed", "fsdp", "fsdp_config") if importer.take(key)]
    for key in copied:
        importer.skip(key, "how the run is spread over devices is not checked")
    if bf16 == "auto":
        importer.put("train.fp16", True if fp16 else None)
        importer.put("train.bf16", False if fp16 else None)
    else:
        importer.put("train.bf16", bf16 is True or bf16 == "full")
        importer.put("train.fp16", fp16 and not bf16)
    if "adapter" not in importer.config["model"] and not copied:
        half = "float16" if (fp16 and bf16 in ("auto", False)) or pure_fp16 else None
        importer.put("model.dtype", half or ("bfloat16" if bf16 or pure_bf16 else "float32"))


def _attention(importer: Importer) -> None:
    if importer.take("gradient_checkpointing"):
        importer.put("train.activation_checkpointing", True)
    for key, name in ATTENTION.items():
        if importer.flag(key):
            importer.put("model.attention", name)
    importer.put("model.attention", importer.take("attn_implementation"))
    for key, order in (("group_by_length", "group_by_length"), ("curriculum_sampling", "sequential")):
        if importer.flag(key):
            importer.put("train.train_sampling_strategy", order)
    if importer.flag("use_dft"):
        importer.put("train.loss_type", "dft")
    lowest = importer.number("cosine_min_lr_ratio")
    if lowest is not None:
        importer.put("train.lr_scheduler_type", "cosine_with_min_lr")
        importer.put("train.lr_scheduler_kwargs", {"min_lr_rate": float(lowest)})


def _data(importer: Importer) -> None:
    too_long = {"drop": "drop", "truncate": "cut", "raise": "error"}
    importer.put("data.overlong", too_long.get(importer.text("excess_length_strategy", "drop")))
    train, needs = _sources(importer, "datasets")
    validation, more = _sources(importer, "test_datasets")
    put_sources(importer, "data.train", train)
    put_sources(importer, "data.validation", validation)
    types = [str(one.get("type")) for one in _listed(importer.take("datasets")) if isinstance(one, dict)]
    by_alpaca = bool(types) and all(one.startswith("alpaca") for one in types)
    if by_alpaca:
        importer.put("model.chat_template", str(ALPACA))
    put_fields(importer, needs + more)
    if not validation:
        put_holdout(importer, "val_set_size", train)
    importer.take("val_set_size")
    if importer.take("pretraining_dataset"):
        importer.skip("pretraining_dataset", "streams of text are not read")
    if importer.flag("train_on_inputs"):
        importer.put("data.loss_on", "all")
    importer.taken |= {"chat_template", "chat_template_jinja"}
    if not by_alpaca:
        _template(importer, "", importer.values)
    elif importer.values.get("chat_template"):
        importer.skip("chat_template", "rows of this type take Alpaca's prompt, here as in Axolotl")
    for key in ("special_tokens", "tokens", "added_tokens_overrides", "tokenizer_config", "eot_tokens"):
        if importer.take(key):
            importer.skip(key, "the tokenizer is read as it is stored")


def _listed(value: YamlValue) -> list[YamlValue]:
    """Entries of a list; one value stands for a list of it."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _sources(importer: Importer, key: str) -> tuple[list[YamlMap], list[Need]]:
    """Sources of ours, and the columns that each needs."""
    sources: list[YamlMap] = []
    needs: list[Need] = []
    for number, entry in enumerate(_listed(importer.take(key))):
        at = f"{key}.{number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            importer.skip(at, "a data set without a path", entry)
            continue
        kind = entry.get("type")
        if kind is None or str(kind).startswith(("input_output", "_synthetic", "stepwise")):
            importer.skip(f"{at}.type", "rows that are tokens or labelled pieces are not read", kind)
            continue
        for name in sorted(key for key, value in entry.items() if value and key not in ENTRY and key not in ODD):
            importer.skip(f"{at}.{name}", UNKNOWN, entry[name])
        files = [take_part(importer, f"{at}.split", one, entry.get("split")) for one in _files(importer, at, entry)]
        sources += files
        needs.append(Need(_columns(importer, at, entry), files))
    return sources, needs


def _files(importer: Importer, at: str, entry: YamlMap) -> list[YamlMap]:
    path, files = str(entry["path"]), entry.get("data_files")
    listed = [str(one) for one in _listed(files)]
    for key in ("shards", "preprocess_shards"):
        if entry.get(key):
            importer.skip(f"{at}.{key}", "all rows are read", entry[key])
    if listed and path in FILES:
        return [{"path": importer.path(one)} for one in listed]
    found = importer.path(path)
    if listed and found != path:
        return [{"path": importer.path(one, found)} for one in listed]
    if listed:
        importer.skip(f"{at}.data_files", "all files of the data set are read", files)
    if found != path or path.startswith((".", "/", "~")):
        return [{"path": found}]
    names = {"split": "split", "subset": "name", "revision": "revision"}
    more = {ours: entry[theirs] for ours, theirs in names.items() if entry.get(theirs) is not None}
    return [{"path": found, **more}]


def _columns(importer: Importer, at: str, entry: YamlMap) -> Columns:
    kind = entry["type"]
    for key in sorted(entry.keys() & ODD):
        if entry[key] and not (key.startswith("message_field_training") and str(kind).startswith("chat_template")):
            importer.skip(f"{at}.{key}", ODD[key], entry[key])
    if isinstance(kind, dict):
        return _own_format(importer, at, kind)
    if str(kind).startswith("completion"):
        importer.put("data.loss_on", "all")
        return columns_of({"text": entry.get("field") or "text"})
    if str(kind).startswith("chat_template"):
        names = {"messages": entry.get("field_messages") or "messages", "tools": entry.get("field_tools")}
        return columns_of({**names, **_chat(importer, at, entry)})
    if str(kind).startswith("alpaca"):
        importer.skip(
            f"{at}.type", "`input` has no heading of its own here, and the prompt is Alpaca's usual one", kind
        )
    else:
        importer.skip(f"{at}.type", f"columns are found by their usual names; {TEMPLATE}", kind)
    return {}


def _own_format(importer: Importer, at: str, kind: YamlMap) -> Columns:
    if kind.get("format") or kind.get("no_input_format"):
        importer.skip(f"{at}.type.format", "rendered with the model's own template", kind.get("format"))
    return columns_of(
        {
            "prompt": kind.get("field_instruction") or "instruction",
            "completion": kind.get("field_output") or "output",
            "input": kind.get("field_input"),
            "system": kind.get("field_system"),
        }
    )


def _chat(importer: Importer, at: str, entry: YamlMap) -> Columns:
    """What a data set of type chat_template says about its messages: names inside them that are not the usual ones."""
    names = {"role": entry.get("message_field_role"), "content": entry.get("message_field_content")}
    mapped = entry.get("message_property_mappings")
    names |= mapped if isinstance(mapped, dict) else {}
    inside = key_columns(names.get("role"), names.get("content"))
    if isinstance(roles := entry.get("roles"), dict):
        inside |= role_columns({role: _listed(them) for role, them in roles.items()})
    for theirs, ours in (("message_field_training", "train"), ("message_field_training_detail", "train_detail")):
        if entry.get(theirs):
            inside[ours] = str(entry[theirs])
    trained = entry.get("roles_to_train")
    if isinstance(trained, list) and {str(one) for one in trained} - {"assistant", "gpt", "model"}:
        importer.put("data.loss_on", "all")
    if isinstance(trained, list) and not trained:
        importer.skip(f"{at}.roles_to_train", "no turn is in the loss there; every answer is in the loss here", trained)
    if entry.get("train_on_eos") not in (None, "turn", "all"):
        importer.skip(
            f"{at}.train_on_eos", "the end token of each trained turn is in the loss here", entry["train_on_eos"]
        )
    if entry.get("chat_template") not in (None, "tokenizer_default"):
        _template(importer, f"{at}.", entry)
    return inside


def _template(importer: Importer, at: str, values: Mapping[str, YamlValue]) -> None:
    """The chat template of the file or, with ``at`` before its keys, of one data set."""
    name, text = values.get("chat_template"), values.get("chat_template_jinja")
    if text and name in (None, "jinja"):
        importer.put("model.chat_template", str(text) if is_template(str(text)) else importer.path(str(text)))
    elif name == "chatml":
        importer.put("model.chat_template", "chatml")
    elif name == "tokenizer_default_fallback_chatml":
        importer.skip(f"{at}chat_template", "the tokenizer's own template is used, and none where it has none", name)
    elif name == "alpaca":
        importer.put("model.chat_template", str(ALPACA))
    elif name not in (None, "tokenizer_default"):
        importer.skip(f"{at}chat_template", "a template of Axolotl's own: the tokenizer's is checked instead", name)


def _schedule(importer: Importer, epochs: float) -> None:
    """Set warm-up, evaluations and checkpoints of a run over ``epochs``, with Axolotl's defaults.

    These are 3 % warm-up, a checkpoint per epoch, and no evaluation unless it is asked for.
    """
    ratio, steps = importer.number("warmup_ratio"), importer.number("warmup_steps")
    importer.put("train.warmup_steps", steps if steps is not None else float(ratio) if ratio is not None else 0.03)
    data = importer.config["data"]
    for verb, plural in (("eval", "evals"), ("save", "saves")):
        per_epoch, every = importer.number(f"{plural}_per_epoch"), importer.number(f"{verb}_steps")
        strategy = importer.take(f"{verb}_strategy")
        if verb == "eval" and strategy is None:
            strategy = importer.take("evaluation_strategy")
        importer.taken.add("evaluation_strategy")
        if per_epoch and per_epoch > 0 and every is None:
            every = 1.0 / (per_epoch * epochs)
            every = None if every >= 1 else every
            strategy = strategy or ("steps" if every else "no" if verb == "eval" else "epoch")
        if verb == "eval" and not (data.get("validation") or data.get("holdout")):
            continue
        strategy = "steps" if every else strategy or ("no" if verb == "eval" else "epoch")
        importer.put(f"train.{verb}_strategy", strategy)
        importer.put(f"train.{verb}_steps", every)


def _trackers(importer: Importer) -> None:
    """wandb counts as used where a project is named; offline, it needs no login."""
    used: list[YamlValue] = []
    project, mode = importer.take("wandb_project"), importer.text("wandb_mode").lower()
    importer.put("run.name", importer.take("wandb_name"))
    asked, wanted = importer.take("use_wandb"), importer.flag("use_wandb")
    if (project or wanted) and (asked is None or asked) and mode not in ("offline", "disabled"):
        used.append("wandb")
    for key, name in (("use_mlflow", "mlflow"), ("use_comet", "comet_ml"), ("use_trackio", "trackio")):
        if importer.flag(key):
            used.append(name)
    importer.put("run.trackers", used)
