"""A chat with a model on a terminal, whose answers are shown token by token."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from rich.console import Console

from sanetune.text import replace_control

if TYPE_CHECKING:
    from sanetune.workflows.chat import Chat

HELP = "/new starts over, /exit or Ctrl-D leaves, Ctrl-C stops an answer."


def converse(chat: Chat, name: str, console: Console | None = None) -> None:
    """Read questions until the end of input and print the answers.

    Args:
        chat: The conversation.
        name: What the model is called.
        console: Where to print; None: standard output.
    """
    console = console or Console(highlight=False)
    console.print(f"Talking to {name}.", HELP, sep="\n", style="dim", markup=False)
    while (question := _question(console)) is not None:
        if question == "/exit":
            return
        if question == "/new":
            chat.restart()
            console.print("New conversation.", style="dim")
            continue
        try:
            with closing(chat.ask(question)) as pieces:
                for piece in pieces:
                    # Control characters that a model writes must not reach the terminal.
                    console.print(replace_control(piece), end="", markup=False, style="green", soft_wrap=True)
        except KeyboardInterrupt:
            console.print(" (stopped)", style="dim", end="")
        console.print()


def _question(console: Console) -> str | None:
    """The next line that is not blank, or None at the end of input."""
    while True:
        try:
            line: str = console.input("[bold cyan]you>[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return None
        if not sys.stdin.isatty():  # input from a pipe is not echoed
            console.print(line, markup=False)
        if line:
            return line
