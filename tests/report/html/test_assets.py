"""What a page has in it beside its own figures: the library as its maker published it, and a policy that fits."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from sanetune.report.html.assets import UPLOT, assets

NOTE = json.loads((UPLOT / "vendored.json").read_text())


def digest(data: bytes) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_every_file_of_the_library_is_the_one_that_was_published() -> None:
    files = {file.name: digest(file.read_bytes()) for file in UPLOT.iterdir() if file.name != "vendored.json"}
    assert files == NOTE["files"]
    assert f"(v{NOTE['version']})" in (UPLOT / "uPlot.iife.min.js").read_text()[:100]
    assert NOTE["version"] in NOTE["source"] and NOTE["licence"] == "MIT"


def test_its_licence_goes_with_it_into_each_page() -> None:
    script = assets(charts=True).script
    assert "Permission is hereby granted, free of charge" in script and "Leon Sorokin" in script
    assert "Leon Sorokin" not in assets().script


def test_the_policy_allows_the_page_s_own_script_and_style_and_nothing_else() -> None:
    for charts in (False, True):
        found = assets(charts=charts)
        assert f"script-src '{digest(found.script.encode())}';" in found.policy
        assert f"style-src '{digest(found.style.encode())}';" in found.policy
        assert found.policy.startswith("default-src 'none'") and "connect-src" not in found.policy


def test_a_served_page_may_ask_its_own_server() -> None:
    assert "connect-src 'self';" in assets(charts=True, live=True).policy
    assert "'unsafe" not in assets(charts=True, live=True).policy


def test_no_script_can_end_its_element() -> None:
    found = assets(charts=True, live=True)
    assert not re.search(r"</(script|style)", found.script + found.style, re.IGNORECASE)
