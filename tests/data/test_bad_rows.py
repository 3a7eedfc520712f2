"""Rows that cannot be read: what the message names, and how to train without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main
from sanetune.demo import MODEL

CHINESE, TRADITIONAL = "请问你好吗？我很好，谢谢。今天天气怎么样", "請問你好嗎？我很好，謝謝。今天天氣怎麼樣"
JAPANESE, KOREAN = "こんにちは、元気ですか？はい、元気です。", "안녕하세요. 잘 지내세요? 네, 잘 지냅니다."


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    Path("c.yaml").write_text(f"model: {{name: {MODEL}}}\ndata: {{train: rows.jsonl}}\nrun: {{trackers: []}}\n")
    return tmp_path


def typed(*words: str) -> Result:
    done = CliRunner().invoke(main, list(words))
    assert "Traceback" not in done.output
    return done


def write(rows: list[Any], encoding: str = "utf-8") -> None:
    text = "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    Path("rows.jsonl").write_bytes(text.encode(encoding))


GOOD = [{"instruction": f"question {n}", "output": "an answer"} for n in range(20)]
BROKEN = [*GOOD[:10], '{"instruction": "x", "output": ', *GOOD[10:]]
NO_TEXT = [*GOOD[:10], {"instruction": 3, "output": "x"}, *GOOD[10:]]


@pytest.mark.parametrize("rows", [BROKEN, NO_TEXT])
def test_one_bad_row_names_both_ways_out_and_each_of_them_works(rows: list[Any], home: Path) -> None:
    write(rows)
    done = typed("data", "c.yaml")
    assert done.exit_code == 2 and "rows.jsonl:11" in done.stderr
    assert "data.on_bad_row: skip" in done.stderr
    assert "`sanetune check c.yaml --write-clean DIR`" in done.stderr
    done = typed("data", "c.yaml", "data.on_bad_row=skip")
    assert done.exit_code == 0 and "1 row: cannot be read (data.on_bad_row: skip)" in done.stdout
    done = typed("check", "c.yaml", "--level", "static", "--select", "rows-unreadable", "--write-clean", "clean")
    assert done.exit_code == 1 and "data.train=clean/train.jsonl" in done.stderr
    assert typed("data", "c.yaml", "data.train=clean/train.jsonl").exit_code == 0


def test_init_takes_the_option_that_it_advises_for_a_table(home: Path) -> None:
    lines = ["prompt,completion", *(f"say {n},said {n}" for n in range(20)), "one,two,three"]
    Path("rows.csv").write_text("\n".join(lines))
    done = typed("init", str(MODEL), "rows.csv")
    assert done.exit_code == 2 and "data.on_bad_row=skip`" in done.stderr
    assert typed("init", str(MODEL), "rows.csv", "data.on_bad_row=skip").exit_code == 0


def test_skipped_rows_are_a_warning_that_lists_them(home: Path) -> None:
    write(BROKEN)
    words = ["check", "c.yaml", "--level", "static", "--select", "rows-unreadable", "--verbose"]
    assert typed(*words).exit_code == 1
    done = typed(*words, "data.on_bad_row=skip", "--json", "report.json")
    assert done.exit_code == 0
    found = json.loads(Path("report.json").read_text())["findings"][0]
    assert (found["verdict"], found["evidence"]["bad"]) == ("warn", 1)
    assert "on_bad_row: skip" in found["message"] and "rows.jsonl" in str(found["witnesses"])


def test_data_of_which_no_row_can_be_read_is_an_error_also_with_skip(home: Path) -> None:
    write(['{"a": ', '{"b": '])
    assert typed("data", "c.yaml", "data.on_bad_row=skip").exit_code == 2


def test_no_cleaned_copy_of_data_that_cannot_be_read_is_a_message_and_exit_code_2(home: Path) -> None:
    Path("rows.csv").write_text('prompt,completion\n"a,b\nc,d\ne,f\n')
    done = typed("check", "c.yaml", "data.train=rows.csv", "--level", "static", "--write-clean", "clean")
    assert done.exit_code == 2 and not Path("clean").exists()
    assert "No cleaned copy is written: " in done.stderr and "read as its text: 2 lines" in done.stderr


@pytest.mark.parametrize(
    ("text", "encoding", "name", "code"),
    [
        (CHINESE, "gbk", "GBK (GB18030)", "GB18030"),
        (TRADITIONAL, "big5", "Big5", "BIG5"),
        (JAPANESE, "shift-jis", "Shift-JIS (CP932)", "CP932"),
        (KOREAN, "euc-kr", "EUC-KR (CP949)", "CP949"),
        ("café déjà vu, naïve", "latin-1", "Latin-1 or Windows-1252", "WINDOWS-1252"),
        ("a plain text", "utf-16", "UTF-16", "UTF-16"),
    ],
)
def test_another_encoding_is_named_with_the_command_that_converts_it(
    text: str, encoding: str, name: str, code: str, home: Path
) -> None:
    write([{"instruction": f"{text} {n}", "output": text} for n in range(20)], encoding)
    said = typed("data", "c.yaml").stderr
    assert name in said and f"iconv -f {code} -t UTF-8 " in said


@pytest.mark.parametrize(
    ("name", "data", "command"),
    [
        ("rows.json", b'[{"a": 1},\n {"a": ]', "`python -m json.tool 'my data/rows.json'`"),
        ("latin.jsonl", '{"text": "caf\xe9"}\n'.encode("latin-1") * 2, "-t UTF-8 'my data/latin.jsonl' > "),
        ("wide.jsonl", '{"text": "a"}\n'.encode("utf-16"), "iconv -f UTF-16 -t UTF-8 'my data/wide.jsonl' > "),
    ],
)
def test_a_command_in_a_message_names_the_file_by_its_path_from_here(
    name: str, data: bytes, command: str, home: Path
) -> None:
    Path("my data").mkdir()
    (Path("my data") / name).write_bytes(data)
    said = typed("data", "c.yaml", f"data.train=my data/{name}").stderr
    assert command in said


def test_a_byte_order_mark_is_read_over(home: Path) -> None:
    write(GOOD, "utf-8-sig")
    assert typed("data", "c.yaml").exit_code == 0


MESSAGES = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": {"0": "a", "1": "b"}, "completion": {"0": "a", "1": "b"}}, "orient='records', lines=True"),
        ({"messages": {"0": MESSAGES, "1": MESSAGES}}, "orient='records', lines=True"),
        ({"messages": str(MESSAGES)}, "write the column with json.dumps"),
        ({"prompt": "a", "completion": ["b", "c"]}, "write a row for each, or name one"),
        ({"instruction": "a", "output": ["b", "c"]}, "write a row for each, or name one"),
    ],
)
def test_values_that_are_no_text_get_the_message_that_helps(row: dict[str, Any], words: str, home: Path) -> None:
    write([row] * 3)
    done = typed("data", "c.yaml")
    assert done.exit_code == 2 and words in done.stderr


def test_messages_as_json_text_are_read(home: Path) -> None:
    write([{"messages": json.dumps([{"role": "user", "content": f"a{n}"}, MESSAGES[1]])} for n in range(9)])
    assert typed("data", "c.yaml").exit_code == 0


def test_no_held_out_rows_says_why(home: Path) -> None:
    write([{"instruction": "the same", "output": str(n)} for n in range(30)])
    assert "0 rows are held out: all 30 rows have the same prompt" in typed("data", "c.yaml").stdout
    assert "data.holdout is 0" in typed("data", "c.yaml", "data.holdout=0").stdout
    done = typed("check", "c.yaml", "--level", "static", "--select", "config-no-validation", "--verbose")
    assert "0 rows are held out, since all 30 rows have the same prompt" in " ".join(done.stdout.split())
    refused = typed("plan", "c.yaml", "train.eval_strategy=steps").stderr
    assert "all have the same prompt" in refused and "Give data.validation" in refused
