"""The form of rows without a chat template is learned from the rows, or said to be unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.evidence.batch_documents import Document
from sanetune.evidence.row_format import RowFormat

HEADERS = ("### Response:", "\nAnswer:", " ASSISTANT:", "[/INST]", "\n<|assistant|>\n", "\n### Antwort:\n")
WORDS = ["river", "blue", "seven", "morning", "stone", "paper", "winter", "glass", "copper", "yellow", "sound", "north"]

_IDS: dict[str, int] = {}


def ids_of(text: str) -> list[int]:
    """One id for each piece: a word with the space before it, or a sign."""
    import re

    return [_IDS.setdefault(piece, len(_IDS)) for piece in re.findall(r" ?[A-Za-z]+|\s|[^A-Za-z\s]+", text)]


def decode(ids: Sequence[int]) -> str:
    pieces = {number: piece for piece, number in _IDS.items()}
    return "".join(pieces[token] for token in ids)


def document(prompt: str, answer: str, shift: int = 0, whole: bool = False) -> Document:
    """``shift``: tokens by which the border is late (or early, below 0)."""
    before, behind = ids_of(prompt), ids_of(answer)
    ids = np.array(before + behind)
    labels = np.where(np.arange(len(ids)) < (0 if whole else len(before) + shift), -100, ids)
    return Document(ids, labels)


def rows(header: str, count: int = 20, shift: int = 0, whole: bool = False) -> list[Document]:
    found = []
    for number in range(count):
        question = f"### Question: {WORDS[number % 12]} {WORDS[number // 12]} {WORDS[(number * 5) % 12]}"
        answer = f" {WORDS[(number * 7) % 12]} {WORDS[(number + 3) % 12]} {WORDS[number % 12]}."
        found.append(document(question + header, answer, shift, whole))
    return found


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_the_header_is_found_and_how_far_behind_it_the_loss_begins(header: str, shift: int) -> None:
    found = RowFormat.of(rows(header, shift=shift), decode)
    assert found.header.endswith(header.strip())
    assert (found.borders, found.late, found.late_tokens) == (20, 20 if shift else 0, 20 * shift)
    assert (found.whole, found.early) == (0, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.sampled_from(HEADERS))
def test_single_rows_whose_border_is_late_are_counted(late: int, header: str) -> None:
    mixed = rows(header)[late:] + rows(header, shift=1)[:late]
    assert RowFormat.of(mixed, decode).late == late


def test_a_loss_that_begins_inside_the_header_is_early() -> None:
    found = RowFormat.of(rows("### Response:", shift=-1), decode)
    assert (found.early, found.late) == (20, 0)


def test_answers_that_all_begin_alike_are_not_taken_for_a_header() -> None:
    alike = [document(f"Q: {word}\nA:", f' {{"colour": "{word}"}}') for word in WORDS]
    found = RowFormat.of(alike, decode)
    assert (found.late, found.early, found.header) == (0, 0, found.header)


def test_a_value_at_the_prompts_end_is_not_taken_for_an_answer() -> None:
    """``Category: river`` and a new line: the prompt ends there, and the answer is learned as a whole."""
    labelled = [document(f"Text: {word} {word}\nCategory: {word}", f"\n{other} glass") for word, other in
                zip(WORDS, reversed(WORDS), strict=True)]  # fmt: skip
    assert RowFormat.of(labelled, decode).late == 0


@pytest.mark.parametrize("header", ["\n### Answer:", "\n### Response:\n"])
def test_rows_learned_as_a_whole_tell_how_much_of_them_is_prompt(header: str) -> None:
    found = RowFormat.of(rows(header, whole=True), decode)
    assert found.header == header.strip()
    assert found.whole == 20
    prompts = sum(len(ids_of(decode([int(token) for token in one.ids_T]).split(header.strip())[0])) for one in
                  rows(header, whole=True))  # fmt: skip
    assert found.prompt_tokens == prompts


@pytest.mark.parametrize("text", ["Once upon a time", "import os\nimport sys\n", "Title: a story", "The answer is:"])
def test_plain_texts_have_no_prompt(text: str) -> None:
    texts = [document(f"{text} {word} {WORDS[-number]}", f" {word}. The end", whole=True) for number, word in
             enumerate(WORDS)]  # fmt: skip
    found = RowFormat.of(texts, decode)
    assert (found.header, found.whole) == ("", 0)


def test_few_rows_prove_nothing() -> None:
    assert RowFormat.of(rows("### Response:", count=7, shift=1), decode).late == 0
    assert RowFormat.of([], decode) == RowFormat(0)


def test_masks_that_end_anywhere_inside_the_prompts_are_told_by_the_header_behind() -> None:
    prompts = [f"Question: {one} {WORDS[-n]} {WORDS[n // 2]} {one}\nAnswer:" for n, one in enumerate(WORDS)]
    off = [-(4 + n % 3) if n % 4 else 0 for n in range(len(prompts))]
    found = RowFormat.of([document(one, " blue glass.", by) for one, by in zip(prompts, off, strict=True)], decode)
    assert (found.header, found.inside, found.inside_tokens) == ("Answer:", sum(by < 0 for by in off), -sum(off))


def test_headers_inside_answers_say_nothing_about_prompts_without_one() -> None:
    thought = [
        document(f"{WORDS[-n]} {one}? {WORDS[n // 2]} {one}", f"\nThought: {one} {n}\nAnswer: {one}.", n % 3)
        for n, one in enumerate(WORDS)
    ]
    assert RowFormat.of(thought, decode).inside == 0


@pytest.mark.parametrize(("end", "begin"), [("?\n", "{0}.\nAnswer: {1}"), ("", "\n{0}.\nAnswer: {1}")])
def test_whole_prompts_with_a_header_before_answers_that_have_one_further_on_are_no_fault(end: str, begin: str) -> None:
    """A question, then reasoning and its result: the loss begins right, and not before a header by chance."""
    some = [
        document(f"Question: {one} {WORDS[5 - n]} {WORDS[n // 2]}{end}", begin.format(f"{one} {WORDS[n // 3]}", one))
        for n, one in enumerate(WORDS)
    ]
    assert RowFormat.of(some, decode).inside == 0


def test_a_special_token_that_closes_the_header_is_early_in_the_loss() -> None:
    opened = rows("### Response:", shift=-1)
    sign = int(opened[0].ids_T[int(opened[0].in_loss_T.argmax())])
    assert RowFormat.of(opened, decode, opening=frozenset({sign})).early == 20
    assert RowFormat.of(rows("### Response:"), decode, opening=frozenset({sign})).early == 0
