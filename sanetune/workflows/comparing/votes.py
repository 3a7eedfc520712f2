"""Votes of a person, or of a judge, between two models' answers, given without knowing whose they are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sanetune.curves.proportions import clopper_pearson, sign_test, wilson
from sanetune.engine.answer import Answer
from sanetune.engine.appending import json_objects
from sanetune.runs import Run
from sanetune.workflows.comparing.result import Compared

Vote = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Ballot:
    """One prompt and two answers, on sides that are drawn.

    Attributes:
        key: Digest of prompt and answers: a vote counts for these texts alone.
        number: Number of the prompt, from 0.
        swapped: Whether the second model's answer is on the left.
        left: Answer that is shown as A.
        right: Answer that is shown as B.
    """

    key: str
    number: int
    swapped: bool
    left: str
    right: str

    def vote(self, side: Literal["a", "b", "="]) -> Vote:
        """Return whose answer a vote for ``side`` is for."""
        if side == "=":
            return "tie"
        return "second" if (side == "a") == self.swapped else "first"


@dataclass(frozen=True, slots=True)
class Tally:
    """What the votes come to.

    Attributes:
        wins: Votes for the second model.
        losses: Votes for the first.
        ties: Votes for neither.
        same: Prompts whose answers are the same text, which nobody is asked about.
        left: Prompts without a vote.
        unanswered: Prompts that one of the models was not asked.
    """

    wins: int
    losses: int
    ties: int
    same: int
    left: int
    unanswered: int = 0

    @property
    def win_rate(self) -> float | None:
        """Proportion of wins among votes that were not ties; None: there are none."""
        decided = self.wins + self.losses
        return self.wins / decided if decided else None

    def to_json(self) -> dict[str, Any]:
        """Return the counts, the win rate with both its intervals, and the p-value of the sign test."""
        decided = self.wins + self.losses
        return {
            "wins": self.wins,
            "losses": self.losses,
            "ties": self.ties,
            "same": self.same,
            "left": self.left,
            "unanswered": self.unanswered,
            "win_rate": self.win_rate,
            "wilson": list(wilson(self.wins, decided)),
            "clopper_pearson": list(clopper_pearson(self.wins, decided)),
            "p": sign_test(self.wins, self.losses),
        }


class Votes:
    """The votes of one person or several, kept in the folder of the first run.

    Args:
        run: The first run.
        compared: The models; the first two are voted on.
        seed: Draws the sides and the order.
        file: Where they are kept; None: in the run's folder.
    """

    def __init__(self, run: Run, compared: Compared, seed: int = 0, file: Path | None = None) -> None:
        run.refuse_links()
        self.file = file or run.votes
        self.names = [one.name for one in compared.models[:2]]
        self._ballots = list(ballots(compared, seed))
        self._total, self._same = len(compared.prompts), sum(map(_alike, *(one.answers for one in compared.models[:2])))
        self._votes = {one: vote for one, vote in _read(self.file) if one in {ballot.key for ballot in self._ballots}}

    def open(self) -> list[Ballot]:
        """Return the ballots without a vote, in the order in which they are shown."""
        return [one for one in self._ballots if one.key not in self._votes]

    def cast(self, ballot: Ballot, vote: Vote) -> None:
        """Keep a vote; it is on the disk when this returns."""
        line = {"key": ballot.key, "vote": vote, "models": self.names, "left": int(ballot.swapped)}
        text = json.dumps(line, ensure_ascii=False) + "\n"
        with self.file.open("a+b") as out:
            if out.seek(0, os.SEEK_END) and self.file.read_bytes()[-1:] != b"\n":
                text = "\n" + text
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        self._votes[ballot.key] = vote

    def tally(self) -> Tally:
        """Return what the votes come to so far."""
        votes = list(self._votes.values())
        wins, losses, ties = (votes.count(one) for one in ("second", "first", "tie"))
        return Tally(wins, losses, ties, self._same, len(self.open()), self._total - len(self._ballots) - self._same)


def ballots(compared: Compared, seed: int) -> Iterator[Ballot]:
    """Yield a ballot for each prompt whose two answers differ, in a drawn order; the same for the same seed."""
    first, second = compared.models[:2]
    drawn: list[tuple[str, Ballot]] = []
    pairs = zip(compared.prompts, first.answers, second.answers, strict=True)
    for number, (prompt, one, other) in enumerate(pairs):
        if one.note or other.note or _alike(one, other):
            continue
        # Without the models' folders: a run may be moved, and its path be written otherwise.
        content = json.dumps([prompt.messages, one.text, other.text], sort_keys=True)
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        # Of seed and content, so that sides and order stay when prompts are added.
        chance = hashlib.sha256(f"{seed} {key}".encode()).hexdigest()
        swapped = int(chance[-1], 16) % 2 == 1
        texts = (other.text, one.text) if swapped else (one.text, other.text)
        drawn.append((chance, Ballot(key, number, swapped, *texts)))
    yield from (ballot for _, ballot in sorted(drawn, key=lambda one: one[0]))


def _alike(one: Answer, other: Answer) -> bool:
    """Whether two answers are the same text; a prompt that a model could not be asked has none."""
    return not one.note and not other.note and one.text.strip() == other.text.strip()


def _read(file: Path) -> Sequence[tuple[str, Vote]]:
    """The votes in a file; the last of a ballot counts. Lines that a kill or a stranger has left are left out."""
    return [
        (str(one["key"]), one["vote"])
        for one in json_objects(file)
        if "key" in one and one.get("vote") in ("first", "second", "tie")
    ]
