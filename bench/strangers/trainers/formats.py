"""``python -m bench.strangers.trainers.formats``: whether the layout of rows is learned, over formats and tokenizers.

Prompt and answer are tokenized apart, so that the border is known; then it is moved, or taken away.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.strangers.trainers.material import SHARED, alpaca, chats, gpt2, gsm8k, llama, minimind

TOPICS = ("physics", "biology", "law", "history", "art", "music", "sports", "math", "food", "travel")

FORMATS = {
    "alpaca": ("### Instruction:\n{q}\n\n### Response:", "\n"),
    "alpaca, no line": ("### Instruction:\n{q}\n\n### Response:", ""),
    "question": ("Question: {q}\nAnswer:", " "),
    "letters": ("Q: {q}\nA:", " "),
    "inst": ("[INST] {q} [/INST]", " "),
    "human": ("Human: {q}\n\nAssistant:", " "),
    "sharps": ("### Human: {q}\n### Assistant:", " "),
    "vicuna": ("A chat. USER: {q} ASSISTANT:", " "),
    "zephyr": ("<|user|>\n{q}\n<|assistant|>\n", ""),
    "input": ("Input: {q}\nOutput:\n", ""),
    "arrow": ("{q} ->", " "),
    "summary": ("Summarize:\n{q}\n\nSummary:\n", ""),
    "tldr": ("{q}\n\nTL;DR:", " "),
    "languages": ("English: {q}\nFrench:", " "),
    "dolly": ("Below is an instruction.\n\nInstruction:\n{q}\n\nResponse:\n", ""),
    "tags": ("<question>{q}</question>\n<answer>", ""),
    "sharps alone": ("{q}\n\n###\n\n", " "),
    "bot": ("<human>: {q}\n<bot>:", " "),
    "German": ("Frage: {q}\nAntwort:", " "),
    "bold": ("**Question**\n{q}\n\n**Answer**\n", ""),
    "category": ("Text: {q}\nCategory: {c}\n", ""),
    "nothing": ("{q}", " "),
}
"""Prompt, and what is before the answer: several forms share a header, the last ones nothing."""
UNKNOWN = ("nothing", "category")
"""With a prompt that ends in a value of its own, no text is shared before the answers."""


def data() -> dict[str, list[tuple[str, str]]]:
    """Questions and answers."""
    maths = [(row["question"], row["answer"]) for row in gsm8k()[:120]]
    return {
        "alpaca": [(f"{row['instruction']}\n{row['input']}".strip(), row["output"]) for row in alpaca()[:120]],
        "gsm8k": maths,
        "sharegpt": [(chat[0]["content"], chat[1]["content"]) for chat in chats()[:120] if len(chat) > 1],
        "classes": [(question, ("good", "bad", "mixed")[at % 3]) for at, (question, _) in enumerate(maths)],
        "json": [(question, '{"answer": "' + answer + '"}') for question, answer in maths],
    }


def tokenizers() -> dict[str, Any]:
    from transformers import PreTrainedTokenizerFast

    file = str(SHARED / "tokenizers" / "dolma2" / "tokenizer.json")
    dolma = PreTrainedTokenizerFast(tokenizer_file=file, eos_token="<|endoftext|>")
    return {"gpt2": gpt2().tokenizer, "llama": llama().tokenizer, "minimind": minimind().tokenizer, "dolma2": dolma}


def cases(quick: bool) -> Iterator[tuple[str, str, str, str, Any]]:
    """Format, data, tokenizer, what is done to the border, and the layout that was learned."""
    from sanetune.evidence.roles_from_ids import decoded
    from sanetune.evidence.row_format import RowFormat

    for name, tokenizer in tokenizers().items():
        special = frozenset(token for token in (tokenizer.bos_token_id, tokenizer.eos_token_id) if token is not None)
        for source, rows in data().items():
            for number, layout in enumerate(FORMATS):
                for kind in ("right", "late", "whole") if not quick or number % 4 == 0 else ():
                    made = [_document(tokenizer, layout, at, row, kind) for at, row in enumerate(rows)]
                    yield layout, source, name, kind, RowFormat.of(made, partial(decoded, tokenizer), special)


def _document(tokenizer: Any, layout: str, number: int, row: tuple[str, str], kind: str) -> Any:
    import numpy as np

    from sanetune.evidence.batch_documents import Document

    prompt, between = FORMATS[layout]
    before = tokenizer(prompt.format(q=row[0], c=TOPICS[number % len(TOPICS)]))["input_ids"]
    behind = tokenizer(between + row[1], add_special_tokens=False)["input_ids"]
    texts = [tokenizer.decode([token]) for token in behind]
    first = next((at for at, text in enumerate(texts) if any(map(str.isalnum, text))), 0)
    ids = np.array([*before, *behind, tokenizer.eos_token_id])
    masked = {"right": len(before), "late": len(before) + first + 1, "whole": 0}[kind]
    return Document(ids, np.where(np.arange(len(ids)) < masked, -100, ids))


def verdict(layout: str, source: str, kind: str, found: Any) -> str:
    """What is right about it: nothing false on clean rows, the fault where the rows can tell."""
    if kind == "right":
        return "false" if found.late or found.early or found.whole else "right"
    said_so = found.late if kind == "late" else found.whole
    if said_so:
        return "right"
    hidden = layout in UNKNOWN or (
        kind == "late" and source == "json"
    )  # a sign that all answers share may be the header
    lone = kind == "whole" and layout in ("arrow", "tldr", "sharps alone", "category")  # one header is no layout
    return "unknown" if hidden or lone else "missed"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every fourth format")
    counts: Counter[tuple[str, str]] = Counter()
    for layout, source, tokenizer, kind, found in cases(parser.parse_args(arguments).quick):
        said = verdict(layout, source, kind, found)
        counts[kind, said] += 1
        if said in ("false", "missed"):
            print(f"{said}: {layout}, {source}, {tokenizer}, {kind}: {found.header!r}, late {found.late}", flush=True)
    for kind in ("right", "late", "whole"):
        print(kind, {said: count for (which, said), count in sorted(counts.items()) if which == kind})
    return 1 if any(said in ("false", "missed") for _, said in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
