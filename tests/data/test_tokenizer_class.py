"""The class that is told from a tokenizer's files is the one that AutoTokenizer chooses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sanetune.data.tokenizer_class import class_of_folder

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo" / "model"


def folder(at: Path, declared: str, kind: str, **settings: object) -> Path:
    shutil.copy(DEMO / "tokenizer.json", at)
    written = json.loads((DEMO / "tokenizer_config.json").read_text())
    (at / "tokenizer_config.json").write_text(json.dumps(written | {"tokenizer_class": declared} | settings))
    (at / "config.json").write_text(json.dumps({"model_type": kind}))
    return at


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2", "olmo2", "gemma2", "smollm3"])
@pytest.mark.parametrize(
    "declared", ["PreTrainedTokenizerFast", "TokenizersBackend", "GPT2TokenizerFast", "Qwen2Tokenizer"]
)
def test_it_is_the_class_that_autotokenizer_chooses(tmp_path: Path, declared: str, kind: str) -> None:
    from transformers import AutoTokenizer

    at = folder(tmp_path, declared, kind)
    known = class_of_folder(at)
    chosen = AutoTokenizer.from_pretrained(str(at))
    assert known is type(chosen)
    own = known.from_pretrained(str(at))
    assert own.backend_tokenizer.to_str() == chosen.backend_tokenizer.to_str()
    assert own.special_tokens_map == chosen.special_tokens_map
    assert own.chat_template == chosen.chat_template


@pytest.mark.parametrize(
    ("declared", "kind", "settings"),
    [
        ("LlamaTokenizerFast", "llama", {}),
        ("PreTrainedTokenizerFast", "mistral", {}),
        ("PreTrainedTokenizerFast", "qwen2", {}),
        ("NoSuchTokenizer", "llama", {}),
        ("PreTrainedTokenizerFast", "llama", {"auto_map": {"AutoTokenizer": ["a.B", None]}}),
    ],
)
def test_what_depends_on_more_is_left_to_autotokenizer(
    tmp_path: Path, declared: str, kind: str, settings: dict[str, object]
) -> None:
    assert class_of_folder(folder(tmp_path, declared, kind, **settings)) is None


def test_a_folder_without_a_model_or_without_a_tokenizer_is_left_to_autotokenizer(tmp_path: Path) -> None:
    assert class_of_folder(tmp_path) is None
    at = folder(tmp_path, "PreTrainedTokenizerFast", "llama")
    (at / "config.json").unlink()
    assert class_of_folder(at) is None
