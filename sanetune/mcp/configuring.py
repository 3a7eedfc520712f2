"""The work of the tools init, data and plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from sanetune.config.load import load
from sanetune.config.paths import is_surely_path
from sanetune.config.yaml_read import read_text
from sanetune.errors import ConfigError
from sanetune.mcp.call import Call
from sanetune.mcp.findings import as_json, short_text
from sanetune.mcp.replies import DataReply, Example, InitReply, PlanReply, Step

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.forecast.memory import Sharding
    from sanetune.planning.learning_rates import Method
    from sanetune.planning.plan import Plan

YAML = 8000
"""Characters of the written configuration that are returned."""
TEXT = 2000
"""Characters of one example."""
ROWS = 10
"""Rows that were dropped or truncated which are named."""


def init(call: Call) -> InitReply:
    """Write a configuration for a model and data, or convert another tool's."""
    from sanetune.mcp.confine import confine, opened, refuse_new_trackers
    from sanetune.workflows.configuration import convert
    from sanetune.workflows.init import write_config

    out = call.roots.path(call.text("out") or "sanetune.yaml", "out")
    notes: list[str] = []
    if source := call.text("source"):
        opened(source, call.overrides, call.roots)
        config, notes = convert(
            call.roots.path(source, "source"), out, overrides=call.overrides, force=call.is_set("force")
        )
    else:
        model, data = call.text("model"), call.texts("data")
        if not model or not data:
            raise ConfigError("init needs model and data, or source", remedy="Give both, or another tool's file.")
        named = [_source(call, text, "data") for text in data]
        method = cast("Method | None", call.text("method") or None)
        model = _source(call, model, "model")
        wanted = load({"model": {"name": model}, "data": {"train": named}}, call.overrides)
        confine(wanted, call.roots)
        refuse_new_trackers(wanted)
        config = write_config(
            model,
            named,
            out,
            overrides=call.overrides,
            method=method,
            force=call.is_set("force"),
        )
    confine(config, call.roots)
    arguments: dict[str, object] = {"config": str(out)}
    steps = [Step(tool="check", arguments=arguments | {"level": "static"}, reason="What is wrong with it, in seconds.")]
    steps.append(Step(tool="plan", arguments=arguments, reason="What a run will do."))
    return InitReply(config=str(out), text=short_text(read_text(out), YAML), notes=notes, next=steps)


def _source(call: Call, text: str, key: str) -> str:
    """A path as it is below the roots; an id on the Hub stays."""
    if is_surely_path(text, several=key == "data"):
        call.roots.tree(text, key)
    elif not any((folder / text).exists() for folder in call.roots.folders):
        return text
    if any(sign in text for sign in "*?["):
        return text if Path(text).is_absolute() else str(call.roots.folders[0] / text)
    return str(call.roots.tree(text, key))


def data(call: Call) -> DataReply:
    """Prepare the rows, and show what is in the loss."""
    from sanetune.data.prepare import prepare

    prepared = prepare(call.config(), publish=call.publish)
    stats = as_json(prepared.stats)
    splits = {
        name: {key: part.get(key) for key in ("examples", "tokens", "loss_tokens", "loss_share", "packs", "lengths")}
        for name in ("train", "validation")
        if isinstance(part := stats.get(name), dict)
    }
    incomplete = [*prepared.dropped, *prepared.truncated][:ROWS]
    notes = [f"{key}: {value}" for key in ("not_held_out", "left_out", "notes", "unread") if (value := stats.get(key))]
    values = {key: stats[key] for key in ("rows", "max_length", "formats", "dropped", "truncated", "stop_tokens")}
    config: dict[str, object] = {"config": call.text("config")}
    return DataReply.model_validate(
        values
        | {
            "splits": splits,
            "rows_not_whole": [as_json(row.to_json()) for row in incomplete],
            "notes": notes,
            "examples": _examples(prepared, call.text("split") or "train", call.number("count", 2)),
            "next": [Step(tool="check", arguments=config | {"level": "static"}, reason="What is wrong with it.")],
        }
    )


def _examples(prepared: Prepared, split: str, count: int) -> list[Example]:
    from sanetune.data.labels import IGNORE_INDEX
    from sanetune.report.terminal.data import tokens

    return [
        Example(
            row=str(row["row"] if "row" in row else row["rows"]),
            tokens=len(row["labels"]),
            loss_tokens=sum(label != IGNORE_INDEX for label in row["labels"]),
            text=short_text(tokens(prepared.tokenizer, row, marked=True).plain, TEXT),
        )
        for row in prepared.first(split, count) or ()
    ]


def plan(call: Call) -> PlanReply:
    """Plan the run, with a forecast where one is asked for."""
    settings = call.config()
    forecast = None
    made: Plan
    if call.is_set("forecast") or call.text("device"):
        from sanetune.workflows.plan import plan_ahead

        sharding = cast("Sharding", call.text("sharding") or "ddp")
        made, ahead = plan_ahead(settings, call.text("device") or None, sharding)
        forecast = as_json(ahead.to_json())
    else:
        from sanetune.planning.plan import plan

        made = plan(settings)
    plain = as_json(made.to_dict())
    arguments: dict[str, object] = {"config": call.text("config")}
    if call.overrides:
        arguments["overrides"] = list(call.overrides)
    steps = [Step(tool="check", arguments=arguments, reason="Whether it is sound; a pass clears it for training.")]
    return PlanReply.model_validate(
        {"steps": plain["steps"], "values": plain["values"], "forecast": forecast, "next": steps}
    )
