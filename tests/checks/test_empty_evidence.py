"""A check that has nothing to inspect is skipped with its reason: it neither passes nor warns."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.curves.series import Curve
from sanetune.data.template.chat_template import CHATML
from sanetune.evidence.batch_stats import BatchStats, SplitStats
from sanetune.evidence.data_loss import DataLoss, RefusedRows
from sanetune.evidence.prompt_answer_overlap import PromptAnswerOverlap, association
from sanetune.evidence.registry import Evidence
from sanetune.evidence.saved_template import SavedTemplate
from sanetune.finding import Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.runner import run
from sanetune.probes.results import (
    AddedTokens,
    BatchIndependence,
    FirstStep,
    PackingIsolation,
    Samples,
    StartLoss,
)
from tests.checks.chats import chats
from tests.checks.run_numbers import numbers
from tests.checks.template_material import Words, template

SETTINGS = ("config",)
"""Families that judge settings alone, which are always there."""
ELSEWHERE = {"template-missing", "template-unsafe", "rows-unreadable"}
"""They inspect the tokenizer or at the file, which are there without a row."""


def empty(**more: Any) -> Evidence:
    """Every piece of evidence that can be made without a model, with nothing in it."""
    pieces = {
        "run_settings": numbers(),
        "conversations": chats([]),
        "batch_stats": BatchStats(SplitStats("train", 0), SplitStats("validation", 0)),
        "tokenizer": Words(added_tokens_decoder={}, all_special_tokens=[], additional_special_tokens=[]),
        "template": template(CHATML),
        "saved_template": SavedTemplate(CHATML, CHATML),
        "dropped_texts": [],
        "stop_tokens": frozenset({2}),
        "refused_rows": RefusedRows(0, 0, []),
        "data_loss": DataLoss(0),
        "config": load({"model": {"name": "x"}, "data": {"train": "x.jsonl"}}),
        "curve": Curve(),
        "packing_isolation": PackingIsolation(packed=True),
        "accumulation": None,
        "batch_independence": BatchIndependence(0, 0, 0.0, 0.0, False),
        "first_step": FirstStep(2.0, 1e-4, "float32", {}),
        "added_tokens": AddedTokens(0),
        "prompt_answer_overlap": PromptAnswerOverlap(association(chats([])), None, []),
        "save_reload": None,
        "start_loss": StartLoss(0.0, 0, 100),
        "samples": Samples(),
    }
    return Evidence({}, pieces | more)


def names() -> list[str]:
    """Checks whose evidence :func:`empty` has."""
    there = set(empty())
    found = [name for name, check in catalogue().items() if set(check.needs) <= there]
    return [name for name in found if catalogue()[name].family not in SETTINGS and name not in ELSEWHERE]


@pytest.mark.parametrize("name", names())
def test_a_check_of_nothing_is_skipped(name: str) -> None:
    finding = run([catalogue()[name]], empty())[0]
    if name == "labels-none":  # no row to train on at all is its fault
        assert finding.verdict is Verdict.FAIL
        return
    assert finding.verdict is Verdict.SKIP, finding.message + finding.traceback
    assert len(finding.message) > len("skipped: ")


@pytest.mark.parametrize("name", [name for name in names() if "batch_stats" in catalogue()[name].needs])
def test_documents_nobody_can_judge_are_no_proof(name: str) -> None:
    """Sixty documents without roles, format, padding or labels: what is said of them is not that all is well."""
    split = SplitStats("train", 0, documents=60, batches=15, tokens=600, roles_unknown=60, unlabelled=15)
    found = BatchStats(split, own_loss=True, labels_unproved="the loss needs a teacher")
    finding = run([catalogue()[name]], empty(batch_stats=found, data_loss=DataLoss(60)))[0]
    inspected = {
        "template-double-bos",
        "tokens-outside-vocabulary",
        "tokens-unknown",
        "batches-padding",
        "packs-dropped",
    }
    assert finding.verdict is (Verdict.PASS if name in inspected else Verdict.SKIP), finding.message
