"""Rows in files, as the tests of sources write, read and refuse them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanetune.data.sources.read import read_rows
from sanetune.data.sources.source import Source
from sanetune.errors import DataError

ROWS = [{"prompt": f"question {i} ä", "completion": f"reply\n{i} 😀"} for i in range(5)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = 'prompt,completion\r\n"say, ""hi""","two\nlines"\n\nb,\n'

Write = Callable[[str, Any], Path]


def rows(path: Any, **options: Any) -> list[dict[str, Any]]:
    return [row.values for row in read_rows(Source(str(path), **options))]


def refused(path: Any, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        rows(path, **options)
    return caught.value
