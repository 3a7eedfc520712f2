"""Find where each assistant turn begins and ends in the text that a chat template renders.

A turn is what the model has to write: everything after the prompt that inference would give it (the *header*,
``<|im_start|>assistant`` and its like) up to and including the token that ends it. No template is changed and none
needs markers of its own.

Example:
    >>> from sanetune.data.template.chat_template import CHATML
    >>> from sanetune.errors import Place
    >>> finder = TurnFinder(ChatTemplate(CHATML), stops=("<|im_end|>",))
    >>> messages = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4."}]
    >>> rendering = finder.find(Conversation(messages, Place("rows.jsonl", 1, 0)))
    >>> rendering.text
    '<|im_start|>user\\n2 + 2?<|im_end|>\\n<|im_start|>assistant\\n4.<|im_end|>\\n'
    >>> [rendering.text[turn.start : turn.end] for turn in rendering.turns]
    ['4.<|im_end|>']
"""

from __future__ import annotations

import orjson

from sanetune.data.conversation import Conversation
from sanetune.data.masking.template_traits import TemplateTraits
from sanetune.data.masking.turn_cache import Frame, Rendering, Texts
from sanetune.data.masking.turn_search import TurnSearch
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.data.template.final_end import FinalEnd
from sanetune.errors import TemplateError

FRAMES = 10_000
"""Shapes of conversation whose frames are remembered."""


class TurnFinder:
    """Renders conversations with one template and finds their turns."""

    def __init__(self, template: ChatTemplate, stops: tuple[str, ...] = (), final_end: FinalEnd | None = None) -> None:
        """``stops``: texts of the model's own stop tokens; ``final_end``: ends the last reply where the template does
        not."""
        self.template, self.stops, self.final_end = template, tuple(stop for stop in stops if stop), final_end
        self._known = TemplateTraits(self.template, self.stops)
        self._frames: dict[bytes, Frame] = {}

    def __reduce__(self) -> tuple[type[TurnFinder], tuple[ChatTemplate, tuple[str, ...], FinalEnd | None]]:
        return (TurnFinder, (self.template, self.stops, self.final_end))

    @property
    def generation_prompt(self) -> str:
        """What inference appends after a user's message (may be empty)."""
        return self._known.generation_prompt

    def find(self, conversation: Conversation) -> Rendering:
        """Return ``conversation`` as text, with its turns.

        Raises:
            TemplateError: The template refuses the conversation, or a turn cannot be found for certain; the error has
                file, line, row and message.
        """
        try:
            return self._find(conversation)
        except TemplateError as error:
            if error.place is None:
                error.place = conversation.place
            raise

    def _find(self, conversation: Conversation) -> Rendering:
        tools, kwargs = conversation.tools, conversation.template_kwargs
        messages = self.template.adapted(conversation.messages)
        text = self.template.render_as_is(messages, tools, kwargs)
        if self.final_end is not None:
            text = self.final_end.completed(text, messages)
        texts = Texts(messages)
        key = orjson.dumps((texts.shape, tools, kwargs), option=orjson.OPT_NON_STR_KEYS)
        frame = self._frames.get(key)
        if frame is not None and (rendering := frame.filled(texts.cores, text)) is not None:
            return rendering
        search = TurnSearch(self._known, conversation, messages, text, self.final_end)
        rendering = search.rendering()
        if len(self._frames) < FRAMES and (frame := Frame.of(rendering, search.found, texts)) is not None:
            self._frames[key] = frame
        return rendering
