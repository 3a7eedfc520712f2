"""`sanetune check` as it is typed: findings, files, exit codes, fixes, a cleaned copy, other tools' configurations."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
TEXTBOOK = Path(__file__).resolve().parents[2] / "examples" / "textbook-old-names.yaml"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


def rows(count: int = 60) -> list[dict[str, Any]]:
    lines = (DEMO / "data" / "train.jsonl").read_text().splitlines()[:count]
    return [json.loads(line) for line in lines]


def config(tmp_path: Path, data: list[Any] | None = None, train: str = "", more: str = "") -> Path:
    (tmp_path / "rows.jsonl").write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in (data or rows()))
    )
    file = tmp_path / "sanetune.yaml"
    file.write_text(
        f"model:\n  name: {DEMO / 'model'}\ndata:\n  train: rows.jsonl  # ours\n"
        f"train:\n  max_steps: 200\n{train}run:\n  trackers: []\n{more}"
    )
    return file


def typed(*words: Any, code: int = 0) -> Result:
    """`sanetune` with these words; a check looks only, unless it says otherwise."""
    if words[0] == "check" and "--level" not in words:
        words = (*words, "--level", "static")
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def test_a_sound_run_is_clear_and_says_what_was_checked(tmp_path: Path) -> None:
    done = typed("check", config(tmp_path), "--json", "a.json")
    assert max(map(len, done.stdout.splitlines())) <= 80
    families = {line.split()[0]: line for line in done.stdout.splitlines() if " passed" in line}
    assert {"config", "rows", "template", "tokens", "labels", "batches"} <= set(families)
    assert "7 of 7 passed" in families["labels"] and "labels-on-prompt" not in done.stdout
    figures = json.loads((tmp_path / "a.json").read_text())
    assert figures["verdict"] in ("pass", "warn")
    names = {finding["check"] for finding in figures["findings"]}
    assert len(names) >= 37
    assert not [finding for finding in figures["findings"] if finding["verdict"] in ("fail", "crash")]


def test_verbose_names_every_check_and_quiet_says_the_verdict_alone(tmp_path: Path) -> None:
    file = config(tmp_path)
    assert "✓ labels-on-prompt" in typed("check", file, "--verbose").stdout
    (line,) = typed("check", file, "--quiet").output.splitlines()
    assert line.startswith("clear") and line.partition(":")[2]
    assert "exclude each other" in typed("check", file, "--verbose", "--quiet", code=2).output


def test_findings_are_lines_with_file_and_line_or_annotations(tmp_path: Path) -> None:
    file = config(tmp_path, [*rows(), "{broken", *rows(2)])
    first, *_, last = typed("check", file, "--output-format", "lines", code=1).stdout.splitlines()
    assert first.startswith("rows.jsonl:61: rows-unreadable [fail] ") and last.startswith("refused: ")
    first, *_ = typed("check", file, "--format", "github", code=1).stdout.splitlines()
    assert first.startswith("::error file=rows.jsonl,line=61,title=rows-unreadable::")


def test_data_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    text = typed("check", config(tmp_path), "data.train=nowhere.jsonl", code=2).stdout
    assert text.count("no such file") == 1
    assert "checks not run because of it." in text


def test_a_fault_is_code_1_with_its_rows_in_every_format(tmp_path: Path) -> None:
    data = [*rows(), "{broken", *rows(2)]
    outputs = ["--json", "a.json", "--sarif", "a.sarif", "--junit", "a.xml", "--html", "a.html"]
    done = typed("check", config(tmp_path, data), *outputs, code=1)
    assert "rows-unreadable" in done.stdout and "rows.jsonl:61" in "".join(done.stdout.split())
    findings = {one["check"]: one for one in json.loads((tmp_path / "a.json").read_text())["findings"]}
    assert findings["rows-unreadable"]["verdict"] == "fail"
    assert findings["rows-unreadable"]["witnesses"][0]["line"] == 61
    results = json.loads((tmp_path / "a.sarif").read_text())["runs"][0]["results"]
    (place,) = [one["locations"][0]["physicalLocation"] for one in results if one["ruleId"] == "rows-unreadable"]
    assert place["region"]["startLine"] == 61
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "a.xml").iter("testcase")}
    assert cases["rows-unreadable"].find("failure") is not None
    assert "rows-unreadable" in (tmp_path / "a.html").read_text()


def test_unusable_input_is_code_2(tmp_path: Path) -> None:
    file = config(tmp_path)
    (tmp_path / "rows.jsonl").unlink()
    done = typed("check", file, code=2)
    assert "rows.jsonl" in done.output


def test_checks_are_selected_ignored_and_unknown_ones_refused(tmp_path: Path) -> None:
    file = config(tmp_path)
    done = typed("check", file, "--select", "labels,rows-roles", "--ignore", "labels-scarce", "--json", "-")
    names = {finding["check"] for finding in json.loads(done.stdout)["findings"]}
    assert "rows-roles" in names and "labels-none" in names
    assert not names & {"labels-scarce", "rows-secrets", "config-few-steps"}
    assert "Did you mean labels-none" in typed("check", file, "--select", "label-none", code=2).output


def test_limits_and_severities_of_the_yaml_count(tmp_path: Path) -> None:
    more = "check:\n  limits:\n    labels-scarce: {share: 0.99}\n  severity: {labels-scarce: fail}\n"
    done = typed("check", config(tmp_path, more=more), "--select", "labels-scarce", code=1)
    assert "labels-scarce" in done.stdout
    bad = config(tmp_path, more="check:\n  limits:\n    labels-scarce: {shares: 0.99}\n")
    assert "no limit 'shares'" in typed("check", bad, code=2).output


def test_fixes_are_applied_with_a_backup_and_the_run_is_clear_afterwards(tmp_path: Path) -> None:
    file = config(tmp_path, train="  learning_rate: 0.5  # a guess\n  warmup_ratio: 0.1\n")
    before = file.read_text()
    assert "config-rate-unusual" in typed("check", file, code=1).stdout
    page = tmp_path / "page.html"
    done = typed("check", file, "--fix", "--html", page)
    for said in ('id="correction"', "train.learning_rate: 0.5 →", "Round 2", "Nothing else was changed."):
        assert said in page.read_text()
    text = file.read_text()
    assert "learning_rate: 0.5" not in text and "warmup_ratio" not in text
    assert "# was 0.5 (a guess); changed by config-rate-unusual" in text and "# ours" in text
    assert (tmp_path / "sanetune.yaml.bak").read_text() == before
    assert "-  learning_rate: 0.5" in done.stdout
    assert f"Next: sanetune train {file}" in done.stdout
    again = typed("check", file, "--fix", "--html", page)
    assert "Nothing was changed" in again.stdout
    assert 'id="correction"' not in page.read_text()
    assert file.read_text() == text


def test_a_quiet_correction_shows_the_next_command_and_the_verdict_alone(tmp_path: Path) -> None:
    file = config(tmp_path, train="  learning_rate: 0.5\n")
    what, verdict = typed("check", file, "--fix", "-q", "--level", "static").stdout.splitlines()
    assert re.match(r"\d values changed. Next: sanetune train ", what)
    assert verdict.startswith("clear")


def test_the_textbook_scripts_old_names_are_exactly_those_that_are_reported(tmp_path: Path) -> None:
    from sanetune.config.load import load

    done = typed("check", TEXTBOOK, "--select", "config-renamed-key", "--json", "-")
    (finding,) = json.loads(done.stdout)["findings"]
    named = {one["old"] for one in finding["evidence"]["renamed"]}
    assert named == {one.old for one in load(TEXTBOOK).renamed}
    assert len(named) >= 3


def test_a_cleaned_copy_leaves_the_data_alone_and_logs_every_row(tmp_path: Path) -> None:
    data = rows(30)
    blank = {"messages": [*data[3]["messages"][:-1], {"role": "assistant", "content": " "}]}
    asked = "Naïve café — déjà vu, what is it?".encode().decode("cp1252")
    broken = {"messages": [{"role": "user", "content": asked}, data[4]["messages"][-1]]}
    gone = {"messages": [*data[5]["messages"][:-1], {"role": "assistant", "content": "The caf\ufffd is open."}]}
    lesson = 'Read as Latin-1, the UTF-8 of "café" is "cafÃ©".'
    shown = {"messages": [*data[6]["messages"][:-1], {"role": "assistant", "content": lesson}]}
    injected = [*data, data[0], blank, "{broken", broken, gone, shown]
    file = config(tmp_path, injected)
    before = (tmp_path / "rows.jsonl").read_text()
    typed("check", file, "--write-clean", "clean", code=1)
    assert (tmp_path / "rows.jsonl").read_text() == before
    log = [json.loads(line) for line in (tmp_path / "clean" / "log.jsonl").read_text().splitlines()]
    assert {(one["row"], one["action"], one["check"]) for one in log} == {
        (30, "left out", "rows-duplicated"),
        (31, "left out", "rows-empty-reply"),
        (32, "left out", "rows-unreadable"),
        (33, "changed", "rows-encoding"),
        (34, "left out", "rows-encoding"),
    }
    kept = [
        json.loads(line)
        for name in ("train", "validation")
        for line in (tmp_path / "clean" / f"{name}.jsonl").read_text().splitlines()
    ]
    assert len(kept) == 32 and sum("cafÃ©" in row["messages"][-1]["content"] for row in kept) == 1
    assert any("Naïve café" in row["messages"][0]["content"] for row in kept)
    assert "exists already" in typed("check", file, "--write-clean", "clean", code=2).output


def test_an_axolotl_yaml_is_checked_and_what_was_not_understood_is_reported(tmp_path: Path) -> None:
    config(tmp_path)
    file = tmp_path / "axolotl.yaml"
    file.write_text(
        f"base_model: {DEMO / 'model'}\ndatasets:\n  - path: rows.jsonl\n    ds_type: json\n    type: chat_template\n"
        "sequence_len: 512\nsample_packing: true\nmicro_batch_size: 2\ngradient_accumulation_steps: 1\n"
        "num_epochs: 3\nlearning_rate: 5.0\nval_set_size: 0.1\noutput_dir: out\nsome_plugin_key: 3\n"
    )
    done = typed("check", file, "--json", "-", code=1)
    figures = json.loads(done.stdout)
    findings = {one["check"]: one for one in figures["findings"]}
    assert findings["config-rate-unusual"]["verdict"] == "fail"
    assert findings["labels-disagree"]["verdict"] == "pass"
    assert "some_plugin_key" in done.stderr


def test_the_page_of_a_check_and_the_list_of_all(tmp_path: Path) -> None:
    text = typed("explain", "labels-on-prompt").stdout
    for title in ("What it does", "Why is this bad?", "Example", "Use instead", "Options"):
        assert f"\n\n{title}\n" in text
    assert "tokens = 0" in text
    assert max(map(len, text.splitlines())) <= 80
    listed = typed("checks").stdout
    assert max(map(len, listed.splitlines())) <= 80
    assert "labels-on-prompt" in listed and "rows-leaked" in listed
    assert "Did you mean" in typed("explain", "labels-on-promt", code=2).output
