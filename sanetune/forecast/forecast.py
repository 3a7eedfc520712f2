"""The forecast of a run: time, cost and device utilisation, and the share that the check itself took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.forecast.cost import paid_devices, same_kind, usd
from sanetune.forecast.machine import MeasuredMachine, machine_from
from sanetune.forecast.time import (
    Range,
    StepTime,
    count_checkpoint_saves,
    count_evaluations,
    evaluation_seconds,
    step_time_of,
)

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan
    from sanetune.probes.results import Timing, Trial


@dataclass(frozen=True, slots=True)
class Forecast:
    """The time, the cost and the device utilisation of the whole run.

    The ends of a range hold if the whole run is as fast as the fastest part of the trial, or as slow as the slowest.

    Attributes:
        steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps of one epoch.
        step_seconds: Seconds of one step, on all the run's devices together.
        measured_steps: Steps of the trial that ``step_seconds`` is from.
        evaluations: Number of evaluations of the validation rows.
        evaluation_seconds: Seconds of one evaluation.
        checkpoint_saves: Number of checkpoints that are written.
        checkpoint_seconds: Seconds to write one; 0 where the disk could not be measured.
        final_save_seconds: Seconds to write the final model.
        checkpoint_bytes: Size of one checkpoint.
        disk_bytes_per_second: Write speed of the disk; None: not measured.
        hours: Hours of the whole run.
        devices: Devices that train.
        paid_devices: Devices that are paid for.
        usd_per_device_hour: US dollars for one device and one hour; None: no price is set.
        usd: US dollars for the whole run; None without a price.
        tokens_per_second: Tokens without padding per second of training steps, on all devices.
        loss_tokens_per_second: The part of them that is in the loss.
        padding_share: Fraction of the batches' tokens that is padding.
        dataloader_wait_share: Fraction of the step time in which the device waited for the dataloader.
        flops_per_token: FLOPs of forward and backward pass; see
            :meth:`sanetune.probes.device_speed.Work.flops_per_token`.
        flops_per_second: FLOPs per second of one device during training steps.
        matmul_flops_per_second: FLOPs per second of the device on matrix products of the model's shapes; None: not
            measured.
        peak_flops: FLOPs per second that the maker publishes; None: not known.
        peak_flops_source: Where that is published.
        dtype: The dtype of matrix products.
        measured_on: Name of the trial's device, from its driver.
        measured_devices: Number of devices in the trial.
        paid_kind: Kind of device that is paid for, as in the configuration; "": not given.
        check_seconds: Seconds that the check has taken, on the trial's devices.
        notes: What these numbers leave out or assume, in one sentence each.
    """

    steps: int
    steps_per_epoch: int
    step_seconds: Range
    measured_steps: int
    evaluations: int
    evaluation_seconds: float
    checkpoint_saves: int
    checkpoint_seconds: float
    final_save_seconds: float
    checkpoint_bytes: int
    disk_bytes_per_second: float | None
    hours: Range
    devices: int
    paid_devices: int
    usd_per_device_hour: float | None
    usd: Range | None
    tokens_per_second: float
    loss_tokens_per_second: float
    padding_share: float
    dataloader_wait_share: float
    flops_per_token: float
    flops_per_second: float
    matmul_flops_per_second: float | None
    peak_flops: float | None
    peak_flops_source: str
    dtype: str
    measured_on: str
    measured_devices: int
    paid_kind: str
    check_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> Range:
        """Seconds of the whole run."""
        return self.hours.times(3600)

    @property
    def evaluation_share(self) -> float:
        """Fraction of the run's time that evaluations take."""
        return _share(self.evaluations * self.evaluation_seconds, self.seconds.middle)

    @property
    def save_share(self) -> float:
        """Fraction of the run's time that saving checkpoints and the final model takes."""
        both = self.checkpoint_saves * self.checkpoint_seconds + self.final_save_seconds
        return _share(both, self.seconds.middle)

    @property
    def check_share(self) -> float:
        """Device-seconds of the check per device-second of the whole run."""
        return _share(self.check_seconds * self.measured_devices, self.seconds.middle * self.devices)

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilisation: FLOPs per second as a fraction of the published peak."""
        return self.flops_per_second / self.peak_flops if self.peak_flops else None

    @property
    def matmul_share(self) -> float | None:
        """FLOPs per second as a fraction of those that the device reaches on the model's matrices."""
        reached = self.matmul_flops_per_second
        return self.flops_per_second / reached if reached else None

    @property
    def comparable(self) -> bool:
        """Whether the trial's device may be of the kind that is paid for."""
        return same_kind(self.paid_kind, self.measured_on)

    def steps_within(self, hours: float) -> int:
        """Return the steps that fit into ``hours`` at the slow end, with all evaluations and saves of the whole run."""
        fixed = self.evaluations * self.evaluation_seconds
        fixed += self.checkpoint_saves * self.checkpoint_seconds + self.final_save_seconds
        fixed *= self.step_seconds.high / self.step_seconds.middle
        return max(0, int((hours * 3600 - fixed) / self.step_seconds.high))


def forecast_of(
    plan: Plan,
    prepared: Prepared,
    trial: Trial,
    config: Config,
    check_seconds: float,
    machine: MeasuredMachine | None = None,
) -> Forecast:
    """Return the forecast for ``plan`` from the steps of ``trial``, without measuring anything.

    Args:
        plan: The run that is forecast.
        prepared: Its rows, for their number of tokens.
        trial: The measured steps.
        config: Says what is paid for and on how many devices the run trains.
        check_seconds: Seconds that the check has taken.
        machine: The machine as it was measured; None: as the plan describes it.

    Raises:
        ValueError: The trial has no step.
    """
    machine = machine or machine_from(plan)
    timing, steps = trial.timing, plan.steps
    devices, bought, notes = _devices(plan, config, machine)
    tokens = int(prepared.stats["train"]["tokens"]) / steps.steps_per_epoch / steps.devices
    one = step_time_of(timing, tokens)
    # The work of the planned devices is divided among those that will train.
    step = one.seconds.times(steps.devices / devices)
    rows, loss_tokens, row_tokens = _validation(prepared)
    evaluation, measured = evaluation_seconds(timing, one, loss_tokens, row_tokens)
    evaluation /= devices
    evaluations = count_evaluations(steps, plan.config, rows)
    saves = count_checkpoint_saves(steps, plan.config, rows)
    stored, speed = machine.stored, machine.disk_bytes_per_second
    save, final = (stored.checkpoint / speed, stored.final / speed) if speed else (0.0, 0.0)
    hours = _hours(step, steps.total_steps, evaluations * evaluation, saves * save + final)
    price = config.budget.usd_per_device_hour
    notes += _assumed(one, tokens, evaluations > 0 and not measured, speed is None)
    per_second = _per_second(timing, timing.tokens, one)
    flops_per_token = machine.work.flops_per_token(_document_tokens(prepared))
    return Forecast(
        steps=steps.total_steps,
        steps_per_epoch=steps.steps_per_epoch,
        step_seconds=step,
        measured_steps=one.steps,
        evaluations=evaluations,
        evaluation_seconds=evaluation,
        checkpoint_saves=saves,
        checkpoint_seconds=save,
        final_save_seconds=final,
        checkpoint_bytes=stored.checkpoint,
        disk_bytes_per_second=speed,
        hours=hours,
        devices=devices,
        paid_devices=bought,
        usd_per_device_hour=price,
        usd=usd(hours, bought, price),
        tokens_per_second=per_second * devices,
        loss_tokens_per_second=_per_second(timing, timing.loss_tokens, one) * devices,
        padding_share=_share(sum(timing.padded_tokens) - sum(timing.tokens), sum(timing.padded_tokens)),
        dataloader_wait_share=_share(sum(timing.dataloader_seconds), sum(timing.step_seconds)),
        flops_per_token=flops_per_token,
        flops_per_second=per_second * flops_per_token,
        matmul_flops_per_second=machine.matmul_flops_per_second,
        peak_flops=machine.peak_flops,
        peak_flops_source=machine.peak_flops_source,
        dtype=machine.dtype,
        measured_on=machine.device,
        measured_devices=machine.devices,
        paid_kind=paid_devices(config.budget.devices).kind,
        check_seconds=check_seconds,
        notes=tuple(notes),
    )


def _hours(step: Range, steps: int, evaluating: float, saving: float) -> Range:
    """Hours of the whole run. Evaluations are as fast or slow as steps; the speed of the disk stays the same."""

    def at(seconds: float) -> float:
        return (steps * seconds + evaluating * seconds / step.middle + saving) / 3600

    return Range(at(step.low), at(step.middle), at(step.high))


def _assumed(one: StepTime, tokens: float, not_evaluated: bool, not_written: bool) -> list[str]:
    """Notes about what is assumed, not measured."""
    notes = []
    if one.scaled:
        notes.append(
            f"a step of the trial has {one.tokens:,.0f} tokens, one of the run {tokens:,.0f}: its seconds are scaled in"
            " proportion"
        )
    if not_evaluated:
        notes.append("no evaluation was measured: a third of the time of training on the validation rows is assumed")
    if not_written:
        notes.append("the disk was not measured: the time to save is not included")
    return notes


def _devices(plan: Plan, config: Config, machine: MeasuredMachine) -> tuple[int, int, list[str]]:
    """How many devices the run will train on, how many are paid for, and notes about what that leaves out."""
    planned, bought = plan.steps.devices, paid_devices(config.budget.devices)
    # Where the number of devices is unset, the run uses those that are paid for.
    devices = bought.number if bought.number and config.run.devices is None else planned
    notes = []
    if devices != planned:
        notes.append(
            f"the steps are planned for {planned}, and {devices} are paid for: the hours are those of {planned}"
            f" divided by {devices / planned:g}"
        )
    if devices > machine.devices:
        notes.append(
            f"measured on {machine.devices} of {devices} devices: the time to exchange gradients is not included"
        )
    if not same_kind(bought.kind, machine.device):
        notes.append(
            f"measured on {machine.device}, but {bought.kind} is paid for: the hours are those of {machine.device}"
        )
    return devices, bought.number or devices, notes


def _validation(prepared: Prepared) -> tuple[int, int, int]:
    """Validation rows, their tokens in the loss, and all of their tokens."""
    if prepared.validation is None:
        return 0, 0, 0
    stats = prepared.stats.get("validation", {})
    return len(prepared.validation), int(stats.get("loss_tokens", 0)), int(stats.get("tokens", 0))


def _document_tokens(prepared: Prepared) -> float:
    """Mean tokens of a document, since documents in a pack do not attend to each other."""
    stats = prepared.stats["train"]
    return float(stats["tokens"]) / max(1, int(stats["examples"]))


def _per_second(timing: Timing, tokens: list[int], one: StepTime) -> float:
    """Tokens per second of one device, over the steps that the step time is from."""
    some = list(zip(timing.step_seconds, tokens, strict=False))[-one.steps :]
    return _share(sum(count for _, count in some), sum(seconds for seconds, _ in some))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
