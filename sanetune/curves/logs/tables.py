"""Tables of losses as people see them, in a notebook or a model card, as the entries of a log.

A Trainer shows beside each evaluation the last training loss that was logged until then: the same number in the next
line is the same record, and ``No log`` is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html.parser import HTMLParser

from sanetune.curves.logs.entries import number
from sanetune.curves.logs.log import number_in
from sanetune.curves.logs.names import renamed, validation_loss_names

Table = Sequence[Sequence[str]]
"""The texts of a table by line, its header first."""
Row = Mapping[str, object]


def entries_in(table: Table) -> list[Row]:
    """Return the lines of a table of losses by step or epoch as entries; none where it is another table.

    Args:
        table: Its texts, the header first.

    >>> entries_in([["Step", "Training Loss", "Validation Loss"], ["10", "No log", "2.5"], ["20", "2.0", "2.25"]])
    [{'step': 10.0, 'eval_loss': 2.5}, {'step': 20.0, 'loss': 2.0, 'eval_loss': 2.25}]
    """
    header, *lines = table or [[]]
    names = [name.strip().strip("*`") for name in header]
    rows = [_numbers(names, line) for line in lines]
    known = renamed(rows)
    found = {name for entry in known for name in entry}
    if not found & {"step", "epoch"} or not ("loss" in found or validation_loss_names(known)):
        return []
    evaluated = bool(validation_loss_names(known))
    return list(_each_record_once(known)) if evaluated else list(known)


def _numbers(names: Sequence[str], line: Sequence[str]) -> dict[str, object]:
    """The numbers of a line by column; thousands may be set apart by commas, the best line in bold."""
    texts = (text.strip().strip("*`").replace(",", "") for text in line)
    found = {name: number_in(text) for name, text in zip(names, texts, strict=False)}
    return {name: value for name, value in found.items() if value is not None}


def _each_record_once(entries: Iterable[Row]) -> Iterable[Row]:
    before = None
    for entry in entries:
        loss = number(entry.get("loss"))
        repeated = loss is not None and loss == before
        yield {name: value for name, value in entry.items() if not (repeated and name == "loss")}
        before = loss


def tabbed(text: str) -> list[list[list[str]]]:
    """Return the tables with tabs between their columns, as a notebook's table is copied; lines between may be empty.

    >>> tabbed("Step\\tTraining Loss\\n\\n10\\t2.5\\nDone.\\n")
    [[['Step', 'Training Loss'], ['10', '2.5']]]
    """
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        columns = line.strip(" ").split("\t")
        if len(columns) > 1 and len(columns) == len((tables[-1] or [columns])[0]):
            tables[-1].append(columns)
        elif line.strip():
            tables.append([columns] if len(columns) > 1 else [])
    return [table for table in tables if len(table) > 1]


class HtmlTables(HTMLParser):
    """The texts of the tables of a page by line and column, and all other texts; nothing of it is run or shown.

    >>> page = HtmlTables()
    >>> page.feed("[5/9] <table><tr><th>Step<th>Loss</tr><tr><td>5</td><td>2.5</td></tr></table>")
    >>> page.tables, page.texts
    ([[['Step', 'Loss'], ['5', '2.5']]], ['[5/9] '])

    Attributes:
        tables: Those that are in it, the header of each first.
        texts: Between them, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.texts: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Begin a table, a line or a column."""
        # Cells are not always ended, nor are the lines that they are in.
        self._in_cell = self._in_cell and tag not in ("table", "tr")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            if not self.tables[-1]:
                self.tables[-1].append([])
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        """End what was begun."""
        if tag in ("td", "th", "tr", "table"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        """Add a text to where it stands."""
        if self._in_cell:
            self.tables[-1][-1][-1] += data
        else:
            self.texts.append(data)
