"""A key of the configuration has been renamed, or no longer has an effect.

## What it does
Lists every key given by a name that TRL 1.16 or transformers 5.23 have renamed or removed, with its value and line.

## Why is this bad?
sanetune translates the old name, but TRL raises a TypeError for most of them and ignores others without a message.

For example, `torch_dtype` in `model_init_kwargs` is ignored, and the model loads in float32.

## Example
```yaml
train:
  max_seq_length: 2048
  evaluation_strategy: steps
```

## Use instead
Write the key by its present name; delete a key that has no effect. `sanetune check CONFIG --fix` does both.

```yaml
train:
  max_length: 2048
  eval_strategy: steps
```

## References
- [TRL: SFT Trainer](https://huggingface.co/docs/trl/sft_trainer)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits
from sanetune.errors import Place
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, passed, warned

if TYPE_CHECKING:
    from sanetune.config.origin import Renamed
    from sanetune.config.schema import Config

FIX = "sometimes"


def measure(config: Config) -> Measurement:
    """List old and new name, value and line of each renamed key, in the order of the file."""
    found = [_entry(config, one) for one in config.renamed]
    lines = [entry["line"] or 0 for entry in found]
    found = [entry for _, entry in sorted(zip(lines, found, strict=True), key=lambda pair: pair[0])]
    witnesses = [
        Witness(
            f"{entry['old'].rpartition('.')[2]}: {entry['given']}",
            Place(config.file, entry["line"]) if config.file else None,
            f"today: {entry['new']}" if entry["new"] else "has no effect any more",
        )
        for entry in found
    ]
    file = Path(config.file).name if config.file else None
    return Measurement({"count": len(found), "renamed": found, "file": file}, witnesses[:MOST_WITNESSES])


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Warn: the values were understood."""
    renamed = m.numbers["renamed"]
    if not renamed:
        return passed("No key has been renamed or removed.")
    names = [_old_and_new(entry, m.numbers["file"]) for entry in renamed]
    more = f"; and {len(names) - MOST_WITNESSES} more" if len(names) > MOST_WITNESSES else ""
    head = "1 key has" if len(names) == 1 else f"{len(names)} keys have"
    message = f"{head} been renamed or removed: {'; '.join(names[:MOST_WITNESSES])}{more}."
    return warned(message, fix={entry["new"]: entry["value"] for entry in renamed if entry["new"]})


def _entry(config: Config, one: Renamed) -> dict[str, Any]:
    place = one.place
    return {
        "old": one.old,
        "new": one.new,
        "given": one.value,
        "value": _value(config, one),
        "line": place.line if place and config.file and str(place.file) == str(config.file) else None,
    }


def _value(config: Config, one: Renamed) -> object:
    """The value under today's name. A path stays as it was written: in the configuration it is absolute."""
    from sanetune.config.paths import PATHS

    if not one.new or one.new in PATHS:
        return one.value
    section, *keys = one.new.split(".")
    value: object = getattr(config, section)
    for key in keys:
        value = value.get(key) if hasattr(value, "get") else getattr(value, key, None)
    return value


def _old_and_new(entry: dict[str, Any], file: str | None) -> str:
    where = f" ({file}:{entry['line']})" if file and entry["line"] else ""
    section = entry["old"].split(".")[0]
    new = entry["new"].removeprefix(f"{section}.")
    return f"{entry['old']}{where} " + (f"is {new}" if new else "has no effect")
