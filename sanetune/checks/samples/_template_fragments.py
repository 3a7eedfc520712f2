"""Pieces of a chat template in an answer: special tokens, and the beginning of somebody else's turn."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sanetune.data.conversation import Message
from sanetune.errors import TemplateError
from sanetune.probes.results import Samples

_MARKS = re.compile(
    r"<\|[A-Za-z_][\w ]{1,40}\|>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
    r"|^#{2,3} ?(?:Instruction|Response|Human|Assistant|User):|^(?:user|assistant|human|system) ?:"
    r"|^(?:user|assistant|system)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
"""How templates of well-known models write a turn's borders, each as in such a template."""


def template_fragments(raw: str, specials: Sequence[str], known: str) -> str:
    """The first piece of a template in an answer; "" where there is none. ``known``: text in which such a piece is
    content (the prompt, references)."""
    found = [(raw.find(special), special) for special in specials if special in raw and special not in known]
    small = known.casefold()
    for match in _MARKS.finditer(raw):
        if match.group().strip().casefold() not in small:
            found.append((match.start(), match.group().strip()))
            break
    return min(found)[1] if found else ""


def telling(samples: Samples, tokenizer: object) -> tuple[str, ...]:
    """Special tokens that have no business in an answer. The unknown token stands for letters that the tokenizer lacks:
    tokens-unknown reports it."""
    unknown = getattr(tokenizer, "unk_token", None)
    others = [getattr(tokenizer, name, None) for name in ("bos_token", "eos_token", "pad_token")]
    return tuple(one for one in samples.special_tokens if one != unknown or one in others)


def in_turns(samples: Samples, template: object, most: int = 8) -> str:
    """What the template itself writes between the prompt and the answer's last word: these are no template fragments.

    Templates of models that think or answer through channels write marks there. ``most``: number of samples rendered.
    """
    render = getattr(template, "render", None)
    pieces: list[str] = []
    for sample in [sample for sample in samples.samples if sample.reference][:most]:
        if render is None or not sample.reference:
            break
        answer: Message = {"role": "assistant", "content": sample.reference}
        try:
            prompt = render(sample.messages, add_generation_prompt=True)
            whole = render([*sample.messages, answer])
        except TemplateError:
            continue
        at = whole.rfind(sample.reference)
        if at >= len(prompt) and whole.startswith(prompt):
            pieces.append(whole[len(prompt) : at])
    return "\n".join(pieces)
