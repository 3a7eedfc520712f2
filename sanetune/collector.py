"""The garbage collector rests while libraries are imported.

An import makes a million objects and hardly a cycle among them; looking for cycles meanwhile takes a third of its time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_own_process = False


def own_process() -> None:
    """Let what is imported from now on stay out of all later collections: this process is the command line's."""
    global _own_process
    _own_process = True


@contextmanager
def importing() -> Iterator[None]:
    """Pause the collector inside the context, which is for imports alone.

    In a process of the command line everything that is there at the end stays until the process ends. Elsewhere other
    code has objects of its own, which it may want to be collected.

    >>> with importing():
    ...     gc.isenabled()
    False
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        if _own_process:
            gc.freeze()


def thaw() -> None:
    """Show the objects that :func:`importing` has frozen to ``gc.get_objects`` again."""
    if _own_process:
        gc.unfreeze()
