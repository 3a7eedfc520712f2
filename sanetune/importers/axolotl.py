"""Axolotl's YAML. Names and defaults are those of axolotl 0.19."""

from __future__ import annotations

from typing import Any

from sanetune.errors import ConfigError, Place
from sanetune.importers.axolotl_keys import ATTENTION, DEFAULTS, FILES, MOVED, ODD, QUIET
from sanetune.importers.foreign import ALPACA, Draft, Foreign, column_needs, holdout, roles_problem


def read(draft: Draft) -> Foreign:
    """The draft's file as a configuration of ours. ConfigError when it is no supervised fine-tuning."""
    for key in ("rl", "reward_model", "process_reward_model"):
        if draft.take(key):
            raise ConfigError(
                f"{key} is {draft.values[key]!r}: this is no supervised fine-tuning",
                "sanetune checks supervised fine-tunes only.",
                "Give the configuration of an SFT run.",
                Place(draft.file, draft.lines.get(key)),
            )
    for key, value in DEFAULTS.items():
        draft.put(f"train.{key}", value)
    draft.move({key: path for key, path in MOVED.items() if path})
    draft.take("tf32")
    epochs = draft.epochs("num_epochs", 1.0)
    draft.put("model.name", draft.path(str(draft.config["model"]["name"])))
    _adapter(draft)
    _precision(draft)
    _data(draft)
    _schedule(draft, epochs)
    _trackers(draft)
    trust = draft.flag("trust_remote_code")
    return draft.finish("axolotl", QUIET, trust)


def _adapter(draft: Draft) -> None:
    kind = draft.take("adapter")
    section: dict[str, Any] = {key: draft.number(f"lora_{key}") for key in ("r", "alpha", "dropout")}
    section["modules_to_save"] = draft.take("lora_modules_to_save")
    section |= {ours: draft.flag(f"peft_use_{ours}") for ours in ("dora", "rslora")}
    modules = draft.take("lora_target_modules")
    section["target"] = "all-linear" if draft.flag("lora_target_linear") else modules
    four, eight = draft.flag("load_in_4bit"), draft.flag("load_in_8bit")
    if not kind:
        return
    if kind not in ("lora", "qlora"):
        draft.skip("adapter", "judged as LoRA")
    section = {"r": 8, "alpha": 16, "dropout": 0.0} | {
        key: value for key, value in section.items() if value is not None
    }
    draft.put("model.adapter", {"type": "lora", **section})
    draft.put("model.quantization", "4bit" if four or kind == "qlora" else "8bit" if eight else None)


def _precision(draft: Draft) -> None:
    """Axolotl loads the weights themselves in the format that it computes in; DeepSpeed and FSDP keep a float32
    copy."""
    bf16, fp16 = draft.take("bf16", "auto"), draft.flag("fp16")
    pure_bf16, pure_fp16 = draft.flag("bfloat16"), draft.flag("float16")
    copied = [key for key in ("deepspeed", "fsdp", "fsdp_config") if draft.take(key)]
    for key in copied:
        draft.skip(key, "how the run is spread over devices is not looked at")
    if bf16 == "auto":
        draft.put("train.fp16", True if fp16 else None)
        draft.put("train.bf16", False if fp16 else None)
    else:
        draft.put("train.bf16", bf16 is True or bf16 == "full")
        draft.put("train.fp16", fp16 and not bf16)
    if "adapter" not in draft.config["model"] and not copied:
        half = "float16" if (fp16 and bf16 in ("auto", False)) or pure_fp16 else None
        whole = "bfloat16" if bf16 or pure_bf16 else "float32"
        draft.put("model.dtype", half or whole)
    if draft.take("gradient_checkpointing"):
        draft.put("train.activation_checkpointing", True)
    for key, name in ATTENTION.items():
        if draft.flag(key):
            draft.put("model.attention", name)
    draft.put("model.attention", draft.take("attn_implementation"))
    if draft.flag("group_by_length"):
        draft.put("train.train_sampling_strategy", "group_by_length")
    minimum = draft.number("cosine_min_lr_ratio")
    if minimum is not None:
        draft.put("train.lr_scheduler_type", "cosine_with_min_lr")
        draft.put("train.lr_scheduler_kwargs", {"min_lr_rate": float(minimum)})


def _data(draft: Draft) -> None:
    overlong = {"drop": "drop", "truncate": "cut", "raise": "error"}
    draft.put("data.overlong", overlong.get(str(draft.take("excess_length_strategy", "drop"))))
    train, needs = _sources(draft, "datasets")
    test, more = _sources(draft, "test_datasets")
    draft.put("data.train", train)
    draft.put("data.validation", test or None)
    entries = draft.take("datasets", [])
    kinds = [str(one.get("type")) for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    if kinds and all(kind.startswith("alpaca") for kind in kinds):
        draft.put("model.chat_template", str(ALPACA))
    draft.fields(needs + more)
    if not test:
        holdout(draft, "val_set_size", train)
    draft.take("val_set_size")
    if draft.take("pretraining_dataset"):
        draft.skip("pretraining_dataset", "streams of text are not looked at")
    if draft.flag("train_on_inputs"):
        draft.put("data.loss_on", "all")
    _template(draft)
    for key in ("special_tokens", "tokens", "added_tokens_overrides", "tokenizer_config", "eot_tokens"):
        if draft.take(key):
            draft.skip(key, "the tokenizer is looked at as it is stored")


def _sources(draft: Draft, key: str) -> tuple[list[dict[str, Any]], list[tuple[str, dict[str, str]]]]:
    """Sources of ours, and the columns that each needs."""
    sources: list[dict[str, Any]] = []
    needs: list[tuple[str, dict[str, str]]] = []
    entries = draft.take(key, [])
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        at = f"{key}.{number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            draft.skip(at, "a data set without a path", entry)
            continue
        kind = entry.get("type")
        if kind is None or str(kind).startswith(("input_output", "_synthetic", "stepwise")):
            draft.skip(f"{at}.type", "rows that are tokens or labelled pieces are not read", kind)
            continue
        sources += _files(draft, at, entry)
        needs.append((at, _columns(draft, at, entry)))
    return sources, needs


def _files(draft: Draft, at: str, entry: dict[str, Any]) -> list[dict[str, Any]]:
    path, files = str(entry["path"]), entry.get("data_files")
    listed = [files] if isinstance(files, str) else [str(one) for one in files or []]
    for key in ("shards", "preprocess_shards"):
        if entry.get(key):
            draft.skip(f"{at}.{key}", "all rows are looked at", entry[key])
    if listed and path in FILES:
        return [{"path": draft.path(one)} for one in listed]
    found = draft.path(path)
    if listed and found != path:
        return [{"path": draft.path(one, found)} for one in listed]
    if listed:
        draft.skip(f"{at}.data_files", "all files of the data set are read", files)
    source = {
        "path": found,
        "split": entry.get("split"),
        "subset": entry.get("name"),
        "revision": entry.get("revision"),
    }
    if found != path or path.startswith((".", "/", "~")):
        source = {"path": found, "split": None}
    return [{key: value for key, value in source.items() if value is not None}]


def _columns(draft: Draft, at: str, entry: dict[str, Any]) -> dict[str, str]:
    kind = entry["type"]
    for key in sorted(entry.keys() & ODD):
        if entry[key]:
            draft.skip(f"{at}.{key}", ODD[key], entry[key])
    if isinstance(kind, dict):
        return _own_format(draft, at, kind)
    if str(kind).startswith("completion"):
        draft.put("data.loss_on", "all")
        return column_needs({"text": entry.get("field") or "text"})
    if str(kind).startswith("chat_template"):
        _chat(draft, at, entry)
        columns = {"messages": entry.get("field_messages") or "messages", "tools": entry.get("field_tools")}
        return column_needs(columns)
    if str(kind).startswith("alpaca"):
        draft.skip(f"{at}.type", "`input` has no heading of its own here, and the prompt is Alpaca's usual one", kind)
    else:
        draft.skip(f"{at}.type", "columns are found by their usual names, and the model's own template is used", kind)
    return {}


def _own_format(draft: Draft, at: str, kind: dict[str, Any]) -> dict[str, str]:
    names = {
        "prompt": "field_instruction",
        "completion": "field_output",
        "input": "field_input",
        "system": "field_system",
    }
    if kind.get("format") or kind.get("no_input_format"):
        draft.skip(f"{at}.type.format", "rendered with the model's own template", kind.get("format"))
    columns = {ours: kind.get(theirs) for ours, theirs in names.items()}
    columns["prompt"] = columns["prompt"] or "instruction"
    columns["completion"] = columns["completion"] or "output"
    return column_needs(columns)


def _chat(draft: Draft, at: str, entry: dict[str, Any]) -> None:
    """What a data set of type chat_template says about its messages."""
    names = {"role": entry.get("message_field_role"), "content": entry.get("message_field_content")}
    mapped = entry.get("message_property_mappings")
    names |= mapped if isinstance(mapped, dict) else {}
    for name, usual in (("role", ("role", "from")), ("content", ("content", "value"))):
        if names.get(name) and names[name] not in usual:
            draft.skip(
                f"{at}.message_property_mappings.{name}", f"messages have {' or '.join(usual)} here", names[name]
            )
    roles = entry.get("roles")
    if isinstance(roles, dict):
        lists = {str(role): others if isinstance(others, list) else [others] for role, others in roles.items()}
        if problem := roles_problem(lists):
            draft.skip(f"{at}.roles", problem, roles)
    learnt = entry.get("roles_to_train")
    if isinstance(learnt, list) and {str(one) for one in learnt} - {"assistant", "gpt", "model"}:
        draft.put("data.loss_on", "all")
    if isinstance(learnt, list) and not learnt:
        draft.skip(f"{at}.roles_to_train", "nobody's turns are learnt there; every answer is learnt here", learnt)
    if entry.get("train_on_eos") not in (None, "turn", "all"):
        draft.skip(f"{at}.train_on_eos", "the end token of each learnt turn is learnt here", entry["train_on_eos"])
    if entry.get("chat_template") not in (None, "tokenizer_default"):
        _template(draft, f"{at}.", entry)


def _template(draft: Draft, at: str = "", entry: dict[str, Any] | None = None) -> None:
    values = draft.values if entry is None else entry
    if entry is None:
        draft.take("chat_template"), draft.take("chat_template_jinja")
    name, text = values.get("chat_template"), values.get("chat_template_jinja")
    if text and name in (None, "jinja"):
        found = draft.path(str(text)) if len(str(text)) < 1_000 and "{" not in str(text) else ""
        if found.endswith((".jinja", ".j2", ".jinja2", ".txt")):
            draft.put("model.chat_template", found)
        else:
            draft.skip(f"{at}chat_template_jinja", "a template written into the file: put it into a file of its own")
    elif name in ("chatml", "tokenizer_default_fallback_chatml"):
        if name == "chatml":
            draft.put("model.chat_template", "chatml")
        else:
            draft.skip(f"{at}chat_template", "the tokenizer's own template is used, and none where it has none", name)
    elif name == "alpaca":
        draft.put("model.chat_template", str(ALPACA))
    elif name not in (None, "tokenizer_default"):
        draft.skip(f"{at}chat_template", "a template of Axolotl's own: the tokenizer's is looked at instead", name)


def _schedule(draft: Draft, epochs: float) -> None:
    """Warm-up, evaluations and checkpoints, with Axolotl's defaults: 3 % warm-up, a checkpoint per epoch, and no
    evaluation unless it is asked for."""
    ratio, steps = draft.number("warmup_ratio"), draft.number("warmup_steps")
    draft.put("train.warmup_steps", steps if steps is not None else float(ratio) if ratio is not None else 0.03)
    has_rows = bool(draft.config["data"].get("validation") or draft.config["data"].get("holdout"))
    for verb, plural in (("eval", "evals"), ("save", "saves")):
        per_epoch, every = draft.number(f"{plural}_per_epoch"), draft.number(f"{verb}_steps")
        strategy = draft.take(f"{verb}_strategy", draft.take("evaluation_strategy") if verb == "eval" else None)
        if per_epoch and per_epoch > 0 and every is None:
            every = 1.0 / (per_epoch * epochs)
            every = None if every >= 1 else every
            strategy = strategy or ("steps" if every else "no" if verb == "eval" else "epoch")
        if verb == "eval" and not has_rows:
            continue
        default = "no" if verb == "eval" else "epoch"
        draft.put(f"train.{verb}_strategy", _word("steps" if every else strategy or default))
        draft.put(f"train.{verb}_steps", every)


def _word(strategy: Any) -> Any:
    """YAML 1.1 reads ``no`` as false."""
    return "no" if strategy is False else strategy


def _trackers(draft: Draft) -> None:
    """wandb counts as used where a project is named; offline, it needs no login."""
    used = []
    project, mode = draft.take("wandb_project"), str(draft.take("wandb_mode", "")).lower()
    draft.put("run.name", draft.take("wandb_name"))
    if (project or draft.flag("use_wandb")) and draft.take("use_wandb", True) and mode not in ("offline", "disabled"):
        used.append("wandb")
    for key, name in (("use_mlflow", "mlflow"), ("use_comet", "comet_ml"), ("use_trackio", "trackio")):
        if draft.flag(key):
            used.append(name)
    draft.put("run.trackers", used)
