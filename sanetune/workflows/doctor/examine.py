"""Examine this machine and its environment, part by part."""

from __future__ import annotations

from collections.abc import Callable

from sanetune.workflows.doctor import environment, hardware, packages
from sanetune.workflows.doctor.examined import Examination, Examined


def examine() -> Examination:
    """Examine packages, devices, number formats, disk, trackers and extras; nothing is fetched.

    What cannot be examined is in the result as broken, with the error.
    """
    parts: list[tuple[str, Callable[[], list[Examined]]]] = [
        ("packages", packages.required),
        ("devices", hardware.devices),
        ("precision", hardware.precision),
        ("disk", environment.disk),
        ("trackers", environment.trackers),
        ("extras", packages.extras),
        ("environment", environment.settings),
    ]
    items: list[Examined] = []
    for part, inspect in parts:
        try:
            items += inspect()
        except Exception as error:  # noqa: BLE001 -- one part that cannot be examined hides no other
            items.append(Examined(part, part, "broken", f"cannot be examined: {type(error).__name__}: {error}"))
    return Examination(items)
