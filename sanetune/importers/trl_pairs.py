"""Rows of plain prompt and completion, which TRL joins and ends without any chat template."""

from __future__ import annotations

from pathlib import Path

from sanetune.config.nested import YamlMap
from sanetune.importers.importer import Importer
from sanetune.importers.rows import first_row

PAIR = Path(__file__).with_name("pair.jinja")
"""Prompt, completion and the end token as a chat template."""
PAIR_WITH_BOS = Path(__file__).with_name("pair_with_bos.jinja")
"""The same behind the start token, for tokenizers that put it before every text."""


def put_pair_template(importer: Importer, train: list[YamlMap]) -> None:
    """Set ``model.chat_template`` to prompt + completion + end token where the rows of all sources are such texts."""
    rows = [first_row([source]) for source in train]
    if not rows or not all(row and _is_plain(row.get("prompt"), row.get("completion")) for row in rows):
        return
    importer.put("model.chat_template", str(PAIR_WITH_BOS if _puts_bos(importer) else PAIR))


def _is_plain(prompt: object, completion: object) -> bool:
    return isinstance(prompt, str) and isinstance(completion, str)


def _puts_bos(importer: Importer) -> bool:
    """Whether the tokenizer puts a start token before every text; False where it cannot be read here."""
    from sanetune.config.schema import ModelSection
    from sanetune.data.tokenizer import load_tokenizer
    from sanetune.errors import UserError

    model = importer.config.get("model", {})
    if not isinstance(model, dict) or not model.get("name"):
        return False
    revision = model.get("revision")
    try:
        tokenizer = load_tokenizer(ModelSection(name=str(model["name"]), revision=str(revision) if revision else None))
    except (UserError, OSError):
        return False
    ids = tokenizer("a")["input_ids"]
    return tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]
