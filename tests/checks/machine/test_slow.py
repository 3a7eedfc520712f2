"""Time that is lost is named where it was measured; a small model on a CPU is not slow in a way that can be fixed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.checks.machine.slow import LIMITS, judge
from sanetune.finding import Judgement, Measurement, Verdict
from sanetune.probes import throughput as module
from sanetune.probes.harness import ProbeHarness, probe_harness
from sanetune.probes.results import PeakMemory, SpeedSwitch
from sanetune.probes.throughput import in_turns, throughput
from tests.checks.run_numbers import find
from tests.forecast import made

LIMIT = {name: limit.value for name, limit in LIMITS.items()}
CLEAN: dict[str, Any] = {
    "matmul_share": 0.2,
    "mfu": None,
    "tokens_per_second": 1234.0,
    "wait_share": 0.0,
    "workers": 0,
    "device": "NVIDIA A100",
    "tried": [],
}


def judged(**changed: Any) -> Judgement:
    return judge(Measurement(CLEAN | changed), LIMIT)


def tried(saves: float, sure: bool = True) -> list[dict[str, Any]]:
    one = {"name": "eager attention instead of sdpa", "saves": saves, "sure": sure, "now": 1.0, "other": 1 - saves}
    return [one | {"fix": {"model.attention": "sdpa"}, "todo": ""}]


def test_slow_alone_is_no_finding() -> None:
    found = judged(matmul_share=0.01)
    assert found.verdict is Verdict.PASS
    assert "1,234 useful tokens per second" in found.message and "1 %" in found.message


def test_a_measured_reason_warns_with_its_times_and_its_fix() -> None:
    found = judged(tried=tried(0.4), mfu=0.1)
    assert found.verdict is Verdict.WARN
    assert (
        "eager attention" in found.message and "600 ms instead of 1.0 s" in found.message and "(MFU)" in found.message
    )
    assert found.fix == {"model.attention": "sdpa"} and "Set model.attention: sdpa." in found.remedy


@pytest.mark.parametrize(("saves", "verdict"), [(0.19, Verdict.PASS), (0.2, Verdict.WARN)])
def test_what_saves_little_is_not_worth_a_word(saves: float, verdict: Verdict) -> None:
    assert judged(tried=tried(saves)).verdict is verdict


def test_what_noise_may_be_is_not_named() -> None:
    assert judged(tried=tried(0.4, sure=False)).verdict is Verdict.PASS


@pytest.mark.parametrize(("share", "verdict"), [(0.49, Verdict.WARN), (0.5, Verdict.PASS)])
def test_a_run_that_makes_good_use_of_its_device_is_left_alone(share: float, verdict: Verdict) -> None:
    found = judged(matmul_share=share, tried=tried(0.3))
    assert found.verdict is verdict and "eager" in found.message


def test_a_loader_that_cannot_keep_up_is_named() -> None:
    found = judged(wait_share=0.3)
    assert found.verdict is Verdict.WARN and not found.fix
    assert "30 % of each step is spent waiting" in found.message and "which is 0" in found.remedy
    assert judged(wait_share=0.19).verdict is Verdict.PASS


def test_passes_take_turns_so_that_a_busy_machine_is_no_gain() -> None:
    calls: list[str] = []
    now, other = in_turns(lambda: calls.append("now"), lambda: calls.append("other"), torch.device("cpu"))
    assert calls == ["now", "other"] * (module.TURNS + 1)
    assert len(now) == len(other) == module.TURNS


def test_a_gain_is_sure_when_every_pass_shows_it() -> None:
    assert SpeedSwitch("x", [1.0, 1.2], [0.5, 0.9]).certain
    assert not SpeedSwitch("x", [1.0, 1.2], [0.5, 1.1]).certain
    assert SpeedSwitch("x", [1.0, 1.0], [0.5, 0.5]).saved_share == 0.5


@pytest.fixture(scope="module", params=["full", "lora", "packed"])
def harness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbeHarness]:
    with made_harness(tmp_path_factory.mktemp("cache"), request.param) as one:
        yield one


def made_harness(cache: Path, kind: str = "full", **train: Any) -> Any:
    """A harness on the demo's model."""
    from contextlib import contextmanager

    from sanetune.data.prepare import prepare
    from sanetune.planning.plan import plan

    @contextmanager
    def opened() -> Iterator[ProbeHarness]:
        torch.set_num_threads(1)
        adapter = {"adapter": "lora"} if kind == "lora" else {}
        attention = {"attention": "eager"} if kind == "eager" else {}
        settings = made.config(
            model={"name": str(made.DEMO / "model"), **adapter, **attention},
            data={"train": str(made.DEMO / "data/train.jsonl"), "max_examples": 60},
            train={"packing": kind == "packed", "per_device_train_batch_size": 4, "use_cpu": True, **train},
            run={"output_dir": str(cache / "run"), "trackers": []},
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SANETUNE_CACHE", str(cache))
            prepared = prepare(settings)
            with probe_harness(plan(settings, prepared).config, prepared) as one:
                yield one

    return opened()


def found_for(harness: ProbeHarness, **timing: Any) -> Any:
    forecast = made.forecast(measured=made.timing(0.5, 1_000, **timing), device="cpu")
    return find("machine-slow", forecast=forecast, throughput=throughput(harness, forecast.padding_share))


def test_a_clean_run_of_a_small_model_on_a_cpu_passes(harness: ProbeHarness) -> None:
    found = found_for(harness)
    assert found.verdict is Verdict.PASS, found.message
    assert found.numbers["matmul_share"] < 0.1


def test_trying_switches_leaves_everything_as_it_was(harness: ProbeHarness) -> None:
    weights = {name: value.clone() for name, value in harness.model.state_dict().items()}
    state, modes = torch.get_rng_state(), [one.training for one in harness.model.modules()]
    settings = harness.settings
    harness.session.settings = replace(settings, activation_checkpointing=True)
    try:
        names = [one.name for one in throughput(harness, 0.3).switches]
    finally:
        harness.session.settings = settings
    assert any("checkpointing" in name for name in names)
    assert all(torch.equal(value, weights[name]) for name, value in harness.model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [one.training for one in harness.model.modules()]
    assert not any(getattr(one, "gradient_checkpointing", False) for one in harness.model.modules())
    assert all(weight.grad is None for weight in harness.trained().values())


def test_activations_that_are_computed_twice_cost_time_and_are_found(tmp_path: Path) -> None:
    with made_harness(tmp_path, activation_checkpointing=True) as harness:
        one = next(one for one in throughput(harness, 0.0).switches if "checkpointing" in one.name)
        assert one.saved_share > 0
        assert one.fix == {"train.activation_checkpointing": False}


def test_activations_are_not_kept_where_memory_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sanetune.probes import peak_memory

    monkeypatch.setattr(peak_memory, "peak_of_a_step", lambda harness, batch: PeakMemory(71, 100, True))
    with made_harness(tmp_path, activation_checkpointing=True) as harness:
        assert not [one for one in throughput(harness, 0.0).switches if "checkpointing" in one.name]


def test_eager_attention_is_tried_against_sdpa(tmp_path: Path) -> None:
    with made_harness(tmp_path, "eager") as harness:
        one = next(one for one in throughput(harness, 0.0).switches if "eager" in one.name)
        assert one.fix == {"model.attention": "sdpa"}
        assert harness.model.config._attn_implementation == "eager"


def test_attention_that_gives_another_loss_is_not_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([1.0, 1.5])
    monkeypatch.setattr(ProbeHarness, "loss", lambda self, batches=None: next(losses))
    with made_harness(tmp_path, "eager") as harness:
        assert not [one for one in throughput(harness, 0.0).switches if "eager" in one.name]


def test_padding_is_named_with_what_it_costs(harness: ProbeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass whose time grows with its places, and batches of which two thirds are padding."""
    if "attention_mask" not in harness.batches[0]:
        assert not [one for one in throughput(harness, 0.6).switches if "padding" in one.name]
        return
    batch = {name: value.repeat(1, 3) for name, value in harness.batches[0].items()}
    batch["attention_mask"][:, harness.batches[0]["attention_mask"].shape[1] :] = 0
    monkeypatch.setattr(harness, "batches", [batch])
    monkeypatch.setattr(harness.session, "settings", replace(harness.settings, groups_by_length=False))
    monkeypatch.setattr(ProbeHarness, "gradients", lambda self, some: time.sleep(some[0]["input_ids"].numel() / 1e5))
    found = found_for(harness, padded_tokens=[3_000] * 50)
    assert found.verdict is Verdict.WARN
    assert "padding in the batches" in found.message
    assert found.fix == {"train.train_sampling_strategy": "group_by_length"}


def test_bf16_is_tried_only_where_a_gpu_computes_in_it() -> None:
    harness: Any = SimpleNamespace(settings=SimpleNamespace(mixed_precision=None), device=torch.device("cpu"))
    assert module._precision(harness, {}) is None
