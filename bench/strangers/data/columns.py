"""Rows in columns: names that differ, text beside the prompt, rows of other tasks than this one."""

from __future__ import annotations

from collections.abc import Iterator

from bench.strangers.data.case import Case, Row, chat, some

NOTE = "It is known that shelf {n} in room {room} holds the {thing} of the year {year}."
THINGS = ("letters", "maps", "ledgers", "photographs", "seeds", "clocks", "coins")


def note(n: int) -> str:
    """A sentence that no other row has, and that the question needs."""
    return NOTE.format(n=n, room=n % 9 + 11, thing=THINGS[n % 7], year=1801 + 3 * n)


def rows(question: str, answer: str, /, **more: str) -> list[Row]:
    """Real pairs under these names; ``more``: a column -> "note" (a sentence per row), "think", or a fixed text."""
    texts = {"note": note, "think": lambda n: f"First recall shelf {n}. {note(n)} So the answer follows."}
    return [
        {question: q, answer: a} | {name: texts[kind](n) if kind in texts else kind for name, kind in more.items()}
        for n, (q, a) in enumerate(some())
    ]


def known() -> Iterator[Case]:
    """Names that are read: as the prompt, the answer, what joins the prompt, the reasoning."""
    q, a = some()[3]
    names = [
        ("instruction", "output"), ("Instruction", "Output"), ("question", "answer"), ("prompt", "completion"),
        ("prompt", "response"), ("query", "response"), ("input", "output"), ("user", "assistant"),
        ("Question", "Answer"), ("INSTRUCTION", "RESPONSE"),
    ]  # fmt: skip
    for question, answer in names:
        yield Case(f"{question}/{answer}", {"train.jsonl": rows(question, answer)}, in_loss=(a,), masked=(q,))
    for name in ("context", "input"):
        made = rows("instruction", "output", **{name: "note"})
        yield Case(f"instruction/{name}/output", {"train.jsonl": made}, in_loss=(a,), masked=(q, note(3)))
    made = rows("question", "answer", context="note")
    yield Case("question/context/answer", {"train.jsonl": made}, in_loss=(a,), masked=(q, note(3)))
    system = "You answer short and plain questions about our archive."
    made = rows("prompt", "completion", system=system)
    yield Case("system/prompt/completion", {"train.jsonl": made}, in_loss=(a,), masked=(q, system))
    for name in ("reasoning", "reasoning_content", "thinking"):
        made = [{"messages": [chat(*pair)[0], chat(*pair)[1] | {name: note(n)}]} for n, pair in enumerate(some())]
        yield Case(f"messages with {name}", {"train.jsonl": made}, in_loss=(a, note(3)), masked=(q,))
    made = rows("prompt", "completion", id="17", source="https://archive.example/page", created_at="2024-05-01")
    yield Case("columns about the row", {"train.jsonl": made}, in_loss=(a,), masked=(q,))


def unread() -> Iterator[Case]:
    """Text that nothing would read: used, or named."""
    for name in ("passage", "document", "article", "background", "table", "schema", "evidence", "paragraph"):
        made = rows("question", "answer", **{name: "note"})
        yield either(f"question/{name}/answer", made, note(3))
    for name in ("cot", "rationale", "explanation", "solution_steps"):
        yield either(f"question/{name}/answer", rows("question", "answer", **{name: "think"}), "First recall shelf 3.")
    made = rows("instruction", "output", question="note")
    yield either("question beside instruction", made, note(3))
    made = rows("prompt", "completion", input="note")
    yield either("input beside prompt", made, note(3))
    for name in ("thought", "reasoning_details", "notes", "attachments", "context"):
        made = [{"messages": [chat(*pair)[0] | {name: note(n)}, chat(*pair)[1]]} for n, pair in enumerate(some())]
        yield either(f"messages with {name}", made, note(3))


def either(name: str, made: list[Row], text: str) -> Case:
    """The text is in the examples, or ``rows-fields-unused`` names its column."""
    return Case(name, {"train.jsonl": made}, named=("rows-fields-unused",), unless_read=text)


def other_tasks() -> Iterator[Case]:
    """Preferences, verdicts, reply trees, self-instruct, multiple choice, pictures."""
    good, bad = some(40), some(40, 40)
    preferred = [{"prompt": q, "chosen": a, "rejected": b} for (q, a), (_, b) in zip(good, bad, strict=True)]
    yield Case("DPO in texts", {"train.jsonl": preferred}, in_loss=(good[2][1],), absent=(bad[2][1],))
    preferred = [
        {"chosen": chat(q, a), "rejected": chat(q, b), "score_chosen": 8.0}
        for (q, a), (_, b) in zip(good, bad, strict=True)
    ]
    yield Case("DPO in messages", {"train.jsonl": preferred}, in_loss=(good[2][1],), absent=(bad[2][1],))
    judged = [{"prompt": q, "completion": a, "label": True} for q, a in good]
    judged += [{"prompt": q, "completion": b, "label": False} for (q, _), (_, b) in zip(good, bad, strict=True)]
    yield Case("KTO in texts", {"train.jsonl": judged}, in_loss=(good[2][1],), absent=(bad[2][1],))
    judged = [
        {"prompt": chat(q, a)[:1], "completion": chat(q, a)[1:], "label": one % 2 == 0}
        for one, (q, a) in enumerate(good)
    ]
    yield Case("KTO in messages", {"train.jsonl": judged}, in_loss=(good[2][1],), absent=(good[3][1],))
    instances = [{"instruction": q, "instances": [{"input": "", "output": a}]} for q, a in good]
    yield Case("self-instruct", {"train.jsonl": instances}, in_loss=(good[2][1],), masked=(good[2][0],))
    choice = [
        {"question": q, "choices": [a, b, "None of them at all."], "answer": 0}
        for (q, a), (_, b) in zip(good, bad, strict=True)
    ]
    yield Case("multiple choice by number, of 0 or of 1 on", {"train.jsonl": choice}, refused=("number",))
    letters = [row | {"answer": "A"} for row in choice]
    yield Case("multiple choice by letter", {"train.jsonl": letters}, masked=(good[2][1], bad[2][1]))
    pictures = [
        {"image": f"pictures/{n}.png", "question": f"<image>\n{q}", "answer": a} for n, (q, a) in enumerate(good)
    ]
    yield Case("pictures", {"train.jsonl": pictures}, refused=("image",))
    pictures = [{"images": [f"{n}.png"], "messages": chat(f"<image>{q}", a)} for n, (q, a) in enumerate(good)]
    yield Case("pictures in messages", {"train.jsonl": pictures}, refused=("image",))
    tree = [
        {
            "message_tree_id": f"t{n}", "tree_state": "ready_for_export",
            "prompt": {
                "message_id": f"t{n}", "text": q, "role": "prompter",
                "replies": [
                    {"message_id": f"t{n}b", "text": b, "role": "assistant", "rank": 1, "replies": []},
                    {"message_id": f"t{n}a", "text": a, "role": "assistant", "rank": 0, "replies": []},
                ],
            },
        }
        for n, ((q, a), (_, b)) in enumerate(zip(good, bad, strict=True))
    ]  # fmt: skip
    yield Case("reply trees", {"train.jsonl": tree}, in_loss=(good[2][1],), masked=(good[2][0],), absent=(bad[2][1],))
    flat: list[Row] = []
    for n, ((q, a), (_, b)) in enumerate(zip(good, bad, strict=True)):
        flat += [
            {"message_id": f"{n}", "parent_id": None, "text": q, "role": "prompter", "rank": None},
            {"message_id": f"{n}a", "parent_id": f"{n}", "text": a, "role": "assistant", "rank": 0.0},
            {"message_id": f"{n}b", "parent_id": f"{n}", "text": b, "role": "assistant", "rank": 1.0},
        ]
    flat = [row | {"message_tree_id": row["message_id"].rstrip("ab")} for row in flat]
    yield Case("reply trees, a message per row", {"train.jsonl": flat}, in_loss=(good[2][1],), masked=(good[2][0],))


def nested() -> Iterator[Case]:
    """Fields in fields, dialogues under other names, parts of content."""
    q, a = some()[2]
    deep = [{"task": {"text": q}, "result": {"answers": [{"text": a}]}} for q, a in some()]
    fields = {"prompt": "task.text", "completion": "result.answers.0.text"}
    yield Case("nested fields", {"train.jsonl": deep}, {"fields": fields}, in_loss=(a,), masked=(q,))
    names = [("speaker", "text"), ("from", "value"), ("author", "content"), ("role", "text")]
    for who, what in names:
        dialogue = [{"dialogue": [{who: "user", what: q}, {who: "assistant", what: a}]} for q, a in some()]
        yield Case(f"dialogue of {who}/{what}", {"train.jsonl": dialogue}, {"fields": {"messages": "dialogue"}},
                   in_loss=(a,), masked=(q,))  # fmt: skip
    for key in ("text", "value"):
        parts = [
            {"messages": [{"role": role, "content": [{"type": "text", key: text}]} for role, text in
                          (("user", q), ("assistant", a))]}
            for q, a in some()
        ]  # fmt: skip
        yield Case(f"typed parts with {key}", {"train.jsonl": parts}, in_loss=(a,), masked=(q,))


KINDS = {"known columns": known, "unread columns": unread, "other tasks": other_tasks, "nested": nested}
