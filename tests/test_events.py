"""Events reach everybody who follows, and a bracket is closed whatever happens."""

from __future__ import annotations

import pytest

from sanetune.events import ChecksEnded, ChecksStarted, Event, RowsProcessed, bracket, silent, to_all


def test_each_event_reaches_all_followers_in_order() -> None:
    seen: list[tuple[str, Event]] = []
    publish = to_all(lambda event: seen.append(("first", event)), silent, lambda event: seen.append(("last", event)))
    publish(RowsProcessed(3))
    assert seen == [("first", RowsProcessed(3)), ("last", RowsProcessed(3))]


def test_a_bracket_is_closed_after_an_error() -> None:
    seen: list[Event] = []
    with pytest.raises(ValueError, match="broken"), bracket(seen.append, ChecksStarted(), ChecksEnded()):
        raise ValueError("broken")
    assert seen == [ChecksStarted(), ChecksEnded()]
