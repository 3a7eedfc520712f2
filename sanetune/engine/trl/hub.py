"""Pushes to the Hub that may fail without ending the run."""

from __future__ import annotations

from collections.abc import Callable

import transformers

from sanetune.text import shorten


class ForgivingHub(transformers.Trainer):
    """A trainer to which a Hub that cannot be reached is a sentence for the user."""

    say: Callable[[str], None] = staticmethod(lambda text: None)
    """Called with a sentence for the user."""

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """A hub that cannot be reached must not end the run."""
        self._tried(lambda: super(ForgivingHub, self)._push_from_checkpoint(checkpoint_folder))

    def _finish_current_push(self) -> None:
        self._tried(super()._finish_current_push)

    def _tried(self, push: Callable[[], object]) -> None:
        try:
            push()
        except Exception as error:  # noqa: BLE001 -- the Hub's library and its HTTP library have many
            words = shorten(" ".join(str(error).split()), 200)
            self.say(f"pushing to the Hub failed at step {self.state.global_step} ({words}); the run goes on")
