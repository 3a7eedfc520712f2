"""Ask the trained model and a server the same, token for token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.data.conversation import Message
from sanetune.engine.answer import Answer
from sanetune.engine.generate import Decoding, encode, write
from sanetune.errors import Place
from sanetune.probes.results.served import (
    ChatPair,
    EndTrial,
    PromptPair,
    ServedPrompts,
    ServedTokens,
    TokenPair,
    TrainedAnswer,
)
from sanetune.serving.server import TOP, Prompt, Server, UndisclosedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FIRST = 8
"""Tokens of each answer that are compared one by one."""
LONGEST = 96
"""Tokens of an answer, at most: enough to see most of them end."""
LONGEST_CALL = 256
"""The same where the row's own answer is a call or has reasoning, which is longer: nothing of it is parsed before it
ends."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A prompt that the run did not train on.

    Attributes:
        prompt: As a client sends it.
        ids: The ids of its row up to the answer, as training gets them; None: there is no row.
        row_ids: The row's ids up to the token that ends its answer, without it; None: there is no row.
        reply: What the row answers.
        place: The row.
    """

    prompt: Prompt
    ids: list[int] | None = None
    row_ids: list[int] | None = None
    reply: Message | None = None
    place: Place | None = None


def trained_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    held_out: Sequence[HeldOut],
    stops: list[int],
    on_answer: Callable[[int], None] = lambda done: None,
) -> list[TrainedAnswer]:
    """Return the greedy answers of the trained model, with the log-probabilities of their first tokens.

    Args:
        model: The trained model.
        tokenizer: Its tokenizer.
        held_out: What it is asked.
        stops: Ids of the tokens that end its answers.
        on_answer: Gets the number of answers that are done.
    """
    found = []
    for number, one in enumerate(held_out, start=1):
        ids = one.ids or encode(tokenizer, one.prompt.messages, one.prompt.tools, dict(one.prompt.template_kwargs))
        written = write(model, tokenizer, [ids], Decoding(max_new_tokens=_most_tokens(one)), stops)[0]
        ended = bool(written) and written[-1] in stops
        body = written[:-1] if ended else written
        found.append(
            TrainedAnswer(
                one.prompt,
                ids,
                body,
                ended,
                _as_answer(tokenizer, body, ended, len(written)),
                first_tokens(model, ids, body),
                _end_after(model, ids + body if ended else one.row_ids, stops, known=ended),
                one.place,
                one.ids is not None,
                one.reply,
            )
        )
        on_answer(number)
    return found


def _most_tokens(one: HeldOut) -> int:
    """Tokens that the answer to a prompt may have: a call or reasoning as many as its row's, and some more."""
    reply = one.reply or {}
    if one.ids is None or one.row_ids is None or not (reply.get("tool_calls") or reply.get("reasoning_content")):
        return LONGEST
    return min(LONGEST_CALL, max(LONGEST, 2 * (len(one.row_ids) - len(one.ids))))


def _as_answer(tokenizer: PreTrainedTokenizerBase, ids: list[int], ended: bool, tokens: int) -> Answer:
    text, raw = (str(tokenizer.decode(ids, skip_special_tokens=skip)) for skip in (True, False))
    return Answer(text, ended, tokens, raw=raw)


def first_tokens(model: PreTrainedModel, prompt_ids: list[int], answer_ids: list[int]) -> list[dict[int, float]]:
    """Return, for each of the first tokens of an answer, the log-probabilities in nats of the likeliest ones.

    Args:
        model: The model.
        prompt_ids: Token ids of the prompt.
        answer_ids: Token ids of the answer; each position is asked with those before it.
    """
    import torch

    fed = prompt_ids + answer_ids[: FIRST - 1]
    with torch.inference_mode():
        device = next(model.parameters()).device
        logits = model(input_ids=torch.tensor([fed], device=device), use_cache=False).logits[0]
        log_probs = logits[len(prompt_ids) - 1 :].float().log_softmax(-1)
        values, ids = log_probs.topk(min(TOP, log_probs.shape[-1]), dim=-1)
    return [dict(zip(row_ids, row, strict=True)) for row_ids, row in zip(ids.tolist(), values.tolist(), strict=True)]


def _end_after(model: PreTrainedModel, ids: list[int] | None, stops: list[int], *, known: bool) -> list[int] | None:
    """``ids`` where the trained model's likeliest next token ends the answer, else None."""
    import torch

    if ids is None or known:
        return ids
    with torch.inference_mode():
        device = next(model.parameters()).device
        likeliest = int(model(input_ids=torch.tensor([ids], device=device), use_cache=False).logits[0, -1].argmax())
    return ids if likeliest in stops else None


def served_prompts(
    server: Server, trained: Sequence[TrainedAnswer], tokenizer: PreTrainedTokenizerBase
) -> ServedPrompts:
    """Return the ids that the server builds of each prompt, and how many it counts."""
    pairs, untold = [], ""
    for one in trained:
        served: list[int] | None = None
        try:
            served = server.prompt_ids(one.prompt)
        except UndisclosedError as error:
            untold = str(error)
        counted = server.chat(one.prompt, 1).prompt_tokens
        same = served is not None and _whole(tokenizer, served) == _whole(tokenizer, one.prompt_ids)
        pairs.append(PromptPair(one.prompt_ids, served, counted, one.prompt.text, one.place, same))
    ids = {token for pair in pairs for token in [*pair.trained, *(pair.served or ())]}
    texts = {token: _text(tokenizer, token) for token in ids}
    return ServedPrompts(pairs, tokenizer.bos_token_id, untold, texts)


def served_ends(
    server: Server, trained: Sequence[TrainedAnswer], stops: list[int], names: Mapping[int, str]
) -> list[EndTrial]:
    """Return what the server does where the trained model ends its answers.

    A server that takes token ids is asked for one token after prompt and answer; another has to answer by itself.
    """
    trials = []
    stop = ", ".join(names.get(token, str(token)) for token in stops)
    for one in trained:
        if one.end_after is None:
            continue
        try:
            following = server.next_token(one.end_after)
        except UndisclosedError:
            if not one.ended:
                continue
            reply = server.chat(one.prompt, one.answer.tokens * 2 + 32)
            if reply.finish:  # a server that does not say why an answer ends proves nothing
                trials.append(EndTrial(reply.finish != "length", None, reply.content, stop, one.prompt.text, one.place))
            continue
        likeliest = following.token in stops
        trials.append(EndTrial(following.ended, likeliest, following.text, stop, one.prompt.text, one.place))
    return trials


def served_tokens(
    server: Server,
    trained: Sequence[TrainedAnswer],
    rounded: Sequence[list[dict[int, float]]],
    tokenizer: PreTrainedTokenizerBase,
    storage: str,
    assumed: bool,
) -> ServedTokens:
    """Return the first tokens of each answer as the server sees them, beside the trained model.

    Args:
        server: The server.
        trained: What the trained model answered.
        rounded: The log-probabilities of the same tokens when it computes in the server's number formats.
        tokenizer: Its tokenizer.
        storage: What the server's weights are stored as.
        assumed: Whether the server does not say that.
    """
    pairs = []
    for number, (one, other) in enumerate(zip(trained, rounded, strict=True)):
        served = ask_positions(server, one)
        pairs += [
            TokenPair(number, at, mine, theirs, rough)
            for at, (mine, theirs, rough) in enumerate(zip(one.log_probs, served, other, strict=True))
        ]
    texts = {token: _text(tokenizer, token) for pair in pairs for token in pair.likeliest}
    return ServedTokens(pairs, storage, assumed, texts, [one.prompt.text for one in trained])


def ask_positions(server: Server, one: TrainedAnswer) -> list[Mapping[int, float]]:
    """Return the server's log-probabilities at each of the first tokens of the trained answer."""
    prefixes = [one.prompt_ids + one.answer_ids[:at] for at in range(len(one.log_probs))]
    return [server.next_token(ids).log_probs for ids in prefixes]


def served_chats(server: Server, trained: Sequence[TrainedAnswer]) -> list[ChatPair]:
    """Return what a client gets: answers with calls and reasoning, where the server parses them."""
    return [ChatPair(one, server.chat(one.prompt, max(64, one.answer.tokens * 2))) for one in trained]


def _whole(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _text(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    return str(tokenizer.decode([token], skip_special_tokens=False))
