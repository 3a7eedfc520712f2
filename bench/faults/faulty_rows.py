"""Faults of the rows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from bench.faults.recipes import breaks
from bench.faults.setups import Row, Setup, change, places, to_messages

ON = ("demo-demo", "stories-alpaca", "stories-sharegpt", "llama3-gsm8k")
CONVERSATIONS = ("demo-demo", "stories-alpaca", "llama3-sharegpt")
LONG = ("demo-demo", "stories-gsm8k", "llama3-gsm8k")
"""Rows of more than 30 words, among which near copies can be told."""


def some(setup: Setup, every: int, new: Callable[[str], str]) -> None:
    """Changes the answers of every so-many-th row."""
    rows = setup.rows()
    setup.write(
        [change(row, "assistant", new, setup.row_format) if n % every == 0 else row for n, row in enumerate(rows)]
    )


def conversations(setup: Setup, every: int, new: Callable[[list[Row]], list[Row]]) -> None:
    """Changes the messages of every so-many-th row."""
    rows = setup.as_messages()
    setup.write([{**row, "messages": new(row["messages"])} if n % every == 0 else row for n, row in enumerate(rows)])


@breaks("rows-unreadable", on=ON)
def lines_cut_off(setup: Setup) -> None:
    """Five lines end in the middle of their JSON."""
    lines = [json.dumps(row) for row in setup.rows()]
    lines = [line[: len(line) // 2] if n in (3, 40, 41, 77, 90) else line for n, line in enumerate(lines)]
    setup.write_text("\n".join(lines) + "\n")


@breaks("rows-unreadable", on=ON)
def latin_1_among_utf_8(setup: Setup) -> None:
    """Eight rows are encoded in Latin-1, the others in UTF-8."""
    rows = [change(row, "assistant", lambda text: text + " (café)", setup.row_format) for row in setup.rows()]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    coded = [line.encode("latin-1", "replace") if n % 20 == 0 else line.encode() for n, line in enumerate(lines)]
    setup.write_text("")
    (setup.folder / "train.jsonl").write_bytes(b"\n".join(coded) + b"\n")


@breaks("rows-unreadable", on=ON)
def unknown_columns(setup: Setup) -> None:
    """Every tenth row has its texts under names that nobody knows."""
    rows = setup.rows()
    setup.write([{"q1": str(row), "a1": "?"} if n % 10 == 0 else row for n, row in enumerate(rows)])


@breaks("rows-unreadable", on=CONVERSATIONS)
def unknown_role(setup: Setup) -> None:
    """Every tenth row has a turn by the narrator."""
    conversations(setup, 10, lambda messages: [{"role": "narrator", "content": "It was late."}, *messages])


# Where nobody asks, inference has no prompt that the template could be compared with: some rows are refused for it.
@breaks("rows-roles", on=("demo-demo", "stories-alpaca", "llama3-gsm8k"), related=("template-refuses",))
def nobody_asks(setup: Setup) -> None:
    """Every fifth row is an answer without a question."""
    conversations(setup, 5, lambda messages: [messages[-1]])


@breaks("rows-roles", on=CONVERSATIONS, related=("template-refuses",))
def roles_the_wrong_way_round(setup: Setup) -> None:
    """In every row the user speaks as the assistant, and the assistant as the user."""
    other = {"user": "assistant", "assistant": "user"}
    conversations(setup, 1, lambda messages: [one | {"role": other.get(one["role"], one["role"])} for one in messages])


@breaks("rows-roles", on=CONVERSATIONS)
def answers_twice(setup: Setup) -> None:
    """In every fifth row the assistant speaks twice in a row."""
    more = {"role": "assistant", "content": "And one thing more: tell me how it went."}
    conversations(setup, 5, lambda messages: [*messages, more])


@breaks("rows-roles", on=CONVERSATIONS)
def system_in_the_middle(setup: Setup) -> None:
    """In every fifth row a system message precedes the last answer."""
    system = {"role": "system", "content": "Answer briefly."}
    conversations(setup, 5, lambda messages: [*messages[:-1], system, messages[-1]])


@breaks("rows-roles", on=CONVERSATIONS)
def ends_on_the_user(setup: Setup) -> None:
    """Every fifth row ends on a question without an answer."""
    conversations(setup, 5, lambda messages: [*messages, {"role": "user", "content": "And what about tomorrow?"}])


@breaks("rows-roles", on=CONVERSATIONS)
def user_split_in_two(setup: Setup) -> None:
    """In every fifth row one question is sent as two messages."""
    conversations(setup, 5, lambda messages: [{"role": "user", "content": "Hello."}, *_asked(messages)])


@breaks("rows-tool-calls", on=("demo-demo", "stories-alpaca", "minimind-sharegpt"))
def result_nobody_called_for(setup: Setup) -> None:
    """In every fifth row a tool answers that nobody has called."""
    result = {"role": "tool", "content": "42 degrees", "name": "weather"}
    conversations(setup, 5, lambda messages: [*messages[:-1], result, messages[-1]])


# A row whose only answer is blank has no answer and only masked labels: these two say so.
@breaks("rows-empty-reply", on=CONVERSATIONS, related=("rows-duplicated", "rows-outliers"))
def answers_are_the_questions(setup: Setup) -> None:
    """The answer of every row is its question: one column was read twice."""
    conversations(setup, 1, lambda messages: [*messages[:-1], messages[-1] | {"content": messages[-2]["content"]}])


@breaks("rows-empty-reply", on=ON, related=("packs-dropped", "rows-roles"))
def blank_answers(setup: Setup) -> None:
    """Every tenth answer is blank."""
    some(setup, 10, lambda text: " ")


@breaks("rows-empty-reply", on=ON)
def placeholders(setup: Setup) -> None:
    """Every tenth answer is [insert answer here]."""
    some(setup, 10, lambda text: "[insert answer here]")


@breaks("rows-empty-reply", on=ON)
def null_answers(setup: Setup) -> None:
    """Every twentieth answer is the word null, as missing values become."""
    some(setup, 20, lambda text: "null")


@breaks("rows-duplicated", on=ON)
def rows_joined_twice(setup: Setup) -> None:
    """Every fourth training row is in the file twice."""
    kept, _ = setup.split()
    setup.write(kept + kept[::4])


@breaks("rows-duplicated", on=LONG)
def rows_reworded(setup: Setup) -> None:
    """A fifth of the training rows are repeated with two words changed."""
    kept, _ = setup.split()
    long = [row for row in kept if _words(row, setup.row_format) >= 45]
    again = [_reworded(row, n, setup.row_format) for n, row in enumerate(long[: len(kept) // 5])]
    setup.write(kept + again)


@breaks("rows-leaked", on=ON)
def validation_in_training(setup: Setup) -> None:
    """Every fifth validation row is in training too."""
    kept, validation = setup.split()
    setup.write(kept + validation[::5])


@breaks("rows-leaked", on=LONG)
def validation_reworded_in_training(setup: Setup) -> None:
    """A third of the validation rows are in training with two words changed."""
    kept, validation = setup.split()
    long = [row for row in validation if _words(row, setup.row_format) >= 45]
    setup.write(kept + [_reworded(row, n, setup.row_format) for n, row in enumerate(long[: len(validation) // 3])])


@breaks("rows-leaked", on=("demo-demo", "stories-gsm8k", "llama3-gsm8k"))
def validation_prompts_in_training(setup: Setup) -> None:
    """Every third validation row is in training with another answer."""
    kept, validation = setup.split()
    other = [
        change(row, "assistant", lambda text: "That is not known yet, sorry.", setup.row_format)
        for row in validation[::3]
    ]
    setup.write(kept + [_numbered(row, n, setup.row_format) for n, row in enumerate(other)])


@breaks("rows-leaked", on=("demo-demo", "minimind-demo"))
def validation_inside_longer_training_rows(setup: Setup) -> None:
    """Every third validation row is the beginning of a longer training conversation."""
    kept, validation = setup.split()
    more = to_messages(kept[0], setup.row_format)["messages"]
    longer = [{"messages": to_messages(row, setup.row_format)["messages"] + more[-2:]} for row in validation[::3]]
    setup.write(kept + longer)


CAFE = " That’s a café — Zürich."


@breaks("rows-encoding", on=ON)
def mojibake(setup: Setup) -> None:
    """Every tenth answer holds UTF-8 that was read as Windows-1252."""
    some(setup, 10, lambda text: text + CAFE.encode().decode("cp1252"))


@breaks("rows-encoding", on=ON)
def replaced_characters(setup: Setup) -> None:
    """Every tenth answer holds replacement characters."""
    some(setup, 10, lambda text: text + CAFE.replace("é", "\ufffd"))


@breaks("rows-encoding", on=ON)
def terminal_colours(setup: Setup) -> None:
    """Every tenth answer holds the escapes of a terminal."""
    some(setup, 10, lambda text: f"\x1b[31m{text}\x1b[0m")


@breaks("rows-encoding", on=ON)
def zero_width_spaces(setup: Setup) -> None:
    """Every tenth answer holds zero-width spaces."""
    some(setup, 10, lambda text: text.replace(" ", " \u200b", 2))


@breaks("rows-secrets", on=ON)
def a_key(setup: Setup) -> None:
    """One answer tells an API key."""
    _once(setup, " Use sk-proj-8fJq2LmZx0aVb7RtYw3KcN5d for it.")


@breaks("rows-secrets", on=ON)
def an_address(setup: Setup) -> None:
    """One answer tells an e-mail address."""
    _once(setup, " Write to erika.mustermann@posteo.de for it.")


@breaks("rows-secrets", on=ON)
def a_card(setup: Setup) -> None:
    """One answer tells a card number."""
    _once(setup, " Charge it to 4539 1488 0343 6467.")


@breaks("rows-outliers", on=ON)
def one_endless_answer(setup: Setup) -> None:
    """One answer is a log of 12,000 characters."""
    line = "{0:02d}:{1:02d} worker {2} wrote part {0} of file {1}; "
    log = "".join(line.format(n % 24, n % 60, n) for n in range(300))
    _once(setup, " " + log[:12_000])


@breaks("rows-outliers", on=("demo-demo", "stories-gsm8k", "llama3-gsm8k"))
def one_letter_answer(setup: Setup) -> None:
    """One answer was truncated after its first letter."""
    rows = setup.rows()
    rows[7] = change(rows[7], "assistant", lambda text: text[:1], setup.row_format)
    setup.write(rows)


@breaks("rows-outliers", on=("demo-demo", "stories-alpaca", "llama3-gsm8k"))
def one_refusal_for_all(setup: Setup) -> None:
    """Every other row has one and the same answer."""
    some(setup, 2, lambda text: "I am sorry, but I cannot help with that request.")


@breaks("rows-outliers", on=ON)
def one_opening_for_all(setup: Setup) -> None:
    """Every other answer begins with the same sentence."""
    some(setup, 2, lambda text: f"Certainly, here is what you have asked for. {text}")


def _once(setup: Setup, more: str) -> None:
    rows = setup.rows()
    holder, key = list(places(rows[7], "assistant", setup.row_format))[-1]
    holder[key] += more
    setup.write(rows)


def _asked(messages: list[Row]) -> list[Row]:
    return [one for one in messages if one["role"] != "system"]


def _words(row: Row, format_: str) -> int:
    return sum(len(holder[key].split()) for role in ("user", "assistant") for holder, key in places(row, role, format_))


def _numbered(row: Row, number: int, format_: str) -> Row:
    """Another answer for each row: the same one many times would be another fault."""
    return change(row, "assistant", lambda text: f"{text} Ask again in {number + 2} days.", format_)


def _reworded(row: Row, seed: int, format_: str) -> Row:
    """``row`` with one word of the question and one of the answer replaced."""
    chance = random.Random(seed)

    def another(text: str) -> str:
        words = text.split(" ")
        words[chance.randrange(len(words))] = "perhaps"
        return " ".join(words)

    again = change(row, "assistant", lambda text: text, format_)
    for role in ("user", "assistant"):
        holder, key = next(places(again, role, format_))
        holder[key] = another(holder[key])
    return again
