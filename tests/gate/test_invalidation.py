"""After a change of a key, what depends on it is made again, and nothing else."""

from __future__ import annotations

import pytest

from sanetune.evidence.catalogue import catalogue as declarations
from sanetune.evidence.registry import Evidence
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.invalidation import BATCHES, SCHEDULE, group_of, is_void, still_valid

BUILT = Evidence({}, dict.fromkeys(declarations(), "built"))
PASSED = Report([Finding(name, Verdict.PASS, "fine") for name in catalogue()])

ROWS = {
    "tokenizer",
    "template",
    "read_sources",
    "rows",
    "conversations",
    "preparation",
    "refused_rows",
    "prepared",
    "data_loss",
    "stop_tokens",
    "saved_template",
    "role_derivation",
    "dropped_texts",
    "token_roles",
}
PASSES = {
    "batch_stats",
    "critical_lr",
    "start_loss",
    "accumulation",
    "batch_independence",
    "packing_isolation",
    "added_tokens",
    "save_reload",
    "rank_comparison",
    "own_evaluation",
    "overfit",
    "previous_lr_comparison",
}
"""``previous_lr_comparison``: what becomes of the learning-rate comparison."""


@pytest.mark.parametrize(
    ("changed", "evidence", "families"),
    [
        (["train.learning_rate"], ROWS | PASSES, {"rows", "template", "tokens", "labels", "packs", "batches", "model"}),
        (["train.weight_decay"], ROWS | PASSES - {"previous_lr_comparison"}, {"rows", "labels", "batches", "model"}),
        (["train.per_device_train_batch_size"], ROWS, {"rows", "template", "tokens", "labels"}),
        (["train.learning_rate", "model.dtype"], ROWS, {"rows", "template", "tokens", "labels"}),
        (["train.learning_rate", "train.max_length"], set(), set()),
        (["model.chat_template"], set(), set()),
    ],
)
def test_what_holds_after_a_change(changed: list[str], evidence: set[str], families: set[str]) -> None:
    found = still_valid(BUILT, PASSED, changed)
    assert set(found.evidence) == evidence
    assert {name.split("-")[0] for name in found.findings} >= families
    assert bool(found.findings) == bool(families)


def test_findings_about_the_learning_rate_are_made_again_when_it_changes() -> None:
    found = still_valid(BUILT, PASSED, ["train.learning_rate"]).findings
    void = {"model-update-lost", "model-rate-critical", "model-pairs-shuffled", "config-few-steps", "machine-slow"}
    assert not void & set(found) and "model-accumulation-bias" in found


def test_only_what_was_passed_and_built_holds() -> None:
    report = Report([Finding("labels-none", verdict, "said") for verdict in Verdict if verdict is not Verdict.PASS])
    found = still_valid(Evidence({"tokenizer": lambda: "t"}), report, ["train.learning_rate"])
    assert not found.evidence and not found.findings


def test_a_key_is_in_one_group_and_can_be_named_by_itself() -> None:
    assert not SCHEDULE & BATCHES
    assert [group_of(key) for key in ("train.max_steps", "train.bf16", "data.holdout")] == [
        "schedule",
        "batches",
        "rows",
    ]
    assert is_void(("train.weight_decay",), ["train.weight_decay"])
    assert not is_void(("rows", "train.weight_decay"), ["train.learning_rate"])
