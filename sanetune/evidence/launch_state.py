"""How many processes train together, and how many are to, as environment and configuration say."""

from __future__ import annotations

from dataclasses import dataclass

from sanetune.config.launch import announced


@dataclass(frozen=True, slots=True)
class LaunchState:
    """The processes of a launch.

    Attributes:
        together: That have found each other; 1: this one is alone.
        expected: That are to; None: nothing says so.
        by: Who says so: the launcher, a cluster, or "" for the configuration.
        variable: The variable or key that says so, with its value.
        started: Whether as many were started; else each machine has one program, which has to start them.
        planned: Devices that the run is planned for.
    """

    together: int
    expected: int | None = None
    by: str = ""
    variable: str = ""
    started: bool = True
    planned: int = 1

    @classmethod
    def of(cls, together: int, devices: int | None = None, *, starts: bool = False) -> LaunchState:
        """Return the state of this process.

        Args:
            together: Processes that have found each other.
            devices: Devices that the configuration asks for (``run.devices``); None: as many as there are. They say
                something of processes that were started together, and nothing of one that only checks.
            starts: Whether training starts what is only announced (``sanetune train`` does).
        """
        planned = devices or together
        found = announced()
        if found is not None and starts and not found.started:
            planned, found = max(planned, found.processes), None
        if found is not None and found.processes != together:
            return cls(together, found.processes, found.by, found.variable, found.started, planned)
        if devices is not None and together > 1:
            return cls(together, devices, "", f"run.devices: {devices}", planned=planned)
        if found is not None:
            return cls(together, found.processes, found.by, found.variable, found.started, planned)
        return cls(together, planned=planned)
