"""The forecast: time, cost and use of the device for the whole run, and what the check itself took of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sanetune.forecast.cost import paid, same_kind, usd
from sanetune.forecast.machine import Machine, machine_from
from sanetune.forecast.time import Range, StepTime, looks, pace_of, savings, seconds_of_a_look

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan
    from sanetune.probes.results import Timing, Trial


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the whole run will take. Ranges are as if it went as fast as the fastest stretch of the trial, or as slow as
    the slowest."""

    steps: int
    """Optimizer steps of the whole run."""
    steps_per_epoch: int
    seconds_per_step: Range
    """Of one step, on all the run's devices together."""
    measured_steps: int
    """Steps of the trial that this is from."""
    looks: int
    """Times that the validation rows are measured."""
    look_seconds: float
    """Of one of them."""
    savings: int
    """Checkpoints that are written."""
    saving_seconds: float
    """Of one of them; 0 where the disk could not be measured."""
    final_seconds: float
    """Of writing the final model."""
    checkpoint_bytes: int
    write: float | None
    """Bytes per second of the disk."""
    hours: Range
    """Of the whole run."""
    devices: int
    """Devices that train."""
    paid_devices: int
    """Devices that are paid for."""
    price: float | None
    """US dollars of one device for one hour."""
    usd: Range | None
    """US dollars of the whole run; None without a price."""
    tokens_per_second: float
    """Tokens without padding, on all devices, while steps are taken."""
    loss_tokens_per_second: float
    """Those of them that are learnt."""
    padding_share: float
    """Places of the batches that hold no token."""
    wait_share: float
    """Time of the steps in which the device waited for the loader."""
    operations_per_token: float
    """Floating-point operations, forward and backward (see :meth:`sanetune.probes.device_speed.Work.per_token`)."""
    operations: float
    """Of one device in one second, while steps are taken."""
    matmul: float | None
    """Operations per second that this device reaches on products of the model's own shapes; None: not measured."""
    peak: float | None
    """Operations per second that its maker publishes; None: not known."""
    source: str
    """Where that is published."""
    dtype: str
    """The format that products are computed in."""
    measured_on: str
    """The device of the trial, by its driver's name."""
    measured_devices: int
    paid_kind: str
    """The kind of device that is paid for, as it was written; "": not said."""
    check_seconds: float
    """What the check took until now, on the devices that it was measured on."""
    notes: tuple[str, ...] = ()
    """What these numbers leave out or assume."""

    @property
    def seconds(self) -> Range:
        """Of the whole run."""
        return self.hours.times(3600)

    @property
    def look_share(self) -> float:
        """Share of the run's time that measuring validation rows takes."""
        return self.looks * self.look_seconds / self.seconds.middle if self.seconds.middle else 0.0

    @property
    def saving_share(self) -> float:
        """Share of the run's time that checkpoints and the final model take."""
        both = self.savings * self.saving_seconds + self.final_seconds
        return both / self.seconds.middle if self.seconds.middle else 0.0

    @property
    def check_share(self) -> float:
        """Device-seconds of the check per device-second of the whole run."""
        whole = self.seconds.middle * self.devices
        return self.check_seconds * self.measured_devices / whole if whole else 0.0

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilisation: progress made of what the maker publishes."""
        return self.operations / self.peak if self.peak else None

    @property
    def matmul_share(self) -> float | None:
        """The same of what this device reaches on the model's own matrices."""
        return self.operations / self.matmul if self.matmul else None

    @property
    def comparable(self) -> bool:
        """Whether the device that was measured can be of the kind that is paid for."""
        return same_kind(self.paid_kind, self.measured_on)

    def steps_within(self, hours: float) -> int:
        """Most steps that fit into so many hours, at the slow end, with all looks and savings of the whole run."""
        fixed = self.looks * self.look_seconds + self.savings * self.saving_seconds + self.final_seconds
        fixed *= self.seconds_per_step.high / self.seconds_per_step.middle
        return max(0, int((hours * 3600 - fixed) / self.seconds_per_step.high))

    def to_json(self) -> dict[str, Any]:
        """Plain values, the shares too."""
        shares = ("look_share", "saving_share", "check_share", "mfu", "matmul_share", "comparable")
        return asdict(self) | {name: getattr(self, name) for name in shares}


def forecast_of(
    plan: Plan,
    prepared: Prepared,
    trial: Trial,
    config: Config,
    check_seconds: float,
    machine: Machine | None = None,
) -> Forecast:
    """The forecast for ``plan``, from the steps of ``trial``; nothing is measured here. ``machine``: what was measured
    of it (open: what the plan says). ValueError where the trial made no step."""
    machine = machine or machine_from(plan)
    timing, steps = trial.timing, plan.steps
    devices, bought, notes = _devices(plan, config, machine)
    tokens = int(prepared.stats["train"]["tokens"]) / steps.steps_per_epoch / steps.devices
    pace = pace_of(timing, tokens)
    # What one device does in the plan is shared out among those that will train.
    step = pace.seconds.times(steps.devices / devices)
    rows, held_learnt, held_tokens = _held(prepared)
    look, measured = seconds_of_a_look(timing, pace, held_learnt, held_tokens)
    look /= devices
    count, saved = looks(steps, plan.config, rows), savings(steps, plan.config, rows)
    stored, speed = machine.stored, machine.write
    saving, final = (stored.checkpoint / speed, stored.final / speed) if speed else (0.0, 0.0)
    hours = _hours(step, steps.total_steps, count * look, saved * saving + final)
    price = config.budget.usd_per_device_hour
    notes += _assumed(pace, tokens, count > 0 and not measured, speed is None)
    rate, learnt = _per_second(timing, timing.tokens, pace), _per_second(timing, timing.loss_tokens, pace)
    operations = machine.work.per_token(_length(prepared))
    return Forecast(
        steps=steps.total_steps,
        steps_per_epoch=steps.steps_per_epoch,
        seconds_per_step=step,
        measured_steps=pace.steps,
        looks=count,
        look_seconds=look,
        savings=saved,
        saving_seconds=saving,
        final_seconds=final,
        checkpoint_bytes=stored.checkpoint,
        write=speed,
        hours=hours,
        devices=devices,
        paid_devices=bought,
        price=price,
        usd=usd(hours, bought, price),
        tokens_per_second=rate * devices,
        loss_tokens_per_second=learnt * devices,
        padding_share=_share(sum(timing.padded_tokens) - sum(timing.tokens), sum(timing.padded_tokens)),
        wait_share=_share(sum(timing.dataloader_seconds), sum(timing.step_seconds)),
        operations_per_token=operations,
        operations=rate * operations,
        matmul=machine.matmul,
        peak=machine.peak,
        source=machine.source,
        dtype=machine.dtype,
        measured_on=machine.device,
        measured_devices=machine.devices,
        paid_kind=paid(config.budget.devices).kind,
        check_seconds=check_seconds,
        notes=tuple(notes),
    )


def _hours(step: Range, steps: int, looking: float, saving: float) -> Range:
    """Hours of the whole run. Looks go as fast or slowly as steps do; the disk does not follow them."""

    def at(seconds: float) -> float:
        return (steps * seconds + looking * seconds / step.middle + saving) / 3600

    return Range(at(step.low), at(step.middle), at(step.high))


def _assumed(pace: StepTime, tokens: float, unseen: bool, unwritten: bool) -> list[str]:
    """What the seconds are taken for granted in."""
    notes = []
    if pace.scaled:
        notes.append(
            f"a step of the trial held {pace.tokens:,.0f} tokens, one of the run holds {tokens:,.0f}: the seconds"
            " are taken in proportion"
        )
    if unseen:
        notes.append("no look at the validation rows was measured: a third of the time of training on them is assumed")
    if unwritten:
        notes.append("the disk was not measured: the time to save is not in it")
    return notes


def _devices(plan: Plan, config: Config, machine: Machine) -> tuple[int, int, list[str]]:
    """How many devices the whole run will train on, how many are paid for, and what that leaves out."""
    planned, bought = plan.steps.devices, paid(config.budget.devices)
    # Where the number that trains is open, the run is started on those that are paid for.
    devices = bought.number if bought.number and config.run.devices is None else planned
    notes = []
    if devices != planned:
        notes.append(
            f"the steps are planned for {planned}, and {devices} are paid for: the hours are those of {planned}"
            f" divided by {devices / planned:g}"
        )
    if devices > machine.devices:
        notes.append(
            f"measured on {machine.devices} of {devices} devices: the time that they take to exchange gradients is not"
            " in it"
        )
    if not same_kind(bought.kind, machine.device):
        notes.append(f"measured on {machine.device}, paid for is {bought.kind}: these are the hours of the first")
    return devices, bought.number or devices, notes


def _held(prepared: Prepared) -> tuple[int, int, int]:
    """Validation rows, their learnt tokens, and all of their tokens."""
    if prepared.validation is None:
        return 0, 0, 0
    figures = prepared.stats.get("validation", {})
    return len(prepared.validation), int(figures.get("loss_tokens", 0)), int(figures.get("tokens", 0))


def _length(prepared: Prepared) -> float:
    """Mean tokens of a document; those of a pack do not see each other."""
    figures = prepared.stats["train"]
    return float(figures["tokens"]) / max(1, int(figures["examples"]))


def _per_second(timing: Timing, tokens: list[int], pace: StepTime) -> float:
    """Tokens per second of one device, in the steps that the pace is from."""
    some = list(zip(timing.step_seconds, tokens, strict=False))[-pace.steps :]
    return _share(sum(count for _, count in some), sum(seconds for seconds, _ in some))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
