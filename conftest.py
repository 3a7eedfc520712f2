"""Runs the examples in docstrings of the package and in the documentation (``>>>``) as tests.

Only files with an example are imported, so that collecting stays quick. Several processes begin with the slowest files.
"""

from __future__ import annotations

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.rest import DocTestParser

pytest_collect_file = Sybil(
    parsers=[DocTestParser(optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)],
    patterns=["sanetune/**/*.py", "sanetune/*.py", "tools/*.py", "docs/*.md", "README.md"],
    document_types={".py": PythonDocStringDocument},
).pytest()

SLOWEST = (
    "tests/mcp/test_story.py", "tests/probes/test_trial.py", "tests/cli/test_cleared.py",
    "tests/bench/test_trackers.py", "tests/evidence/test_several_processes.py", "tests/test_real.py",
    "tests/bench/test_stranger_trainers.py", "tests/engine/accelerate/test_same_as_trl.py",
    "tests/forecast/test_simulated_step.py", "tests/report/html/test_browser.py", "tests/test_notebooks.py",
    "tests/report/html/test_interactive.py", "tests/bench/test_short_runs.py",
    "tests/workflows/test_verify_endpoint.py", "tests/checks/model/test_probes.py", "tests/engine/trl/test_lora.py",
    "tests/workflows/sweep/test_run.py", "tests/test_callback_watch.py", "tests/cli/test_path.py",
    "tests/bench/test_startup.py", "tests/engine/test_two_sharded.py", "tests/workflows/test_verify_calls.py",
    "tests/probes/test_rank_comparison.py", "tests/probes/test_replay_trials.py",
)  # fmt: skip
"""Slow files, above all those of few tests, which pytest-xdist would begin last: then one process alone is busy at the
end. The time of each test is in what ``pytest --junit-xml`` writes."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the slowest files where several processes share the tests; a single one keeps its order."""
    if hasattr(config, "workerinput"):
        places = {config.rootpath / file: place for place, file in enumerate(SLOWEST)}
        items.sort(key=lambda item: places.get(item.path, len(SLOWEST)))  # stable: the tests of a file keep their order
