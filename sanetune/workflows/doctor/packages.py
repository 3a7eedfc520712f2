"""Versions of Python and of the packages, beside what sanetune asks for, and the extras that are not installed."""

from __future__ import annotations

import importlib.metadata
import platform
from collections import defaultdict
from typing import TYPE_CHECKING

from sanetune.runs import PACKAGES
from sanetune.workflows.doctor.examined import Examined

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OFFERED = {
    "sweep": "the search of `sanetune sweep`",
    "evaluate": "run.evaluate, benchmarks after training",
    "mcp": "`sanetune mcp`",
    "wandb": "the tracker W&B",
    "trackio": "the tracker trackio",
    "quantization": "model.quantization",
    "serve": "`sanetune verify` of GGUF files",
}
"""Extra -> what it is for; those for people who work on sanetune itself are left out."""


def required() -> list[Examined]:
    """Python, and each package that sanetune needs."""
    found = [Examined("packages", "python", "ok", platform.python_version())]
    needed = _requirements().get("", [])
    if not needed:
        return [
            *found,
            Examined("packages", "sanetune", "note", "runs from a folder: not known what it needs", "pip install ."),
        ]
    found.append(Examined("packages", "sanetune", "ok", _version("sanetune") or ""))
    shown = {name.lower() for name in PACKAGES}
    for one in needed:
        item = _examined(one)
        if item.state != "ok" or one.name.lower() in shown:
            found.append(item)
    rest = len(needed) + 2 - len(found)
    return [*found, Examined("packages", "others", "ok", f"{rest:,} more, each as it has to be")] if rest > 0 else found


def extras() -> list[Examined]:
    """Each optional extra: there, or the command that installs it."""
    found = []
    requirements = _requirements()
    for extra, use in OFFERED.items():
        needed = requirements.get(extra, [])
        bad = [item for one in needed if (item := _examined(one)).state != "ok"]
        command = f"pip install 'sanetune[{extra}]'"
        # What is installed from a clone may know fewer extras than the clone: then the package of that name counts.
        if bad or not (needed or _version(extra)):
            names = ", ".join(item.name for item in bad) or "its packages"
            found.append(Examined("extras", extra, "missing", f"{names} not installed: for {use}", command))
        else:
            found.append(Examined("extras", extra, "ok", f"for {use}"))
    return [*found, _deepspeed()]


def _deepspeed() -> Examined:
    """DeepSpeed is no extra: pip compiles it here, for this torch."""
    version, use = _version("deepspeed"), "for train.deepspeed (ZeRO)"
    if version is None:
        words = f"not installed: {use}; FSDP2 (train.fsdp: true) divides a model without it"
        return Examined("extras", "deepspeed", "missing", words, "pip install deepspeed")
    return Examined("extras", "deepspeed", "ok", f"{version}, {use}")


def _requirements() -> dict[str, list[Requirement]]:
    """Extra ("" for none) -> what it needs here, as the installed package says."""
    from packaging.requirements import Requirement

    found: dict[str, list[Requirement]] = defaultdict(list)
    try:
        distribution = importlib.metadata.distribution("sanetune")
    except importlib.metadata.PackageNotFoundError:
        return found
    for text in distribution.requires or ():
        one = Requirement(text)
        for extra in ("", *OFFERED):
            needed = one.marker is None or one.marker.evaluate({"extra": extra})
            if needed and (not extra or (one.marker is not None and not one.marker.evaluate({"extra": ""}))):
                found[extra].append(one)
    return found


def _examined(one: Requirement) -> Examined:
    version = _version(one.name)
    install = f"pip install '{one.name}{one.specifier}'"
    if version is None:
        return Examined("packages", one.name, "broken", "not installed", install)
    if not one.specifier.contains(version, prereleases=True):
        return Examined("packages", one.name, "broken", f"{version}, needed is {one.specifier}", install)
    return Examined("packages", one.name, "ok", version)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
