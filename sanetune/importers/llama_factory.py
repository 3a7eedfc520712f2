"""Imports LLaMA-Factory's YAML and the ``dataset_info.json`` that it names. Names and defaults are those of 0.9.5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from sanetune.config.nested import YamlMap, YamlValue
from sanetune.errors import ConfigError, Place
from sanetune.importers.imported import ImportedConfig
from sanetune.importers.importer import Importer
from sanetune.importers.llama_factory_keys import (
    ATTENTION,
    COLUMNS,
    DEFAULTS,
    MOVED,
    ODD,
    OPTIMIZERS,
    QUIET,
    TAGS,
    USUAL,
)
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

MAX_BYTES = 5_000_000
"""Larger than any ``dataset_info.json``: the shipped one has 20 kB."""


def import_llama_factory(importer: Importer) -> ImportedConfig:
    """Return the importer's file in our sections.

    Raises:
        ConfigError: It is no supervised fine-tuning, or its data sets cannot be found or read.
    """
    stage = importer.take("stage")
    if stage not in (None, "sft"):
        raise ConfigError(
            f"stage is {stage!r}: this is no supervised fine-tuning",
            "sanetune checks supervised fine-tunes only.",
            "Give the configuration of a run with stage: sft.",
            Place(importer.file, importer.lines.get("stage")),
        )
    importer.put_all("train", DEFAULTS)
    importer.move(MOVED)
    importer.put_epochs("num_train_epochs", 3.0)
    if name := importer.text("model_name_or_path"):
        importer.put("model.name", importer.path(name))
    importer.skip_set(ODD)
    importer.taken |= {key for key in importer.values if key.startswith(OPTIMIZERS)}
    _method(importer)
    _memory(importer)
    _data(importer)
    _loss(importer)
    _schedule(importer)
    _trackers(importer)
    return importer.finish("llama-factory", QUIET, importer.flag("trust_remote_code"))


def _method(importer: Importer) -> None:
    """Weights that are trained are kept in float32 there, unless pure_bf16 says otherwise."""
    adapter, bits, pure = _adapter(importer), importer.number("quantization_bit"), importer.flag("pure_bf16")
    kind = importer.text("finetuning_type", "lora")
    if kind not in ("lora", "oft"):
        if kind == "freeze":
            importer.skip("finetuning_type", "every weight counts as trained")
        importer.put("model.dtype", "bfloat16" if pure else "float32")
        return
    if kind == "oft":
        importer.skip("finetuning_type", "judged as LoRA")
    importer.put("model.adapter", adapter)
    method = importer.text("quantization_method", "bnb")
    if method not in ("bnb", "bitsandbytes", "BNB"):
        importer.skip("quantization_method", "bits are those of bitsandbytes here")
    if bits in (4, 8):
        importer.put("model.quantization", f"{bits}bit")
    elif bits:
        importer.skip("quantization_bit", "4 and 8 bits are known")


def _adapter(importer: Importer) -> YamlMap:
    """The section ``model.adapter``; alpha is twice the rank where it is unset."""
    rank, alpha = importer.number("lora_rank"), importer.number("lora_alpha")
    rank = 8 if rank is None else rank
    dropout = importer.number("lora_dropout")
    target = importer.text("lora_target", "all")
    section: YamlMap = {
        "type": "lora",
        "r": rank,
        "alpha": 2 * rank if alpha is None else alpha,
        "dropout": 0.0 if dropout is None else dropout,
        "target": "all-linear" if target == "all" else [*_names(target)],
        "rslora": importer.flag("use_rslora"),
        "dora": importer.flag("use_dora"),
    }
    if more := importer.text("additional_target"):
        section["modules_to_save"] = [*_names(more)]
    return section


def _names(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def _memory(importer: Importer) -> None:
    importer.put("model.attention", ATTENTION.get(importer.text("flash_attn", "auto")))
    importer.put("train.activation_checkpointing", not importer.flag("disable_gradient_checkpointing"))
    if importer.flag("group_by_length"):
        importer.put("train.train_sampling_strategy", "group_by_length")
    if importer.flag("use_dft_loss"):
        importer.put("train.loss_type", "dft")


def _data(importer: Importer) -> None:
    folder = importer.take("dataset_dir")
    folder = "data" if folder is None else folder
    info, limit = _info(importer, folder), importer.number("max_samples")
    train, needs = _sources(importer, "dataset", info, folder, limit)
    validation, more = _sources(importer, "eval_dataset", info, folder, limit)
    put_sources(importer, "data.train", train)
    put_sources(importer, "data.validation", validation)
    put_fields(importer, needs + more)
    if not validation:
        put_holdout(importer, "val_size", train)
    importer.take("val_size")
    importer.put("data.overlong", "cut")


def _loss(importer: Importer) -> None:
    """Which tokens count, how rows are packed, and the chat template."""
    if importer.flag("train_on_prompt"):
        importer.put("data.loss_on", "all")
    elif importer.flag("mask_history"):
        importer.put("data.loss_on", "last")
    if importer.flag("neat_packing"):
        importer.put("train.packing", True)
    elif importer.flag("packing"):
        importer.skip(
            "packing", "without neat_packing the documents of a pack see each other there; here they never do"
        )
    name = importer.take("template")
    if name == "alpaca":
        importer.put("model.chat_template", str(ALPACA))
    elif name == "chatml":
        importer.put("model.chat_template", "chatml")
    elif name:
        importer.skip("template", "a template of LLaMA-Factory's own: the tokenizer's is checked instead")


def _info(importer: Importer, folder: YamlValue) -> YamlMap | None:
    """``dataset_info.json``; None where names are those of the Hub.

    Raises:
        ConfigError: There is none that can be read.
    """
    if isinstance(folder, dict):
        return folder
    if folder == "ONLINE":
        return None
    place = Place(importer.file, importer.lines.get("dataset_dir") or importer.lines.get("dataset"))
    if str(folder).startswith("REMOTE:"):
        raise ConfigError(
            f"dataset_dir is {folder}: a dataset_info.json on the Hub is not fetched",
            "LLaMA-Factory looks the names of data sets up there.",
            "Download that repository, and give its folder as dataset_dir.",
            place,
        )
    file = Path(importer.path(str(folder))) / "dataset_info.json"
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        info = orjson.loads(raw) if len(raw) <= MAX_BYTES else None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read: {str(error).splitlines()[0][:200]}",
            "LLaMA-Factory looks the names of data sets up there.",
            "Start from the folder that the tool is started from, or give dataset_dir in full.",
            place,
        ) from None
    importer.files.append(file)
    if not isinstance(info, dict):
        raise ConfigError(f"{file} is no object of data sets", "", "Give LLaMA-Factory's own file.", place)
    return info


def _sources(
    importer: Importer, key: str, info: YamlMap | None, folder: YamlValue, limit: float | None
) -> tuple[list[YamlMap], list[Need]]:
    """Sources of ours, and the columns that each needs. ``limit``: most rows of each."""
    names = importer.take(key)
    listed = names.split(",") if isinstance(names, str) else names if isinstance(names, list) else [names]
    sources: list[YamlMap] = []
    needs: list[Need] = []
    for name in (str(one).strip() for one in listed if one is not None):
        entry: YamlValue = {"hf_hub_url": name} if info is None else info.get(name)
        at = f"{key}.{name}"
        if not isinstance(entry, dict):
            importer.skip(at, "not in dataset_info.json", name)
            continue
        source = _source(importer, at, entry, folder)
        if source is None:
            continue
        limits = [one for one in (limit, entry.get("num_samples")) if isinstance(one, int) and one > 0]
        source |= {"limit": min(limits)} if limits else {}
        sources.append(source)
        needs.append(Need(_columns(importer, at, entry), [source]))
    return sources, needs


def _source(importer: Importer, at: str, entry: YamlMap, folder: YamlValue) -> YamlMap | None:
    if entry.get("ranking"):
        importer.skip(f"{at}.ranking", "of pairs of preferences the wanted answers alone are trained on", True)
    if entry.get("hf_hub_url"):
        if entry.get("folder"):
            importer.skip(f"{at}.folder", "the whole data set is read", entry["folder"])
        more = {name: entry[name] for name in ("subset", "split") if entry.get(name) is not None}
        return take_part(importer, f"{at}.split", {"path": str(entry["hf_hub_url"]), **more}, entry.get("split"))
    file = entry.get("file_name")
    if isinstance(file, str) and isinstance(folder, str):
        return {"path": importer.path(file, importer.path(folder))}
    importer.skip(at, "only files and data sets of the Hugging Face Hub are read", entry)
    return None


def _columns(importer: Importer, at: str, entry: YamlMap) -> Columns:
    given = entry.get("columns")
    columns = given if isinstance(given, dict) else {}
    for name in ("images", "videos", "audios"):
        if columns.get(name):
            importer.skip(f"{at}.columns.{name}", "only text is read", columns[name])
    if entry.get("formatting", "alpaca") == "alpaca":
        columns = columns if isinstance(given, dict) else USUAL
        if columns.get("history") not in (None, "history"):
            importer.skip(
                f"{at}.columns.history", "earlier turns are in a column named history here", columns["history"]
            )
        named = {ours: columns.get(theirs) for theirs, ours in COLUMNS.items()}
        if entry.get("ranking"):
            return _pairs({**named, "prompt": named["prompt"] or "instruction"}, columns)
        return columns_of({**named, "label": columns.get("kto_tag")})
    tags = entry.get("tags")
    names = {"messages": columns.get("messages") or "conversations", **_tags(tags if isinstance(tags, dict) else {})}
    more = {"system": columns.get("system"), "tools": columns.get("tools"), "label": columns.get("kto_tag")}
    return _pairs({**names, **more}, columns) if entry.get("ranking") else columns_of({**names, **more})


def _pairs(names: Mapping[str, object], columns: YamlMap) -> Columns:
    """The columns of a data set with a wanted and an unwanted answer."""
    usual = columns_of({**names, "completion": _usual_reply(names)})
    chosen = str(columns.get("chosen") or "chosen")
    if chosen == "chosen" and usual.keys().isdisjoint(("messages", "prompt")):
        return usual
    return {name: str(column) for name, column in {**names, "completion": chosen}.items() if column}


def _usual_reply(names: Mapping[str, object]) -> str | None:
    """A reply that belongs to the question, so that the question alone decides whether its name is usual."""
    from sanetune.data.column_names import PAIRS

    question = str(names.get("prompt"))
    return PAIRS[question][1][0] if question in PAIRS else None


def _tags(tags: YamlMap) -> Columns:
    """Names of keys and roles inside messages that are not the usual ones."""
    roles = {role: [tags[tag]] for tag, role in TAGS.items() if tags.get(tag)}
    return key_columns(tags.get("role_tag"), tags.get("content_tag")) | role_columns(roles)


def _schedule(importer: Importer) -> None:
    """Set warm-up and evaluations. Without validation rows nothing is evaluated.

    transformers lets steps of warm-up above 0 win over the ratio.
    """
    ratio, steps = importer.number("warmup_ratio"), importer.number("warmup_steps")
    importer.put("train.warmup_steps", steps if steps else float(ratio) if ratio else 0)
    old, strategy = importer.take("evaluation_strategy"), importer.take("eval_strategy")
    strategy = old if strategy is None else strategy
    every, best = importer.number("eval_steps"), importer.flag("load_best_model_at_end")
    if not (importer.config["data"].get("validation") or importer.config["data"].get("holdout")):
        importer.config["train"].pop("early_stopping_patience", None)
        return
    importer.put("train.eval_strategy", "no" if strategy in (None, False) else strategy)
    importer.put("train.eval_steps", every)
    importer.put("train.load_best_model_at_end", best)


def _trackers(importer: Importer) -> None:
    names = importer.take("report_to")
    listed = [names] if isinstance(names, str) else names if isinstance(names, list) else []
    used: list[YamlValue] = [str(one) for one in listed if one != "none"]
    if "all" in used:
        importer.skip("report_to", "trackers are named one by one")
        used.remove("all")
    if importer.flag("use_swanlab") and importer.text("swanlab_mode", "cloud") == "cloud":
        used.append("swanlab")
    importer.put("run.trackers", used)
