"""Which class a folder's tokenizer has, told from its files as transformers' AutoTokenizer tells it.

AutoTokenizer builds the model's configuration first, which imports torch and its compiler; the class alone imports
neither.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.unimported import file_of, pairs, strings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PLAIN = ("TokenizersBackend", "PreTrainedTokenizer", "PythonBackend")
"""Names without ``Fast`` of the class that runs any tokenizer.json as it is."""


def class_of_folder(folder: Path) -> type[PreTrainedTokenizerFast] | None:
    """Return the class that AutoTokenizer would choose for ``folder``; None where that depends on more: on code of the
    folder's own, an older form, or the content of a file."""
    settings, model = (_read(folder / name) for name in ("tokenizer_config.json", "config.json"))
    declared = settings.get("tokenizer_class")
    kind = model.get("model_type")
    if not (isinstance(declared, str) and isinstance(kind, str) and (folder / "tokenizer.json").is_file()):
        return None
    if "auto_map" in settings or "auto_map" in model or "model_name" in model:
        return None
    try:
        name = _class_name(declared, kind)
    except LookupError:
        return None
    if name is None:
        return None
    import transformers

    found: type[PreTrainedTokenizerFast] | None = getattr(transformers, name, None)
    return found if hasattr(found, "_tokenizer_json_has_byte_level") else None


def _class_name(declared: str, kind: str) -> str | None:
    """The name of the class for a declared one and a type of model; None where that depends on more."""
    auto = file_of("transformers", "models", "auto", "tokenization_auto.py")
    registered = pairs(auto, "TOKENIZER_MAPPING_NAMES")
    mistaken = strings(auto, "MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS")
    name, usual = declared.removesuffix("Fast"), registered.get(kind, "").removesuffix("Fast")
    # LlamaTokenizer: the kind of tokenizer.json decides. MistralCommonBackend: whether another package is installed.
    if kind in mistaken or name == "LlamaTokenizer" or usual == "MistralCommonBackend":
        return None
    if name in PLAIN or usual in PLAIN:
        return "TokenizersBackend"
    return name if name in registered.values() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
