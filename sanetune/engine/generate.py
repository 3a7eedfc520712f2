"""Answers of a model to chat prompts: batched and repeatable for comparing, streamed for talking."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from sanetune.data.conversation import Message
from sanetune.engine.answer import Answer
from sanetune.engine.library_logs import quiet
from sanetune.rng import kept_modes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_NEW_TOKENS = 256
Prompt = str | list[Message]
"""Messages, rendered with the tokenizer's chat template; or text, continued as it stands."""
Tools = list[dict[str, Any]]
"""JSON schemas of the functions that a prompt offers."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen: at temperature 0 the likeliest, above 0 drawn with ``seed``; none after ``seconds``."""

    max_new_tokens: int = MAX_NEW_TOKENS
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    seconds: float | None = None


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    *,
    decoding: Decoding | None = None,
    stop_token_ids: Sequence[int] = (),
    tools: Sequence[Tools | None] | None = None,
    template_kwargs: dict[str, Any] | None = None,
    batch_size: int = 16,
) -> list[Answer]:
    """Return the model's answers to ``prompts``, in their order. Random states and modes stay as they were.

    Args:
        model: The model.
        tokenizer: Its tokenizer, with the chat template for prompts of messages.
        prompts: What it is asked. One that leaves no room in the model's context gets an empty answer with a note.
        decoding: How tokens are chosen; None: greedily.
        stop_token_ids: End an answer besides the tokenizer's end token.
        tools: Each prompt's tool schemas.
        template_kwargs: Further variables of the chat template.
        batch_size: Prompts answered at once.

    Raises:
        jinja2.TemplateError: Where the template refuses a prompt; the prompts are the caller's.
    """
    decoding = decoding or Decoding()
    stops = stop_ids(tokenizer, stop_token_ids)
    ids = [encode(tokenizer, p, tools[i] if tools else None, template_kwargs) for i, p in enumerate(prompts)]
    context = _context(model)
    answers: list[Answer | None] = [None] * len(ids)
    for i, row in enumerate(ids):
        if len(row) >= context:
            answers[i] = Answer("", False, 0, f"the prompt has {len(row)} tokens, the model's context {context}")
        elif not row:
            answers[i] = Answer("", False, 0, "the prompt is empty")
    # Like lengths together: less padding, and fewer rounds where the context is nearly full.
    open_rows = sorted((i for i, done in enumerate(answers) if done is None), key=lambda i: len(ids[i]))
    with _evaluating(model):
        for start in range(0, len(open_rows), batch_size):
            some = open_rows[start : start + batch_size]
            for i, done in zip(some, _generate(model, tokenizer, [ids[i] for i in some], decoding, stops), strict=True):
                answers[i] = done
    return [done for done in answers if done is not None]


def encode(
    tokenizer: PreTrainedTokenizerBase, prompt: Prompt, tools: Tools | None = None, kwargs: dict[str, Any] | None = None
) -> list[int]:
    """Return the token ids that a prompt becomes, with the header of the answer's turn at its end."""
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    text = tokenizer.apply_chat_template(
        prompt, tools=tools, add_generation_prompt=True, tokenize=False, **(kwargs or {})
    )
    # The template has written the special tokens; the tokenizer must not add them a second time.
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def stop_ids(tokenizer: PreTrainedTokenizerBase, more: Sequence[int] = ()) -> list[int]:
    """Return the ids of the tokenizer's end token and of ``more``, each once."""
    own = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return list(dict.fromkeys([*own, *more]))


def stream(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    *,
    decoding: Decoding | None = None,
    stop_token_ids: Sequence[int] = (),
    tools: Tools | None = None,
) -> Iterator[str]:
    """Yield one answer, piece by piece, as it is written. Leaving the iterator early stops the model."""
    from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

    decoding = decoding or Decoding()
    ids = encode(tokenizer, prompt, tools)
    stops = stop_ids(tokenizer, stop_token_ids)
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    left = threading.Event()
    failed: list[BaseException] = []

    class Left(StoppingCriteria):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:
            return torch.full((input_ids.shape[0],), left.is_set(), dtype=torch.bool, device=input_ids.device)

    def write() -> None:
        try:
            criteria = StoppingCriteriaList([Left()])
            own = replace(decoding, max_new_tokens=_limit(model, ids, decoding))
            with _drawing(own):
                _call(model, tokenizer, [ids], own, stops, streamer=streamer, stopping_criteria=criteria)
        except BaseException as error:  # noqa: BLE001 -- handed to the reader below; the thread has nobody to tell
            failed.append(error)
        finally:
            streamer.end()

    with _evaluating(model):
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            yield from (piece for piece in streamer if piece)
        finally:
            left.set()
            thread.join()
    if failed:
        raise failed[0]


def write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: list[list[int]],
    decoding: Decoding,
    stops: list[int],
) -> list[list[int]]:
    """Return the ids that the model writes after each row of ``ids``, up to and including the first of ``stops``.

    Each may fill the model's context, however long the others are: where one has done so, the rest go on without it.
    """
    limits = [_limit(model, row, decoding) for row in ids]
    written: list[list[int]] = [[] for _ in ids]
    deadline = math.inf if decoding.seconds is None else time.monotonic() + decoding.seconds
    open_rows = list(range(len(ids)))
    with _evaluating(model), _drawing(decoding):
        while open_rows:
            count = min(limits[at] - len(written[at]) for at in open_rows)
            left = None if decoding.seconds is None else deadline - time.monotonic()
            some = replace(decoding, max_new_tokens=count, seconds=left)
            new = _call(model, tokenizer, [ids[at] + written[at] for at in open_rows], some, stops).tolist()
            for at, row in zip(open_rows, new, strict=True):
                end = next((k for k, token in enumerate(row) if token in stops), len(row))
                written[at] += row[: end + 1]
            open_rows = [at for at in open_rows if len(written[at]) < limits[at] and written[at][-1] not in stops]
            if time.monotonic() >= deadline:
                break
    return written


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: list[list[int]],
    decoding: Decoding,
    stops: list[int],
) -> list[Answer]:
    answers = []
    for kept in write(model, tokenizer, ids, decoding, stops):
        ended = bool(kept) and kept[-1] in stops
        body = kept[:-1] if ended else kept
        text, raw = (tokenizer.decode(body, skip_special_tokens=skip) for skip in (True, False))
        answers.append(Answer(text, ended, len(kept), raw=raw))
    return answers


@torch.no_grad()
def _call(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: list[list[int]],
    decoding: Decoding,
    stops: list[int],
    **keywords: object,
) -> torch.Tensor:
    """Pad on the left, generate, and return the ids written: (B prompts, T new tokens)."""
    from transformers import GenerationConfig

    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (stops[0] if stops else 0)
    width = max(map(len, ids))
    device = next(model.parameters()).device
    input_ids = torch.tensor([[pad] * (width - len(row)) + row for row in ids], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=device)
    sampling = decoding.temperature > 0
    config = GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=sampling,
        temperature=decoding.temperature if sampling else 1.0,
        top_p=decoding.top_p if sampling else 1.0,
        top_k=0 if sampling else 50,
        eos_token_id=stops or None,
        pad_token_id=pad,
        max_time=decoding.seconds,
        use_cache=True,
        # Said, though they are the defaults: what is left unset is filled from the model's own generation_config.
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        min_new_tokens=0,
    )
    with quiet():
        out = model.generate(input_ids=input_ids, attention_mask=mask, generation_config=config, **keywords)
    written: torch.Tensor = out[:, width:]
    return written


def _limit(model: PreTrainedModel, ids: list[int], decoding: Decoding) -> int:
    """Tokens that may follow ``ids``."""
    return max(1, min(decoding.max_new_tokens, _context(model) - len(ids)))


def _context(model: PreTrainedModel) -> int:
    config = model.config.get_text_config()
    return int(getattr(config, "max_position_embeddings", 0) or getattr(config, "n_positions", 0) or 1_000_000)


@contextlib.contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Dropout is off within; afterwards every module has its own mode again."""
    with kept_modes(model):
        model.eval()
        yield


@contextlib.contextmanager
def _drawing(decoding: Decoding) -> Iterator[None]:
    """Tokens are drawn with the seed within; the random state outside is left alone."""
    sampling = decoding.temperature > 0
    with torch.random.fork_rng(enabled=sampling):
        if sampling:
            torch.manual_seed(decoding.seed)
        yield
