"""What `sanetune data` shows is what is trained, and shows it as text."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from sanetune.config.schema import Config
from sanetune.data.labels import IGNORE_INDEX
from sanetune.data.prepare import Prepared, prepare
from sanetune.report.terminal import data as view

MINE = "Where is [bold]my[/bold] parcel?\nIt is late \x1b[31mnow\x07."
REPLY = "On [red]its[/red] way: ünder \N{BICYCLE} here.\n\nBye"
ROWS = [{"question": MINE, "answer": REPLY}, {"question": "And?", "answer": "Soon."}]
ROWS += [{"question": f"Number {n}?", "answer": f"{n}."} for n in range(6)]


@pytest.fixture(scope="module")
def tokenizer(shared: Path) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(shared / "tokenizers" / "minimind"))
    return loaded


@pytest.fixture
def make(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))

    def made(rows: list[dict[str, Any]] = ROWS, **train: Any) -> Prepared:
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        values = {"model": {"name": tokenizer.name_or_path}, "data": {"train": str(file), "holdout": 0}}
        return prepare(Config.model_validate(values | {"train": {"given": train}}), tokenizer, context=2048)

    return made


def shown(prepared: Prepared, count: int = 3) -> str:
    out = io.StringIO()
    view.show(prepared, count=count, console=Console(file=out, width=80, color_system=None))
    return out.getvalue()


def styled(text: Text, *styles: str) -> str:
    return "".join(text.plain[span.start : span.end] for span in text.spans if span.style in styles)


def bare(text: str) -> str:
    """Decoded ids without what the view marks: line breaks, and signs that steer a terminal."""
    return text.replace("\x1b", "\ufffd").replace("\x07", "\ufffd")


def test_the_text_is_the_decoded_ids_and_tokens_in_the_loss_are_highlighted(make: Any, tokenizer: Any) -> None:
    for row in make().train:
        text = view.tokens(tokenizer, row)
        assert text.plain.replace("↵\n", "\n").replace("↵", "\n") == bare(tokenizer.decode(row["input_ids"]))
        in_loss = [token for token in row["labels"] if token != IGNORE_INDEX]
        shown = styled(text, view.IN_LOSS, view.TURN_END)
        assert shown.replace("↵\n", "\n").replace("↵", "\n") == bare(tokenizer.decode(in_loss))
        assert styled(text, view.TURN_END) == "<|im_end|>"
        assert "assistant" in styled(text, view.MASKED)


def test_without_colours_what_is_in_the_loss_is_in_brackets(make: Any, tokenizer: Any) -> None:
    prepared = make()
    text = shown(prepared, count=1)
    assert "⟦in the loss⟧; everything else is masked" in text
    row = prepared.train[0]
    marked = view.tokens(tokenizer, row, marked=True).plain
    (inside,) = re.findall("⟦(.*?)⟧", marked, re.DOTALL)
    in_loss = [token for token in row["labels"] if token != IGNORE_INDEX]
    assert inside.replace("↵\n", "\n") == bare(tokenizer.decode(in_loss))
    assert marked.replace("⟦", "").replace("⟧", "") == view.tokens(tokenizer, row).plain
    assert inside in text
    out = io.StringIO()
    view.show(prepared, count=1, console=Console(file=out, width=80, color_system="truecolor"))
    assert "⟦" not in out.getvalue()


def test_line_breaks_are_marked_and_kept(make: Any, tokenizer: Any) -> None:
    text = view.tokens(tokenizer, make().train[0]).plain
    assert "parcel?↵\nIt is late" in text
    assert "here.↵\n↵\nBye" in text
    assert not text.endswith("\n")


def test_signs_that_steer_a_terminal_and_markup_are_only_text(make: Any) -> None:
    text = shown(make(), count=1)
    assert "[bold]my[/bold]" in text
    assert "[red]its[/red]" in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "ünder \N{BICYCLE} here." in text


def test_the_screen_has_eighty_columns_lengths_and_shares(make: Any) -> None:
    text = shown(make())
    assert max(map(len, text.splitlines())) <= 80
    for words in ("rows read", "8 (8 question-answer)", "8 examples", "No row was dropped or truncated.", "<|im_end|>"):
        assert words in text
    assert text.count("train 0: row 0,") == text.count("train 2: row 2,") == 1
    assert "train 3" not in text


def test_a_pack_shows_the_rows_that_share_it(make: Any) -> None:
    prepared = make(packing=True, max_length=128)
    pack = prepared.train[0]
    assert len(pack["rows"]) > 1
    text = shown(prepared, count=1)
    assert f"train 0: pack of rows {', '.join(map(str, pack['rows']))}," in " ".join(text.split())
    assert all(f"Number {n}?" in text for n in range(6) if n + 2 in pack["rows"])
    figures = view.figures(prepared, count=1)["examples"][0]
    assert (figures["rows"], figures["seq_lengths"]) == (pack["rows"], pack["seq_lengths"])


def test_dropped_rows_are_listed_with_file_and_line(make: Any) -> None:
    longer = {"question": "Tell me.", "answer": "word " * 300}
    text = shown(make([*ROWS, longer], max_length=100), count=0)
    assert "1 row" in text
    assert "rows.jsonl:9: " in "".join(text.split("\n"))
    assert "1 rows" not in text
    many = shown(make([*ROWS, *[longer] * 7], max_length=100), count=0)
    assert "7 rows" in many
    assert "and 2 more" in many


def test_a_long_example_loses_its_middle_and_says_so(make: Any, tokenizer: Any) -> None:
    row = make([{"question": "Count.", "answer": " ".join(map(str, range(500)))}], max_length=2000).train[0]
    text = view.tokens(tokenizer, row).plain
    assert f"{len(row['input_ids']) - view.LONGEST:,} tokens left out" in text
    assert text.startswith(tokenizer.decode(row["input_ids"][:1]))
    assert text.rstrip("↵").endswith("498 499<|im_end|>")


def test_an_end_token_that_closes_the_row_is_marked_and_a_truncated_word_is_not(tokenizer: Any) -> None:
    ids = tokenizer("Yes, it is")["input_ids"]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    whole = view.tokens(tokenizer, {"input_ids": [*ids, end], "labels": [IGNORE_INDEX, *ids[1:], end]})
    truncated = view.tokens(tokenizer, {"input_ids": ids, "labels": [IGNORE_INDEX, *ids[1:]]})
    assert (styled(whole, view.TURN_END), styled(truncated, view.TURN_END)) == ("<|im_end|>", "")


def test_figures_are_the_labels_as_trained(make: Any, tokenizer: Any) -> None:
    prepared = make()
    figures = view.figures(prepared, count=2)
    for example, row in zip(figures["examples"], prepared.train, strict=False):
        assert (example["ids"], example["labels"]) == (row["input_ids"], row["labels"])
        assert example["text"] == tokenizer.decode(row["input_ids"])
    assert figures["stats"] == prepared.stats
    assert view.figures(prepared, split="validation")["examples"] == []
