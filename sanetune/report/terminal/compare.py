"""Base and tuned model on the same prompts: what is kept in ``comparison.json``, and how it looks on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sanetune.text import replace_control, shorten_middle

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from sanetune.engine.answer import Answer

SIDE_BY_SIDE = 72
"""Narrower than this many columns, the two answers stand below each other."""
LONGEST = 1200
"""Characters of one text shown at most."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """One model's answer: its text, whether it ended by itself, how many tokens it wrote, a note where there is
    none."""

    text: str
    ended: bool
    tokens: int
    note: str = ""

    @classmethod
    def of(cls, answer: Answer) -> Reply:
        """From what the engine generated."""
        return cls(answer.text, answer.ended, answer.tokens, answer.note)


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt and both answers. ``reference`` is the answer in the held-out data, where the prompt is from there."""

    prompt: list[Message]
    base: Reply
    tuned: Reply
    origin: Literal["yours", "held-out"] = "held-out"
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models on the same prompts with the same decoding; losses per learnt token on the validation rows (nats)."""

    pairs: list[Pair]
    base: str
    tuned: str
    base_loss: float | None = None
    tuned_loss: float | None = None
    decoding: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it lies in ``comparison.json``."""
        return {
            "base": self.base,
            "tuned": self.tuned,
            "validation_loss": {"base": self.base_loss, "tuned": self.tuned_loss},
            "decoding": self.decoding,
            "pairs": [asdict(pair) for pair in self.pairs],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Comparison:
        """The opposite of :meth:`to_json`. KeyError or TypeError when it is something else."""
        pairs = [
            Pair(p["prompt"], Reply(**p["base"]), Reply(**p["tuned"]), p.get("origin", "held-out"), p.get("reference"))
            for p in value["pairs"]
        ]
        losses = value.get("validation_loss") or {}
        return cls(
            pairs, value["base"], value["tuned"], losses.get("base"), losses.get("tuned"), value.get("decoding") or {}
        )


def show(comparison: Comparison, console: Console | None = None) -> None:
    """Print all pairs and the figures, at the width of the terminal."""
    from rich.console import Console

    console = console or Console(highlight=False)
    console.print(view(comparison, console.width))


def view(comparison: Comparison, width: int = 80) -> RenderableType:
    """All pairs, then a table of the figures. Whatever the models wrote is shown as text, never read as markup."""
    from rich.console import Group

    parts: list[RenderableType] = []
    for number, pair in enumerate(comparison.pairs, 1):
        parts.append(pair_view(pair, number, len(comparison.pairs), width))
    parts.append(_figures(comparison))
    return Group(*parts)


def pair_view(pair: Pair, number: int, count: int, width: int) -> RenderableType:
    """One prompt (the ``number``-th of ``count``), both answers, and the one in the data."""
    from rich.console import Group
    from rich.rule import Rule
    from rich.text import Text

    whose = "your prompt" if pair.origin == "yours" else "held-out"
    parts: list[RenderableType] = [Rule(Text(f"{number} of {count}, {whose}", style="dim"), align="left", style="dim")]
    for message in pair.prompt:
        parts.append(Text.assemble((f"{message.get('role', '')}: ", "bold"), plain(_content(message))))
    replies = [_reply("base", pair.base, "yellow"), _reply("tuned", pair.tuned, "green")]
    parts.append(_beside(replies) if width >= SIDE_BY_SIDE else Group(*replies))
    if pair.reference:
        parts.append(Text.assemble(("in the data: ", "bold dim"), Text(plain(pair.reference), style="dim")))
    return Group(*parts, Text())


def _beside(replies: Sequence[RenderableType]) -> RenderableType:
    from rich.table import Table

    table = Table.grid(padding=(0, 1), expand=True)
    for _ in replies:
        table.add_column(ratio=1, overflow="fold")
    table.add_row(*replies)
    return table


def _reply(title: str, reply: Reply, colour: str) -> RenderableType:
    from rich.panel import Panel
    from rich.text import Text

    if reply.note:
        body, end = Text(plain(reply.note), style="italic dim"), "no answer"
    else:
        body = Text(plain(reply.text)) if reply.text.strip() else Text("(nothing)", style="italic dim")
        end = f"{reply.tokens} tokens, {'ended by itself' if reply.ended else 'cut off'}"
    return Panel(
        body, title=Text(title, style=f"bold {colour}"), title_align="left", border_style=colour,
        subtitle=Text(end, style="dim" if reply.ended else "red"), subtitle_align="right", padding=(0, 1),
    )  # fmt: skip


def _figures(comparison: Comparison) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("base", "tuned"):
        table.add_column(name, justify="right")
    if comparison.base_loss is not None or comparison.tuned_loss is not None:
        table.add_row("validation loss", _number(comparison.base_loss), _number(comparison.tuned_loss))
    sides = [[pair.base for pair in comparison.pairs], [pair.tuned for pair in comparison.pairs]]
    if comparison.pairs:
        table.add_row("ended by itself", *(f"{sum(r.ended for r in side)} of {len(side)}" for side in sides))
        table.add_row("tokens per answer", *(f"{sum(r.tokens for r in side) / len(side):.0f}" for side in sides))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _content(message: Message) -> str:
    content = message.get("content")
    if content:
        return str(content)
    calls = [call.get("function", {}).get("name", "?") for call in message.get("tool_calls") or []]
    return f"(calls {', '.join(map(str, calls))})" if calls else ""


def plain(text: str, longest: int = LONGEST) -> str:
    """``text`` without control characters (a model can write terminal escapes), shortened in its middle."""
    return shorten_middle(replace_control(text).strip("\n"), longest, separator="\n")


def pairs_of(
    prompts: Sequence[list[Message]],
    base: Sequence[Answer],
    tuned: Sequence[Answer],
    *,
    yours: int = 0,
    references: Sequence[str | None] = (),
) -> list[Pair]:
    """Put prompts and answers together; the first ``yours`` prompts are the user's, the rest from held-out rows."""
    references = [*references, *[None] * (len(prompts) - len(references))]
    return [
        Pair(prompt, Reply.of(b), Reply.of(t), "yours" if i < yours else "held-out", reference)
        for i, (prompt, b, t, reference) in enumerate(zip(prompts, base, tuned, references, strict=True))
    ]


def summary(comparison: Comparison) -> Text:
    """One line: what changed."""
    from rich.text import Text

    ended = sum(pair.tuned.ended for pair in comparison.pairs)
    words = f"{ended} of {len(comparison.pairs)} tuned answers end by themselves"
    if comparison.base_loss is not None and comparison.tuned_loss is not None:
        words += f"; validation loss {comparison.base_loss:.3f} → {comparison.tuned_loss:.3f}"
    return Text(words)
