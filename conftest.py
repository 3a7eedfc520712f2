"""Runs the examples in docstrings of the package and in the documentation (``>>>``) as tests.

Only files with an example are imported, so that collecting stays quick.
"""

from __future__ import annotations

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.rest import DocTestParser

pytest_collect_file = Sybil(
    parsers=[DocTestParser(optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)],
    patterns=["sanetune/**/*.py", "sanetune/*.py", "tools/*.py", "docs/*.md", "README.md"],
    document_types={".py": PythonDocStringDocument},
).pytest()
