"""The view of `sanetune data`: lengths, dropped and truncated rows, and examples with the tokens in the loss marked."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.data.labels import IGNORE_INDEX
from sanetune.data.token_texts import token_texts
from sanetune.report.terminal.layout import put, without_colour
from sanetune.text import listing, quote_name, replace_control

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.prepare import Prepared

IN_LOSS, MASKED, TURN_END = "bold green", "dim", "bold black on green"
"""Styles of tokens in the loss, masked tokens, and tokens in the loss that end a turn."""
OPEN, CLOSE = "⟦", "⟧"
"""Around tokens in the loss, where there are no colours."""
LONGEST = 600
"""Tokens of one example that are shown; the middle of a longer one is left out."""
LISTED = 5
"""Dropped or truncated rows that are named for each reason."""


def show(prepared: Prepared, *, split: str = "train", count: int = 3, console: Console | None = None) -> None:
    """Print the view in at most 80 columns.

    Args:
        prepared: The rows.
        split: The split whose examples are shown: ``train`` or ``validation``.
        count: Examples (or packs) that are shown.
        console: Where to print; None: standard output.
    """
    put(parts(prepared, split=split, count=count, marked=without_colour(console)), console)


def parts(prepared: Prepared, *, split: str = "train", count: int = 3, marked: bool = False) -> list[RenderableType]:
    """Return the parts of the view from top to bottom, with the first ``count`` examples of ``split``.

    Args:
        prepared: The rows.
        split: The split whose examples are shown.
        count: Examples (or packs) that are shown.
        marked: Whether tokens in the loss are put in brackets, because there are no colours.
    """
    stats = prepared.stats
    pieces: list[RenderableType] = [_summary(prepared), Text(""), Text("Lengths in tokens", style="bold")]
    pieces += [_lengths(stats), Text(""), _histogram(stats), Text("")]
    pieces += _dropped(prepared)
    if count:
        pieces += [legend(marked=marked), *examples(prepared, split=split, count=count, marked=marked)]
    return pieces


def examples(prepared: Prepared, *, split: str = "train", count: int = 3, marked: bool = False) -> list[RenderableType]:
    """Return the first ``count`` examples (or packs) of ``split``, each as a title and its text (see :func:`parts`)."""
    rows = prepared.first(split, count)
    if rows is None:
        return [Text(f"There is no {split} data.", style="yellow")]
    pieces: list[RenderableType] = []
    for index, row in enumerate(rows):
        in_loss = sum(label != IGNORE_INDEX for label in row["labels"])
        name = f"row {row['row']}" if "row" in row else f"pack of rows {', '.join(map(str, row['rows']))}"
        title = f"{split} {index}: {name}, {len(row['labels'])} tokens, {in_loss} in the loss"
        pieces += [Text(""), Text(title, style="bold cyan"), tokens(prepared.tokenizer, row, marked=marked)]
    return pieces


def tokens(tokenizer: PreTrainedTokenizerBase, row: dict[str, Any], *, marked: bool = False) -> Text:
    """Return one example as coloured text, with every space that it has.

    Line breaks are marked and kept; other control characters are replaced by visible ones.

    Args:
        tokenizer: The tokenizer that made the ids.
        row: The example: ``input_ids`` and ``labels``, equally long.
        marked: Whether tokens in the loss are also put in brackets.
    """
    ids, labels = row["input_ids"], row["labels"]
    texts = token_texts(tokenizer, ids)
    text = Text(overflow="fold")
    skipped = range(LONGEST // 2, len(ids) - LONGEST // 2) if len(ids) > LONGEST else range(0)
    for start, end in _token_spans(labels):
        for first, last in _without(start, end, skipped):
            if skipped and first == skipped.stop:
                text.append(f" … {len(skipped):,} tokens left out … ", style="yellow")
            in_loss = labels[first] != IGNORE_INDEX
            # The last turn may be truncated; then its last token does not end it.
            whole = in_loss and last == end and (end < len(labels) or ids[-1] in tokenizer.added_tokens_decoder)
            text.append(OPEN if marked and in_loss else "")
            text.append(_visible("".join(texts[first : last - whole])), style=IN_LOSS if in_loss else MASKED)
            if whole:
                text.append(_visible(texts[last - 1]), style=TURN_END)
            text.append(CLOSE if marked and in_loss else "")
    if text.plain.endswith("\n"):  # the next example begins on its own line anyway
        text.right_crop(1)
    return text


def figures(prepared: Prepared, *, split: str = "train", count: int = 3) -> dict[str, Any]:
    """Return what ``--json`` prints: the first ``count`` examples of ``split``, and all figures of the data."""
    shown = []
    for row in prepared.first(split, count) or ():
        numbers = {"row": row["row"]} if "row" in row else {"row": row["rows"][0], "rows": row["rows"]}
        lengths = {"seq_lengths": row["seq_lengths"]} if "seq_lengths" in row else {}
        text = prepared.tokenizer.decode(row["input_ids"])
        shown.append({**numbers, "ids": row["input_ids"], "labels": row["labels"], "text": text, **lengths})
    dropped, truncated = ([row.to_json() for row in rows] for rows in (prepared.dropped, prepared.truncated))
    return {"examples": shown, "stats": prepared.stats, "dropped": dropped, "truncated": truncated}


def _summary(prepared: Prepared) -> Table:
    stats, table = prepared.stats, Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    formats = ", ".join(f"{count:,} {name}" for name, count in stats["formats"].items())
    table.add_row("rows read", Text(f"{stats['rows']:,} ({formats})"))
    for words in prepared.mixture:
        table.add_row("mixture", Text(words))
    table.add_row("max_length", f"{stats['max_length']:,} tokens ({stats['max_length_reason']})")
    for split in ("train", "validation"):
        if split in stats:
            table.add_row(split, _split(stats[split]))
    if replay := stats.get("replay"):
        table.add_row("replay", replay_words(replay))
    if reason := stats.get("not_held_out"):
        table.add_row("validation", Text(f"0 rows are held out: {reason}", "yellow"))
    stops = ", ".join(f"{token} ({units.many(count, 'time')})" for token, count in stats["stop_tokens"].items())
    missing = Text("none: no single token ends the answers, so the model may not stop", style="yellow")
    table.add_row("stop tokens", Text(stops) if stops else missing)
    if end := stats.get("appended_end"):
        words = f"{end} behind the last reply, where the template has no end (data.append_end)"
        table.add_row("appended", Text(words))
    if others := stats.get("other_splits"):
        table.add_row(
            "not trained on", Text(listing(Path(file).name for file in others) + ": other splits of the folder")
        )
    for reason, count in stats.get("left_out", {}).items():
        table.add_row("left out", Text(f"{units.many(count, 'row')}: {reason}", "yellow"))
    for words, count in stats.get("notes", {}).items():
        table.add_row("changed", Text(f"{units.many(count, 'row')}: {words}", "yellow"))
    if unread := stats.get("unread"):
        listed = ", ".join(f"{quote_name(path)} ({numbers['rows']:,})" for path, numbers in unread.items())
        table.add_row("not read", Text(f"{listed}: columns and keys of messages, and in how many rows they are"))
    for name, count in stats["omitted_by_template"].items():
        of = units.many(count, "row" if name.startswith(("tools", "variable")) else "message")
        table.add_row("left out", Text(f"the template does not render the {name} of {of}", "yellow"))
    if stats["shared_tokens"]:
        table.add_row(
            "shared",
            Text(f"{units.many(stats['shared_tokens'], 'token')} with characters of both prompt and answer", "yellow"),
        )
    if stats.get("prompts_in_both_splits"):
        table.add_row(
            "leak",
            Text(f"{units.many(stats['prompts_in_both_splits'], 'prompt')} in both splits", "yellow"),
        )
    return table


def replay_words(replay: Mapping[str, Any]) -> str:
    """Return in words how many of the training rows are replay rows (``stats["replay"]`` of prepared rows)."""
    words = f"{units.many(replay['rows'], 'row')} of train ({units.share(replay['share'])})"
    if replay["different"] < replay["rows"]:
        words += f", {replay['different']:,} of them different"
    return words + (f"; {replay['left_out']:,} could not be used" if replay["left_out"] else "")


def _split(stats: dict[str, Any]) -> str:
    text = f"{units.many(stats['examples'], 'example')}, {units.count(stats['tokens'])} tokens, "
    text += f"{units.share(stats['loss_share'])} in the loss"
    if "packs" in stats:
        text += f"; {units.many(stats['packs'], 'pack')}, {units.share(stats['fill'])} full"
    return text


def _lengths(stats: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    names = ("mean", "p0", "p5", "p25", "p50", "p75", "p95", "p99", "p100")
    heads = ("mean", "min", "5%", "25%", "50%", "75%", "95%", "99%", "max")
    table.add_column("", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right")
    rows = {"all rows": stats["lengths_before"]}
    rows |= {split: stats[split]["lengths"] for split in ("train", "validation") if split in stats}
    for name, values in rows.items():
        table.add_row(name, *(f"{values.get(key, 0):,.0f}" for key in names))
    return table


def _histogram(stats: dict[str, Any]) -> Table:
    """Lengths in tokens, one bar for each bin; bins above ``max_length`` are yellow."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="cyan")
    table.add_column()
    table.add_column(justify="right", style="dim")
    counts, edges = stats["histogram"]["counts"], stats["histogram"]["edges"]
    highest = max(counts, default=1)
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        bar = "█" * round(48 * count / highest) or ("▏" if count else "")
        style = "yellow" if low > stats["max_length"] else "green"
        table.add_row(f"{low:,} to {high - 1:,}", Text(bar, style=style), f"{count:,}")
    return table


def _dropped(prepared: Prepared) -> list[RenderableType]:
    incomplete = [*prepared.dropped, *prepared.truncated]
    if not incomplete:
        return [Text("No row was dropped or truncated.", style="green"), Text("")]
    pieces: list[RenderableType] = [Text("Dropped and truncated rows", style="bold")]
    for reason, numbers in (prepared.stats["dropped"] | prepared.stats["truncated"]).items():
        pieces.append(
            Text(
                f"{units.many(numbers['rows'], 'row')} {reason}: {units.many(numbers['tokens'], 'token')} not used",
                style="yellow",
            )
        )
        rows = [row for row in incomplete if row.reason == reason]
        for row in rows[:LISTED]:
            line = f":{row.line}" if row.line is not None else f", row {row.row}"
            pieces.append(Text(f"  {row.file or 'data'}{line}: {units.many(row.tokens, 'token')}"))
        if len(rows) > LISTED:
            pieces.append(Text(f"  … and {len(rows) - LISTED:,} more; --json lists them all", style="dim"))
    return [*pieces, Text("")]


def legend(*, marked: bool = False) -> Text:
    """Return what the styles of tokens mean, or the brackets where there are no colours (``marked``)."""
    if marked:
        return Text(f"Examples: {OPEN}in the loss{CLOSE}; everything else is masked")
    return Text.assemble(
        ("Examples: ", "bold"),
        ("in the loss", IN_LOSS),
        ", ",
        ("ends a turn", TURN_END),
        ", ",
        ("masked", MASKED),
    )


def _token_spans(labels: list[int]) -> list[tuple[int, int]]:
    """(start, end) of the spans of tokens that are all in the loss or all masked."""
    masked = [label == IGNORE_INDEX for label in labels]
    borders = [0, *(i for i in range(1, len(masked)) if masked[i] != masked[i - 1]), len(masked)]
    return [(start, end) for start, end in pairwise(borders) if start < end]


def _without(start: int, end: int, skipped: range) -> list[tuple[int, int]]:
    """The span from ``start`` to ``end`` without the positions in ``skipped``."""
    pieces = [(start, min(end, skipped.start)), (max(start, skipped.stop), end)] if skipped else [(start, end)]
    return [(first, last) for first, last in pieces if first < last]


def _visible(text: str) -> str:
    """``text`` with line breaks marked and kept, and other control characters replaced."""
    return replace_control(text.replace("\r", "␍").replace("\n", "↵\n"))
