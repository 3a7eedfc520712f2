"""Which options were typed, so that one without the option that it is for is refused and not ignored."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.core import ParameterSource


def typed_of(options: Mapping[str, str]) -> list[str]:
    """Return those of ``options`` that were typed: by the name of the parameter, how each is written."""
    context = click.get_current_context()
    return [
        written
        for name, written in options.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
