"""Bad rows and bad templates give findings or clear errors: never a crash, a hang or a full memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.fuzz import rows, templates
from bench.fuzz.trial import MODEL
from sanetune.api import check
from sanetune.errors import UserError
from sanetune.finding import Verdict

TEMPLATES = {
    "loops": ["nested loops", "slice"],
    "memory": ["ljust", "nest as text"],
    "escapes": ["class", "tick's globals"],
    "formats": ["format, nested"],
    "broken": ["deep loops", "deep parentheses", "half a character", "roles alone", "length tells"],
}


@pytest.fixture(autouse=True)
def _bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sanetune.data.template.limits.SECONDS", 0.2)


def checked(data: Path, **model: Any) -> None:
    """Run the checks, and fail where one crashes."""
    settings = {"model": {"name": str(MODEL), **model}, "data": {"train": str(data)}, "run": {"trackers": []}}
    try:
        report = check(settings, level="static")
    except UserError:
        return
    crashes = report.of(Verdict.CRASH)
    assert not crashes, "\n".join(finding.traceback for finding in crashes)
    assert report.unusable or report.of(Verdict.FAIL, Verdict.WARN)


@pytest.mark.parametrize("kind", rows.KINDS)
def test_no_row_makes_a_check_crash(kind: str, tmp_path: Path) -> None:
    suffix, content = rows.file(kind, 3 if kind == "long texts" else 30, 0)
    file = tmp_path / f"rows.{suffix}"
    file.write_bytes(content)
    checked(file)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in TEMPLATES.items() for name in names])
def test_no_template_makes_a_check_crash(kind: str, name: str, tmp_path: Path) -> None:
    template, data = tmp_path / "template.jinja", tmp_path / "rows.jsonl"
    template.write_text(templates.KINDS[kind][name], encoding="utf-8")
    data.write_bytes(b"\n".join([rows.GOOD_LINE] * 3))
    checked(data, chat_template=str(template))
