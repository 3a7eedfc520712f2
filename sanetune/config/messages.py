"""What is said when a value cannot be meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sanetune.config.schema import Config
from sanetune.errors import ConfigError, Place

Where = Callable[[str], Place | None]

EXAMPLES = {
    "model": "  model:\n    name: path/to/model",
    "data": "  data:\n    train: path/to/data.jsonl",
    "train": "  train:\n    num_train_epochs: 3",
    "check": "  check:\n    level: trial",
    "budget": "  budget:\n    max_hours: 8",
    "run": "  run:\n    name: first",
}

EXPECTED = {
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "finite_number": "a finite number",
    "too_short": "a list with at least one entry",
}
"""pydantic's kinds of error -> what would have been right."""


def short(value: Any, limit: int = 60) -> str:
    """A value as it can stand in a message."""
    text = {True: "true", False: "false", None: "null"}.get(value) if isinstance(value, (bool, type(None))) else None
    text = text or repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def meant(word: str, names: Sequence[str]) -> str:
    """ "Did you mean ...?", or "" when nothing is near. The last part of a dotted name counts as well as the whole."""
    by_last = {name.split(".")[-1]: name for name in reversed(names)}
    near = [by_last[one] for one in difflib.get_close_matches(word.split(".")[-1], by_last, n=3, cutoff=0.75)]
    near = near or difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""


def wrong_value(path: str, value: Any, expected: str, place: Place | None) -> ConfigError:
    """The error for a value of the wrong type, or out of its range."""
    return ConfigError(
        f"{path} is {short(value)}, but has to be {expected}",
        "The value cannot be used as it stands.",
        _fix(path, value, expected),
        place,
    )


def _fix(path: str, value: Any, expected: str) -> str:
    """A way out for the usual slips; otherwise the expected value again."""
    key = path.split(".")[-1]
    if isinstance(value, str):
        if "number" in expected:
            try:
                float(value)
            except ValueError:
                pass
            else:
                return f"Write it without quotes: {key}: {value}"
        if "true or false" in expected and value.lower() in ("yes", "on", "y", "no", "off", "n", "true", "false"):
            return f"Write {key}: {'true' if value.lower() in ('yes', 'on', 'y', 'true') else 'false'}"
        choices = expected.removeprefix("one of ").split(", ") if expected.startswith("one of ") else []
        near = difflib.get_close_matches(value, choices, n=1, cutoff=0.5)
        if near:
            return f"Did you mean {near[0]}?"
    if isinstance(value, float) and value.is_integer() and "whole number" in expected:
        return f"Write {key}: {int(value)}"
    if isinstance(value, bool) and "no" in expected.removeprefix("one of ").split(", "):
        return f'Write {key}: "no" for {short(value)}' if not value else f"Choose {expected}."
    return f"Give {key} {expected}." if not expected.startswith("one of ") else f"Choose {expected}."


def from_pydantic(error: ValidationError, where: Where) -> ConfigError:
    """pydantic's findings as one ConfigError: the first in full, the others named."""
    problems = [_problem(detail, where) for detail in _essential(error.errors(include_url=False))]
    first, rest = problems[0], problems[1:]
    more = "".join(f"\nAlso: {other.place}: {other.what}" for other in rest[:4])
    return ConfigError(first.what, first.why, first.fix + more, first.place)


def _essential(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """One finding per value: a union reports one per branch."""
    seen: dict[str, ErrorDetails] = {}
    for detail in details:
        seen.setdefault(_path(detail), detail)
    return list(seen.values())


def _path(detail: ErrorDetails) -> str:
    """``section.key`` of a finding, without pydantic's names for the branches of a union."""
    model: Any = Config
    parts: list[str] = []
    for part in detail["loc"]:
        fields = getattr(model, "model_fields", {})
        if isinstance(part, str) and part in fields:
            model = _model_in(fields[part].annotation)
            parts.append(part)
        elif isinstance(part, int) or (detail["type"] in ("extra_forbidden", "missing") and part == detail["loc"][-1]):
            parts.append(str(part))
        elif isinstance(part, str) and not fields and parts[-1:] == ["fields"]:
            parts.append(part)
    return ".".join(parts)


def _model_in(annotation: Any) -> Any:
    """The section inside an annotation such as ``list[SourceSection]`` or ``AdapterSection | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _problem(detail: ErrorDetails, where: Where) -> ConfigError:
    path, value, kind = _path(detail), detail["input"], detail["type"]
    place = where(path)
    if kind == "missing":
        section = path.split(".")[0]
        return ConfigError(
            f"{path} is missing" if "." in path else f"the section {path!r} is missing",
            "There is nothing to start from without it.",
            f"Add it:\n{EXAMPLES.get(section, '')}",
            where(section),
        )
    if kind == "extra_forbidden":
        above, _, key = path.rpartition(".")
        names = [f"{above}.{name}" for name in _fields_at(above)]
        return ConfigError(
            f"there is no key {path!r}",
            "An unknown key would be ignored, and the run would not be what the file says.",
            meant(key, names) or f"Known here: {', '.join(name.split('.')[-1] for name in names)}",
            place,
        )
    return wrong_value(path, value, _expected(detail), place)


def _fields_at(path: str) -> list[str]:
    model: Any = Config
    for part in path.split("."):
        if model is not None and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields) if model is not None else []


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        return "one of " + str(context["expected"]).replace("'", "").replace(" or ", ", ")
    bounds = {"greater_than_equal": ("ge", "from"), "greater_than": ("gt", "above")}
    bounds |= {"less_than_equal": ("le", "up to"), "less_than": ("lt", "below")}
    if kind in bounds:
        name, word = bounds[kind]
        return f"a number {word} {context[name]:g}"
    return EXPECTED.get(kind, detail["msg"].lower().removeprefix("input should be "))


def check_together(config: Config, where: Where) -> None:
    """Values that are fine alone and cannot be meant together."""
    model, given = config.model, config.train.given

    def clash(path: str, what: str, why: str, fix: str) -> ConfigError:
        return ConfigError(what, why, fix, where(path))

    if model.trust_remote_code and not model.revision:
        raise clash(
            "model.trust_remote_code",
            "model.trust_remote_code is true, and model.revision is not pinned",
            "Whatever is pushed to the repository tomorrow would run on this machine.",
            "Give model.revision the commit whose code you have read.",
        )
    if model.quantization and model.adapter is None:
        raise clash(
            "model.quantization",
            f"model.quantization is {model.quantization}, and there is no adapter",
            "Quantised weights cannot be trained themselves.",
            "Add model.adapter: lora",
        )
    if given.get("bf16") and given.get("fp16"):
        raise clash(
            "train.fp16", "train.bf16 and train.fp16 are both true", "A run has one precision.", "Keep one of them."
        )
    _check_best(config, clash)


def _check_best(config: Config, clash: Callable[[str, str, str, str], ConfigError]) -> None:
    """Keeping the best needs an evaluation at every checkpoint (transformers refuses anything else, but only later)."""
    given = config.train.given
    if not given.get("load_best_model_at_end") or given.get("save_strategy") == "best":
        return
    why = "The best checkpoint can only be kept when every checkpoint is evaluated."
    saves, evaluates = given.get("save_strategy"), given.get("eval_strategy")
    if evaluates == "no":
        raise clash(
            "train.eval_strategy",
            "train.load_best_model_at_end is true, and train.eval_strategy is no",
            why,
            "Write eval_strategy: steps",
        )
    if saves and evaluates and saves != evaluates:
        raise clash(
            "train.save_strategy",
            f"train.save_strategy is {saves}, and train.eval_strategy is {evaluates}",
            why,
            f"Write save_strategy: {evaluates}",
        )
    save, evaluate = given.get("save_steps"), given.get("eval_steps")
    by_steps = "epoch" not in (saves, evaluates)
    if save and evaluate and by_steps and round(save * 1_000_000) % max(1, round(evaluate * 1_000_000)):
        raise clash(
            "train.save_steps",
            f"train.save_steps is {save}, which is no multiple of train.eval_steps, {evaluate}",
            why,
            f"Write save_steps: {evaluate}",
        )
