from __future__ import annotations

import os
import signal
import threading

import pytest

from sanetune.engine import signals
from sanetune.engine.signals import Stop, TerminatedError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_remembered_and_the_second_acts(number: signal.Signals) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    signal.signal(number, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        with Stop(said.append) as stop:
            os.kill(os.getpid(), number)
            assert stop.requested
            assert len(said) == 1
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)], ids=str
)
def test_the_error_at_the_end_tells_which_signal_came(number: signal.Signals, kind: type) -> None:
    with Stop() as stop:
        os.kill(os.getpid(), number)
    assert type(stop.error) is kind


def test_the_other_signal_right_after_is_the_same_wish_and_acts_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun answers Ctrl-C, which its processes get too, with SIGTERM to each of them."""
    acted: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: acted.append(number))
    try:
        with Stop() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.requested
            assert acted == []
            monkeypatch.setattr(signals, "SAME", 0.0)
            os.kill(os.getpid(), signal.SIGTERM)
            assert acted == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_it_catches_nothing() -> None:
    requested: list[bool] = []

    def work() -> None:
        with Stop() as stop:
            requested.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert requested == [False]
