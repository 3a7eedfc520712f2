"""The collector rests during imports, and is afterwards as it was."""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import suppress

from sanetune import collector


def test_it_rests_inside_and_is_on_again_after_an_error() -> None:
    inside = []
    with suppress(ImportError), collector.importing():
        inside.append(gc.isenabled())
        import sanetune.no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert inside == [False]
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with collector.importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_objects_of_other_code_are_not_frozen() -> None:
    before = gc.get_freeze_count()
    with collector.importing():
        pass
    assert gc.get_freeze_count() <= before  # some that were frozen may be gone


def test_generators_frozen_by_the_command_line_are_found_and_restored() -> None:
    code = """
import gc, random
from sanetune import collector
from sanetune.engine.own.generators import kept_generators
mine = random.Random(3)
collector.own_process()
with collector.importing():
    pass
assert gc.get_freeze_count()
with kept_generators():
    drawn = mine.random()
print(drawn == mine.random())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
