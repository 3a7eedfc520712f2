"""The bench of strangers' data tells right from wrong, for cases of each kind of judgement."""

from __future__ import annotations

from pathlib import Path

from bench.strangers.data.__main__ import KINDS
from bench.strangers.data.case import Case, chat
from bench.strangers.data.judge import judged

ROWS = [
    {"messages": chat(f"Which colour has lamp number {n}?", f"Lamp number {n} shines in a green like no other.")}
    for n in range(40)
]


def wrong(tmp_path: Path, **right: tuple[str, ...]) -> list[str]:
    return judged(Case("lamps", {"train.jsonl": ROWS}, family="demo", **right), tmp_path).wrong  # type: ignore[arg-type]


def test_names_are_unique_and_there_are_at_least_150_cases(shared: Path) -> None:
    names = [(kind, case.name) for kind, maker in KINDS.items() for case in maker()]
    assert len(names) == len(set(names)) >= 150


def test_a_case_that_is_read_rightly_has_nothing_wrong(tmp_path: Path) -> None:
    assert wrong(tmp_path, in_loss=("Lamp number 7 shines",), masked=("Which colour has lamp number 7?",)) == []


def test_every_expectation_that_is_not_met_is_said(tmp_path: Path) -> None:
    found = wrong(
        tmp_path,
        named=("rows-roles",),
        in_loss=("Which colour has lamp number 7?",),
        masked=("Lamp number 7", "lamp post"),
        absent=("number 9",),
    )
    assert [words.split(" (")[0] for words in found] == [
        "none of rows-roles speaks",
        "“Which colour has lamp number 7?” is not in the loss",
        "“Lamp number 7” is in the loss",
        "“lamp post” is in no example",
        "“number 9” is in an example",
    ]


def test_a_file_that_should_be_refused_and_is_not_is_said(tmp_path: Path) -> None:
    assert wrong(tmp_path, refused=("image",)) == ["is not refused"]
