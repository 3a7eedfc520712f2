"""Make the splits that are trained and validated on: the third stage of preparation.

Which examples are used, which of them are truncated, which are held out, and which share a pack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data import stats
from sanetune.data.holdout import split
from sanetune.data.packing import best_fit_decreasing
from sanetune.data.prepared import SplitOrigin
from sanetune.data.replay import mixing
from sanetune.data.split_examples import SplitExamples
from sanetune.data.split_file import write_packs, write_rows
from sanetune.data.truncation import IncompleteRow, by_reason, leave_out, nothing_left, resolve_max_length

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.example_file import ExampleFile

COMMON_END = 100
"""A token that ends one of so many training rows counts as an end of turns."""


@dataclass(slots=True)
class Splits:
    """The splits as they were written.

    Attributes:
        max_length: Tokens of the longest row, or of a pack.
        origins: Per split, the examples that it uses and where they come from.
        replay_rows: How many rows (or packs) of ``train``, the last ones, are replay rows.
        stats: The figures, for ``sanetune data`` and the run's ``data.json``.
        dropped: Rows that are in no split.
        truncated: Rows that are in a split without their last tokens.
        ends: Id of the last token of last turns -> in how many rows.
    """

    max_length: int
    origins: dict[str, SplitOrigin] = field(default_factory=dict)
    replay_rows: int = 0
    stats: dict[str, Any] = field(default_factory=dict)
    dropped: list[IncompleteRow] = field(default_factory=list)
    truncated: list[IncompleteRow] = field(default_factory=list)
    ends: Counter[int] = field(default_factory=Counter)


def make_splits(config: Config, context: int | None, examples: Mapping[str, ExampleFile], folder: Path) -> Splits:
    """Write ``train.arrow``, and ``validation.arrow`` if there is such a split, into ``folder``.

    Args:
        config: Says how long rows may be, what is held out and what is packed.
        context: Tokens that the model can attend to, if it is known.
        examples: Those of ``train``, of ``validation`` if it has files of its own, and of ``replay`` where rows are
            mixed in.
        folder: An empty folder.

    Raises:
        DataError: Nothing is left to train on, or a row is too long and ``data.overlong`` is ``error``.
    """
    splits = {name: SplitExamples.of(name, source) for name, source in examples.items()}
    replay = splits.pop("replay", None)
    packing = bool(config.train.get("packing"))
    longest = [int(one.lengths.max(initial=1)) for one in splits.values()]
    limit, reason = resolve_max_length(config.train.get("max_length"), context, packing, longest)
    result = Splits(limit)
    result.stats |= {"max_length": limit, "max_length_reason": reason}
    result.stats["lengths_before"] = stats.lengths_table(splits["train"].lengths)
    result.stats["histogram"] = stats.histogram(splits["train"].lengths)
    for one in splits.values():
        leave_out(one, limit, config.data.overlong)
        result.dropped += one.dropped
        result.truncated += one.truncated
    if reason := _hold_out(config, splits):
        result.stats["not_held_out"] = reason
    if not splits["train"].used:
        raise nothing_left(splits["train"], limit)
    _add_figures(result, splits)
    own = len(splits["train"].used)
    if replay is not None and config.data.replay:
        chosen = mixing.choose(replay, splits, config.data.replay.share, limit)
        splits["train"] = splits["train"].followed_by(replay, chosen)
        result.stats["replay"] = mixing.figures(replay, chosen, own)
    for name, one in splits.items():
        separate = config.train.get("eval_packing") if name == "validation" else None
        if one.used:
            pack = packing if separate is None else bool(separate)
            added = len(one.used) - own if name == "train" else 0
            result.stats[name], replayed = _write(one, folder / f"{name}.arrow", limit, pack, added)
            result.replay_rows += replayed
            result.origins[name] = SplitOrigin(one.examples, one.conversations, one.used, added)
    return result


def _hold_out(config: Config, splits: dict[str, SplitExamples]) -> str:
    """Takes the validation share out of the training rows where no validation data is given; returns why none is."""
    train = splits["train"]
    if "validation" in splits:
        return ""
    if not config.data.holdout:
        return "data.holdout is 0"
    if len(train.used) < 2:
        return f"there is no more than {len(train.used)} row to train on"
    _, held_out = split(train.keys(), config.data.holdout, config.data.seed)
    if not held_out:
        return f"all {len(train.used):,} rows have the same prompt, and no prompt may be in both splits"
    splits["validation"] = train.take("validation", [train.used[number] for number in held_out])
    return ""


def _write(split: SplitExamples, file: Path, limit: int, pack: bool, replay: int) -> tuple[dict[str, Any], int]:
    """Writes the rows in use, of which the last ``replay`` are in packs of their own; returns the figures of all, and
    how many rows or packs hold replay rows."""
    lengths, loss_tokens = split.lengths[split.used], split.loss_tokens[split.used]
    if not pack:
        write_rows(split, limit, file)
        return stats.split_figures(lengths, loss_tokens), replay
    own = len(split.used) - replay
    packs = best_fit_decreasing(lengths[:own].tolist(), limit)
    behind = best_fit_decreasing(lengths[own:].tolist(), limit) if replay else []
    packs += [[own + number for number in pack] for pack in behind]
    write_packs(split, [[split.used[number] for number in pack] for pack in packs], limit, file)
    figures = stats.split_figures(lengths, loss_tokens) | stats.pack_figures(lengths, len(packs), limit)
    return figures, len(behind)


def _add_figures(result: Splits, splits: Mapping[str, SplitExamples]) -> None:
    """What all splits together show."""
    ends: Counter[int] = Counter()
    for one in splits.values():
        ends.update(one.ends[one.used].tolist())
    common = max(1, len(splits["train"].used) // COMMON_END)
    result.ends = Counter({token: count for token, count in ends.most_common() if token >= 0 and count >= common})
    result.stats["dropped"] = by_reason(result.dropped)
    result.stats["truncated"] = by_reason(result.truncated)
    result.stats["omitted_by_template"] = dict(sum((one.omitted() for one in splits.values()), Counter()))
    result.stats["shared_tokens"] = sum(int(one.shared_tokens.sum()) for one in splits.values())
    validation = splits.get("validation")
    if validation is not None and validation.source is not splits["train"].source:
        both = set(splits["train"].keys()) & set(validation.keys())
        result.stats["prompts_in_both_splits"] = len(both)
