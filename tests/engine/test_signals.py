from __future__ import annotations

import os
import signal
import threading

import pytest

from sanetune.engine.signals import Stop


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


def test_outside_the_main_thread_it_catches_nothing() -> None:
    requested: list[bool] = []

    def work() -> None:
        with Stop() as stop:
            requested.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert requested == [False]
