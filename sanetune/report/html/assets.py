"""Style, scripts and security policy of the pages: everything is in the page itself."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

FOLDER = Path(__file__).parent
UPLOT = FOLDER / "vendor" / "uplot"
"""The plotting library, as its maker publishes it; ``vendored.json`` has its source and hashes."""


@dataclass(frozen=True, slots=True)
class Assets:
    """What a page has between its style and script tags, and the policy that allows nothing else.

    Attributes:
        style: Content of the style element.
        script: Content of the script element.
        policy: Content of the meta element with the content security policy.
    """

    style: Markup
    script: Markup
    policy: Markup


@functools.cache
def assets(*, charts: bool = False, live: bool = False) -> Assets:
    """Return style and script of a page.

    Args:
        charts: Whether the page has interactive charts.
        live: Whether it is served, and asks its server for what is new.
    """
    styles, scripts = [FOLDER / "style.css"], []
    if charts:
        styles.insert(0, UPLOT / "uPlot.min.css")
        scripts += [UPLOT / "uPlot.iife.min.js", FOLDER / "charts.js"]
    scripts.append(FOLDER / "page.js")
    if live:
        scripts.append(FOLDER / "live.js")
    style = "\n".join(_source(file) for file in styles)
    script = "\n".join([_licence() if charts else "", *(_source(file) for file in scripts)]).strip()
    return Assets(Markup(style), Markup(script), Markup(policy(style, [script], live=live)))


def policy(style: str, scripts: Sequence[str], *, live: bool = False) -> str:
    """Return the page's content security policy.

    Nothing may be loaded, and only the page's own script and style may be used: a script in a user's text would not
    run even if it were not escaped.

    Args:
        style: The content of the style element.
        scripts: The contents of the script elements.
        live: Whether the page may ask its own server.
    """
    allowed = " ".join(f"'{_digest(one)}'" for one in scripts)
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src {allowed}; "
        + ("connect-src 'self'; " if live else "")
        + "base-uri 'none'; form-action 'none'"
    )


def _licence() -> str:
    """The licence of the plotting library as a comment: it has to go with every copy."""
    return f"/*! uPlot\n{(UPLOT / 'LICENSE').read_text(encoding='utf-8').strip()}\n*/"


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _source(file: Path) -> str:
    """Return a file exactly as it is between the tags of the page, as its digest requires."""
    return file.read_text(encoding="utf-8").strip()
