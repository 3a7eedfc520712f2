"""A server that is started here has room for whole rows, and for prompts of the user's own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from sanetune.probes.served import HeldOut
from sanetune.serving.server import Prompt
from sanetune.workflows.verify import ROOM, Request, _here
from sanetune.workflows.verifying import Subject


def test_there_is_room_for_the_longest_row_and_prompt_and_an_answer() -> None:
    row = HeldOut(Prompt([]), ids=[1] * 30, row_ids=[1] * 1_500)
    own = HeldOut(Prompt([{"role": "user", "content": "ü" * 5_000}]))
    for held_out, least in (([row], 1_500), ([row, own], 10_000), ([own, row], 10_000)):
        with ExitStack() as stack:
            served = _here(Request(), Subject(Path(), held_out, ""), stack)
        assert least + ROOM <= served.context < 2 * least + ROOM
