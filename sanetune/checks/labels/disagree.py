"""The engine's labels and the independent route differ on some token.

Measures: Every token of every document in the engine's batches: learnt or masked there, against what the message spans,
found by another route, say. Tokens on which tools differ with reason (white space behind the end token, what a template
adds inside a turn) are left out.
Matters: Two ways to the same labels have come to different ones. At least one of them is wrong, and nobody knows what
the run will learn.
Cause: Masks that were made for another template, by hand, or from a truncated text; or a template whose turns cannot be
told apart by their texts.
Fix: Look at the tokens shown. Where the engine is wrong, let sanetune make the labels (data.loss_on: assistant).
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed, warned

LIMITS = {
    "tokens": Limit(0, "the two routes agree on every token of 41 chat templates with three tokenizers"),
    "unread": Limit(
        0.01, "documents that the independent route cannot take apart: above this share it proves too little"
    ),
}


def measure(reading: BatchStats, settings: RunSettings) -> Measurement:
    if settings.loss_on == "all":
        raise NotApplicableError("every token is learnt (data.loss_on: all), whoever wrote it")
    names = ("tokens", "disagree", "disagree_documents", "documents", "unread")
    witnesses = reading.seen("disagree") or reading.seen("unread")
    return Measurement({name: reading.total(name) for name in names}, witnesses)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    documents = units.many(numbers["documents"], "document")
    if numbers["disagree"] > limits["tokens"]:
        return failed(
            f"{numbers['disagree']:,} of {units.many(numbers['tokens'], 'token')} are learnt by one route and masked by"
            f" the other, in {numbers['disagree_documents']:,} of {documents}"
        )
    if numbers["unread"] > limits["unread"] * numbers["documents"]:
        return warned(
            f"of {numbers['unread']:,} of {documents} the independent route cannot say who wrote the tokens",
            "Look at the rows shown: their ids are not those that their template and tokenizer give.",
        )
    return passed(f"both routes agree on {units.many(numbers['tokens'], 'token')} of {documents}")
