"""Learning rates: published ones and derived ones pass, those far from them are caught."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.checks.config.rate_unusual import LIMITS
from sanetune.finding import Verdict
from sanetune.planning.learning_rates import learning_rate
from tests.checks.run_numbers import find, numbers

NAME = "config-rate-unusual"
WIDTHS = {1.3e8: 576, 3.6e8: 960, 1.7e9: 2048, 3e9: 2048, 7e9: 4096, 8e9: 4096, 9e9: 4096, 1.3e10: 5120, 3.2e10: 5120}
WIDTHS |= {3.3e10: 6656, 6.5e10: 8192, 7e10: 8192, 1e9: 2048, 2.6e5: 64}


def found(method: str, parameters: float, lr: float, **changed: Any) -> Any:
    run = {"parameters": int(parameters), "hidden": WIDTHS.get(parameters, 4096), "learning_rate": lr} | changed
    return find(NAME, run_settings=numbers(method=method, **run))


PUBLISHED = [
    ("Alpaca 7B", "full", 7e9, 2e-5, {}),
    ("Alpaca 13B", "full", 1.3e10, 1e-5, {}),
    ("Guanaco 7B", "qlora", 7e9, 2e-4, {}),
    ("Guanaco 33B", "qlora", 3.3e10, 1e-4, {}),
    ("Guanaco 65B", "qlora", 6.5e10, 1e-4, {}),
    ("LIMA", "full", 6.5e10, 1e-5, {}),
    ("Llama-2-chat 7B", "full", 7e9, 2e-5, {}),
    ("Llama-2-chat 70B", "full", 7e10, 2e-5, {}),
    ("Tulu 2 7B", "full", 7e9, 2e-5, {}),
    ("Tulu 2 70B", "full", 7e10, 1e-5, {}),
    ("Tulu 2 LoRA", "lora", 7e9, 1e-4, {}),
    ("Tulu 2 QLoRA", "qlora", 7e9, 1e-4, {}),
    ("Tulu 3 8B", "full", 8e9, 5e-6, {"loss_reduction": "sum"}),
    ("Tulu 3 70B", "full", 7e10, 2e-6, {"loss_reduction": "sum"}),
    ("OLMo 2 7B", "full", 7e9, 1e-5, {}),
    ("OLMo 2 7B, summed", "full", 7e9, 1e-5, {"loss_reduction": "sum"}),
    ("OLMo 2 13B", "full", 1.3e10, 6e-6, {}),
    ("OLMo 2 13B, summed", "full", 1.3e10, 6e-6, {"loss_reduction": "sum"}),
    ("Olmo 3 7B", "full", 7e9, 8e-5, {"train_tokens": 10**9, "steps_per_epoch": 1_000}),
    ("Olmo 3 7B think", "full", 7e9, 5e-5, {"train_tokens": 10**9, "steps_per_epoch": 1_000}),
    ("Olmo 3 32B", "full", 3.2e10, 8e-5, {"train_tokens": 4 * 10**9, "steps_per_epoch": 1_000}),
    ("Olmo 3 32B think", "full", 3.2e10, 1e-4, {"train_tokens": 4 * 10**9, "steps_per_epoch": 1_000}),
    ("Zephyr", "full", 7e9, 2e-5, {}),
    ("Zephyr QLoRA", "qlora", 7e9, 2e-4, {}),
    ("SmolLM2-135M", "full", 1.3e8, 1e-3, {}),
    ("SmolLM2-360M", "full", 3.6e8, 1e-3, {}),
    ("SmolLM2-1.7B", "full", 1.7e9, 3e-4, {}),
    ("SmolLM3-3B", "full", 3e9, 2e-5, {}),
    ("s1-32B", "full", 3.2e10, 1e-5, {}),
    ("Tinker", "lora", 9e9, 4.7e-4, {}),
    ("Tinker Llama-1B", "lora", 1e9, 4.9e-4, {}),
    ("Tinker Llama-70B", "lora", 7e10, 1.7e-4, {}),
    *(("Tinker's sweep", "lora", size, lr, {}) for size in (1e9, 8e9, 7e10) for lr in (1e-4, 3e-4, 1e-3)),
    *(("Unsloth", "lora", size, 2e-4, {}) for size in (2.6e5, 1.3e8, 3.6e8, 1e9, 7e10)),
]


@pytest.mark.parametrize(("recipe", "method", "parameters", "lr", "more"), PUBLISHED)
def test_every_published_recipe_passes(recipe: str, method: str, parameters: float, lr: float, more: Any) -> None:
    finding = found(method, parameters, lr, **more)
    assert finding.verdict is Verdict.PASS, (recipe, finding.message)


SIZES = [(2.6e5, 64), (1.1e6, 128), (4.3e6, 256), (1.5e7, 288), (4.2e7, 512), (1.1e8, 768), (1.34e8, 576)]
SIZES += [(3.6e8, 960), (4.9e8, 896), (6e8, 1024), (7.7e8, 1280), (1e9, 2048), (1.24e9, 2048), (1.5e9, 1536)]
SIZES += [(1.7e9, 2048), (2.6e9, 2304), (3e9, 2048), (3.2e9, 3072), (4e9, 2560), (7e9, 4096), (8e9, 4096)]
SIZES += [(9e9, 4096), (1.2e10, 5120), (1.3e10, 5120), (2.7e10, 5376), (3.2e10, 5120), (7e10, 8192), (4e11, 16384)]


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
@pytest.mark.parametrize(("parameters", "hidden"), SIZES)
def test_inferred_learning_rates_pass_and_multiples_of_ten_are_caught(
    method: Any, parameters: float, hidden: int
) -> None:
    usual, _ = learning_rate(method, int(parameters), hidden)

    def verdict(times: float) -> Verdict:
        return found(method, parameters, usual * times, hidden=hidden).verdict

    assert [verdict(times) for times in (0.5, 1, 2)] == [Verdict.PASS] * 3
    published = method == "full" and parameters == 3.6e8  # SmolLM2-360M was trained at 11 times the law's learning rate
    assert verdict(10) is (Verdict.PASS if published else verdict(10)) and (
        published or verdict(10) is not Verdict.PASS
    )
    assert verdict(100) is Verdict.FAIL
    assert verdict(1 / 100) in (Verdict.WARN, Verdict.FAIL)


@given(st.floats(5, 12), st.integers(16, 20_000), st.sampled_from(["full", "lora", "qlora"]))
@settings(max_examples=200, deadline=None)
def test_whatever_is_inferred_passes(power: float, hidden: int, method: Any) -> None:
    usual, _ = learning_rate(method, int(10**power), hidden)
    assert found(method, 10**power, usual, hidden=hidden).verdict is Verdict.PASS


def test_a_lora_at_the_default_of_trl_is_caught() -> None:
    finding = found("lora", 7e9, 2e-5)
    assert finding.verdict is Verdict.WARN
    assert "2e-05 is 15 times below the usual 3e-04 for LoRA of a model of 7 B parameters" in finding.message
    assert finding.fix == {"train.learning_rate": 3e-4}
    assert "Tinker's sweep" in finding.text


def test_training_all_of_13b_at_2e4_fails() -> None:
    finding = found("full", 1.3e10, 2e-4)
    assert finding.verdict is Verdict.FAIL
    assert "2e-04 is 20 times above the usual 1e-05" in finding.message
    assert finding.fix == {"train.learning_rate": 1e-5}


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("lr", [3e-4, 1e-3, 3e-3])
def test_good_learning_rates_of_a_tiny_model_pass(method: str, lr: float) -> None:
    assert found(method, 260_032, lr, hidden=64).verdict is Verdict.PASS


@pytest.mark.parametrize(("lr", "verdict"), [(1e-2, "warn"), (3e-2, "fail"), (1e-1, "fail"), (2e-5, "warn")])
def test_bad_learning_rates_of_a_tiny_model_are_caught(lr: float, verdict: str) -> None:
    assert found("full", 260_032, lr, hidden=64).verdict == verdict


def test_a_summed_loss_has_lower_learning_rates() -> None:
    assert found("full", 8e9, 2e-5).verdict is Verdict.PASS
    finding = found("full", 8e9, 2e-5, loss_reduction="sum")
    assert finding.verdict is Verdict.WARN and "summed" in finding.message
    assert finding.fix == {"train.learning_rate": 5e-6}
    assert found("full", 8e9, 1e-6, loss_reduction="sum").verdict is Verdict.PASS
    assert found("full", 8e9, 1e-6).verdict is Verdict.WARN


def test_large_batches_allow_more_only_for_large_models() -> None:
    assert found("full", 3.2e10, 1e-4).verdict is Verdict.WARN
    assert found("full", 3.2e10, 1e-4, train_tokens=999_999, steps_per_epoch=1).verdict is Verdict.WARN
    assert found("full", 3.2e10, 1e-4, train_tokens=1_000_000, steps_per_epoch=1).verdict is Verdict.PASS


@pytest.mark.parametrize("lr", [0.0, -1e-4, float("nan"), float("inf")])
def test_no_learning_rate_at_all_fails(lr: float) -> None:
    finding = found("full", 7e9, lr)
    assert finding.verdict is Verdict.FAIL and "no weight changes" in finding.message


def test_limits_hold_at_their_border_and_can_be_changed() -> None:
    assert found("lora", 8e9, 5e-5).verdict is Verdict.PASS
    assert found("lora", 8e9, 4.9e-5).verdict is Verdict.WARN
    assert found("lora", 8e9, 2.5e-3).verdict is Verdict.WARN
    assert found("lora", 8e9, 2.6e-3).verdict is Verdict.FAIL
    run = numbers(method="lora", parameters=8 * 10**9, hidden=4096, learning_rate=2e-5)
    assert find(NAME, {"lora_lowest": 1e-5}, run_settings=run).verdict is Verdict.PASS


def test_other_optimizers_are_not_judged() -> None:
    for optimizer in ("sgd", "lion_8bit", "OptimizerNames.ADAFACTOR"):
        assert found("full", 7e9, 1.0, given={"optim": optimizer}).verdict is Verdict.SKIP
    assert found("full", 7e9, 1.0, given={"optim": "paged_adamw_8bit"}).verdict is Verdict.FAIL
    assert found("full", 0, 1e-4, hidden=0).verdict is Verdict.SKIP
    assert found("lora", 0, 3e-4, hidden=0).verdict is Verdict.PASS


def test_every_limit_has_a_source() -> None:
    assert all(limit.source for limit in LIMITS.values())
