"""Learning rates and number formats that are wrong, alone and in the combinations that people make."""

from __future__ import annotations

from bench.faults.recipes import deeply
from bench.faults.setups import Setup

FOUR = ("stories-alpaca", "qwen3-alpaca", "gemma3-alpaca+packed", "gpt2-alpaca")

# What a learning rate does to a run, wherever it shows: all of these name the learning rate or are its direct doing.
HOT = (
    "config-rate-unusual",
    "model-rate-critical",
    "curve-rate-beaten",
    "curve-diverged",
    "curve-oscillating",
    "curve-spike",
    "curve-plateau",
    "curve-norm-growth",
    "curve-overfit",
    "curve-unfinished",
    "curve-nan",
    "samples-no-stop",
    "samples-degenerate",
    "samples-off-form",
)
COLD = (
    "config-rate-unusual",
    "model-update-lost",
    "curve-rate-beaten",
    "curve-plateau",
    "curve-unfinished",
    "curve-rate-zero",
    "samples-no-stop",
    "samples-degenerate",
    "samples-off-form",
    "samples-unchanged",
)


def inferred_lr(setup: Setup) -> float:
    """The inferred learning rate of the set-up."""
    import sanetune

    return sanetune.plan(setup.config).steps.learning_rate


def times(setup: Setup, factor: float) -> None:
    """The inferred learning rate, multiplied."""
    setup.train["learning_rate"] = factor * inferred_lr(setup)


@deeply("curve-rate-beaten", "trial", on=("stories-alpaca", "demo-demo"), related=HOT)
def lr_times_ten(setup: Setup) -> None:
    """Ten times the inferred learning rate: one zero too few."""
    times(setup, 10)


@deeply("curve-rate-beaten", "trial", on=FOUR, related=HOT)
def lr_times_thirty(setup: Setup) -> None:
    """Thirty times the inferred learning rate."""
    times(setup, 30)


@deeply("curve-rate-beaten", "trial", on=(*FOUR[:2], "stories-alpaca+lora"), related=HOT)
def lr_times_hundred(setup: Setup) -> None:
    """A hundred times the inferred learning rate, smoothed by clipping."""
    times(setup, 100)


@deeply("curve-rate-beaten", "trial", on=FOUR, related=COLD)
def lr_a_hundredth(setup: Setup) -> None:
    """A hundredth of the inferred learning rate."""
    times(setup, 0.01)


@deeply("curve-rate-beaten", "trial", on=("stories-sharegpt", "qwen3-alpaca"), related=COLD)
def lr_of_a_large_model(setup: Setup) -> None:
    """2e-5, which recipes for seven billion weights have, on a model of a few hundred thousand."""
    setup.train["learning_rate"] = 2e-5


@deeply("curve-rate-beaten", "trial", on=("stories-alpaca",), related=HOT)
def hot_and_flat(setup: Setup) -> None:
    """Twenty times the inferred learning rate, constant and without warm-up."""
    times(setup, 20)
    setup.train.update({"lr_scheduler_type": "constant", "warmup_steps": 0})


@deeply("model-rate-critical", "probe", on=(*FOUR, "demo-demo", "stories-alpaca+lora"), related=HOT)
def lr_times_two_hundred(setup: Setup) -> None:
    """Two hundred times the inferred learning rate."""
    times(setup, 200)


@deeply("model-rate-critical", "probe", on=("stories-sharegpt", "gemma3-gsm8k", "gpt2-alpaca"), related=HOT)
def lr_of_one(setup: Setup) -> None:
    """A learning rate of 1."""
    setup.train["learning_rate"] = 1.0


@deeply("model-rate-critical", "probe", on=("stories-alpaca", "demo-demo"), related=HOT)
def lr_multiplied_for_the_batch(setup: Setup) -> None:
    """Thirty-two times the inferred learning rate, as for a batch of 128, with a batch of four and no clipping."""
    times(setup, 32)
    setup.train["max_grad_norm"] = 0.0


# A learning rate of zero is also one that no recipe has, and at which nothing moves.
ZERO = ("config-rate-unusual", "curve-rate-zero", "model-update-lost", "curve-plateau", *COLD[-4:])


@deeply("curve-rate-zero", "trial", on=("stories-alpaca", "stories-sharegpt+lora"), related=ZERO)
def lr_of_zero(setup: Setup) -> None:
    """A learning rate of 0."""
    setup.train["learning_rate"] = 0.0


@deeply("model-update-lost", "probe", on=("stories-alpaca", "qwen3-alpaca", "demo-demo"), related=ZERO)
def a_step_of_zero(setup: Setup) -> None:
    """A learning rate of 0, for one step."""
    setup.train["learning_rate"] = 0.0


BFLOAT = ("config-precision", "config-rate-unusual")


@deeply(
    "model-update-lost", "probe", on=("stories-alpaca", "demo-demo", "qwen3-alpaca", "gemma3-alpaca"), related=BFLOAT
)
def pure_bf16_at_a_low_lr(setup: Setup) -> None:
    """All weights in bfloat16, at a twentieth of the inferred learning rate."""
    setup.model["dtype"] = "bfloat16"
    times(setup, 0.05)


@deeply("model-update-lost", "probe", on=("stories-alpaca", "gpt2-alpaca"), related=BFLOAT)
def pure_bf16_at_2e_5(setup: Setup) -> None:
    """All weights in bfloat16 at 2e-5."""
    setup.model["dtype"] = "bfloat16"
    setup.train["learning_rate"] = 2e-5


@deeply("curve-plateau", "trial", on=("stories-alpaca", "gemma3-alpaca"), related=(*COLD, *BFLOAT))
def pure_bf16_and_no_progress(setup: Setup) -> None:
    """All weights in bfloat16 at a thousandth of the inferred learning rate."""
    setup.model["dtype"] = "bfloat16"
    times(setup, 0.001)


@deeply("curve-plateau", "trial", on=("qwen3-alpaca", "gpt2-alpaca"), related=COLD)
def lr_a_thousandth(setup: Setup) -> None:
    """A thousandth of the inferred learning rate."""
    times(setup, 0.001)


@deeply("samples-unchanged", "trial", on=("stories-alpaca", "gpt2-alpaca"), related=COLD)
def lr_a_hundred_thousandth(setup: Setup) -> None:
    """1e-8: a unit was mistaken."""
    setup.train["learning_rate"] = 1e-8
