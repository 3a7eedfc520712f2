"""Number formats that do not suit model, device or updates."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sanetune.checks.config import precision
from sanetune.checks.config.precision import stuck_share
from sanetune.config.machine import emulates_bf16
from sanetune.finding import Verdict
from tests.checks.run_numbers import find, numbers


def found(**changed: Any) -> Any:
    return find("config-precision", run_settings=numbers(**changed))


def test_usual_settings_pass() -> None:
    cpu = {"device": "cpu", "has_bf16": False}
    old = {"device": "cuda", "has_bf16": False}
    assert found().message == "Weights in float32, stored as bfloat16; computes in bf16 on cuda."
    assert found(method="lora", weights_dtype="bfloat16").verdict is Verdict.PASS
    assert found(method="qlora", weights_dtype="bfloat16").verdict is Verdict.PASS
    assert found(**cpu, bf16=False).verdict is Verdict.PASS
    assert found(**old, bf16=False, fp16=True, stored_dtype="float32").verdict is Verdict.PASS
    assert found(bf16=False, fp16=True, stored_dtype="float16").verdict is Verdict.PASS
    assert found(stored_dtype=None, weights_dtype=None).verdict is Verdict.PASS


def test_fp16_for_a_model_stored_in_bf16_is_caught() -> None:
    finding = found(bf16=False, fp16=True)
    assert finding.verdict is Verdict.WARN and "65,504" in finding.message
    assert finding.fix == {"train.fp16": False, "train.bf16": True}
    old = found(bf16=False, fp16=True, has_bf16=False)
    assert old.verdict is Verdict.WARN and "no bf16" in old.message and not old.fix
    loaded = found(method="lora", weights_dtype="float16")
    assert loaded.verdict is Verdict.WARN and loaded.fix == {"model.dtype": "bfloat16"}


def test_bf16_on_a_gpu_without_it_fails() -> None:
    finding = found(has_bf16=False)
    assert finding.verdict is Verdict.FAIL and finding.fix == {"train.bf16": False, "train.fp16": True}
    assert found(device="mps", has_bf16=False).verdict is Verdict.WARN


@pytest.mark.parametrize(("emulates", "verdict"), [(True, Verdict.WARN), (False, Verdict.PASS)])
def test_bf16_on_a_processor_that_emulates_it_is_right_and_slow(
    monkeypatch: pytest.MonkeyPatch, emulates: bool, verdict: Verdict
) -> None:
    monkeypatch.setattr(precision, "emulates_bf16", lambda: emulates)
    finding = found(device="cpu", has_bf16=False, bf16=True)
    assert finding.verdict is verdict and finding.fix == ({"train.bf16": False} if emulates else {})
    assert found(device="cpu", has_bf16=False, bf16=False).verdict is Verdict.PASS
    assert found(has_bf16=True, bf16=True).verdict is Verdict.PASS


def test_a_processor_emulates_what_it_has_no_instructions_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = torch.ops.mkldnn
    for supported in (True, False):
        monkeypatch.setattr(asked, "_is_mkldnn_bf16_supported", lambda answer=supported: answer)
        assert emulates_bf16() is not supported
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not emulates_bf16()


def test_both_formats_or_fp16_without_a_gpu_fail() -> None:
    assert found(fp16=True).fix == {"train.fp16": False}
    assert found(device="cpu", has_bf16=False, bf16=False, fp16=True).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("lr", "verdict", "share"),
    [(5e-6, "fail", "92.2 %"), (2e-5, "fail", "69.6 %"), (1e-4, "warn", "11.8 %"), (3e-4, "pass", "")],
)
def test_updates_below_one_unit_in_the_last_place_are_caught(lr: float, verdict: str, share: str) -> None:
    for dtype in ("bfloat16", "auto"):
        finding = found(weights_dtype=dtype, learning_rate=lr)
        assert finding.verdict == verdict and share in finding.message
        if verdict != "pass":
            assert (
                "1.2e-04 apart" in finding.message and f"{lr:.1e}" in finding.message and "bfloat16" in finding.message
            )
            assert finding.fix == {"model.dtype": "float32"}


def test_float16_weights_cannot_be_trained() -> None:
    assert found(weights_dtype="float16", learning_rate=1e-3, bf16=False, fp16=True).verdict is Verdict.FAIL


@pytest.mark.parametrize("key", [{"deepspeed": "z2.json"}, {"fsdp": "full_shard"}, {"optim": "adamw_anyprecision"}])
def test_where_a_float32_copy_or_a_correction_is_kept_nothing_is_lost(key: dict[str, str]) -> None:
    assert found(weights_dtype="bfloat16", learning_rate=2e-5, given=key).verdict is Verdict.PASS


@pytest.mark.parametrize("lr", [5e-6, 1e-5, 2e-5, 6e-5, 1e-4, 2e-4, 1e-3])
@pytest.mark.parametrize(("dtype", "bits"), [("bfloat16", 8), ("float16", 11)])
def test_the_share_is_that_of_real_weights(lr: float, dtype: str, bits: int) -> None:
    import torch

    weights = (torch.randn(200_000, generator=torch.Generator().manual_seed(0)) * 0.02).to(getattr(torch, dtype))
    moved = (weights.float() + lr * torch.sign(weights.float())).to(weights.dtype)  # away from zero: one spacing
    share = (moved == weights).float().mean().item()
    assert share == pytest.approx(stuck_share(lr, bits), abs=0.01)


def test_a_learning_rate_of_nothing_moves_nothing() -> None:
    assert stuck_share(0.0, 8) == 1.0
