"""Who wrote each token where only ids are left: the turns are read off the template's own headers.

A built trainer has its rows as ids; the conversations are gone. What the chat template writes before and after turns
is looked for in the tokens' own strings, which join to the same string however they were merged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sanetune.data.conversation import Conversation, Message
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import Place, TemplateError
from sanetune.evidence.template_literals import Literals
from sanetune.evidence.token_roles import EITHER, IN_LOSS, OUTSIDE_LOSS, TokenRole, TokenRoles

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

    from sanetune.config.section import LossOn
    from sanetune.evidence.token_roles import Ids

SYSTEM = "sanetune system"
TOOL = "sanetune tool"
_NO_THOUGHT = re.compile(r"[\s\u0120\u010a\u2581]*<think>[\s\u0120\u010a\u2581]*</think>[\s\u0120\u010a\u2581]*")
"""An empty block of reasoning, in the signs that vocabularies use for blanks: some templates give it as part of the
prompt, others leave it to the model."""


class Segment(NamedTuple):
    """Tokens ``start`` to ``stop`` (half open) were written by ``role``; TEMPLATE: a block that may be anyone's."""

    start: int
    stop: int
    role: TokenRole


@dataclass(slots=True)
class IdRoleFinder:
    """Takes token sequences apart by ``headers`` (who writes what follows) and ``ends``, both in token strings."""

    tokenizer: PreTrainedTokenizerBase
    headers: dict[str, TokenRole]
    ends: tuple[str, ...]
    loss_on: LossOn = "assistant"
    torn: bool = False
    """Whether a document may begin inside a turn, of whom nobody knows."""

    @classmethod
    def of(
        cls, template: ChatTemplate, tokenizer: PreTrainedTokenizerBase, stops: tuple[str, ...], loss_on: LossOn
    ) -> IdRoleFinder | None:
        """None where the template's headers cannot be told apart."""
        literals = Literals.of(template, stops)
        found = {"assistant": TokenRole.ASSISTANT, "user": TokenRole.USER}
        headers = {_strings(tokenizer, text): found[role] for role, text in literals.headers.items()}
        if len(headers) < 2:
            return None
        for text, role in (
            (_before(template, [{"role": "system", "content": SYSTEM}], SYSTEM), TokenRole.SYSTEM),
            (_before_tool(template), TokenRole.TOOL),
        ):
            if text and (key := _strings(tokenizer, text)):
                headers.setdefault(key, role)
        return cls(tokenizer, headers, tuple(_strings(tokenizer, end) for end in literals.ends), loss_on)

    def roles_of(self, ids: Ids) -> TokenRoles:
        """Return who wrote the tokens ``ids``, and which of them should be in the loss.

        Without any header they are plain text, which is in the loss as a whole.
        """
        import numpy as np

        roles = np.full(len(ids), TokenRole.TEMPLATE, np.int8)
        expected = np.full(len(ids), OUTSIDE_LOSS, np.int8)
        segments = self.segments(ids)
        if not segments:
            roles[:], expected[:] = TokenRole.TEXT, EITHER
            return TokenRoles(roles, expected, len(ids))
        trained = [one for one in segments if one.role in (TokenRole.ASSISTANT, TokenRole.END)]
        last = max((one.start for one in trained if one.role is TokenRole.ASSISTANT), default=0)
        for segment in segments:
            roles[segment.start : segment.stop] = segment.role
            if segment.role is TokenRole.TEMPLATE:
                expected[segment.start : segment.stop] = EITHER
            if segment in trained and (self.loss_on != "last" or segment.start >= last):
                expected[segment.start : segment.stop] = IN_LOSS
                self._spare_blanks(expected, ids, segment)
        if self.torn:
            expected[: segments[0].start] = EITHER
        if self.loss_on == "all":
            expected[:] = EITHER
        expected[:1] = OUTSIDE_LOSS
        return TokenRoles(roles, expected, len(ids))

    def _spare_blanks(self, expected: np.ndarray, ids: Ids, segment: Segment) -> None:
        """White space behind an end token, and at the end of a header: TRL's own templates put it in the loss."""
        at, step = segment.start - 1, -1
        if segment.role is TokenRole.END:
            at, step = segment.stop, 1
            expected[at : at + 1] = EITHER
        while 0 < at < len(ids) and not decoded(self.tokenizer, ids[at : at + 1]).strip():
            expected[at] = EITHER
            at += step

    def segments(self, ids: Ids) -> list[Segment]:
        """The texts and ends of all turns, in order; headers and what is between turns are left out."""
        import numpy as np

        strings = self.tokenizer.convert_ids_to_tokens([max(0, int(token)) for token in ids])
        strings = ["" if token < 0 else string for token, string in zip(ids, strings, strict=True)]
        text = "".join(string or "" for string in strings)
        borders = np.cumsum([0, *(len(string or "") for string in strings)])
        segments: list[Segment] = []
        at, role = 0, None
        while True:
            place, header = self._next(text, at)
            if role is not None:
                segments += self._turn(text, at, len(text) if header is None else place, role, borders)
            if header is None:
                return segments
            at, role = place + len(header), self.headers[header]

    def conversation(self, ids: Ids, place: Place) -> Conversation:
        """The row as messages, as far as its ids tell; as plain text where they hold no turns."""
        messages: list[Message] = []
        for segment in self.segments(ids):
            if segment.role not in (TokenRole.END, TokenRole.TEMPLATE):
                content = decoded(self.tokenizer, ids[segment.start : segment.stop]).strip()
                messages.append({"role": segment.role.name.lower(), "content": content})
        text = None if messages else decoded(self.tokenizer, ids)
        return Conversation(messages, place, text=text)

    def _next(self, text: str, at: int) -> tuple[int, str | None]:
        """Where the next header begins, and which; the longest where several begin there."""
        found = [(place, -len(header), header) for header in self.headers if (place := text.find(header, at)) >= 0]
        if not found:
            return -1, None
        place, _, header = min(found)
        return place, header

    def _turn(self, text: str, start: int, limit: int, role: TokenRole, borders: np.ndarray) -> list[Segment]:
        """The text of one turn and, for an assistant's, its end."""
        ends = [(place, end) for end in self.ends if end and (place := text.find(end, start, limit)) >= 0]
        place, end = min(ends) if ends else (limit, "")
        segments = []
        if role is TokenRole.ASSISTANT and (found := _NO_THOUGHT.match(text, start, place)):
            segments.append(Segment(*_tokens(borders, start, found.end()), TokenRole.TEMPLATE))
            start = found.end()
        first, last = _tokens(borders, start, place)
        if last > first:
            segments.append(Segment(first, last, role))
        if role is TokenRole.ASSISTANT and end:
            stop = _tokens(borders, place, place + len(end))[1]
            segments.append(Segment(last, stop, TokenRole.END))
        return segments


def decoded(tokenizer: PreTrainedTokenizerBase, ids: Ids) -> str:
    """The text of ``ids``; negative ones, which no tokenizer takes, are left out."""
    return str(tokenizer.decode([int(token) for token in ids if token >= 0]))


def _tokens(borders: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """The tokens that hold a character of ``start`` to ``end``."""
    import numpy as np

    first = int(np.searchsorted(borders, start, "right")) - 1
    last = int(np.searchsorted(borders, end, "left"))
    return first, max(first, last)


def _strings(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """``text`` as its tokens' strings join; a mark for a beginning of words, which depends on the place, is left
    out."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    joined = "".join(tokenizer.convert_ids_to_tokens(ids))
    return joined.removeprefix("\u2581") if not text.startswith(" ") else joined


def _before(template: ChatTemplate, first: list[Message], probe: str) -> str:
    """What the template writes directly before ``probe``, from the last tag on; "" where that does not tell."""
    messages = [*first, {"role": "user", "content": "sanetune one"}, {"role": "assistant", "content": "sanetune two"}]
    try:
        text = template.render(messages)
    except TemplateError:
        return ""
    at = text.find(probe)
    header = text[max(0, text.rfind("<", 0, at)) : at] if at > 0 else ""
    earlier = text[max(0, text.rfind("<", 0, at - len(header))) : at] if header.strip() else ""
    return header if _names_role(header) else earlier if _names_role(earlier) else ""


def _names_role(header: str) -> bool:
    return any(word in header.lower() for word in ("system", "tool", "ipython", "observation"))


def _before_tool(template: ChatTemplate) -> str:
    call = {"id": "call00001", "type": "function", "function": {"name": "probe", "arguments": {}}}
    messages: list[Message] = [
        {"role": "user", "content": "sanetune zero"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": TOOL, "name": "probe", "tool_call_id": "call00001"},
    ]
    return _before(template, messages, TOOL)
