"""The model as lm-eval takes it, with progress that can be followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import LM
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PARTS = 50
"""Parts of the requests after which progress is published."""

Progress = Callable[[int, int], None]
"""Called with the requests that are done, and how many there are of this kind."""


def followed(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: int, progress: Progress) -> LM:
    """Return ``model`` as lm-eval takes it; it answers requests a part at a time.

    Args:
        model: The model, on its device.
        tokenizer: Its tokenizer.
        batch: Requests of one pass.
        progress: Called after each part.
    """
    from lm_eval.models.huggingface import HFLM

    class Followed(HFLM):  # type: ignore[misc]
        def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
            return _in_parts(super().generate_until, requests, batch, progress)

        def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            return _in_parts(super().loglikelihood, requests, batch, progress)

        def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
            return _in_parts(super().loglikelihood_rolling, requests, batch, progress)

    return Followed(pretrained=model, tokenizer=tokenizer, batch_size=batch)


def _in_parts(answer: Callable[..., list[Any]], requests: list[Instance], batch: int, progress: Progress) -> list[Any]:
    size = max(4 * batch, -(-len(requests) // PARTS))
    found: list[Any] = []
    for start in range(0, len(requests), size):
        found += answer(requests[start : start + size], disable_tqdm=True)
        progress(len(found), len(requests))
    return found
