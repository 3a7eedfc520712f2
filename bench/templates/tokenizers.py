"""Real tokenizers, one per family, that know the tokens of every template."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import shared
from bench.templates.sources import Source, stops, tags
from sanetune.errors import TemplateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FAMILIES = (
    (r"^v1(_spm)?$", "mistral_v1"),
    (r"^v7.*_spm$", "mistral_v7"),
    (r"^v\d+.*_spm$", "mistral_v3"),
    (r"^v\d+|tekken|ministral|mistral-small|devstral|pixtral", "tekken"),
    (r"llava|mistral|mixtral|llama-?2|vicuna|zephyr|^llama$", "mistral_v3"),
    (r"llama|hermes|functionary|firefunction|toolace", "llama3"),
    (r"deepseek|kimi", "deepseek"),
)
"""Pattern of a template's name -> folder of its family's tokenizer; others get :data:`DEFAULT`."""
DEFAULT = "qwen"
ROUGH = "dolma2"
"""The shared tokenizer, where none of the real ones was built."""


@dataclass
class Tokenizers:
    """The tokenizers of a run; ``real``: a folder that real_material.py has filled."""

    real: Path | None
    tokens: list[str]
    _loaded: dict[str, PreTrainedTokenizerFast] = field(default_factory=dict)

    @classmethod
    def of(cls, templates: Iterable[Source], real: Path | None) -> Tokenizers:
        """Tokenizers with the tokens of all ``templates``."""
        return cls(
            real, sorted({tag for one in templates for tag in (*tags(one.text), *written(one.text), *stops(one))})
        )

    def of_template(self, source: Source) -> tuple[str, PreTrainedTokenizerFast]:
        """(family, tokenizer) of a template, with its EOS token; it is the same object for all of a family."""
        name = next((name for pattern, name in FAMILIES if re.search(pattern, source.name.lower())), DEFAULT)
        if self.real is None or not (self.real / name).is_dir():
            name = ROUGH
        tokenizer = self._loaded.get(name) or self._load(name)
        tokenizer.chat_template = source.text
        own = str(tokenizer.init_kwargs["own_eos"])
        tokenizer.eos_token = own
        tokenizer.eos_token = (stops(source) or (end_of_turn(source.text, tokenizer), own))[0] or own
        return name, tokenizer

    def _load(self, name: str) -> PreTrainedTokenizerFast:
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        if name == ROUGH:
            file = shared() / "tokenizers" / ROUGH / "tokenizer.json"
            specials = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
            tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file), **specials)
        else:
            assert self.real is not None
            tokenizer = AutoTokenizer.from_pretrained(self.real / name)
        tokenizer.init_kwargs["own_eos"] = tokenizer.eos_token
        # Beside a space another family's vocabulary splits <s> and </s>, which are ordinary tokens there.
        known = tokenizer.get_added_vocab().keys() | (tokenizer.get_vocab().keys() - {"<s>", "</s>"})
        new = [token for token in self.tokens if token not in known]
        tokenizer.add_special_tokens({"extra_special_tokens": new}, replace_extra_special_tokens=False)
        self._loaded[name] = tokenizer
        return tokenizer


def end_of_turn(source: str, tokenizer: PreTrainedTokenizerFast) -> str | None:
    """The token that the template writes behind a reply; None where it writes none."""
    from sanetune.data.template.chat_template import ChatTemplate

    messages = [{"role": "user", "content": "bench one"}, {"role": "assistant", "content": "bench two"}]
    specials = {name: value for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    try:
        text = ChatTemplate(source, specials).render(messages)
    except TemplateError:
        return None
    after = text.partition("bench two")[2].lstrip()
    found = re.match(r"<[^<>\s]{1,40}>|\[[^\[\]\s]{1,40}\]", after)
    return found[0] if found else None


def written(source: str) -> list[str]:
    """Strings like tokens that the template makes out of the names of roles: ``"<|" ~ message.role ~ "|>"``."""
    from sanetune.data.template.chat_template import ChatTemplate

    found: list[str] = []
    for role in ("system", "user", "assistant", "tool"):
        with contextlib.suppress(TemplateError):
            messages = [{"role": "user", "content": "bench"}, {"role": role, "content": "bench"}]
            found += tags(ChatTemplate(source, {}).render(messages))
    return found


def model_folder(folder: Path, source: Source, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A folder with what the static gate reads of a model: its sizes, and the tokens at which it stops."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    config = {"model_type": "llama", "vocab_size": len(tokenizer), "max_position_embeddings": 8192, **sizes}
    (folder / "config.json").write_text(json.dumps(config))
    ids = tokenizer.convert_tokens_to_ids(list(stops(source) or (str(tokenizer.eos_token),)))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ids}))
    return folder
