"""The plan on a terminal, and its learning-rate schedules as PNG and SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.config.origin import Origin, OriginKind
from sanetune.errors import RunError
from sanetune.planning.plan import incomplete_rows
from sanetune.report.terminal.grid import drawing
from sanetune.report.terminal.layout import put
from sanetune.report.terminal.plan_forecast import forecast_parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sanetune.config.machine import Machine
    from sanetune.forecast.ahead import Ahead
    from sanetune.planning.plan import Plan


def show(plan: Plan, console: Console | None = None, ahead: Ahead | None = None) -> None:
    """Print the plan, and its forecast, in at most 80 columns; ``console`` None: on standard output."""
    put(parts(plan, ahead), console)


def parts(plan: Plan, ahead: Ahead | None = None) -> list[RenderableType]:
    """Return the parts of the view from top to bottom."""
    pieces = [_heading(plan), _arithmetic(plan)]
    if ahead is not None:
        pieces += [Text(""), *forecast_parts(ahead)]
    if notes := incomplete_rows(plan.sizes.data, plan.config.train.get("max_length")) + plan.notes:
        pieces += [Text(""), *(Text(f"! {note}", style="yellow") for note in notes)]
    if plan.config.renamed:
        pieces += [Text(""), _renamed(plan)]
    pieces += [Text(""), _title("Common configurations"), _combinations(plan)]
    pieces += [Text(""), _title("Learning rate, by schedule"), _learning_rates(plan), Text(""), *_drawing(plan)]
    return [*pieces, Text(""), _title("Values and where they come from"), _values(plan)]


def _title(words: str) -> Text:
    return Text(words, style="bold")


def _heading(plan: Plan) -> RenderableType:
    sizes, data, model = plan.sizes.model, plan.sizes.data, plan.config.model
    method = "all weights"
    if model.adapter is not None:
        method = f"LoRA, rank {model.adapter.r}" + (f", on {model.quantization} weights" if model.quantization else "")
    elif sizes.trainable < sizes.parameters:
        method = "part of the weights"
    lines = [Text.assemble(("Plan for ", "bold"), (_short_name(model.name), "bold cyan"))]
    if sizes.parameters:
        some = f"{units.count(sizes.trainable)} of them trained ({units.share(sizes.trainable / sizes.parameters)})"
        trained = f"{some}: {method}" if sizes.trainable < sizes.parameters else "all of them trained"
        where = _devices(plan.sizes.machine)
        lines.append(Text(f"{units.count(sizes.parameters)} parameters, {trained}, on {where}"))
    packed = "pack" if plan.config.train.get("packing") else "example"
    lines.append(
        Text(
            f"{units.many(plan.steps.examples, packed)} to train on, {data.validation_examples:,} to validate on;"
            f" about {data.mean_tokens:,.0f} tokens each"
        )
    )
    return Group(*lines, *map(Text, data.mixture), Text(""))


def _devices(machine: Machine) -> str:
    one_cpu = (machine.device, machine.devices) == ("cpu", 1)
    return "the CPU" if one_cpu else units.many(machine.devices, f"{machine.device} device")


def _short_name(name: str) -> str:
    """The last part of a folder's path; a Hub id unchanged."""
    return Path(name).name if Path(name).is_absolute() else name


def _arithmetic(plan: Plan) -> Table:
    steps = plan.steps
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    batches = (
        f"{units.many(steps.batches_per_epoch, 'batch', 'batches')} / {steps.accumulation} accumulated, rounded up"
    )
    table.add_row(
        "effective batch size", Text.assemble(steps.equation.rsplit("=", 1)[0], "= ", (f"{steps.effective:,}", "bold"))
    )
    table.add_row(
        "batches per epoch",
        f"{steps.examples:,} / ({steps.per_device} x {steps.devices}) = {steps.batches_per_epoch:,}",
    )
    table.add_row("steps per epoch", f"{batches} = {steps.steps_per_epoch:,}")
    table.add_row("total steps", _total_steps(plan))
    warm = f"{steps.warmup_equation}: " if steps.warmup_equation != "as given" else ""
    table.add_row("warm-up steps", Text.assemble(warm, (f"{steps.warmup_steps:,}", "bold")))
    every = {"evaluations": steps.eval_steps, "checkpoints": steps.save_steps, "log lines": steps.logging_steps}
    table.add_row("steps between", ", ".join(f"{name}: {number:,}" for name, number in every.items() if number))
    return table


def _total_steps(plan: Plan) -> Text:
    steps = plan.steps
    if int(plan.config.train.get("max_steps", -1)) > 0:
        return Text.assemble("max_steps: ", (f"{steps.total_steps:,}", "bold"), f" = {steps.epochs:.3g} epochs")
    number = f"{steps.epochs:g} epoch{'s' * (steps.epochs != 1)} x {steps.steps_per_epoch:,}"
    return Text.assemble(f"{number} = ", (f"{steps.total_steps:,}", "bold"))


def _renamed(plan: Plan) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for one in plan.config.renamed:
        now = one.new if one.new != one.old else f"{one.new}: {plan.config.train.get(one.new.split('.')[-1])}"
        table.add_row(Text(one.old, style="yellow"), Text(f"now {now}" if one.new else "has no effect any more"))
    return Group(_title("Renamed keys"), table)


def _combinations(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for name in ("per device", "accumulated", "devices", "effective", "steps/epoch", "steps"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in plan.combinations:
        numbers = (one.per_device, one.accumulation, one.devices, one.effective, one.steps_per_epoch, one.total_steps)
        mark = "this run" if one.chosen else ""
        table.add_row(*(f"{number:,}" for number in numbers), mark, style="bold green" if one.chosen else "")
    return table


def _learning_rates(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("step", justify="right")
    for name in plan.schedules.sampled:
        table.add_column(f"{name} (this run)" if name == plan.steps.scheduler else name, justify="right")
    for i, step in enumerate(plan.schedules.sample_steps):
        table.add_row(f"{step:,}", *(units.lr(values[i]) for values in plan.schedules.sampled.values()))
    for name in plan.schedules.undrawable:
        table.add_row("", Text(f"{name} follows the loss, so it cannot be drawn in advance", style="dim"))
    return table


def _drawing(plan: Plan) -> list[RenderableType]:
    curves = {name: (plan.schedules.steps, values) for name, values in plan.schedules.curves.items()}
    if not any(value for _, values in curves.values() for value in values):
        return [Text("The learning rate is 0 throughout.", style="yellow")]

    def label(lr: float) -> str:
        return units.lr(lr) if lr else "0"

    return drawing(curves, label=label, last=max(plan.steps.total_steps, 1), bottom=0.0)


def _values(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), show_header=False)
    table.add_column(style="cyan", max_width=30, overflow="fold")
    table.add_column(max_width=18, overflow="fold")
    table.add_column(style="dim", overflow="fold")
    config = plan.config
    shown = {f"model.{key}": getattr(config.model, key) for key in ("dtype", "attention", "chat_template")}
    shown |= {f"train.{key}": value for key, value in sorted(config.train.given.items())}
    for key, value in shown.items():
        origin = config.origins.get(key)
        if value is None and (origin is None or origin.kind is OriginKind.DEFAULT):
            continue
        table.add_row(Text(key.removeprefix("train.")), Text(_value(value)), Text(_from(origin)))
    return table


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float) and 0 < abs(value) < 1e-2:
        return units.lr(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 72 else text[:69] + "..."


def _from(origin: Origin | None) -> str:
    if origin is None:
        return ""
    if origin.kind is OriginKind.GIVEN and origin.place and origin.place.file:
        return f"{Path(origin.place.file).name}:{origin.place.line}"
    return origin.explanation


def draw(plan: Plan, folder: Path) -> list[Path]:
    """Draw the schedules into ``folder``, as PNG and SVG.

    Returns:
        Both files.

    Raises:
        RunError: The folder cannot be written.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "sanetune", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for name, values in plan.schedules.curves.items():
            chosen = name == plan.steps.scheduler
            axes.plot(
                plan.schedules.steps,
                values,
                label=f"{name} (this run)" if chosen else name,
                linewidth=2.5 if chosen else 1.2,
                zorder=3 if chosen else 2,
            )
        if plan.steps.warmup_steps:
            axes.axvline(plan.steps.warmup_steps, color="0.6", linestyle=":", linewidth=1)
            axes.annotate(
                f"warm-up: {units.many(plan.steps.warmup_steps, 'step')}",
                (plan.steps.warmup_steps, 0),
                xytext=(4, 4),
                textcoords="offset points",
                color="0.4",
                fontsize=8,
            )
        axes.set(xlabel="step", ylabel="learning rate", title=f"Learning rate over {plan.steps.total_steps:,} steps")
        axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        axes.grid(alpha=0.25)
        axes.legend()
        return _save(figure, folder)


def _save(figure: Figure, folder: Path) -> list[Path]:
    files = [folder / "schedules.png", folder / "schedules.svg"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            # Without a date, the same plan gives the same bytes.
            figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    except OSError as error:
        raise RunError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}", "", "Give --plots another folder."
        ) from None
    return files
