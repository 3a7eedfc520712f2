"""A report with every verdict, and texts that try to break out of what shows them."""

from __future__ import annotations

from sanetune.errors import Place
from sanetune.finding import Finding, Report, Verdict, Witness

EVIL = "<script>alert(1)</script> </script> <img src=x onerror=alert(2)> {{7*7}} [red]red[/red] \x1b[31mnow\x07 ]]>"
FILE = "data/train.jsonl"

MASKED = Finding(
    "labels-on-prompt",
    Verdict.FAIL,
    "12,345 of 40,000 tokens in the loss (30.9 %) are in user turns, although data.loss_on is assistant.",
    "The model spends its steps on learning to ask questions, and answers become like prompts.",
    "Mask everything but the assistant's turns.",
    {"in_loss": 40_000, "of_users": 12_345, "share": 0.308625, "by_role": {"user": 12_345, "system": 0}},
    [
        Witness(
            "user\nWhere is my parcel?\n",
            Place(FILE, 12, 11, 0),
            "18 tokens of this turn are in the loss",
            "",
            "train",
            1,
        ),
        Witness(f"user\n{EVIL}", Place(FILE, 3, 2), "all tokens are in the loss", "", "train", 0),
    ],
    {"data.loss_on": "assistant", "train.assistant_only_loss": True},
    {"share": 0.0},
    0.482,
)
DOUBLED = Finding(
    "rows-duplicated",
    Verdict.WARN,
    "31 of 1,500 rows (2.1 %) stand in the data more than once: 12 exactly, 19 nearly.",
    "Rows that are seen often are memorised, and the loss looks better than it is.",
    "Leave out the second of each pair.",
    {"rows": 1500, "exact": 12, "near": 19},
    [
        Witness(
            "Ann asks where her parcel is. The parcel left Hamburg on Monday and comes on Thursday.",
            Place(FILE, 812, 811),
            f"like {FILE}:44, 0.96 of their words are shared",
            "Ann asks where her parcel is. The parcel left Bremen on Monday and comes on Thursday.",
        ),
        *(Witness(f"again {n} " + "word " * 400, Place(FILE, 900 + n), "word for word", "again") for n in range(3)),
    ],
    {},
    {"exact": 0, "near": 0.01, "similarity": 0.85},
    3.21,
)
BROKEN = Finding(
    "tokens-unknown",
    Verdict.CRASH,
    "this check has a bug and proves nothing: ZeroDivisionError: division by zero",
    limits={"share": 0.01},
    traceback='Traceback (most recent call last):\n  File "tokens_unknown.py", line 31, in measure\n'
    "    share = unknown / total\n"
    "ZeroDivisionError: division by zero\n",
    seconds=0.002,
)
LEARNING_RATE = Finding(
    "config-rate-unusual",
    Verdict.WARN,
    "The learning rate 2e-05 is 5 times below the least published for LoRA (1e-04).",
    "LoRA learns about ten times slower at the same rate as full fine-tuning.",
    "Raise it.",
    {"rate": 2e-5, "low": 1e-4, "high": 5e-4, "method": "lora"},
    [Witness("learning_rate: 2e-5", Place("sanetune.yaml", 9))],
    {"train.learning_rate": 2e-4},
    {"times": 3},
    0.0004,
)
FINE = [
    Finding(
        "rows-roles", Verdict.PASS, "1,500 conversations: turns alternate and end with a reply.", numbers={"rows": 1500}
    ),
    Finding("template-double-bos", Verdict.PASS, "1,500 examples: none begins with two tokens of beginning."),
    Finding("tokens-cut-reply", Verdict.PASS, "No reply is cut: the longest example has 812 of 1,024 tokens."),
    Finding("labels-shifted", Verdict.PASS, "398,112 tokens: labels stand under their inputs.", seconds=0.2),
]
LEFT_OUT = [
    Finding("packs-dropped", Verdict.SKIP, "skipped: this run does not pack"),
    Finding("rows-leaked", Verdict.SKIP, "skipped: there is no validation data"),
]


def report() -> Report:
    """Every verdict, worst first."""
    return Report(
        [BROKEN, MASKED, DOUBLED, LEARNING_RATE, *FINE, *LEFT_OUT],
        "static",
        12.34,
        {"config": "sanetune.yaml", "model": "stories260k", "data": "1,500 rows of data/train.jsonl"},
        evidence_seconds={"config": 0.011, "rows": 0.52, "tokenizer": 0.61, "prepared": 6.2, "batch_stats": 1.3},
    )


def clear() -> Report:
    """Nothing to complain about."""
    return Report([*FINE, *LEFT_OUT], "static", 9.0, {"config": "sanetune.yaml"})
