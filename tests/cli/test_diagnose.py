"""`sanetune diagnose`: exit codes, JSON, several logs, and messages instead of tracebacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main


def written(folder: Path, losses: list[float]) -> Path:
    folder.mkdir()
    history = [{"step": step, "loss": loss} for step, loss in enumerate(losses, 1)]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history, "max_steps": len(losses)}))
    return folder


def falling(count: int = 100) -> list[float]:
    return [1 + 2 / (1 + step / 5) for step in range(count)]


def test_exit_codes_are_those_of_check(tmp_path: Path) -> None:
    good = written(tmp_path / "good", falling())
    bad = written(tmp_path / "bad", [*falling(50), *[float("nan")] * 50])
    run = CliRunner().invoke
    assert run(main, ["diagnose", str(good)]).exit_code == 0
    result = run(main, ["diagnose", str(bad)])
    assert result.exit_code == 1 and "curve-nan" in result.output
    missing = run(main, ["diagnose", str(tmp_path / "none")])
    assert missing.exit_code == 2 and "Error:" in missing.output and "Traceback" not in missing.output


def test_an_empty_name_is_not_the_working_directory() -> None:
    done = CliRunner().invoke(main, ["diagnose", ""])
    assert done.exit_code == 2 and "is empty" in done.output


def test_standard_input_is_refused_with_what_to_do() -> None:
    result = CliRunner().invoke(main, ["diagnose", "-"])
    assert result.exit_code == 2 and "Save it to a file first" in " ".join(result.output.split())


def test_several_logs_end_with_one_line_each_and_the_worst_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good, bad = written(Path("good"), falling()), written(Path("bad"), [float("nan")] * 100)
    result = CliRunner().invoke(main, ["diagnose", str(good), str(bad), "--json", str(tmp_path / "out.json")])
    assert result.exit_code == 1 and "2 logs" in result.output
    stored = json.loads((tmp_path / "out.json").read_text())
    assert {line.split()[1] for line in result.output.splitlines()[-2:]} == {"good", "bad"}
    assert stored["verdict"] == "fail"
    assert [one["verdict"] for one in stored["logs"]] == ["pass", "fail"]
    assert {"findings", "log", "keep"} <= stored["logs"][0].keys()


def test_json_alone_on_standard_output(tmp_path: Path) -> None:
    good = written(tmp_path / "good", falling())
    assert json.loads(CliRunner().invoke(main, ["diagnose", str(good), "--json", "-"]).output)["verdict"] == "pass"


def test_markup_and_control_characters_of_a_stranger_are_not_obeyed(tmp_path: Path) -> None:
    history = [{"step": step, "loss": 2.0, "eval_[red]\x1b[31m_loss": 1.0} for step in range(1, 5)]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    output = CliRunner().invoke(main, ["diagnose", str(tmp_path)]).output
    assert "[red]" in output and "\x1b" not in output


def test_one_path_that_is_no_log_does_not_keep_the_others_from_being_judged(tmp_path: Path) -> None:
    log = tmp_path / "trainer_log.jsonl"
    lines = (json.dumps({"current_steps": n, "total_steps": 40, "loss": 2 - n / 40}) for n in range(1, 41))
    log.write_text("\n".join(lines) + "\n")
    (tmp_path / "LICENSE").write_text("Permission is granted.\n")
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train"\n')
    paths = [str(tmp_path / name) for name in ("LICENSE", "metrics.jsonl", log.name)]
    done = CliRunner().invoke(main, ["diagnose", *paths])
    assert done.exit_code == 0, done.output
    assert "LICENSE" in done.output and "not a record" in done.output
    assert "trainer_log.jsonl" in done.output
    assert CliRunner().invoke(main, ["diagnose", str(tmp_path / "LICENSE")]).exit_code == 2


@pytest.mark.parametrize("words", [["--select", "curve-nan", "--ignore", "curve"], ["--select", "labels"]])
def test_a_selection_that_leaves_nothing_to_check_is_no_sound_run(tmp_path: Path, words: list[str]) -> None:
    good = written(tmp_path / "good", falling())
    done = CliRunner().invoke(main, ["diagnose", str(good), *words])
    assert done.exit_code == 2 and "is left" in done.output and "no fault found" not in done.output
