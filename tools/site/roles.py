"""Makes Markdown of the roles in docstrings, for the site: ``:func:`run``` is `run`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from griffe import Extension

if TYPE_CHECKING:
    from griffe import Object

ROLE = re.compile(r":(?:py:)?(?:func|class|meth|mod|attr|data|exc|obj):`~?([^`]+)`")


class Roles(Extension):
    """Replaces roles in every docstring that griffe reads, and double backticks with single ones."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of ``obj``."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Return ``text`` with Markdown's code in place of roles.

    >>> markdown("see :func:`sanetune.check` and ``x``")
    'see `sanetune.check` and `x`'
    """
    return re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", ROLE.sub(r"`\1`", text))
