"""Checks the links of a built site: every file and every anchor that a page names is there.

    python -m tools.site.links site    prints PAGE: LINK for each that leads nowhere, and exits with 1
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and anchors of one page."""

    def __init__(self, text: str) -> None:
        """Read the HTML ``text``."""
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what ``tag`` names."""
        for name, value in attrs:
            if value and (name == "id" or (name == "name" and tag == "a")):
                self.anchors.add(value)
            elif value and name in ("href", "src") and tag in ("a", "img", "script", "link", "object"):
                self.links.append(value)


@cache
def page(file: Path) -> Page:
    """Return ``file``, read once."""
    return Page(file.read_text(encoding="utf-8"))


def broken(site: Path) -> Iterator[tuple[Path, str]]:
    """Yield (page, link) for each link to a file or anchor of ``site`` that is not there; other sites are not asked."""
    for file in sorted(site.rglob("*.html")):
        for link in page(file).links if file.name != "404.html" else ():
            if _leads_nowhere(site, file, link):
                yield file, link


def _leads_nowhere(site: Path, file: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return False
    path = unquote(parts.path)
    target = file if not path else site / path.lstrip("/") if path.startswith("/") else (file.parent / path).resolve()
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return True
    return bool(parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in page(target).anchors)


def main(site: Path) -> int:
    """Print what is broken; return 1 where something is, or where there is no site."""
    found = list(broken(site.resolve()))
    pages = len(list(site.rglob("*.html")))
    for file, link in found:
        print(f"{file.relative_to(site.resolve())}: {link}")
    print(f"{pages} pages, {len(found)} broken links")
    return int(bool(found) or not pages)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
