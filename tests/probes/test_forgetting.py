"""What a model forgets is measured as an independent computation has it, and nothing of the model changes."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sanetune.config.load import load
from sanetune.demo import MODEL
from sanetune.errors import DataError
from sanetune.finding import Verdict
from sanetune.probes import forgetting
from sanetune.probes.forgetting import BaseRecord
from sanetune.probes.general.material import GeneralMaterial, GeneralPrompt, GeneralText, material_of
from sanetune.probes.results import Forgetting
from sanetune.typed_json import from_json
from sanetune.workflows.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

OWN = GeneralMaterial(
    tuple(GeneralPrompt(({"role": "user", "content": text},)) for text in ("Where is my parcel?", "Hello!")),
    (GeneralText("We are sorry for the delay."), GeneralText("Thank you for your order of two lamps.")),
    "keep.jsonl",
)


def demo() -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    return model, SimpleNamespace(tokenizer=tokenizer, stop_token_ids=[], origins={})


def shifted(model: Any) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)


def test_divergence_and_losses_are_those_of_two_plain_models(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prepared = demo()
    monkeypatch.setattr(forgetting, "LIKELIEST", 10**9)  # all tokens: nothing is merged
    record = BaseRecord.of(model, prepared, OWN)
    base, _ = demo()
    shifted(model)
    found = record.against(model, prepared, 7)
    for text, measured in zip(OWN.texts, found.texts, strict=True):
        ids = torch.tensor([prepared.tokenizer(text.text)["input_ids"]])
        with torch.no_grad():
            logs = [one(ids).logits[0, :-1].double().log_softmax(-1) for one in (base, model)]
        kl = torch.nn.functional.kl_div(logs[1], logs[0], reduction="sum", log_target=True)
        assert measured.drift.kl == pytest.approx(float(kl), rel=1e-3)
        for loss, log in zip((measured.drift.base, measured.drift.tuned), logs, strict=True):
            assert loss == pytest.approx(-float(log.gather(-1, ids[0, 1:, None]).sum()), rel=1e-4)
        assert measured.drift.tokens == ids.shape[1] - 1
    assert found.steps == 7 and found.text_rise is not None and found.text_rise.mean > 0


def test_merging_tokens_only_lowers_the_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    divergences = []
    for count in (2, 16, 10**9):
        monkeypatch.setattr(forgetting, "LIKELIEST", count)
        model, prepared = demo()
        record = BaseRecord.of(model, prepared, OWN)
        shifted(model)
        divergences.append(record.against(model, prepared, 1).texts[0].drift.kl)
    assert 0 < divergences[0] < divergences[1] <= divergences[2]


def test_the_same_model_has_forgotten_nothing_and_is_as_it_was() -> None:
    model, prepared = demo()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    state = torch.get_rng_state()
    found = BaseRecord.of(model, prepared, OWN).against(model, prepared, 0)
    assert all(text.drift.kl == pytest.approx(0, abs=1e-4) for text in found.texts)
    assert all(answer.base == answer.tuned for answer in found.answers)
    assert found.text_rise is not None and found.text_rise.mean == 0
    assert model.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_base_that_knows_no_general_text_is_not_asked() -> None:
    model, prepared = demo()
    general = material_of("general")
    assert general is not None
    record = BaseRecord.of(model, prepared, general)
    assert "bits per byte of general text" in record.reason and not record.prompts


def test_a_run_leaves_what_its_model_forgot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    keep = tmp_path / "keep.jsonl"
    lines = [{"prompt": prompt.text} for prompt in OWN.prompts] + [{"text": text.text} for text in OWN.texts] * 4
    keep.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = load(
        {
            "model": {"name": str(MODEL)},
            "data": {"train": str(MODEL.parent / "data/train.jsonl"), "max_examples": 40},
            "train": {"max_steps": 2, "learning_rate": 1e-2, "use_cpu": True, "save_strategy": "no"},
            "check": {"keep": str(keep)},
            "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
        }
    )
    run = train(config).run
    plain = run.read_json(run.forgetting)
    found = from_json(Forgetting, plain["forgetting"])
    assert (found.steps, len(found.answers), len(found.texts), found.source) == (2, 2, 8, "keep.jsonl")
    assert found.task and all(math.isfinite(one.kl) and one.tokens for one in found.task)
    assert plain["finding"]["check"] == "model-forgets"
    assert plain["finding"]["verdict"] in {Verdict.WARN.value, Verdict.PASS.value}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "no JSON object"),
        ('{"kind": "facts"}', "no prompt and no text"),
        ('{"prompt": "x", "expect": ["Paris"]}', "a key expect, .*Did you mean expects[?]"),
        ('{"prompt": "x", "text": "y z"}', "prompt beside text"),
        ('{"text": "y", "format": "json", "expects": "z"}', "format and expects beside text"),
        ('{"text": "y", "format": "xml"}', "format beside text"),
        ('{"prompt": "x", "messages": [{"role": "user", "content": "y"}]}', "prompt beside messages"),
        ('{"text": 3}', "text has to be a text"),
        ('{"prompt": "x", "expects": ["Paris", ""]}', "expects is a text"),
        ('{"prompt": "x", "format": "yaml"}', "format 'yaml' is not known"),
        ('{"prompt": "x", "expects": 3}', "expects is a text"),
        ('{"messages": [{"role": "user"}]}', "a role and a content"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "keep.jsonl"
    file.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(DataError) as raised:
        material_of(str(file))
    assert re.search(words, f"{raised.value.message} {raised.value.remedy}")
    assert raised.value.place is not None and raised.value.place.line == 2


def test_keys_without_a_value_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    """Files of one schema for all lines have them."""
    rows: list[dict[str, Any]] = [{"prompt": "x", "expects": ["y"]}, {"text": "z"}]
    empty = {"prompt": "", "messages": None, "text": None, "kind": None, "format": "", "expects": []}
    file = tmp_path / "keep.jsonl"
    file.write_text("".join(json.dumps(empty | row) + "\n" for row in rows))
    found = material_of(str(file))
    assert found is not None
    assert [(one.text, one.expects) for one in found.prompts] == [("x", ("y",))]
    assert found.texts == (GeneralText("z"),)


@pytest.mark.parametrize(("content", "words"), [(b"", "holds no prompt and no text"), (b"\xff", "is not UTF-8")])
def test_a_file_that_cannot_be_used_is_named_once(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "keep.jsonl"
    file.write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        material_of(str(file))
    assert str(raised.value).count("keep.jsonl") == 1


def test_a_missing_file_is_no_traceback() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        material_of("/nowhere/keep.jsonl")


def test_a_text_with_another_line_break_is_one_text(tmp_path: Path) -> None:
    file = tmp_path / "keep.jsonl"
    text = "A river\u2028is a stream\x85of water."
    file.write_text(json.dumps({"text": text}, ensure_ascii=False) + "\n", encoding="utf-8")
    found = material_of(str(file))
    assert found is not None and [one.text for one in found.texts] == [text]
