"""Commands in messages, as the user would type them: with the configuration and the overrides that were typed."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar

_TYPED: ContextVar[tuple[str, ...]] = ContextVar("typed", default=())
_INIT: ContextVar[tuple[str, ...]] = ContextVar("init", default=())


@contextlib.contextmanager
def typed(config: str, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Note what was typed after the name of the command: the configuration's path as it was given, and overrides."""
    token = _TYPED.set((config, *overrides))
    try:
        yield
    finally:
        _TYPED.reset(token)


def command(name: str, *words: str) -> str:
    """Return a command that can be pasted; CONFIG is in it where no configuration was typed.

    >>> command("train", "--resume")
    'sanetune train CONFIG --resume'

    Args:
        name: The command, such as ``train``.
        words: What follows the configuration.
    """
    again = {word.partition("=")[0] for word in words if "=" in word}
    typed = [word for word in _TYPED.get() if word.partition("=")[0] not in again]  # the new value in its place
    inputs = [shlex.quote(word) for word in typed] or ["CONFIG"]
    return " ".join(["sanetune", name, *inputs, *(shlex.quote(word) for word in words)])


def filled(text: str) -> str:
    """Return ``text`` with the typed configuration in its commands, where one was typed.

    >>> with typed("my run.yaml", ["train.max_steps=9"]):
    ...     filled("Inspect tokens with sanetune data CONFIG.")
    "Inspect tokens with sanetune data 'my run.yaml' train.max_steps=9."
    """
    inputs = " ".join(shlex.quote(word) for word in _TYPED.get())
    return re.sub(r"(?<=sanetune )([a-z]+) CONFIG\b", lambda found: f"{found[1]} {inputs}", text) if inputs else text


@contextlib.contextmanager
def typed_init(words: Sequence[str]) -> Iterator[None]:
    """Note all that was typed after ``sanetune init``: there is no configuration yet that a message could name."""
    token = _INIT.set(tuple(words))
    try:
        yield
    finally:
        _INIT.reset(token)


def init_with(override: str) -> str:
    """Return the ``sanetune init`` that was typed, with one override more; "" where another command was typed.

    >>> with typed_init(["MODEL", "my rows.jsonl"]):
    ...     init_with("data.on_bad_row=skip")
    "sanetune init MODEL 'my rows.jsonl' data.on_bad_row=skip"

    Args:
        override: ``section.key=value``.
    """
    return " ".join(["sanetune", "init", *map(shlex.quote, _INIT.get()), shlex.quote(override)]) if _INIT.get() else ""


def typed_of(options: Mapping[str, str]) -> list[str]:
    """Return those of ``options`` that were typed: by the name of the parameter, how each is written.

    One without the option that it is for is refused then, and not ignored.
    """
    import click
    from click.core import ParameterSource

    source = click.get_current_context().get_parameter_source
    return [written for name, written in options.items() if source(name) is ParameterSource.COMMANDLINE]
