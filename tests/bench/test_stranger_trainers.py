"""Training scripts as people write them get the findings that are right, and no others."""

from __future__ import annotations

import pytest

from bench.strangers.trainers.__main__ import run, scripts
from bench.strangers.trainers.material import SHARED, Script

SCRIPTS = scripts() if SHARED.exists() else []


@pytest.mark.skipif(not SHARED.exists(), reason="the shared material is not there")
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.name for script in SCRIPTS])
def test_a_script_gets_the_findings_that_are_right(script: Script) -> None:
    assert run(script, "static").wrong == []
