"""The blind comparison on a terminal: two answers without names, a key for each vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast

from sanetune import units
from sanetune.report.terminal.compare import SIDE_BY_SIDE, plain
from sanetune.workflows.comparing.result import Compared
from sanetune.workflows.comparing.votes import Ballot, Tally, Votes

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LONGEST = 4_000
"""Characters of one answer that are shown."""
KEYS = "a: A is better   b: B is better   =: alike   s: skip   q: stop"

ReadKey = Callable[[], str]


def ask(votes: Votes, compared: Compared, read_key: ReadKey, console: Console) -> None:
    """Show the open ballots one after another, and keep the votes until there are none left, or ``q`` is pressed.

    Args:
        votes: Where they are kept.
        compared: The prompts.
        read_key: Returns the next key that is pressed; "" at the end of the input.
        console: Where to print.
    """
    from rich.text import Text

    ballots = votes.open()
    for number, ballot in enumerate(ballots, 1):
        console.print(ballot_view(ballot, compared, f"{number} of {len(ballots)}", console.width))
        console.print(Text(KEYS, style="dim"))
        while (key := read_key().lower()) not in ("a", "b", "=", "s", "q", "", "\x03", "\x04"):
            console.print(Text(KEYS, style="yellow"))
        if key in ("q", "", "\x03", "\x04"):
            return
        if key != "s":
            votes.cast(ballot, ballot.vote(cast("Literal['a', 'b', '=']", key)))


def ballot_view(ballot: Ballot, compared: Compared, title: str, width: int) -> RenderableType:
    """Return one prompt with both answers; nothing says whose they are.

    Args:
        ballot: The answers.
        compared: The prompts.
        title: What is written above.
        width: Columns of the terminal.
    """
    from rich.console import Group
    from rich.panel import Panel
    from rich.rule import Rule
    from rich.table import Table
    from rich.text import Text

    prompt = compared.prompts[ballot.number]
    parts: list[RenderableType] = [Rule(Text(title, style="dim"), align="left", style="dim")]
    for message in prompt.messages:
        role, content = str(message.get("role", "")), str(message.get("content") or "")
        parts.append(Text.assemble((f"{plain(role)}: ", "bold"), plain(content)))
    answers = [
        Panel(Text(plain(text, LONGEST) or "(empty)"), title=name, title_align="left", padding=(0, 1))
        for name, text in (("A", ballot.left), ("B", ballot.right))
    ]
    if width < SIDE_BY_SIDE:
        return Group(*parts, *answers)
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in answers:
        table.add_column(ratio=1, overflow="fold")
    table.add_row(*answers)
    return Group(*parts, table)


def tally_view(tally: Tally, names: list[str]) -> RenderableType:
    """Return what the votes come to.

    Args:
        tally: The counts.
        names: Of both models; the second is the one that wins.
    """
    from rich.text import Text

    first, second = names
    figures = tally.to_json()
    parts = [f"{units.many(tally.wins, 'vote')} for {second}, {tally.losses} for {first}, {tally.ties} for neither"]
    if tally.same:
        parts.append(f"{units.many(tally.same, 'pair')} with the same text not asked about")
    if tally.unanswered:
        parts.append(f"{units.many(tally.unanswered, 'prompt')} that a model was not asked")
    if tally.left:
        parts.append(f"{tally.left} without a vote: the same command goes on with them")
    text = Text(plain("; ".join(parts) + "."))
    if tally.win_rate is None:
        return text
    low, high = figures["wilson"]
    lowest, highest = figures["clopper_pearson"]
    words = f"{tally.win_rate:.0%} (95 %: {low:.0%} to {high:.0%} by Wilson, {lowest:.0%} to {highest:.0%} exact)"
    verdict = "no difference shown"
    if figures["p"] < 0.05:
        verdict = f"{second if tally.wins > tally.losses else first} is better"
    text.append("\n")
    text.append(plain(f"Win rate of {second}: {words}; p {figures['p']:.2g}: "))
    text.append(plain(verdict), "bold")
    return text
