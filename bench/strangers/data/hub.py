"""Rows with the columns of well-known data sets and services: read as what they are, or refused with what to name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from bench.strangers.data.case import Case, Row, chat, some

SYSTEM = "You answer people who ask about daily life."
THOUGHT = "Someone wants to know this: number {n} of my list. I recall what is known about it."
Made = Callable[[int, str, str], Row]


def gpt(*turns: str) -> list[Row]:
    """Messages as ShareGPT writes them."""
    return [{"from": ("human", "gpt")[n % 2], "value": turn} for n, turn in enumerate(turns)]


def parts(*turns: str) -> list[Row]:
    """Messages as Google writes them."""
    return [{"role": ("user", "model")[n % 2], "parts": [{"text": turn}]} for n, turn in enumerate(turns)]


def exported(n: int, question: str, answer: str) -> Row:
    """A conversation of a ChatGPT export with a second answer that was not kept."""
    said = [("system", ""), ("user", question), ("assistant", "I would rather not say."), ("assistant", answer)]
    nodes: Row = {"root": {"id": "root", "message": None, "parent": None, "children": ["0"]}}
    for number, ((role, text), above) in enumerate(zip(said, ("root", "0", "1", "1"), strict=True)):
        message = {"id": str(number), "author": {"role": role, "name": None, "metadata": {}}, "recipient": "all",
                   "content": {"content_type": "text", "parts": [text]}, "weight": 1.0, "metadata": {}}  # fmt: skip
        children = [str(one) for one in range(4) if ("root", "0", "1", "1")[one] == str(number)]
        nodes[str(number)] = {"id": str(number), "message": message, "parent": above, "children": children}
    about = {"title": f"Question of the day, number {n}", "create_time": 1.7e9 + n, "default_model_slug": "gpt-4o"}
    return {**about, "mapping": nodes, "current_node": "3", "conversation_id": f"c{n}"}


READ: dict[str, Made] = {
    "openhermes": lambda n, q, a: {"conversations": gpt(q, a), "category": "orca", "source": "airoboros2.2",
                                   "skip_prompt_formatting": False, "system_prompt": None, "id": None},
    "slimorca": lambda n, q, a: {"conversations": [{"from": "system", "value": SYSTEM, "weight": None},
                                                   {"from": "human", "value": q, "weight": 0.0},
                                                   {"from": "gpt", "value": a, "weight": 1.0}]},
    "openorca": lambda n, q, a: {"id": f"niv.{n}", "system_prompt": SYSTEM, "question": q, "response": a},
    "ultrachat_200k": lambda n, q, a: {"prompt": q, "prompt_id": f"f0e3{n}", "messages": chat(q, a)},
    "no_robots": lambda n, q, a: {"prompt": q, "prompt_id": f"x{n}", "messages": chat(q, a), "category": "Open QA"},
    "tulu-3": lambda n, q, a: {"id": f"oasst1_{n}", "messages": chat(q, a), "source": "ai2-adapt-dev/oasst1"},
    "smoltalk": lambda n, q, a: {"messages": chat(q, a), "source": "smol-magpie-ultra"},
    "wildchat": lambda n, q, a: {
        "conversation_hash": f"h{n}", "model": "gpt-4", "timestamp": "2023-04-09", "turn": 1, "language": "English",
        "conversation": [m | {"language": "English", "redacted": False, "toxic": False, "turn_identifier": n,
                              "header": {"user-agent": "Mozilla"}} for m in chat(q, a)],
        "openai_moderation": [{"categories": {"hate": False}, "flagged": False}], "toxic": False, "redacted": False,
    },
    "lmsys-chat-1m": lambda n, q, a: {"conversation_id": f"c{n}", "model": "vicuna-13b", "conversation": chat(q, a),
                                      "turn": 1, "language": "English", "redacted": False},
    "dolly": lambda n, q, a: {"instruction": q, "context": "", "response": a, "category": "open_qa"},
    "airoboros": lambda n, q, a: {"category": "qa", "instruction": q, "response": a, "system": SYSTEM},
    "codealpaca": lambda n, q, a: {"output": a, "instruction": q, "input": ""},
    "evol_instruct": lambda n, q, a: {"idx": f"e{n}", "conversations": gpt(q, a)},
    "open-platypus": lambda n, q, a: {"input": "", "output": a, "instruction": q, "data_source": "MATH/PRM-800K"},
    "helpsteer2": lambda n, q, a: {"prompt": q, "response": a, "helpfulness": 3, "correctness": 4, "verbosity": 2},
    "capybara": lambda n, q, a: {"source": "Amplify", "conversation": [{"input": q, "output": a}]},
    "lima": lambda n, q, a: {"conversations": [q, a], "source": "stackexchange"},
    "flan": lambda n, q, a: {"inputs": q, "targets": a, "task_source": "Flan2021", "_template_idx": n},
    "aya": lambda n, q, a: {"inputs": q, "targets": a, "language": "English", "annotation_type": "re-annotations"},
    "firefly": lambda n, q, a: {"kind": "OpenQA", "input": q, "target": a},
    "medical-o1": lambda n, q, a: {"Question": q, "Complex_CoT": THOUGHT.format(n=n), "Response": a},
    "cot-collection": lambda n, q, a: {"source": q, "target": a, "rationale": THOUGHT.format(n=n), "task": "qa",
                                       "type": "CoT"},
    "nemotron": lambda n, q, a: {"input": chat(q, a)[:1], "output": a, "category": "chat", "license": "cc-by-4.0",
                                 "reasoning": "off", "generator": "R1", "used_in_training": "yes", "version": "v1"},
    "dolphin-r1": lambda n, q, a: {"messages": chat(q, a)[:1], "reasoning": THOUGHT.format(n=n), "answer": a,
                                   "model": "R1"},
    "codefeedback": lambda n, q, a: {"query": q, "answer": a, "resource": "evolinstruct", "lang": "python"},
    "numinamath-cot": lambda n, q, a: {"source": "olympiads", "problem": q, "solution": a, "messages": chat(q, a)},
    "xsum": lambda n, q, a: {"document": q, "summary": a, "id": str(n)},
    "cnn_dailymail": lambda n, q, a: {"article": q, "highlights": a, "id": f"{n:040x}"},
    "samsum": lambda n, q, a: {"id": str(n), "dialogue": q, "summary": a},
    "natural questions": lambda n, q, a: {"question": q, "answer": [a]},
    "natural instructions": lambda n, q, a: {"Definition": [SYSTEM], "Instances": [{"id": f"t-{n}", "input": q,
                                                                                      "output": [a]}]},
    "sql-create-context": lambda n, q, a: {"question": q, "context": f"CREATE TABLE t{n} (name VARCHAR)", "answer": a},
    "turns by role": lambda n, q, a: {"messages": [{"user": q}, {"assistant": a}]},
    "sequences as lists": lambda n, q, a: {"conversations": {"from": ["human", "gpt"], "value": [q, a]}},
    "JSON in a column": lambda n, q, a: {"messages": json.dumps(chat(q, a)), "instance_id": f"i{n}", "resolved": True},
    "Gemini": lambda n, q, a: {"contents": parts(q, a)},
    "Gemini with instruction": lambda n, q, a: {"systemInstruction": {"role": "system", "parts": [{"text": SYSTEM}]},
                                                "contents": parts(q, a)},
    "Bedrock": lambda n, q, a: {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": SYSTEM}],
                                "messages": [m | {"content": [{"text": m["content"]}]} for m in chat(q, a)]},
    "Anthropic": lambda n, q, a: {
        "system": SYSTEM,
        "messages": [m | {"content": [{"type": "text", "text": m["content"]}]} for m in chat(q, a)]},
    "Vertex": lambda n, q, a: {"input_text": q, "output_text": a},
    "ChatGPT export": exported,
    "Claude export": lambda n, q, a: {
        "uuid": f"u{n}", "name": "Questions of the day", "created_at": "2024-05-01", "account": {"uuid": "me"},
        "chat_messages": [{"uuid": f"{n}{m['role']}", "sender": {"user": "human"}.get(m["role"], m["role"]),
                           "text": m["content"], "content": [{"type": "text", "text": m["content"]}],
                           "created_at": "2024-05-01", "attachments": [], "files": []} for m in chat(q, a)],
    },
}  # fmt: skip
"""Name -> the row of one question and answer; all of them are read without a finding."""


def pair(prompt: str, completion: str) -> dict[str, str]:
    """``data.fields`` for a question and its reply."""
    return {"prompt": prompt, "completion": completion}


ASKED: dict[str, tuple[Made, tuple[str, ...] | None, dict[str, str]]] = {
    "squad": (lambda n, q, a: {"title": "Life", "question": q, "answers": {"text": [a], "answer_start": [n]}},
              ("question", "answers.text.0"), {"prompt": "question", "completion": "answers.text.0"}),
    "triviaqa": (lambda n, q, a: {"question": q, "answer": {"value": a, "aliases": []}},
                 ("COLUMN.value",), pair("question", "answer.value")),
    "several answers": (lambda n, q, a: {"question": q, "answers": [a, "Nobody knows."]},
                        None, pair("question", "answers.0")),
    "wmt": (lambda n, q, a: {"translation": {"en": q, "de": a}},
            ("translation.en",), {"prompt": "translation.en", "completion": "translation.de"}),
    "spider": (lambda n, q, a: {"db_id": "x", "query": a, "question": q, "query_toks": a.split()},
               None, pair("question", "query")),
    "stack exchange": (lambda n, q, a: {"qid": n, "question": q, "response_j": a, "response_k": "Nobody knows."},
                       None, pair("question", "response_j")),
    "eli5": (lambda n, q, a: {"q_id": f"5{n}", "title": q, "selftext": "", "answers": {"a_id": ["1"], "text": [a]}},
             ("title", "answers.text.0"), {"prompt": "title", "completion": "answers.text.0"}),
    "gretel": (lambda n, q, a: {"id": n, "sql_prompt": q, "sql": a, "domain": "life"},
               ("sql_prompt",), {"prompt": "sql_prompt", "completion": "sql"}),
    "s1K": (lambda n, q, a: {"question": q, "solution": a, "cot_type": "math", "source_type": "x"},
            None, pair("question", "solution")),
    "synthetic-1": (lambda n, q, a: {"id": f"x{n}", "prompt": q, "llm_response": a, "score": 1.0},
                    None, pair("prompt", "llm_response")),
    "distilabel": (lambda n, q, a: {"instruction": q, "generation": a, "model_name": "m"},
                   None, pair("instruction", "generation")),
    "ultrachat": (lambda n, q, a: {"id": str(n), "data": [q, a]}, ("messages: data",), {"messages": "data"}),
    "dialogues": (lambda n, q, a: {"dialog": [q, a], "act": [1, 2]}, ("messages: dialog",), {"messages": "dialog"}),
    "sharegpt52k": (lambda n, q, a: {"id": f"x{n}", "items": gpt(q, a)}, ("messages: items",), {"messages": "items"}),
    "nested structs": (lambda n, q, a: {"sample": {"turns": chat(q, a)}, "meta": {"lang": "en"}},
                       ("messages: sample.turns",), {"messages": "sample.turns"}),
    "glaive": (lambda n, q, a: {"system": f"SYSTEM: {SYSTEM}",
                                "chat": f"USER: {q}\n\n\nASSISTANT: {a} <|endoftext|>\n\n\n"},
               ("messages: chat",), {"messages": "chat"}),
    "camel": (lambda n, q, a: {"role_1": "Asker", "message_1": q, "message_2": a},
              ("message_1",), {"prompt": "message_1", "completion": "message_2"}),
}  # fmt: skip
"""Name -> the row, words of the error without ``data.fields`` (None: the fields), and those with which it is read."""


def read() -> Iterator[Case]:
    """Data sets and exports that are read as they are."""
    question, answer = some()[3]
    for name, row in READ.items():
        rows = [row(n, q, a) for n, (q, a) in enumerate(some())]
        thought = (THOUGHT.format(n=3),) if THOUGHT.format(n=3) in json.dumps(rows[3]) else ()
        system = (SYSTEM,) if SYSTEM in json.dumps(rows[3]) else ()
        yield Case(name, {"train.jsonl": rows}, in_loss=(answer, *thought), masked=(question, *system))


def asked() -> Iterator[Case]:
    """Data sets that need ``data.fields``: refused with the columns, and read with them."""
    question, answer = some()[3]
    for name, (row, words, fields) in ASKED.items():
        rows = [row(n, q, a) for n, (q, a) in enumerate(some())]
        named = tuple(f"{key}: {path}" for key, path in fields.items())
        yield Case(f"{name}, as it is", {"train.jsonl": rows}, refused=words or named)
        yield Case(
            f"{name}, with fields", {"train.jsonl": rows}, {"fields": fields}, in_loss=(answer,), masked=(question,)
        )


TOOL = {"name": "look_up", "description": "Finds what is known.",
        "parameters": {"type": "object", "properties": {"words": {"type": "string"}},
                       "required": ["words"]}}  # fmt: skip


def calls() -> Iterator[Case]:
    """Tool calls in every way in which data sets and services write them."""
    question, answer = some()[3]
    made: dict[str, Callable[[int, str, str, Row], Row]] = {
        "xlam": lambda n, q, a, v: {"id": n, "query": q, "answers": json.dumps([{"name": "look_up", "arguments": v}]),
                                    "tools": json.dumps([TOOL])},
        "apigen-mt": lambda n, q, a, v: {
            "conversations": [{"from": "human", "value": q},
                              {"from": "function_call", "value": json.dumps({"name": "look_up", "arguments": v})},
                              {"from": "observation", "value": a}, {"from": "gpt", "value": a}],
            "tools": json.dumps([TOOL]), "system": SYSTEM},
        "anthropic": lambda n, q, a, v: {
            "messages": [{"role": "user", "content": q},
                         {"role": "assistant", "content": [{"type": "tool_use", "id": f"t{n}", "name": "look_up",
                                                            "input": v}]},
                         {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{n}", "content": a}]},
                         {"role": "assistant", "content": a}],
            "tools": [{"input_schema" if k == "parameters" else k: one for k, one in TOOL.items()}]},
        "google": lambda n, q, a, v: {
            "contents": [*parts(q), {"role": "model", "parts": [{"functionCall": {"name": "look_up", "args": v}}]},
                         {"role": "user", "parts": [{"functionResponse": {"name": "look_up", "response": {"r": a}}}]},
                         *parts("", a)[1:]],
            "tools": [{"functionDeclarations": [TOOL]}]},
        "openai": lambda n, q, a, v: {
            "messages": [{"role": "user", "content": q},
                         {"role": "assistant", "content": None,
                          "tool_calls": [{"id": f"t{n}", "type": "function",
                                          "function": {"name": "look_up", "arguments": json.dumps(v)}}]},
                         {"role": "tool", "tool_call_id": f"t{n}", "content": a},
                         {"role": "assistant", "content": a}],
            "tools": [{"type": "function", "function": TOOL}]},
    }  # fmt: skip
    made["hermes"] = lambda n, q, a, v: {
        "id": f"x{n}", "tools": json.dumps([{"type": "function", "function": TOOL}]), "task": "search",
        "conversations": [
            {"from": "system", "value": f"You are a function calling AI model. <tools> {json.dumps([TOOL])} </tools>"},
            {"from": "human", "value": q},
            {"from": "gpt", "value": f"<tool_call>\n{json.dumps({'name': 'look_up', 'arguments': v})}\n</tool_call>"},
            {"from": "tool", "value": f"<tool_response>\n{json.dumps({'r': a})}\n</tool_response>"},
            {"from": "gpt", "value": a}],
    }  # fmt: skip
    made["toolace"] = lambda n, q, a, v: {
        "system": f"You are an expert in composing functions.\n{json.dumps([TOOL])}",
        "conversations": [{"from": "user", "value": q},
                          {"from": "assistant", "value": f"[look_up(words=\"{v['words']}\")]"},
                          {"from": "tool", "value": json.dumps([{"name": "look_up", "results": {"r": a}}])},
                          {"from": "assistant", "value": a}],
    }  # fmt: skip
    for name, row in made.items():
        rows = [row(n, q, a, {"words": f"number {n} of the list"}) for n, (q, a) in enumerate(some())]
        said = (answer,) if name != "xlam" else ()
        found: dict[str, Any] = {"in_loss": ("number 3 of the list", *said), "masked": (question,)}
        yield Case(name, {"train.jsonl": rows}, **found)
        if name == "hermes":
            yield Case(f"{name} on llama3", {"train.jsonl": rows}, family="llama3", **found)


def options() -> Iterator[Case]:
    """Multiple choice by letter: the options stand below the question."""
    (question, first), (_, second) = some()[3], some()[4]
    labelled: dict[str, Callable[[str, list[str]], Row]] = {
        "arc": lambda q, both: {"question": q, "choices": {"text": both, "label": ["A", "B"]}, "answerKey": "A"},
        "openbookqa": lambda q, both: {"question_stem": q, "choices": {"text": both, "label": ["A", "B"]},
                                       "answerKey": "B"},
        "commonsenseqa": lambda q, both: {"question": q, "question_concept": "life", "answerKey": "A",
                                          "choices": {"label": ["A", "B"], "text": both}},
        "race": lambda q, both: {"question": q, "options": both, "answer": "B", "example_id": "high1.txt"},
    }  # fmt: skip
    for name, row in labelled.items():
        pairs = zip(some(60), some(60, 1), strict=True)
        rows = [row(f"{q} ({n})", [a, b]) for n, ((q, a), (_, b)) in enumerate(pairs)]
        # Two letters are all that there is to learn, and many rows have the same: a finding about that is right.
        yield Case(name, {"train.jsonl": rows}, masked=(f"{question} (3)", first, second))


KINDS = {"Hub data sets": read, "columns to name": asked, "calls of services": calls, "options by letter": options}
