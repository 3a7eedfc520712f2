"""Faults of the configuration."""

from __future__ import annotations

from bench.faults.recipes import breaks
from bench.faults.setups import Setup

ON = ("demo-demo", "stories-alpaca", "llama3-sharegpt")


def steps(setup: Setup) -> int:
    """Steps of the clean run."""
    import sanetune

    return sanetune.plan(setup.config).steps.total_steps


def usual(setup: Setup) -> float:
    """The learning rate of the clean run."""
    import sanetune

    return sanetune.plan(setup.config).steps.learning_rate


@breaks("config-renamed-key", on=ON)
def textbook_keys(setup: Setup) -> None:
    """evaluation_strategy and warmup_ratio, as tutorials of 2023 write them."""
    setup.train.update({"evaluation_strategy": "steps", "warmup_ratio": 0.1})


@breaks("config-renamed-key", on=ON)
def max_seq_length_key(setup: Setup) -> None:
    """max_seq_length, which TRL has renamed."""
    setup.train["max_seq_length"] = 512


@breaks("config-renamed-key", on=ON)
def torch_dtype_key(setup: Setup) -> None:
    """torch_dtype in model_init_kwargs, which TRL ignores."""
    setup.train["model_init_kwargs"] = {"torch_dtype": "float32"}


@breaks("config-no-validation", on=ON)
def nothing_held_out(setup: Setup) -> None:
    """No row is held out."""
    setup.data["holdout"] = 0


@breaks("config-no-validation", on=ON)
def evaluation_off(setup: Setup) -> None:
    """Rows are held out, and never evaluated."""
    setup.train["eval_strategy"] = "no"


@breaks("config-no-validation", on=ON)
def three_held_out(setup: Setup) -> None:
    """Three validation rows."""
    _, validation = setup.split()
    setup.write(validation[:3], "validation")


@breaks("config-rate-unusual", on=ON)
def lr_far_too_high(setup: Setup) -> None:
    """All weights at fifty times the usual learning rate."""
    setup.train["learning_rate"] = 50 * usual(setup)


@breaks("config-rate-unusual", on=ON)
def lr_far_too_low(setup: Setup) -> None:
    """All weights at a hundredth of the usual learning rate."""
    setup.train["learning_rate"] = usual(setup) / 100


@breaks("config-rate-unusual", on=ON)
def lora_at_lr_of_full(setup: Setup) -> None:
    """A LoRA at 2e-5, TRL's default for all weights."""
    setup.model["adapter"] = "lora"
    setup.train["learning_rate"] = 2e-5


@breaks("config-rate-unusual", on=ON)
def lora_lr_too_high(setup: Setup) -> None:
    """A LoRA at 0.1."""
    setup.model["adapter"] = "lora"
    setup.train["learning_rate"] = 0.1


@breaks("config-rate-unusual", on=ON)
def lr_zero(setup: Setup) -> None:
    """A learning rate of 0."""
    setup.train["learning_rate"] = 0.0


@breaks("config-few-steps", on=ON)
def batch_leaves_few_steps(setup: Setup) -> None:
    """So much accumulation that nine or so steps are left."""
    setup.train["gradient_accumulation_steps"] = 8


@breaks("config-few-steps", on=ON)
def warmup_all_the_way(setup: Setup) -> None:
    """The warm-up is as long as the run."""
    setup.train["warmup_steps"] = steps(setup)


@breaks("config-few-steps", on=ON)
def logged_after_the_end(setup: Setup) -> None:
    """logging_steps beyond the last step."""
    setup.train["logging_steps"] = 5 * steps(setup)


# A batch larger than the data leaves one step per epoch: config-few-steps says the same of the same number.
@breaks("config-batch-uneven", on=ON, related=("config-few-steps",))
def batch_beyond_the_data(setup: Setup) -> None:
    """An effective batch of 1,024 for fewer than 200 rows."""
    setup.train["gradient_accumulation_steps"] = 256


@breaks("config-batch-uneven", on=ON)
def nearly_empty_last_step(setup: Setup) -> None:
    """One row is left over for the last step of each epoch, in a run of many epochs of few steps."""
    kept, _ = setup.split()
    setup.write(kept[:113])
    setup.train.update({"gradient_accumulation_steps": 7, "num_train_epochs": 10})


@breaks("config-best-unreachable", on=ON)
def best_between_checkpoints(setup: Setup) -> None:
    """Two evaluations for each checkpoint: the better one may be lost."""
    setup.train.update({"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 10})
    setup.train.update({"save_strategy": "steps", "save_steps": 20})


@breaks("config-best-unreachable", on=ON, refused="train.save_steps")
def best_saved_elsewhere(setup: Setup) -> None:
    """save_steps is no multiple of eval_steps."""
    setup.train.update({"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 10})
    setup.train.update({"save_strategy": "steps", "save_steps": 15})


@breaks("config-best-unreachable", on=ON, refused="train.save_strategy")
def best_at_other_times(setup: Setup) -> None:
    """Checkpoints by epoch, evaluations by steps."""
    setup.train.update({"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 10})
    setup.train["save_strategy"] = "epoch"


@breaks("config-best-unreachable", on=ON)
def best_by_unknown_metric(setup: Setup) -> None:
    """metric_for_best_model is one that nobody computes."""
    setup.train.update({"load_best_model_at_end": True, "metric_for_best_model": "eval_rouge"})


@breaks("config-best-unreachable", on=ON)
def best_is_the_worst(setup: Setup) -> None:
    """greater_is_better is true for the loss."""
    setup.train.update(
        {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": True}
    )


# Not in the narrowest models: they learn at learning rates that bfloat16 can follow.
@breaks("config-precision", on=("demo-demo", "stories-alpaca", "stories-gsm8k"))
def pure_bf16(setup: Setup) -> None:
    """All weights are trained in bfloat16, without a float32 copy, at an eighth of the usual learning rate."""
    setup.model["dtype"] = "bfloat16"
    setup.train["learning_rate"] = usual(setup) / 8


@breaks("config-precision", on=ON)
def pure_fp16(setup: Setup) -> None:
    """All weights are trained in float16."""
    setup.model["dtype"] = "float16"


@breaks("config-precision", on=ON, refused="train.fp16")
def fp16_without_gpu(setup: Setup) -> None:
    """fp16 on a processor."""
    setup.train["fp16"] = True


@breaks("config-epochs-many", on=ON)
def thirty_epochs(setup: Setup) -> None:
    """Thirty passes over fewer than 200 rows."""
    setup.train["num_train_epochs"] = 30


@breaks("config-epochs-many", on=ON)
def epochs_by_steps(setup: Setup) -> None:
    """max_steps that go round the rows forty times."""
    setup.train["max_steps"] = 20 * steps(setup)


@breaks("config-tracker-blocked", on=ON)
def wandb_without_login(setup: Setup) -> None:
    """wandb is to watch, and nobody has logged in."""
    setup.config["run"]["trackers"] = ["wandb"]
    _alone(setup, "WANDB_API_KEY", "WANDB_MODE", "WANDB_DISABLED", "WANDB_IDENTITY_TOKEN_FILE", "NETRC")


@breaks("config-tracker-blocked", on=ON, rival=False)  # neptune is not installed here
def neptune_without_login(setup: Setup) -> None:
    """neptune is to watch, and there is no token."""
    setup.config["run"]["trackers"] = ["neptune"]
    _alone(setup, "NEPTUNE_API_TOKEN", "NEPTUNE_MODE")


@breaks("config-remote-code", on=ON, refused="model.trust_remote_code")
def remote_code_on(setup: Setup) -> None:
    """trust_remote_code is on, and no revision is pinned."""
    setup.model["trust_remote_code"] = True


@breaks("config-remote-code", on=ON)
def remote_code_pinned(setup: Setup) -> None:
    """trust_remote_code is on for a model that does not need it, at a pinned commit."""
    setup.model["trust_remote_code"] = True
    setup.model["revision"] = "0123456789abcdef0123456789abcdef01234567"


def _alone(setup: Setup, *variables: str) -> None:
    """A home without logins, whatever this machine has."""
    home = setup.folder / "home"
    home.mkdir(exist_ok=True)
    setup.environment |= {"HOME": str(home), **dict.fromkeys(variables)}
