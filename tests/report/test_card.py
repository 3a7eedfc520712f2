from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from ruamel.yaml import YAML

from sanetune.engine.adapters import Frozen
from sanetune.engine.answer import Answer
from sanetune.engine.base import Outcome
from sanetune.engine.metrics import Record
from sanetune.probes.results import Comparison, Sample
from sanetune.report.card import Card, card_of, compared_figures, render, truncated_answers

WHOLE = {"stopped_early": False, "best_step": 30, "validation_loss": 1.5}


def a_card(base: str = "HuggingFaceTB/SmolLM2-135M", **ended: Any) -> Card:
    config = SimpleNamespace(
        model=SimpleNamespace(name=base, revision="abc123", adapter=None, quantization=None),
        data=SimpleNamespace(train=[SimpleNamespace(path="rows.jsonl")], loss_on="assistant"),
        train=SimpleNamespace(given={"learning_rate": 2e-5, "num_train_epochs": 3.0, "output_dir": "/secret"}),
    )
    figures = {"base_validation_loss": 2.5, "best_validation_loss": 1.5, **WHOLE, **ended}
    outcome = Outcome(
        steps=30, epochs=3.0, train_loss=1.23456, resumed_from=None, seconds=60.0, tokens=23456, loss_tokens=12345,
        records=[Record(30, 3.0, 61.7, "train", 1.2)], frozen=Frozen({}, 100, 200), **figures,
    )  # fmt: skip
    return card_of(
        config,
        outcome,
        stats={"rows": 1100, "read": 1100, "shared_tokens": 0},
        versions={"torch": "2.13.0", "peft": None},
        name="x",
    )


def test_the_card_tells_base_data_method_figures_settings_and_use() -> None:
    text = render(a_card())
    for words in (
        "`HuggingFaceTB/SmolLM2-135M` (revision `abc123`)", "all weights", "`rows.jsonl`", "all assistant turns",
        "rows that were read, to train and to validate on: 1,100", "validation loss, best | 1.5 |", "| steps | 30 |",
        "learning\\_rate | 2e-05", "seconds, evaluations and saves included | 62 |", "pipeline(", "torch | 2.13.0",
    ):  # fmt: skip
        assert words in text
    assert "/secret" not in text
    assert "peft" not in text


def test_a_run_that_ended_after_its_best_step_says_so() -> None:
    text = render(a_card(stopped_early=True, best_step=20, validation_loss=1.75))
    assert "| steps | 30, ended early |" in text
    assert "| validation loss, best | 1.5 at step 20 |" in text and "| validation loss at the end | 1.75 |" in text


def test_a_loss_that_is_worse_than_the_base_is_not_given_as_the_best_without_saying_so() -> None:
    text = render(a_card(best_validation_loss=2.75, validation_loss=2.75))
    assert "| validation loss, best | 2.75, worse than the base |" in text
    assert "worse" not in render(a_card())
    assert "worse" not in render(a_card(base_validation_loss=None))


def test_the_data_are_told_in_words_and_without_what_is_none() -> None:
    data = render(a_card()).split("## Data")[1].split("##")[0]
    assert "shared" not in data and "- read:" not in data


def test_its_header_is_yaml_and_names_only_a_base_of_the_hub() -> None:
    header = YAML(typ="safe").load(render(a_card()).split("---")[1])
    assert header["base_model"] == "HuggingFaceTB/SmolLM2-135M"
    assert header["tags"] == ["sft", "sanetune"]
    assert "base_model" not in YAML(typ="safe").load(render(a_card("/home/me/model")).split("---")[1])


def test_it_says_how_the_run_was_cleared_and_what_warned() -> None:
    assert "## Clearance" not in render(a_card())
    text = render(replace(a_card(), gate=["Cleared at level trial on 2026-11-21", "rows-duplicated: 3 copies."]))
    assert "## Clearance\n\n**Cleared at level trial on 2026-11-21**\n\n- rows-duplicated: 3 copies.\n\n##" in text


def test_a_reason_to_train_unchecked_cannot_break_out() -> None:
    reason = "Not checked: <img src=x> **[a](javascript:b)**\n\n# Cleared\n| a |"
    text = render(replace(a_card(), gate=[reason]))
    assert "\\<img src=x\\> \\*\\*\\[a\\](javascript:b)\\*\\* \\# Cleared \\| a \\|" in text
    assert "\n# Cleared" not in text


def test_names_cannot_break_out_of_the_page() -> None:
    card = Card("<script>|x", "a`b\n# c", None, "lora", ["s"], "all", figures={"a|b": "c\nd"})
    text = render(card)
    assert "\n# c" not in text
    assert "\\<script\\>\\|x" in text
    assert "| a\\|b | c d |" in text


def test_both_models_are_compared_in_a_table_of_what_was_measured() -> None:
    answers = [Answer("a", ended=ended, tokens=tokens) for ended, tokens in ((False, 90), (True, 11))]
    samples = [Sample([{"role": "user", "content": "Hm?"}], None, *answers)] * 3
    comparison = Comparison(samples, "base", "tuned", 2.5, 1.23456)
    text = render(replace(a_card(), compared=compared_figures(comparison), badge="cleared: trial"))
    assert "| validation loss, nats per token | 2.5000 | 1.2346 |" in text
    assert "| answers that end by themselves | 0 of 3 | 3 of 3 |" in text
    assert "| tokens per answer, mean | 90 | 11 |" in text
    assert "![sanetune: cleared: trial](sanetune.svg)" in text
    assert "## Base and tuned" not in render(a_card()) and "sanetune.svg" not in render(a_card())
    assert compared_figures(Comparison([], "base", "tuned", 2.5, None)) == []


def test_it_does_not_say_that_answers_end_where_the_comparison_has_some_that_did_not() -> None:
    stop, cut = Answer("a", True, 11), Answer("b", False, 128)
    some = Comparison([Sample([], None, cut, one) for one in (stop, cut, cut)], "base", "tuned")
    card = replace(a_card(), truncated=truncated_answers(replace(some, decoding={"max_new_tokens": 128})))
    assert "2 of 3 answers in the comparison below came to the limit of 128 tokens first." in render(card)
    unknown = render(replace(a_card(), truncated=truncated_answers(some)))
    assert "came to the limit first" in unknown and "answers end by" not in unknown
    assert truncated_answers(replace(some, samples=some.samples[:1])) is None
    assert "came to the limit" not in render(a_card())


def test_prompts_that_could_not_be_asked_are_not_counted() -> None:
    noted, base, tuned = Answer("", False, 0, note="it has no room"), Answer("a", False, 90), Answer("b", True, 11)
    comparison = Comparison([Sample([], None, base, tuned), Sample([], None, noted, noted)], "base", "tuned")
    assert compared_figures(comparison) == [
        ("answers that end by themselves", "0 of 1", "1 of 1"),
        ("tokens per answer, mean", "90", "11"),
    ]
    assert compared_figures(Comparison([Sample([], None, noted, noted)], "base", "tuned")) == []
