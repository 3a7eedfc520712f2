"""A report shows itself in a notebook as its page, in a frame that cannot reach the notebook."""

from __future__ import annotations

from html.parser import HTMLParser

from sanetune.finding import Report
from sanetune.report.notebook import frame, show_in_notebooks
from tests.report import sample


class Frames(HTMLParser):
    """The attributes of every element."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_it_is_one_frame_with_the_whole_page_whatever_the_texts() -> None:
    ((tag, attributes),) = Frames(frame(sample.report())).elements
    assert tag == "iframe"
    page = attributes["srcdoc"] or ""
    assert page.strip().startswith("<!doctype html>") and page.strip().endswith("</html>")
    assert "Refused at level static" in page and sample.MASKED.message in page


def test_its_page_runs_apart_from_the_notebook() -> None:
    ((_, attributes),) = Frames(frame(sample.report())).elements
    assert attributes["sandbox"] == "allow-scripts"


def test_a_report_has_it_once_it_is_asked_for() -> None:
    show_in_notebooks()
    report = Report([])
    assert report._repr_html_() == frame(report)  # type: ignore[attr-defined]
