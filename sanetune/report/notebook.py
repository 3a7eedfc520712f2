"""A report in a notebook: its page in a frame of its own, so that neither changes how the other is shown."""

from __future__ import annotations

import html

from sanetune.finding import Report

HEIGHT = 640
"""Height of the frame in pixels; what does not fit is scrolled to."""


def show_in_notebooks() -> None:
    """Let notebooks show a report that is the last value of a cell as its page, not as its ``repr``."""
    # A report is below everything that draws, so the method is added from here.
    setattr(Report, "_repr_html_", frame)  # noqa: B010


def frame(report: Report) -> str:
    """Return the page of ``report`` as a frame of HTML, which may run the page's script and nothing else."""
    from sanetune.report.html import PageView, page

    source = html.escape(page(PageView(report)), quote=True)
    style = f"width:100%;height:{HEIGHT}px;border:0"
    return f'<iframe title="sanetune report" sandbox="allow-scripts" style="{style}" srcdoc="{source}"></iframe>'
