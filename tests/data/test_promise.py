"""After preparation every text of every row is in an example, or counted as unread, left out, dropped or truncated."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from sanetune.config.schema import Config
from sanetune.data.prepare import Prepared, prepare
from sanetune.data.unread import texts_of
from sanetune.errors import DataError, TemplateError
from tests.data.test_unread import rows

TEMPLATE = (
    "{%- if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{%- endif %}"
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{%- if m.reasoning_content %}<think>{{ m.reasoning_content }}"
    "</think>{%- endif %}{{ m.content }}{%- if m.tool_calls %}{{ m.tool_calls | tojson }}{%- endif %}<|im_end|>\n"
    "{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant\n{%- endif %}"
)
WORD = re.compile(r"w\d+x\d+y")
USUAL = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]}


def numbered(value: Any, number: int) -> Any:
    """``value`` with its words made different from those of every other row."""
    if isinstance(value, str):
        return re.sub(r"<(\d+)>", rf"w{number}x\1y", value)
    if isinstance(value, list):
        return [numbered(one, number) for one in value]
    return {key: numbered(one, number) for key, one in value.items()} if isinstance(value, dict) else value


def words_of(value: Any) -> set[str]:
    return {word for text in texts_of(value) for word in WORD.findall(text)}


@pytest.fixture(scope="module")
def model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(str(shared / "tokenizers" / "minimind"))
    tokenizer.chat_template = TEMPLATE
    return tokenizer, tmp_path_factory.mktemp("promise")


def prepared(model: Any, given_rows: list[dict[str, Any]], number: int, **train: Any) -> Prepared:
    tokenizer, folder = model
    file = folder / f"{number}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in given_rows))
    data = {"train": str(file), "overlong": "cut", "holdout": 0.2}
    config = {"model": {"name": str(folder)}, "data": data, "train": {"given": train}}
    return prepare(Config.model_validate(config), tokenizer, context=2048, leave_out_bad=True)


runs = iter(range(10**9))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(rows(), min_size=2, max_size=6), short=st.booleans())
def test_no_text_of_a_file_is_dropped_without_being_counted(
    drawn: list[dict[str, Any]], short: bool, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path))
    given_rows = [USUAL, USUAL, *(numbered(row, number) for number, row in enumerate(drawn, start=2))]
    try:
        found = prepared(model, given_rows, next(runs), **({"max_length": 48} if short else {}))
    except (DataError, TemplateError):
        return  # the whole file is refused
    examples: dict[int, str] = {}
    for split in (found.train, found.validation):
        for row in split or ():
            examples[row["row"]] = examples.get(row["row"], "") + found.tokenizer.decode(row["input_ids"])
    listed = {one.row for one in [*found.dropped, *found.truncated]}
    listed |= {one.place.row for source in found.sources.values() for one in source.errors if one.place}
    listed |= {one.place.row for one in found.refused if one.place}
    unread, left_out = 0, 0
    for number, row in enumerate(given_rows):
        if number in listed:
            continue
        if number not in examples:
            left_out += 1
            continue
        unread += sum(len(word) for word in words_of(row) if word not in examples[number])
    stats = found.stats
    omitted = sum(stats["omitted_by_template"].values())
    assert left_out <= sum(stats["left_out"].values())
    counted = sum(numbers["characters"] for numbers in stats["unread"].values())
    assert unread <= counted + omitted * len("w9x999y"), (unread, stats)
