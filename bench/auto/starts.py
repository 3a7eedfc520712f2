"""Starts of `bench.auto`: the broken settings of `bench.correct`, and data files as people have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.correct.starts import TESTED, Changes, Setup, grid, setups
from bench.correct.starts import starts as broken_settings
from bench.strangers.data.case import Row, chat, chats, pairs
from bench.strangers.data.content import RENDERED

ROWS = 160
"""Rows of a start, a quarter of which it holds out: with fewer, a better model is not told apart from its base."""
SHORT = 120
"""Characters of question and answer together."""
HELD_OUT = 0.25
CHECK = {"trial_steps": 24, "trial_eval_steps": 12, "samples": 2, "overfit_examples": 4, "overfit_steps": 25}
"""The protocol, shortened as the runs of 45 steps are."""
RATED = ("stories", "demo")
"""Set-ups of `bench.correct` whose starts are taken; those of the third, LoRA, take four times as long."""


@dataclass(frozen=True, slots=True)
class AutoStart:
    """A start.

    Attributes:
        name: What is wrong with it.
        setup: Name of the set-up whose test rows tell the truth, and whose grid tells what can be had.
        kind: ``settings``, ``data``, ``sound``, or ``hopeless`` where nothing in it can be repaired.
        times: Its learning rate, in times the best of the grid; None: the one of ``changes``, or inferred.
        changes: ``section.key`` -> value (None: taken out) of the sound configuration.
        files: Name -> rows or text of the data; empty: the set-up's own.
    """

    name: str
    setup: str
    kind: str
    times: float | None = 1.0
    changes: Changes = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.setup}: {self.name}"

    def settings(self, setup: Setup, best: float, folder: Path) -> dict[str, dict[str, Any]]:
        """Its configuration; its files are written into ``folder``."""
        changes = dict(self.changes)
        if self.times is not None:
            changes["train.learning_rate"] = float(f"{best * self.times:.3g}")
        for name, rows in self.files.items():
            text = (
                rows if isinstance(rows, str) else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            )
            (folder / name).write_text(text, encoding="utf-8")
            key = "data.validation" if name.startswith("validation") else "data.train"
            changes[key] = str(folder / name)
        if "data.validation" in changes:
            changes["data.holdout"] = None
        found = setup.settings(changes, folder / "unused")
        found["run"].pop("output_dir")
        return found


def all_setups(folder: Path) -> dict[str, Setup]:
    """The set-ups of `bench.correct`, and one of conversations made of real questions and answers."""
    found = {name: _short(one, folder) for name, one in setups(folder).items() if name in RATED}
    train, test = folder / "rows.jsonl", folder / "rows-test.jsonl"
    for file, rows in ((train, good()), (test, chats(short_pairs()[-TESTED:]))):
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    sound = {name: dict(values) for name, values in found["stories"].sound.items()}
    sound["data"]["train"] = str(train)
    return {**found, "rows": Setup("rows", sound, grid(-3.667, -1.667), test)}


def _short(setup: Setup, folder: Path) -> Setup:
    """A set-up of `bench.correct` with fewer rows and a shorter protocol: the verdict stays as clear."""
    sound = {name: dict(values) for name, values in setup.sound.items()}
    train = folder / f"{setup.name}-train.jsonl"
    lines = Path(sound["data"]["train"]).read_text(encoding="utf-8").splitlines(keepends=True)
    train.write_text("".join(lines[:ROWS]), encoding="utf-8")
    sound["data"] |= {"train": str(train), "holdout": HELD_OUT}
    sound["check"] = dict(CHECK)
    sound["run"] |= {"samples": 0}  # answers at each evaluation are for people, and half of what a run takes
    sound["train"] |= {"eval_steps": 15, "save_steps": 15}
    return Setup(setup.name, sound, setup.lrs, setup.test)


def good() -> list[Row]:
    """Conversations without a fault, none of them among the test rows."""
    return chats(short_pairs()[:ROWS])


def short_pairs() -> list[tuple[str, str]]:
    """Questions and answers so short that a tiny model learns in 45 steps to end them."""
    return [(question, answer) for question, answer in pairs() if len(question) + len(answer) <= SHORT]


def all_starts() -> list[AutoStart]:
    """All starts; data and settings by turns, so that a part of them is a fair one."""
    settings = [
        AutoStart(one.name, one.setup, "sound" if one.kind == "sound" else "settings", one.times, one.changes)
        for one in broken_settings()
        if one.setup in RATED
    ]
    data = list(data_starts())
    mixed: list[AutoStart] = []
    while settings or data:
        mixed += [*settings[:2], *data[:1]]
        settings, data = settings[2:], data[1:]
    return mixed


def data_starts() -> Iterator[AutoStart]:
    """Files with what people's files have; the learning rate is the inferred one."""
    for name, make in REPAIRABLE.items():
        yield AutoStart(name, "rows", "sound" if name == "nothing is broken" else "data", None, {}, make())
    for name, make in HOPELESS.items():
        yield AutoStart(name, "rows", "hopeless", None, {}, make())
    yield AutoStart("the questions are in the loss", "rows", "settings", None, {"data.loss_on": "all"})
    yield AutoStart("the inferred learning rate", "demo", "sound", None)


def _with(every: int, change: Callable[[Row, int], Any]) -> list[Any]:
    return [change(row, n) if n % every == 0 else row for n, row in enumerate(good())]


def _blank() -> dict[str, Any]:
    def blank(row: Row, n: int) -> Row:
        return {"messages": [row["messages"][0], {"role": "assistant", "content": "  "}]}

    return {"train.jsonl": _with(4, blank)}


def _copies() -> dict[str, Any]:
    rows = good()[:120]
    return {"train.jsonl": [*rows, *rows[::3]]}


def _leaked() -> dict[str, Any]:
    rows = good()
    return {"train.jsonl": rows, "validation.jsonl": [*rows[:20], *chats(short_pairs()[ROWS : ROWS + 30])]}


def _mojibake() -> dict[str, Any]:
    def spoil(row: Row, n: int) -> Row:
        answer = row["messages"][1]["content"] + " Café “déjà vu” – naïve."
        return {
            "messages": [
                row["messages"][0],
                {"role": "assistant", "content": answer.encode().decode("cp1252", "replace")},
            ]
        }

    return {"train.jsonl": _with(6, spoil)}


def _orders() -> dict[str, Any]:
    def wrong(row: Row, n: int) -> Row:
        asked, answer = row["messages"]
        return {"messages": [answer] if n % 2 else [asked, answer, answer]}

    return {"train.jsonl": _with(5, wrong)}


def _unreadable() -> dict[str, Any]:
    lines = [json.dumps(row) for row in good()]
    return {
        "train.jsonl": "".join((line[: len(line) // 2] if n % 20 == 7 else line) + "\n" for n, line in enumerate(lines))
    }


def _columns() -> dict[str, Any]:
    return {
        "train.jsonl": [
            {"question": row["messages"][0]["content"], "answer": row["messages"][1]["content"]} for row in good()
        ]
    }


def _alpaca() -> dict[str, Any]:
    rows = good()
    return {
        "train.jsonl": [
            {"instruction": a["content"], "input": "", "output": b["content"]}
            for a, b in (one["messages"] for one in rows)
        ]
    }


def _rendered() -> dict[str, Any]:
    layout = RENDERED["ChatML"]
    return {
        "train.jsonl": [
            {"text": layout.format(q=a["content"], a=b["content"])} for a, b in (one["messages"] for one in good())
        ]
    }


def _several() -> dict[str, Any]:
    blank, copies = _blank()["train.jsonl"], good()[::4]
    lines = [json.dumps(row) for row in [*blank, *copies]]
    return {"train.jsonl": "".join((line[:30] if n % 50 == 3 else line) + "\n" for n, line in enumerate(lines))}


def _broken_off() -> dict[str, Any]:
    some = [(q, a) for q, a in pairs()[:-TESTED] if len(a) > 60][:ROWS]
    return {"train.jsonl": [{"messages": chat(q, a[: len(a) // 2].rsplit(" ", 1)[0])} for q, a in some]}


def _moved(every: int) -> Callable[[], dict[str, Any]]:
    def made() -> dict[str, Any]:
        some = short_pairs()[:ROWS]
        rows = [chat(q, some[(n + 1) % len(some)][1] if n % every == 0 else a) for n, (q, a) in enumerate(some)]
        return {"train.jsonl": [{"messages": row} for row in rows]}

    return made


def _same_answer() -> dict[str, Any]:
    return {
        "train.jsonl": [
            {"messages": chat(q, "I am sorry, but I cannot help with that.")} for q, _ in short_pairs()[:ROWS]
        ]
    }


def _few() -> dict[str, Any]:
    return {"train.jsonl": good()[:8]}


REPAIRABLE: dict[str, Callable[[], dict[str, Any]]] = {
    "nothing is broken": lambda: {"train.jsonl": good()},
    "a quarter of the answers are blank": _blank,
    "a third of the rows twice": _copies,
    "training rows in the validation file": _leaked,
    "mojibake in a sixth": _mojibake,
    "turns in a wrong order in a fifth": _orders,
    "lines that end in the middle": _unreadable,
    "columns question and answer": _columns,
    "Alpaca's columns": _alpaca,
    "a text column of ChatML": _rendered,
    "blank answers, copies, and lines that end in the middle": _several,
}
HOPELESS: dict[str, Callable[[], dict[str, Any]]] = {
    "all answers break off": _broken_off,
    "each answer is that of the next row": _moved(1),
    "a third of the answers are other rows'": _moved(3),
    "one answer to everything": _same_answer,
    "eight rows": _few,
}
"""Data in which nothing can be repaired: whoever promotes a model of it has to be right about it."""
