"""LLaMA-Factory's YAML, with the ``dataset_info.json`` that it names. Names and defaults are those of 0.9.5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from sanetune.errors import ConfigError, Place
from sanetune.importers.foreign import ALPACA, Draft, Foreign, column_needs, holdout, roles_problem
from sanetune.importers.llama_factory_keys import ATTENTION, COLUMNS, DEFAULTS, MOVED, ODD, QUIET, TAGS

MAX_BYTES = 5_000_000
"""Larger than any ``dataset_info.json``: the shipped one has 20 kB."""


def read(draft: Draft) -> Foreign:
    """The draft's file as a configuration of ours. ConfigError when it is no supervised fine-tuning."""
    stage = draft.take("stage", "sft")
    if stage != "sft":
        raise ConfigError(
            f"stage is {stage!r}: this is no supervised fine-tuning",
            "sanetune checks supervised fine-tunes only.",
            "Give the configuration of a run with stage: sft.",
            Place(draft.file, draft.lines.get("stage")),
        )
    for key, value in DEFAULTS.items():
        draft.put(f"train.{key}", value)
    draft.move(MOVED)
    draft.epochs("num_train_epochs", 3.0)
    draft.put("model.name", draft.path(str(draft.take("model_name_or_path"))))
    for key, why in ODD.items():
        if draft.take(key):
            draft.skip(key, why)
    _method(draft)
    _data(draft)
    _schedule(draft)
    _trackers(draft)
    trust = draft.flag("trust_remote_code")
    return draft.finish("llama-factory", QUIET, trust)


def _method(draft: Draft) -> None:
    """Weights that are trained are kept in float32 there, unless pure_bf16 says otherwise."""
    kind = draft.take("finetuning_type", "lora")
    pure = draft.flag("pure_bf16")
    names = {
        "lora_rank": "r",
        "lora_alpha": "alpha",
        "lora_dropout": "dropout",
        "use_rslora": "rslora",
        "use_dora": "dora",
    }
    section = {"r": 8, "dropout": 0.0} | {
        ours: value for key, ours in names.items() if (value := draft.number(key)) is not None
    }
    section |= {ours: draft.flag(f"use_{ours}") for ours in ("rslora", "dora")}
    section.setdefault("alpha", 2 * section["r"])
    target = str(draft.take("lora_target", "all"))
    section["target"] = "all-linear" if target == "all" else [one.strip() for one in target.split(",")]
    if more := draft.take("additional_target"):
        section["modules_to_save"] = [one.strip() for one in str(more).split(",")]
    bits = draft.number("quantization_bit")
    if kind in ("lora", "oft"):
        if kind == "oft":
            draft.skip("finetuning_type", "judged as LoRA")
        draft.put("model.adapter", {"type": "lora", **section})
        if bits in (4, 8):
            draft.put("model.quantization", f"{bits}bit")
        elif bits:
            draft.skip("quantization_bit", "4 and 8 bits are known")
    else:
        if kind == "freeze":
            draft.skip("finetuning_type", "every weight counts as trained")
        draft.put("model.dtype", "bfloat16" if pure else "float32")
    attention = str(draft.take("flash_attn", "auto"))
    draft.put("model.attention", ATTENTION.get(attention))
    draft.put("train.activation_checkpointing", not draft.flag("disable_gradient_checkpointing"))
    if draft.flag("group_by_length"):
        draft.put("train.train_sampling_strategy", "group_by_length")
    if draft.flag("use_dft_loss"):
        draft.put("train.loss_type", "dft")


def _data(draft: Draft) -> None:
    folder = draft.take("dataset_dir", "data")
    info = _info(draft, folder)
    limit = draft.number("max_samples")
    train, needs = _sources(draft, "dataset", info, folder, limit)
    held, more = _sources(draft, "eval_dataset", info, folder, limit)
    draft.put("data.train", train)
    draft.put("data.validation", held or None)
    draft.fields(needs + more)
    if not held:
        holdout(draft, "val_size", train)
    draft.take("val_size")
    draft.put("data.overlong", "cut")
    if draft.flag("train_on_prompt"):
        draft.put("data.loss_on", "all")
    elif draft.flag("mask_history"):
        draft.put("data.loss_on", "last")
    if draft.flag("neat_packing"):
        draft.put("train.packing", True)
    elif draft.flag("packing"):
        draft.skip("packing", "without neat_packing the documents of a pack see each other there; here they never do")
    name = draft.take("template")
    if name == "alpaca":
        draft.put("model.chat_template", str(ALPACA))
    elif name == "chatml":
        draft.put("model.chat_template", "chatml")
    elif name:
        draft.skip("template", "a template of LLaMA-Factory's own: the tokenizer's is looked at instead")


def _info(draft: Draft, folder: Any) -> dict[str, Any] | None:
    """``dataset_info.json``; None where names are those of the Hub. ConfigError when there is none to be read."""
    if isinstance(folder, dict):
        return folder
    if folder == "ONLINE":
        return None
    place = Place(draft.file, draft.lines.get("dataset_dir") or draft.lines.get("dataset"))
    if str(folder).startswith("REMOTE:"):
        raise ConfigError(
            f"dataset_dir is {folder}: a dataset_info.json on the Hub is not fetched",
            "LLaMA-Factory looks the names of data sets up there.",
            "Download that repository, and give its folder as dataset_dir.",
            place,
        )
    file = Path(draft.path(str(folder))) / "dataset_info.json"
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
    if not isinstance(info, dict):
        raise ConfigError(f"{file} is no object of data sets", "", "Give LLaMA-Factory's own file.", place)
    return info


def _sources(
    draft: Draft, key: str, info: dict[str, Any] | None, folder: Any, limit: Any
) -> tuple[list[dict[str, Any]], list[tuple[str, dict[str, str]]]]:
    """Sources of ours, and the columns that each needs."""
    names = draft.take(key, [])
    listed = names.split(",") if isinstance(names, str) else names if isinstance(names, list) else [names]
    sources: list[dict[str, Any]] = []
    needs: list[tuple[str, dict[str, str]]] = []
    for name in (str(one).strip() for one in listed):
        entry = {"hf_hub_url": name} if info is None else info.get(name)
        at = f"{key}.{name}"
        if not isinstance(entry, dict):
            draft.skip(at, "not in dataset_info.json", name)
            continue
        source = _source(draft, at, entry, folder)
        if source is None:
            continue
        limits = [one for one in (limit, entry.get("num_samples")) if isinstance(one, int) and one > 0]
        sources.append(source | ({"limit": min(limits)} if limits else {}))
        needs.append((at, _columns(draft, at, entry)))
    return sources, needs


def _source(draft: Draft, at: str, entry: dict[str, Any], folder: Any) -> dict[str, Any] | None:
    if entry.get("ranking"):
        draft.skip(at, "pairs of preferences are no supervised fine-tuning", entry)
        return None
    if entry.get("hf_hub_url"):
        source = {"path": str(entry["hf_hub_url"]), "subset": entry.get("subset"), "split": entry.get("split")}
        if entry.get("folder"):
            draft.skip(f"{at}.folder", "the whole data set is read", entry["folder"])
        return {name: value for name, value in source.items() if value is not None}
    if isinstance(entry.get("file_name"), str) and isinstance(folder, str):
        return {"path": draft.path(entry["file_name"], draft.path(folder))}
    draft.skip(at, "only files and data sets of the Hugging Face Hub are read", entry)
    return None


def _columns(draft: Draft, at: str, entry: dict[str, Any]) -> dict[str, str]:
    columns = entry.get("columns") if isinstance(entry.get("columns"), dict) else None
    for name in ("images", "videos", "audios"):
        if columns and columns.get(name):
            draft.skip(f"{at}.columns.{name}", "only text is looked at", columns[name])
    if entry.get("formatting", "alpaca") == "alpaca":
        given = columns or {"prompt": "instruction", "query": "input", "response": "output"}
        if given.get("history") not in (None, "history"):
            draft.skip(f"{at}.columns.history", "earlier turns are in a column named history here", given["history"])
        return column_needs({ours: given.get(theirs) for theirs, ours in COLUMNS.items()})
    _tags(draft, at, entry.get("tags"))
    given = columns or {}
    return column_needs(
        {
            "messages": given.get("messages") or "conversations",
            "system": given.get("system"),
            "tools": given.get("tools"),
        }
    )


def _tags(draft: Draft, at: str, tags: Any) -> None:
    """Names of roles and keys inside messages: only the usual ones can be read."""
    if not isinstance(tags, dict):
        return
    for tag, usual in (("role_tag", ("from", "role")), ("content_tag", ("value", "content"))):
        if tags.get(tag) and tags[tag] not in usual:
            draft.skip(f"{at}.tags.{tag}", f"messages have {' or '.join(usual)} here", tags[tag])
    for tag, (role, _) in TAGS.items():
        if tags.get(tag) and (problem := roles_problem({role: [tags[tag]]})):
            draft.skip(f"{at}.tags.{tag}", problem, tags[tag])


def _schedule(draft: Draft) -> None:
    """transformers lets steps of warm-up above 0 win over the ratio. Without rows to evaluate nothing is evaluated."""
    ratio, steps = draft.number("warmup_ratio"), draft.number("warmup_steps")
    draft.put("train.warmup_steps", steps if steps else float(ratio) if ratio else 0)
    strategy = draft.take("eval_strategy", draft.take("evaluation_strategy"))
    every, best = draft.number("eval_steps"), draft.flag("load_best_model_at_end")
    if not (draft.config["data"].get("validation") or draft.config["data"].get("holdout")):
        draft.config["train"].pop("early_stopping_patience", None)
        return
    draft.put("train.eval_strategy", "no" if strategy in (None, False) else strategy)
    draft.put("train.eval_steps", every)
    draft.put("train.load_best_model_at_end", best)


def _trackers(draft: Draft) -> None:
    names = draft.take("report_to", [])
    listed = [names] if isinstance(names, str) else list(names) if isinstance(names, list) else []
    used = [str(one) for one in listed if one != "none"]
    if "all" in used:
        draft.skip("report_to", "trackers are named one by one")
        used.remove("all")
    if draft.flag("use_swanlab") and draft.take("swanlab_mode", "cloud") == "cloud":
        used.append("swanlab")
    draft.put("run.trackers", used)
