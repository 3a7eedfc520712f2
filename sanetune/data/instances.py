"""Take a row with several examples of one instruction apart, as self-instruct and Natural Instructions write them."""

from __future__ import annotations

from sanetune.data.sources.row import Row
from sanetune.errors import DataError
from sanetune.text import json_type, quote

NAMES = {"instances": "instruction", "Instances": "Definition"}
"""Column of the examples -> that of their instruction: of self-instruct, and of Super-NaturalInstructions."""


def expanded(row: Row) -> list[Row]:
    """Return one row for each of the ``instances`` of an instruction; any other row as it is.

    >>> from sanetune.errors import Place
    >>> values = {"instruction": "Add.", "instances": [{"input": "1 1", "output": "2"}, {"output": "4"}]}
    >>> [one.values["output"] for one in expanded(Row(Place("rows.jsonl", 1, 0), values))]
    ['2', '4']

    Raises:
        DataError: There are no instances, or one of them is no object or says something else than the row, or the row
            has two instructions.
    """
    if not isinstance(row.values, dict) or NAMES.keys().isdisjoint(row.values):
        return [row]  # nearly every row there is
    column = next((name for name in NAMES if name in row.values), None)
    if column is None or NAMES[column] not in row.values:
        return [row]
    instances = row.values[column]
    if not isinstance(instances, list) or not instances:
        raise _error(row, f"`{column}` is {json_type(instances)}, not a list of inputs and outputs")
    rest = {key: value for key, value in row.values.items() if key not in (column, NAMES[column])}
    instruction = _instruction(row.values[NAMES[column]])
    if rest.get("instruction") not in (None, "", instruction):
        raise _error(row, f"`instruction` and `{NAMES[column]}` both say what to do")
    rest["instruction"] = instruction
    return [row._replace(values={**rest, **_values(row, instance, rest)}) for instance in instances]


def _instruction(value: object) -> object:
    """An instruction; Natural Instructions has a list of its paragraphs."""
    paragraphs = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    return "\n\n".join(paragraphs) if isinstance(value, list) and len(paragraphs) == len(value) else value


def _values(row: Row, instance: object, rest: dict[str, object]) -> dict[str, object]:
    if not isinstance(instance, dict):
        raise _error(row, f"an instance is {json_type(instance)}, not an object")
    both = [key for key in instance.keys() & rest.keys() if rest[key] != instance[key] and rest[key] is not None]
    if both:
        raise _error(row, f"`{quote(min(both), 40)}` is beside the instances and inside them")
    return instance


def _error(row: Row, message: str) -> DataError:
    return DataError(
        message, "", "Correct the row, or name what to read: data.fields: {completion: instances.0.output}.", row.place
    )
