"""The legend of a chart shows each line as it is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sanetune.report.html.compared_runs import page_of_runs
from tests.report import runs_made

SIGNS = """() => [...document.querySelectorAll(".uplot")[0].querySelectorAll(".u-series:not(.follows) .u-marker")]
  .slice(1).map((one) => getComputedStyle(one).background)"""
"""The signs of the lines of the first chart in its legend."""


def test_the_legend_has_the_dashes_and_marks_of_each_line(browser: Any, tmp_path: Path) -> None:
    runs = [runs_made.made(tmp_path / name, 40, loss=loss) for name, loss in (("one", 2.0), ("two", 3.0))]
    file = tmp_path / "comparison.html"
    file.write_text(page_of_runs(runs))
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto(file.as_uri())
    signs = tab.evaluate(SIGNS)
    assert len(set(signs)) == 4, "training and validation of two runs"
    assert [("repeating" in one, "radial" in one) for one in signs] == [
        (False, False), (True, False), (False, True), (True, True)
    ]  # fmt: skip
    tab.close()
