"""Rows with the columns of further data sets of the Hub: preferences, reasoning, texts beside, rendered copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.strangers.data.case import Case, Row, chat, some
from bench.strangers.data.hub import SYSTEM, THOUGHT, TOOL, gpt

REJECTED = "I would rather not say anything about that, number {n}."
BESIDE = "A text of its own, number {n}, that is beside the question and says what shelf {n} holds."


@dataclass(frozen=True)
class Shape:
    """One data set's rows, and what is right.

    Attributes:
        row: Makes one of its number, a question, and an answer.
        refused: Words of the error, where it cannot be known what is meant.
        beside: Whether :data:`BESIDE` is in the rows, and has to be read or named.
        more: Texts of row 3 that are in the loss, beside the answer.
        before: Texts of row 3 that are in its prompt, beside the question.
        absent: Texts of row 3 that are in no example.
        named: Checks of which one has to speak.
    """

    row: Callable[[int, str, str], Row]
    refused: tuple[str, ...] = ()
    beside: bool = False
    more: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


def rendered(q: str, a: str) -> str:
    """As Alpaca's ``text`` column has it."""
    return f"Below is an instruction.\n\n### Instruction:\n{q}\n\n### Response:\n{a}"


def worse(n: int) -> str:
    return REJECTED.format(n=n)


def beside(n: int) -> str:
    return BESIDE.format(n=n)


REASONED = "<|begin_of_thought|>\n\n{t}\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n{a}\n\n<|end_of_solution|>"
NOT_WANTED = (worse(3),)
UNREAD = ("rows-fields-unused",)

SHAPES: dict[str, Shape] = {
    "ultrafeedback_binarized": Shape(
        lambda n, q, a: {"prompt": q, "prompt_id": f"p{n}", "chosen": chat(q, a), "rejected": chat(q, worse(n)),
                         "messages": chat(q, a), "score_chosen": 8.5, "score_rejected": 4.0}, absent=NOT_WANTED),
    "capybara-dpo-7k": Shape(
        lambda n, q, a: {"source": "Airoboros", "conversation": [{"input": q, "output": worse(n)}],
                         "original_response": worse(n), "chosen": chat(q, a), "rejected": chat(q, worse(n)),
                         "rating_chosen": 5, "rating_rejected": 4}, absent=NOT_WANTED, named=UNREAD),
    "orca_dpo_pairs": Shape(
        lambda n, q, a: {"system": SYSTEM, "question": q, "chosen": a, "rejected": worse(n)}, before=(SYSTEM,),
        absent=NOT_WANTED),
    "hh-rlhf": Shape(
        lambda n, q, a: {"chosen": f"\n\nHuman: {q}\n\nAssistant: {a}",
                         "rejected": f"\n\nHuman: {q}\n\nAssistant: {worse(n)}"}, absent=NOT_WANTED),
    "UltraFeedback": Shape(
        lambda n, q, a: {"source": "evol_instruct", "instruction": q, "models": ["a", "b"],
                         "completions": [{"model": "a", "response": a}, {"model": "b", "response": worse(n)}],
                         "correct_answers": ["None"], "incorrect_answers": ["None"]}, ("prompt: instruction",)),
    "Nectar": Shape(
        lambda n, q, a: {"prompt": f"\n\nHuman: {q}\n\nAssistant: ", "turns": 1, "num_responses": 2,
                         "answers": [{"answer": a, "model": "gpt-4", "rank": 1.0},
                                     {"answer": worse(n), "model": "llama", "rank": 2.0}]}, ("prompt: prompt",)),
    "HelpSteer3": Shape(
        lambda n, q, a: {"domain": "general", "language": "english", "context": chat(q), "response1": a,
                         "response2": worse(n), "overall_preference": -2}, ("context", "response1")),
    "PKU-SafeRLHF": Shape(
        lambda n, q, a: {"prompt": q, "response_0": a, "response_1": worse(n), "is_response_0_safe": True,
                         "is_response_1_safe": False, "better_response_id": 0}, ("completion: response_0",)),
    "SHP": Shape(
        lambda n, q, a: {"post_id": f"x{n}", "domain": "askculinary", "history": q, "human_ref_A": a,
                         "human_ref_B": worse(n), "labels": 1}, ("history", "human_ref_A")),
    "webgpt_comparisons": Shape(
        lambda n, q, a: {"question": {"dataset": "eli5", "id": f"i{n}", "full_text": q}, "answer_0": a,
                         "answer_1": worse(n), "score_0": 0.5, "score_1": -0.5}, ("question.full_text", "answer_0")),
    "chatbot_arena": Shape(
        lambda n, q, a: {"question_id": f"x{n}", "model_a": "a", "model_b": "b", "winner": "model_a",
                         "conversation_a": chat(q, a), "conversation_b": chat(q, worse(n)), "turn": 1},
        ("messages: conversation_a",)),
    "OpenMathInstruct-2": Shape(
        lambda n, q, a: {"problem": q, "generated_solution": a, "expected_answer": str(n), "problem_source": "math"},
        ("completion: generated_solution",)),
    "OpenThoughts": Shape(
        lambda n, q, a: {"system": SYSTEM, "conversations": [
            {"from": "user", "value": q},
            {"from": "assistant", "value": REASONED.format(t=THOUGHT.format(n=n), a=a)}]},
        more=(THOUGHT.format(n=3),), before=(SYSTEM,)),
    "OpenR1-Math": Shape(
        lambda n, q, a: {"problem": q, "solution": beside(n), "answer": str(n), "uuid": f"u{n}",
                         "generations": [f"<think>{THOUGHT.format(n=n)}</think>\n\n{a}", worse(n)],
                         "correctness_math_verify": [True, False],
                         "messages": chat(q, f"<think>\n{THOUGHT.format(n=n)}\n</think>\n\n{a}")}, beside=True),
    "GeneralThought": Shape(
        lambda n, q, a: {"question_id": n, "question": q, "reference_answer": str(n), "model_name": "R1",
                         "model_answer": a, "model_reasoning": THOUGHT.format(n=n)},
        ("prompt: question", "completion: model_answer")),
    "Chinese-DeepSeek-R1": Shape(
        lambda n, q, a: {"input": q, "content": a, "reasoning_content": THOUGHT.format(n=n), "repo_name": "x",
                         "score": 9}, ("prompt: input", "completion: content")),
    "Magpie": Shape(
        lambda n, q, a: {"uuid": f"u{n}", "model": "llama", "input": q, "output": a, "conversations": gpt(q, a),
                         "difficulty": "easy", "intent": "The user wants to know something.",
                         "knowledge": "One has to know what is asked.", "task_category": "Information seeking"}),
    "MetaMathQA": Shape(
        lambda n, q, a: {"type": "MATH_Rephrased", "query": q, "original_question": beside(n), "response": a},
        beside=True),
    "python_code_instructions": Shape(
        lambda n, q, a: {"instruction": q, "input": "", "output": a, "prompt": rendered(q, a)}),
    "alpaca with text": Shape(lambda n, q, a: {"instruction": q, "input": "", "output": a, "text": rendered(q, a)}),
    "Magicoder-OSS": Shape(
        lambda n, q, a: {"lang": "python", "raw_index": n, "index": n, "seed": beside(n), "problem": q,
                         "solution": a}, beside=True),
    "self-oss-instruct": Shape(
        lambda n, q, a: {"fingerprint": None, "sha1": f"{n:040x}", "seed": beside(n), "response": a,
                         "concepts": ["lists"], "prompt": beside(n), "instruction": q, "id": n}, beside=True),
    "cosmopedia": Shape(
        lambda n, q, a: {"prompt": q, "text_token_length": 12, "text": a, "seed_data": "web", "format": "blogpost",
                         "audience": "general"}, ("completion: text",)),
    "github-code": Shape(
        lambda n, q, a: {"code": f"def f_{n}():\n    return {a!r}\n", "repo_name": "a/b", "path": "a.py",
                         "language": "Python", "license": "mit", "size": 40}, ("text: code",)),
    "openassistant-guanaco": Shape(
        lambda n, q, a: {"text": f"### Human: {q}### Assistant: {a}"}, named=("rows-markup", "labels-on-prompt")),
    "natural-instructions": Shape(
        lambda n, q, a: {"task_name": "task001", "id": f"t{n}", "definition": beside(n), "inputs": q, "targets": a},
        beside=True),
    "WebInstructSub": Shape(
        lambda n, q, a: {"orig_question": beside(n), "orig_answer": beside(n), "source": "x", "question": q,
                         "answer": a, "index": n}, beside=True),
    "pubmed_qa": Shape(
        lambda n, q, a: {"pubid": n, "question": q, "context": {"contexts": [beside(n)], "labels": ["AIM"]},
                         "long_answer": a, "final_decision": "yes"}, ("completion: long_answer",)),
    "hotpot_qa": Shape(
        lambda n, q, a: {"id": f"x{n}", "question": q, "answer": a, "type": "bridge", "level": "hard",
                         "context": {"title": ["Shelf"], "sentences": [[beside(n)]]}}, beside=True),
    "sciq": Shape(
        lambda n, q, a: {"question": q, "distractor1": "a b", "distractor2": "c d", "distractor3": "e f",
                         "correct_answer": a, "support": beside(n)}, ("completion: correct_answer",)),
    "boolq": Shape(lambda n, q, a: {"question": q, "passage": beside(n), "answer": n % 2 == 0}, ("true/false",)),
    "glaive-function-calling": Shape(
        lambda n, q, a: {"sample": f"SYSTEM: {SYSTEM}\n\nUSER: {q}\n\nASSISTANT: {a} <|endoftext|>"},
        ("messages: sample",)),
    "Toucan": Shape(
        lambda n, q, a: {"uuid": f"u{n}", "subset_name": "single-turn", "question": q,
                         "messages": json.dumps(chat(q, a)),
                         "available_tools": json.dumps([{"type": "function", "function": TOOL}])}),
    "alpaca in two languages": Shape(
        lambda n, q, a: {"instruction": q, "input": "", "output": a, "instruction_zh": beside(n),
                         "output_zh": beside(n)}, beside=True),
}  # fmt: skip
"""Name -> rows, and what is right about them, as written down before they were read."""


def further() -> Iterator[Case]:
    """Data sets that are read, refused with what to name, or whose unread columns are named."""
    question, answer = some()[3]
    for name, shape in SHAPES.items():
        rows = [shape.row(n, q, a) for n, (q, a) in enumerate(some())]
        if shape.refused:
            yield Case(name, {"train.jsonl": rows}, refused=shape.refused)
            continue
        whole = "openassistant" in name
        yield Case(
            name,
            {"train.jsonl": rows},
            named=UNREAD if shape.beside else shape.named,
            unless_read=beside(3) if shape.beside else "",
            in_loss=(answer, *shape.more),
            masked=() if whole else (question, *shape.before),
            absent=shape.absent,
        )


KINDS = {"further Hub data sets": further}
