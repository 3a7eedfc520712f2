"""A baseline knows a finding by check, file and content of the row, and lets only what is new count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main
from sanetune.errors import RunError
from sanetune.gate.baseline import read_baseline
from sanetune.gate.catalogue import catalogue

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
ROWS = [json.loads(line) for line in (DEMO / "data" / "train.jsonl").read_text().splitlines()[:60]]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    Path("c.yaml").write_text(
        f"model: {{name: {DEMO / 'model'}}}\ndata: {{train: rows.jsonl}}\n"
        "check: {level: static, select: [rows-roles, rows-duplicated, rows-unreadable, config-rate-unusual],\n"
        "  severity: {rows-roles: fail, rows-unreadable: fail}}\n"
    )
    return tmp_path


def broken(number: int) -> dict[str, Any]:
    """A conversation that ends on a question, each another one."""
    return {"messages": [{"role": "user", "content": f"What does part {number} of order {number * 7} cost?"}]}


def write(rows: list[Any], file: str = "rows.jsonl") -> None:
    Path(file).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def checked(*words: str, code: int) -> Result:
    done = CliRunner().invoke(main, ["check", "c.yaml", *words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def found(*words: str, code: int) -> dict[str, Any]:
    checked(*words, "--baseline", "base.json", "--json", "out.json", code=code)
    report: dict[str, Any] = json.loads(Path("out.json").read_text())
    return report


def bad(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in report["findings"] if one["verdict"] in ("warn", "fail", "crash")}


OLD = [broken(number) for number in range(30)]


def test_known_findings_neither_show_nor_count_wherever_their_rows_are(place: Path) -> None:
    write([*ROWS, *OLD])
    assert "rows-roles" in bad(json.loads(checked("--json", "-", "--write-baseline", "base.json", code=1).stdout))
    again = found(code=0)
    assert bad(again) == {} and [one["check"] for one in again["known"]] == ["rows-roles"]
    # Moved, in another order, and below rows that are new and without a fault.
    write(
        [
            *OLD[::-1],
            *ROWS[:20],
            {"messages": [*ROWS[0]["messages"][:-1], {**ROWS[0]["messages"][-1]}], "id": 1},
            *ROWS[21:],
        ]
    )
    assert "rows-roles" not in bad(found(code=0))
    assert "1 known" in checked("--baseline", "base.json", code=0).stdout


def test_of_many_faulty_rows_exactly_the_new_one_is_shown(place: Path) -> None:
    write([*ROWS, *OLD])
    checked("--write-baseline", "base.json", code=1)
    write([*ROWS[:50], broken(777), *ROWS[50:], *OLD])
    report = bad(found(code=1))
    assert set(report) == {"rows-roles"}
    assert [one["line"] for one in report["rows-roles"]["witnesses"]] == [51]
    assert report["rows-roles"]["what"].startswith("New since the baseline: 1 place of 31.")
    checked("--baseline", "base.json", "--sarif", "out.sarif", code=1)
    results = json.loads(Path("out.sarif").read_text())["runs"][0]["results"]
    assert [one["locations"][0]["physicalLocation"]["region"]["startLine"] for one in results] == [51]


def test_one_more_copy_of_a_known_copy_is_new(place: Path) -> None:
    write([*ROWS, ROWS[3], ROWS[3]])
    checked("--write-baseline", "base.json", code=0)
    assert bad(found(code=0)) == {}
    write([*ROWS, ROWS[3], ROWS[3], ROWS[3]])
    assert len(bad(found(code=0))["rows-duplicated"]["witnesses"]) == 1


def test_a_row_that_cannot_be_read_is_known_by_its_line(place: Path) -> None:
    write([*ROWS, '{"messages": [', '{"messages": 3'])
    checked("--write-baseline", "base.json", "data.on_bad_row=skip", code=1)
    write(['{"messages": 3', *ROWS, '{"messages": ['])
    assert bad(found("data.on_bad_row=skip", code=0)) == {}
    write(['{"messages": 4', *ROWS, '{"messages": ['])
    report = bad(found("data.on_bad_row=skip", code=1))
    assert [one["line"] for one in report["rows-unreadable"]["witnesses"]] == [1]


def test_a_setting_is_known_as_long_as_it_is_what_it_was(place: Path) -> None:
    write(ROWS)
    checked("--write-baseline", "base.json", "train.learning_rate=0.05", code=1)
    assert bad(found("train.learning_rate=0.05", code=0)) == {}
    assert set(bad(found("train.learning_rate=0.06", code=1))) == {"config-rate-unusual"}


def test_a_known_warning_that_has_become_a_failure_is_new(place: Path) -> None:
    write([*ROWS, ROWS[3], ROWS[3]])
    checked("--write-baseline", "base.json", code=0)
    assert set(bad(found("check.severity={rows-duplicated: fail}", code=1))) == {"rows-duplicated"}


def test_known_failures_leave_no_clearance(place: Path) -> None:
    write([*ROWS, *OLD])
    checked("--write-baseline", "base.json", code=1)
    done = checked("--baseline", "base.json", code=0)
    assert "Clearance:" not in done.stderr and not list(Path("runs").rglob("clearance.json"))


def test_a_baseline_is_written_in_one_order_and_read_back(place: Path) -> None:
    write([*ROWS, *OLD])
    checked("--write-baseline", "base.json", code=1)
    first = Path("base.json").read_bytes()
    write([*OLD[::-1], *ROWS])
    checked("--write-baseline", "base.json", code=1)
    assert Path("base.json").read_bytes() == first, "an order of its own, for version control"
    assert len(read_baseline(Path("base.json")).findings["rows-roles"].rows["rows.jsonl"]) == 30


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{", '{"findings": 3}', "[" * 100_000, '{"findings": {}, "schema": 9}']
)
def test_a_baseline_that_cannot_be_used_ends_the_check(text: str | None, place: Path) -> None:
    if text is not None:
        Path("b.json").write_text(text)
    with pytest.raises(RunError, match=r"b\.json"):
        read_baseline(Path("b.json"))


def test_fixing_and_comparing_exclude_each_other(place: Path) -> None:
    write(ROWS)
    assert "fix first" in checked("--fix", "--baseline", "base.json", code=2).stderr


def test_checks_that_show_faulty_rows_say_so() -> None:
    assert {"rows-roles", "rows-secrets", "rows-leaked"} <= {one.name for one in catalogue().values() if one.by_row}
    assert not catalogue()["rows-outliers"].by_row, "it shows the longest, whichever they are"
