"""Prompts that models are asked, and their greedy answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.data.conversation import Message
from sanetune.data.prepare import Prepared
from sanetune.data.tool_calls import call_lines
from sanetune.engine.answer import Answer
from sanetune.engine.generate import Decoding, Tools, answer
from sanetune.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HELD_OUT = 5
"""Validation rows that are answered."""
FEWEST, FEWEST_OF_YOURS = 64, 256
"""Least limit on the tokens of an answer, and of answers to the user's own prompts, which have no reference."""


@dataclass(slots=True)
class Prompts:
    """The prompts that both models are asked: the user's own first, then validation rows.

    Attributes:
        messages: Each prompt, up to the answer.
        references: The text of the answer in the data; None: a prompt of the user's own.
        calls: The calls of tools in that answer, as JSON in lines; "": none.
        thoughts: The reasoning in that answer; "": none.
        tools: Each prompt's tool schemas.
        places: Split and number of each row there; (None, None) for the user's own.
        yours: Number of the user's own prompts.
    """

    messages: list[list[Message]] = field(default_factory=list)
    references: list[str | None] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    tools: list[Tools | None] = field(default_factory=list)
    places: list[tuple[str | None, int | None]] = field(default_factory=list)
    yours: int = 0

    def add(
        self,
        messages: list[Message],
        reference: str | None = None,
        tools: Tools | None = None,
        place: tuple[str | None, int | None] = (None, None),
        answer: Message | None = None,
    ) -> None:
        """Add a prompt.

        Args:
            messages: The messages up to the answer.
            reference: The text of the answer in the data; None: a prompt of the user's own.
            tools: Tool schemas of the prompt.
            place: Split and number of the row there, from 0; (None, None): a prompt of the user's own.
            answer: The message that answers it in the data, with what it has beside its text.
        """
        self.messages.append(messages)
        self.references.append(reference)
        self.calls.append(call_lines(answer or {}))
        self.thoughts.append((answer or {}).get("reasoning_content") or "")
        self.tools.append(tools)
        self.places.append(place)

    @property
    def with_calls(self) -> list[str | None]:
        """Each answer in the data with its calls of tools below its text; None: a prompt of the user's own."""
        both = zip(self.references, self.calls, strict=True)
        return [None if text is None else "\n".join(filter(None, (text, calls))) for text, calls in both]


def prompts_for(prepared: Prepared, own: Sequence[str] = (), count: int = HELD_OUT) -> Prompts:
    """Return ``own`` prompts, and ``count`` rows spread over the validation split (the training split without one).

    A row is asked up to its last assistant turn, whose text is the reference, beside its calls of tools. Rows of plain
    text have no question.
    """
    prompts = Prompts(yours=len(own))
    for text in own:
        prompts.add([{"role": "user", "content": text}])
    split = "validation" if prepared.validation is not None else "train"
    total = prepared.origins[split].own
    count = min(count, total)
    for index in range(count):
        number = index * total // count
        conversation = prepared.conversation(split, number)
        replies = [at for at, message in enumerate(conversation.messages) if message["role"] == "assistant"]
        if not replies or not replies[-1]:
            continue
        last = conversation.messages[replies[-1]]
        before, text = conversation.messages[: replies[-1]], last.get("content") or ""
        prompts.add(before, text, conversation.tools, (split, number), last)
    return prompts


def answers(
    model: PreTrainedModel,
    prepared: Prepared,
    prompts: Prompts,
    most_tokens: int | None = None,
    seconds: float | None = None,
) -> list[Answer]:
    """Return greedy answers of ``model``, ended by the template's stop tokens.

    Args:
        model: Whom to ask.
        prepared: The rows, with their tokenizer.
        prompts: What to ask.
        most_tokens: Most tokens of an answer; None: as many as :func:`max_new_tokens` says.
        seconds: Time after which no token is begun; None: any.

    Raises:
        DataError: Where the chat template refuses a prompt.
    """
    from jinja2 import TemplateError as JinjaError

    try:
        return answer(
            model,
            prepared.tokenizer,
            prompts.messages,
            decoding=Decoding(max_new_tokens=most_tokens or max_new_tokens(prepared, prompts), seconds=seconds),
            stop_token_ids=prepared.stop_token_ids,
            tools=prompts.tools,
        )
    except JinjaError as error:
        raise DataError(
            f"The chat template refuses a prompt: {error}", "", "Change run.sample_prompts, or give another template."
        ) from None


def max_new_tokens(prepared: Prepared, prompts: Prompts) -> int:
    """Return the most tokens that an answer may have: half again as many as the longest in the data, its reasoning and
    calls of tools among them, or a minimum."""
    parts = zip(prompts.thoughts, prompts.with_calls, strict=True)
    written = [text for one in parts if (text := "\n".join(filter(None, one)))]
    lengths = [len(ids) for ids in prepared.tokenizer(written)["input_ids"]] if written else [0]
    return max(FEWEST, FEWEST_OF_YOURS if prompts.yours else 0, 16 + max(lengths) * 3 // 2)
