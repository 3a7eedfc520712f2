"""Load the model's tokenizer, with a pad token and the chat template that the configuration asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune import collector
from sanetune.config.paths import is_template
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import ModelError, TemplateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

    from sanetune.config.schema import ModelSection

PADS = (
    "<|pad|>",
    "<pad>",
    "[PAD]",
    "<|finetune_right_pad_id|>",
    "<|vision_pad|>",
    "<|extra_0|>",
    "<|reserved_special_token_0|>",
)
"""Names under which vocabularies carry a token that is free to be padding, best first."""


def load_tokenizer(model: ModelSection) -> PreTrainedTokenizerFast:
    """Return the tokenizer of ``model.name``, ready for training.

    Raises:
        ModelError: It cannot be loaded, or cannot give offsets of characters.
        TemplateError: ``model.chat_template`` is no template.
    """
    tokenizer = _load(model)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"The tokenizer of {model.name} ({type(tokenizer).__name__}) gives no character offsets.",
            "Labels are mapped from characters to tokens, which needs a tokenizer with a tokenizer.json.",
            "Convert it once: AutoTokenizer.from_pretrained(..., use_fast=True).save_pretrained(FOLDER).",
        )
    _install_template(tokenizer, model.chat_template)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = _free_token(tokenizer)
    return tokenizer


def chat_template(tokenizer: PreTrainedTokenizerBase) -> ChatTemplate | None:
    """Return the tokenizer's (default) chat template in our sandbox, or None if it has none."""
    source = tokenizer.chat_template
    if isinstance(source, dict):
        source = source.get("default")
    if not source:
        return None
    specials = {name: value for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    return ChatTemplate(source, specials)


def stop_tokens(tokenizer: PreTrainedTokenizerBase, model: ModelSection) -> tuple[str, ...]:
    """Return the tokens that end generation of the model as it is: its EOS token, and those in its
    ``generation_config.json``."""
    own = (tokenizer.eos_token,) if isinstance(tokenizer.eos_token, str) else ()
    return tuple(dict.fromkeys((*own, *generation_stops(tokenizer, model))))


def generation_stops(tokenizer: PreTrainedTokenizerBase, model: ModelSection) -> tuple[str, ...]:
    """Return the stop tokens that the model's ``generation_config.json`` names, in a folder or on the Hub."""
    import json

    file = _generation_config(model)
    try:
        named = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id") if file else None
    except (OSError, ValueError, AttributeError):
        named = None
    ids = named if isinstance(named, list) else [named]
    ids = [token for token in ids if isinstance(token, int) and 0 <= token < len(tokenizer)]
    return tuple(dict.fromkeys(map(str, tokenizer.convert_ids_to_tokens(ids))))


def _generation_config(model: ModelSection) -> Path | None:
    if Path(model.name).is_dir():
        return Path(model.name) / "generation_config.json"
    from transformers.utils import cached_file

    from sanetune.data.model_files import locate

    try:
        where = locate(model.name, model.revision)
        found = cached_file(where.name, "generation_config.json", **where.keywords)
    except (ModelError, OSError):  # a model need not have one
        return None
    return Path(found) if found else None


def _load(model: ModelSection) -> PreTrainedTokenizerBase:
    from sanetune.data.tokenizer_class import class_of_folder

    folder = Path(model.name)
    if folder.is_dir() and not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise ModelError(
            f"The model folder {folder} has no tokenizer (no tokenizer.json, no tokenizer_config.json).",
            "Text cannot be turned into this model's tokens without it.",
            "Copy the tokenizer's files into the folder.",
        )
    keywords: dict[str, Any] = {}
    if not folder.is_dir():
        # One question, with an answer that names the fault; transformers would ask for several files, with retries.
        from sanetune.data.model_files import locate

        keywords = locate(model.name, model.revision).keywords
    try:
        with collector.importing():
            known = class_of_folder(folder)
        if known is not None:
            return known.from_pretrained(model.name)
        with collector.importing():
            from transformers import AutoTokenizer
        return AutoTokenizer.from_pretrained(model.name, trust_remote_code=model.trust_remote_code, **keywords)
    except Exception as error:
        raise ModelError(
            f"The tokenizer of {model.name!r} cannot be loaded: {str(error).strip().splitlines()[0][:200]}",
            "It is neither a folder with a readable tokenizer nor a model id that the Hub (or its cache) could give.",
            "Check the spelling, give a local folder, or log in with `hf auth login` for a gated model.",
        ) from error


def _install_template(tokenizer: PreTrainedTokenizerBase, template: str | None) -> None:
    if template is None:
        return
    if template == "chatml":
        tokenizer.chat_template = CHATML
        missing = [token for token in ("<|im_start|>", "<|im_end|>") if token not in tokenizer.get_vocab()]
        tokenizer.add_special_tokens({"extra_special_tokens": missing}, replace_extra_special_tokens=False)
        return
    source = template if is_template(template) else _read_template(Path(template))
    ChatTemplate(source)
    tokenizer.chat_template = source


def _read_template(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(
            f"The chat template {file} cannot be read: {error}",
            "`model.chat_template` is a Jinja file in UTF-8, a template's own text, or the word `chatml`.",
            "Correct the path.",
        ) from None


def _free_token(tokenizer: PreTrainedTokenizerBase) -> str:
    """A token for padding.

    Not the EOS token where another is free: tools that mask by pad id would hide real ends.
    """
    vocabulary = tokenizer.get_vocab()
    free = next((token for token in PADS if token in vocabulary), None)
    if free is None and tokenizer.unk_token not in (None, tokenizer.eos_token):
        free = tokenizer.unk_token
    free = free or tokenizer.eos_token
    if free is None:
        raise ModelError(
            "The tokenizer has no pad, unknown or EOS token.",
            "Rows of a batch cannot be padded to one length.",
            "Set pad_token in the tokenizer's tokenizer_config.json.",
        )
    return str(free)
