"""Name the types of values that JSON can hold."""

from __future__ import annotations

from typing import TypeAlias

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""What a JSON text can hold. Cells of Parquet and Arrow files may hold more: their type is ``object``."""
