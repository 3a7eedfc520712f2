"""Training scripts as people write them get the findings that are right, and no others.

In two processes, ``two_processes`` is run by ``tests/evidence/test_several_processes.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scripts.running import fill, names, report_of

PADDED = frozenset({"batches-padding"})
"""Advice: full packs would save time."""


@dataclass(frozen=True)
class Right:
    """The checks that fail and that warn, and whether the batches can be read at all."""

    fails: str = ""
    warns: str = ""
    unproved: bool = False


PROMPTS = "labels-on-prompt"
RIGHT = {
    "accumulation": Right(),
    "alpaca": Right(),
    "curriculum": Right(warns="batches-order"),
    "fastchat": Right(),
    "flattening": Right(),
    "group_texts": Right(),
    "lm_collator_pad_is_eos": Right("labels-on-padding", PROMPTS),
    "metrics": Right(),
    "multipack": Right(),
    "open_assistant": Right(),
    "own_loader": Right(warns="batches-order"),
    "own_loss": Right(),
    "own_optimizer": Right(),
    "phi3_sample": Right(f"template-end-unlearnt {PROMPTS}"),
    "plain_masked": Right(),
    "qlora": Right(),
    "qwen_finetune": Right(warns="labels-disagree"),
    "response_key": Right(),
    "responses_only": Right(),
    "resume": Right(),
    "seq2seq_collator": Right(),
    "set_transform": Right(),
    "stream_constant_length": Right(),
    "stream_hub": Right(),
    "stream_once": Right(unproved=True),
    "trl_assistant_only": Right(),
    "trl_defaults": Right(PROMPTS),
    "trl_packed_lora": Right(),
    "trl_padding_free": Right(),
    "trl_prompt_completion": Right(),
    "trl_rendered_text": Right(f"template-end-unlearnt {PROMPTS}"),
    "two_processes": Right(),
    "validation_sets": Right(),
}


def test_every_script_is_in_the_table() -> None:
    assert names() == sorted(RIGHT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("scripts"))


@pytest.mark.parametrize("name", RIGHT)
def test_a_script_gets_the_findings_that_are_right(folder: Path, name: str) -> None:
    report, right = report_of(name, folder), RIGHT[name]
    found = {
        one.check: f"{one.verdict}: {one.message}" for one in report.findings if one.verdict not in ("pass", "skip")
    }
    expected = dict.fromkeys(right.fails.split(), "fail") | dict.fromkeys(right.warns.split(), "warn")
    kept = {check: text for check, text in found.items() if check not in PADDED}
    assert {check: text.partition(":")[0] for check, text in kept.items()} == expected, kept
    assert report.is_unproved == right.unproved
