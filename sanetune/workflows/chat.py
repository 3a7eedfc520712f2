"""A conversation with a model on the terminal; answers appear as they are written."""

from __future__ import annotations

import sys
from typing import Any

from sanetune.data.conversation import Message
from sanetune.text import replace_control

HELP = "/new starts over, /exit or Ctrl-D leaves, Ctrl-C stops an answer."


def talk(model: Any, tokenizer: Any, *, name: str, max_new_tokens: int, temperature: float) -> None:
    """Reads questions until the end of input; the conversation so far is the context of each answer."""
    from rich.console import Console

    from sanetune.engine.generate import Decoding, stop_ids, stream

    console = Console(highlight=False)
    console.print(f"Talking to {name}.", HELP, sep="\n", style="dim", markup=False)
    config = model.generation_config.eos_token_id
    stops = stop_ids(tokenizer, config if isinstance(config, list) else [config] if config is not None else [])
    decoding = Decoding(max_new_tokens=max_new_tokens, temperature=temperature)
    messages: list[Message] = []
    while (question := _asked(console)) is not None:
        if question in ("/new", "/exit"):
            if question == "/exit":
                return
            messages = []
            console.print("A new conversation.", style="dim")
            continue
        messages.append({"role": "user", "content": question})
        text = ""
        try:
            for piece in stream(model, tokenizer, messages, decoding=decoding, stop_token_ids=stops):
                # What a model writes must not steer the terminal.
                console.print(replace_control(piece), end="", markup=False, style="green", soft_wrap=True)
                text += piece
        except KeyboardInterrupt:
            console.print(" (stopped)", style="dim", end="")
        console.print()
        messages.append({"role": "assistant", "content": text})


def _asked(console: Any) -> str | None:
    """The next line that is not blank, or None at the end of input."""
    while True:
        try:
            line: str = console.input("[bold cyan]you>[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return None
        if not sys.stdin.isatty():  # piped in: nobody has seen it being typed
            console.print(line, markup=False)
        if line:
            return line
