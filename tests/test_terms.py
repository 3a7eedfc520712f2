"""One word for each idea, and the field's word: in names, docstrings, comments, messages and documentation.

``TERMS`` says which words are not used here and which are. A word in its ordinary English sense is no fault: patterns
leave those senses out where they can ("look up", "talk to it"). What is still to be renamed is counted in
``terms.counts``; the counts may only shrink (see ``tests/ratchet.py``). ``python -m tests.test_terms`` writes smaller
ones down.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import ratchet
from tools import prose

HOME = Path(__file__).resolve().parents[1]
WRITTEN = Path(__file__).parent / "terms.counts"
COMMAND = "python -m tests.test_terms"


class Term(NamedTuple):
    """A word that is not used: ``text`` is a pattern for prose, ``names`` one for parts of identifiers.

    A part is what is between underscores or capitals: ``held`` is found in ``held_rows``, not in ``withheld``. With
    ``=`` before it the pattern is for the whole identifier, as written: ``=what|Tried``. ``within``: the folder where
    the word is not used, if it is not all of them.
    """

    use: str
    text: str = ""
    names: str = ""
    within: str = ""


TERMS = {
    # The loss and its tokens
    "learnt": Term("in the loss; trained; learned", "(un)?learnt", "(un)?learnt"),
    "by heart": Term("memorised; memorise", "by heart", "by_heart"),
    "nothing to learn": Term("no unmasked label", "nothing (to learn|is learned)|something to learn"),
    "stretch": Term("token span", "stretch(es)?", "stretch(es)?"),
    "speakers, spoken": Term("token roles", "speakers?", "speakers?|spoken"),
    "talks": Term("conversations", "talks(?! to)", "talks?"),
    "overlong": Term("too long (the key data.overlong keeps its name)", "over-?long"),
    "cut": Term(
        "truncated",
        "(is|are|was|were|be|being|been|gets?|rows?|tokens?|not|of|and|or) cut|cut (off|short|at|from)",
    ),
    "lost": Term(
        "dropped",
        "lost (rows?|tokens?|texts?|examples?)|(rows?|tokens?) (is |are |were |was |that are )?lost",
        "lost",
    ),
    # Evaluation and validation
    "held, aside": Term(
        "validation rows; held out",
        "held(?!-out| out| in| by| open| back)|(kept?|sets?|put) aside",
        "held(?!_out)|aside",
    ),
    "look": Term(
        "evaluation (of validation rows); check, inspect, read (of a run)",
        r"(a|one|each|every|next|first|last|the|\d+) looks?(?!-)|look(s|ed|ing)? at|only looks?",
        "looks?|looked",
    ),
    "probe batch": Term("fixed evaluation batch", "probe batch(es)?", "probe_batch"),
    # Learning rate and its experiments
    "rate": Term(
        "learning rate; lr",
        r"(?<!learning )(?<!error )(?<!sampling )(?<!success )(?<!failure )(?<!win )rates?(?!-)",
        "(?<!learning_)(?<!win_)rates?",
    ),
    "branches": Term("learning-rate comparison; its runs", "branches", "branch(es)?"),
    "own gain": Term("prompt-swap gain", "own gains?", "own_gain"),
    "lab": Term("probe harness", r"(?<!bench\.)lab(?!\.md)", "lab"),
    "pull": Term("parameter update", "", "pulls?"),
    # Evidence of checks
    "prints": Term("MinHash signatures", "", "=prints|Prints"),
    "debris": Term("template fragments", "debris", "debris"),
    "kinds": Term("conversation shapes", "", "=kinds|Kinds"),
    "form": Term("output format", "off form", "=forms?|Forms?"),
    "shares": Term("proportions", "", "=shares|Shares"),
    "reading": Term("batch statistics", "", "=reading|Reading"),
    # Machine
    "waits": Term("dataloader wait", "", "=waits|Waits"),
    "savings": Term("checkpoint saves", "savings", "savings"),
    "operations": Term("FLOPs", "", "=operations"),
    "pace": Term("step time", "paces?", "paces?"),
    # Configuration
    "settled": Term("resolved", "settle[sd]?|settling", "settle[sd]?"),
    "open (value)": Term(
        "unset",
        r"open (values?|keys?)|(left|leaves|is|are|stays?) open(?! to)|\(open:|where open|open = ",
        "open_values?",
    ),
    "derived (value)": Term("inferred default", "derived (values?|defaults?)"),
    "foreign": Term("imported config", "", "=foreign|Foreign"),
    # Gate
    "todo, what, why": Term("remedy, message, rationale", "", "=todo|what|why", within="sanetune/"),
    "proof": Term("experiment results (of overfit, trial, ...); clearance (on disk)", "", "proofs?|proven"),
    "carried": Term("still valid", "", "=carried|Carried"),
    "told, tell, hears": Term("on_progress, callback, message", "hears?", "told|tells?|hears?"),
    "attempt, tried, standing, wanted, kept, saved": Term(
        "PreparationResult, TrialOutcome, ClearanceStatus, TrialConfig, WeightBackup, SavedTemplate",
        "",
        "=Attempt|Tried|Standing|Wanted|Kept|Saved",
    ),
    "mend": Term("fix, correct", "mend(s|ed|ing)?", "mend(s|ed|ing)?"),
    "plant": Term("inject", "plant(s|ed|ing)?", "plant(s|ed|ing)?"),
    "afresh, taken apart": Term("again; split", "afresh|(took|taken?|taking) (it )?apart", "afresh|taken_apart"),
    # Demo
    "story, chapter": Term(
        "demo run, section", "the (whole )?story|chapters?", "story|chapters?|as_told", within="sanetune/"
    ),
    # English that is not the field's
    "stands": Term("is; appears", "stands? (in|on|at|beside|behind|before|there|above|under|open|elsewhere|next)"),
    "lies": Term("is", "(lies?|lay) (in|beside|under|on|there|behind|next|above|far)"),
    # One word per idea: synonyms that are not used
    "certificate, permit": Term("clearance", "certificates?|permits?", "certificates?|permits?"),
    "detector, sanity check": Term("check", "detectors?|sanity[- ]checks?", "detectors?"),
    "prompt masking": Term("response masking", "prompt[- ]masking"),
    "sequence packing": Term("packing", "sequence packing"),
    "eval set, dev set": Term("validation rows", "(eval|dev|held-out)[- ]sets?", "dev_?set|eval_?set"),
}
"""Word that is not used -> what is used instead, and how it is found."""


def parts(name: str) -> str:
    """An identifier with underscores between its parts: ``HeldRows`` and ``held_rows`` are ``held_rows``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@cache
def patterns() -> dict[str, tuple[re.Pattern[str] | None, re.Pattern[str] | None]]:
    """Term -> (pattern for prose, pattern for parts of names)."""
    return {
        word: (
            re.compile(rf"(?<![\w-])(?:{term.text})(?!\w)", re.IGNORECASE) if term.text else None,
            re.compile(rf"^_?(?:{term.names[1:]})$" if term.names[:1] == "=" else rf"(?:^|_)(?:{term.names})(?=_|$)")
            if term.names
            else None,
        )
        for word, term in TERMS.items()
    }


@cache
def anywhere() -> re.Pattern[str]:
    """All patterns for prose in one, for text in small letters: most passages have nothing, and one search says so."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(term.text for term in TERMS.values() if term.text)})(?!\w)")


def in_text(file: Path) -> Iterator[tuple[str, str]]:
    """(term, place) of each use in prose."""
    for line, kind, text in prose.passages(file):
        if not anywhere().search(text.lower()):
            continue
        for word, (pattern, _) in patterns().items():
            for match in pattern.finditer(text) if pattern else ():
                at = line + text.count("\n", 0, match.start())
                yield word, f"line {at} ({kind}): “{match[0]}”; use: {TERMS[word].use}"


def in_names(file: Path) -> Iterator[tuple[str, str]]:
    """(term, place) of each name that is defined in a Python file, and of the file's own name.

    Names of tests are sentences: prose. Files of checks are called after the check, whose name is frozen.
    """
    if file.suffix != ".py":
        return
    defined = {} if "checks" in file.parts and not file.stem.startswith("_") else {file.stem: 0}
    for node in prose.nodes(file.read_text(encoding="utf-8")):
        for name in _defined(node):
            defined.setdefault(name, getattr(node, "lineno", 0))
    for name, line in defined.items():
        for word in _words_in(name):
            yield word, f"line {line} (name): {name}; use: {TERMS[word].use}"


@cache  # most names are in many files
def _words_in(name: str) -> list[str]:
    test = name.startswith("test_")
    return [
        word
        for word, (text, pattern) in patterns().items()
        if (text and text.search(name.replace("_", " ")) if test else pattern and _in_name(pattern, name))
    ]


def _in_name(pattern: re.Pattern[str], name: str) -> bool:
    return bool(pattern.search(name if pattern.pattern.startswith("^_?") else parts(name)))


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr


@cache
def uses() -> dict[str, dict[str, list[str]]]:
    """Term -> file -> places. The list of terms itself is left out."""
    found: dict[str, dict[str, list[str]]] = {word: {} for word in TERMS}
    for file in prose.files():
        if file != Path(__file__):
            name = file.relative_to(HOME).as_posix()
            for word, place in (*in_text(file), *in_names(file)):
                if name.startswith(TERMS[word].within):
                    found[word].setdefault(name, []).append(place)
    return found


@pytest.mark.parametrize("word", TERMS)
def test_one_word_for_each_idea(word: str) -> None:
    found = ratchet.difference(word, uses()[word], WRITTEN, COMMAND)
    assert not found, found


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("look", "a second look at the rows", True),
        ("look", "it is looked up in a table", False),
        ("talks", "the talks are read", True),
        ("talks", "a model that talks to users", False),
        ("rate", "a third of the rate", True),
        ("rate", "a third of the learning rate", False),
        ("rate", "see config-rate-unusual", False),
        ("rate", "the win rate of votes", False),
        ("held, aside", "held rows", True),
        ("held, aside", "held-out rows", False),
        ("cut", "the answer is cut at 512 tokens", True),
        ("cut", "a short cut", False),
        ("open (value)", "open values get a default", True),
        ("open (value)", "it opens the file", False),
    ],
)
def test_ordinary_english_is_no_fault(word: str, text: str, found: bool) -> None:
    pattern = patterns()[word][0]
    assert pattern is not None
    assert bool(pattern.search(text)) == found


def test_parts_of_names() -> None:
    assert parts("HeldRows_BT") == "held_rows_bt"
    name = patterns()["held, aside"][1]
    assert name is not None
    assert name.search("held_rows")
    assert not name.search("withheld")


if __name__ == "__main__":
    ratchet.write(uses(), WRITTEN)
