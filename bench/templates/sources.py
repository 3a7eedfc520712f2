"""Where real chat templates come from, and which tokens stop generation of their models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.figures import shared


@dataclass(frozen=True, slots=True)
class Source:
    """A template: the set it comes from, its name and its text."""

    origin: str
    name: str
    text: str


def sources(more: Path | None = None) -> Iterator[Source]:
    """TRL's templates, the shared ones, and those of the folders in ``more``, each named after its folder."""
    import trl

    yield from _folder("trl", Path(trl.__file__).parent / "chat_templates")
    yield from _folder("mistral-common", shared() / "templates/mistral-common")
    for folder in sorted(more.iterdir()) if more else ():
        if folder.is_dir():
            yield from _folder(folder.name, folder)


def _folder(origin: str, folder: Path) -> Iterator[Source]:
    for file in sorted(folder.glob("*.jinja")):
        yield Source(origin, file.stem, file.read_text(encoding="utf-8"))


STOPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"glm", ("<|endoftext|>", "<|user|>", "<|observation|>")),
    (r"gemma-?4|gemma_?4|diffusion_gemma", ("<turn|>", "<eos>", "<|tool_response>")),
    (r"gpt-?oss", ("<|return|>", "<|call|>", "<|endoftext|>")),
    (r"apertus", ("<|assistant_end|>", "</s>")),
    (r"cohere|command|aya", ("<|END_OF_TURN_TOKEN|>",)),
    (r"hermes", ("<|im_end|>",)),
    (r"minimax-m[23]", ("[e~[",)),
    (r"tencent-hy3", ("<｜hy_eos:opensource｜>",)),
    (r"apriel", ("<|end|>", "</s>")),
)
"""What ``generation_config.json`` of these families names (pattern of the template's name -> tokens)."""

_TAG = re.compile(
    r"<\|\"\|>|<\|[^<>\s'\"{}]{1,40}\|>|<[a-z_]+\|>|<\|[a-z_]+>|</?[A-Za-z_]{1,30}>|<｜[^<>\s'\"{}]{1,40}｜>|\[/?[A-Z_]{3,30}\]|<SPECIAL_\d+>|<[a-z]+:[a-z_]+>|\[\|[a-z]+\|\]"
)


def stops(source: Source) -> tuple[str, ...]:
    """The stop tokens of the family, where it is one of :data:`STOPS`; else empty."""
    name = source.name.lower()
    return next((tokens for pattern, tokens in STOPS if re.search(pattern, name)), ())


def tags(text: str) -> list[str]:
    """Strings in the template that look like tokens of their own."""
    return list(dict.fromkeys(_TAG.findall(text)))
