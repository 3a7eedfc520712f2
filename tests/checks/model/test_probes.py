"""Probes find injected faults of the model and of the data, and let sound runs pass."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from sanetune import api
from sanetune.finding import Report, Verdict
from sanetune.probes.harness import ProbeHarness

DEMO = Path(__file__).resolve().parents[3] / "sanetune" / "demo"
PROBES = ["model", "packs-leak", "machine"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


def probed(tmp_path: Path, *, select: list[str] | None = None, **sections: Any) -> Report:
    settings: dict[str, Any] = {
        "model": {"name": str(DEMO / "model")} | sections.get("model", {}),
        "data": {"train": str(DEMO / "data/train.jsonl"), "max_examples": 120} | sections.get("data", {}),
        "train": {"per_device_train_batch_size": 2, "use_cpu": True, "max_length": 256} | sections.get("train", {}),
        "run": {"trackers": [], "output_dir": str(tmp_path / "run")},
    }
    return api.check(settings, level="probe", select=select or PROBES)


def bad(report: Report) -> set[str]:
    crashed = [finding.traceback for finding in report.of(Verdict.CRASH)]
    assert not crashed, crashed[0]
    return {finding.check for finding in report.of(Verdict.FAIL, Verdict.WARN)}


@pytest.mark.parametrize("adapter", [None, "lora"])
@pytest.mark.parametrize("packing", [False, True])
def test_a_sound_run_passes_every_probe(tmp_path: Path, adapter: str | None, packing: bool) -> None:
    report = probed(tmp_path, model={"adapter": adapter} if adapter else {}, train={"packing": packing})
    assert not bad(report), [finding.message for finding in report.of(Verdict.FAIL, Verdict.WARN)]
    passed = {finding.check for finding in report.of(Verdict.PASS)}
    assert {"model-pairs-shuffled", "model-rate-critical", "model-save-reload", "model-accumulation-bias"} <= passed
    assert ("packs-leak" in passed) == packing


def test_shuffled_answers_are_found(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (DEMO / "data/train.jsonl").read_text().splitlines()[:200]]
    answers = [row["messages"][-1] for row in rows]
    random.Random(0).shuffle(answers)
    for row, answer in zip(rows, answers, strict=True):
        row["messages"] = [row["messages"][-2], answer]
    file = tmp_path / "shuffled.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = probed(tmp_path, data={"train": str(file), "max_examples": 200}, select=["model-pairs-shuffled"])
    assert bad(report) == {"model-pairs-shuffled"}
    assert abs(report["model-pairs-shuffled"].numbers["words_t"]) < 2.5


def test_a_learning_rate_beyond_the_critical_one_is_found_with_one_that_is_not(tmp_path: Path) -> None:
    hot = probed(tmp_path, train={"learning_rate": 0.1}, select=["model-rate-critical"])
    assert bad(hot) == {"model-rate-critical"}
    lr = hot["model-rate-critical"].fix["train.learning_rate"]
    assert 1e-4 < lr < 1e-2
    assert not bad(probed(tmp_path, train={"learning_rate": lr}, select=["model-rate-critical"]))


def test_updates_that_sixteen_bits_round_away_are_found(tmp_path: Path) -> None:
    report = probed(tmp_path, model={"dtype": "bfloat16"}, train={"learning_rate": 1e-5}, select=["model-update-lost"])
    assert bad(report) == {"model-update-lost"}
    finding = report["model-update-lost"]
    assert finding.fix == {"model.dtype": "float32"}
    assert finding.numbers["share"] > 0.5


def leaking(tmp_path: Path) -> Path:
    """A small Falcon, whose attention ignores positions, with the demo's tokenizer."""
    import shutil

    from transformers import FalconConfig, FalconForCausalLM

    torch.manual_seed(0)
    config = FalconConfig(
        vocab_size=2048, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, bos_token_id=0, eos_token_id=0
    )
    folder = tmp_path / "falcon"
    FalconForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (DEMO / "model" / name).is_file():
            shutil.copy(DEMO / "model" / name, folder / name)
    return folder


def test_a_model_that_lets_packed_documents_see_each_other_is_found(tmp_path: Path) -> None:
    settings = {"model": {"name": str(leaking(tmp_path))}, "train": {"packing": True, "max_length": 512}}
    report = probed(tmp_path, **settings, select=["packs-leak", "model-examples-mix"])
    assert bad(report) == {"packs-leak"}
    assert report["packs-leak"].fix == {"train.packing": False}


def test_a_frozen_embedding_of_added_tokens_is_found(tmp_path: Path, shared: Path) -> None:
    model = {"name": str(shared / "models/stories260k"), "chat_template": "chatml"}
    select = ["model-new-tokens-frozen"]
    assert not bad(probed(tmp_path, model=model, select=select))
    assert not bad(probed(tmp_path, model=model | {"adapter": "lora"}, select=select))
    frozen = probed(tmp_path, model=model | {"freeze": ["embed_tokens"]}, select=select)
    assert bad(frozen) == {"model-new-tokens-frozen"}


def patched(name: str, change: Any) -> Any:
    whole = getattr(ProbeHarness, name)
    return mock.patch.object(ProbeHarness, name, lambda self, *rest: change(self, whole(self, *rest)))


def test_an_engine_that_weighs_micro_batches_alike_is_found(tmp_path: Path) -> None:
    """As transformers did before 4.46: each micro-batch's mean, divided by their number."""

    def averaged(self: ProbeHarness, batches: Any = None) -> float:
        some = list(self.batches if batches is None else batches)
        for batch in some:
            losses = self.token_losses(batch)
            (losses.sum() / (batch["labels"][:, 1:] != -100).sum() / len(some)).backward()
        return 0.0

    with mock.patch.object(ProbeHarness, "gradients", averaged):
        assert bad(probed(tmp_path, select=["model-accumulation-bias"])) == {"model-accumulation-bias"}


def test_weights_that_are_not_numbers_are_found(tmp_path: Path) -> None:
    def poisoned(self: ProbeHarness, loss: float) -> float:
        next(iter(self.trained().values())).grad[0] = float("nan")
        return loss

    with patched("gradients", poisoned):
        assert bad(probed(tmp_path, select=["model-gradients-bad"])) == {"model-gradients-bad"}


def test_weights_that_nothing_flows_through_are_found(tmp_path: Path) -> None:
    def cut(self: ProbeHarness, loss: float) -> float:
        for name, weight in self.trained().items():
            if "layers.1." in name:
                weight.grad = None
        return loss

    with patched("gradients", cut):
        report = probed(tmp_path, select=["model-nothing-trainable"])
    assert bad(report) == {"model-nothing-trainable"}
    assert any("layers.1." in name for name in report["model-nothing-trainable"].numbers["names"])


def test_a_model_worse_than_guessing_is_found(tmp_path: Path) -> None:
    """Its head turned upside down: what it thought likely it now thinks impossible."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(str(DEMO / "model"))
    with torch.no_grad():
        model.model.norm.weight.mul_(-3)
    model.save_pretrained(tmp_path / "upside-down")
    AutoTokenizer.from_pretrained(str(DEMO / "model")).save_pretrained(tmp_path / "upside-down")
    report = probed(tmp_path, model={"name": str(tmp_path / "upside-down")}, select=["model-start-loss"])
    assert bad(report) == {"model-start-loss"}


def test_a_full_disk_and_memory_that_does_not_suffice_are_found(tmp_path: Path) -> None:
    import shutil

    from sanetune.probes import peak_memory

    usage = shutil.disk_usage(tmp_path)
    with mock.patch.object(shutil, "disk_usage", return_value=usage._replace(free=10_000_000)):
        assert bad(probed(tmp_path, select=["machine-disk-short"])) == {"machine-disk-short"}
    with mock.patch.object(ProbeHarness, "gradients", side_effect=MemoryError):
        report = probed(tmp_path, select=["machine-memory-short"])
    assert bad(report) == {"machine-memory-short"}
    assert report["machine-memory-short"].fix["train.per_device_train_batch_size"] == 1
    with mock.patch.object(ProbeHarness, "gradients", side_effect=MemoryError):
        report = probed(tmp_path, train={"per_device_train_batch_size": 1}, select=["machine-memory-short"])
    assert report["machine-memory-short"].fix == {"train.activation_checkpointing": True}
    assert peak_memory.EVERY < 1


def test_a_model_in_which_nothing_is_trained_is_found_and_breaks_no_other_probe(tmp_path: Path) -> None:
    from sanetune.engine.trl.engine import TrlEngine

    whole = TrlEngine.build

    def frozen(*args: Any, **kwargs: Any) -> Any:
        session = whole(*args, **kwargs)
        session.model.requires_grad_(False)
        return session

    with mock.patch.object(TrlEngine, "build", frozen):
        report = probed(tmp_path)
    assert bad(report) == {"model-nothing-trainable"}
    assert "see model-nothing-trainable" in report["model-rate-critical"].message


def test_rounding_of_sixteen_bits_is_not_taken_for_a_learning_rate_that_is_too_high(tmp_path: Path) -> None:
    """On few short rows: a processor that has no such numbers takes ten times as long for them."""
    rows = sorted((DEMO / "data/train.jsonl").read_text().splitlines(), key=len)[:20]
    (tmp_path / "short.jsonl").write_text("\n".join(rows))
    given: dict[str, Any] = {"model": {"dtype": "bfloat16"}, "data": {"train": str(tmp_path / "short.jsonl")}}
    given["select"] = ["model-rate-critical"]
    one_row = {"per_device_train_batch_size": 1}
    assert not bad(probed(tmp_path, train=one_row | {"learning_rate": 1e-6}, **given))
    assert bad(probed(tmp_path, train=one_row | {"learning_rate": 0.1}, **given)) == {"model-rate-critical"}
