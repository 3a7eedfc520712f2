"""Several processes of one launch take the same turns, so that one of them can read what all of them get.

The main process works; the others serve it. It tells all what comes next, and each answers, itself too: a fault on one
of them is an answer, and nobody waits for a process that is gone. In the end all have the result, or the error.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sanetune.config.machine import local_rank
from sanetune.errors import UserError
from sanetune.evidence.registry import MissingError
from sanetune.finding import GateError
from sanetune.text import one_line

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

PATIENCE = timedelta(hours=12)
"""How long the others wait for the main process, which may be at a long check."""
ARRIVAL = timedelta(minutes=10)
"""How long the main process waits for the others to begin."""
AFTER = 3.0
"""Seconds that the others leave to the main process to say why it stops."""

Answer = TypeVar("Answer")
Result = TypeVar("Result")


class Servant(Protocol):
    """What a process does when it is told to."""

    def answer(self, order: object) -> object: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that could not be given, and why."""

    error: Exception

    @classmethod
    def of(cls, error: Exception, rank: int) -> Failure:
        """Errors that travel are kept; of others the text is, with the process that they came from."""
        if isinstance(error, UserError | MissingError):
            return cls(error)
        text = f"{type(error).__name__}: {one_line(str(error), 300)}"
        return cls(RuntimeError(f"process {rank} stopped: {text}"))


@dataclass(frozen=True, slots=True)
class _Ended(Generic[Result]):
    result: Result | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """What the processes tell each other.

    Attributes:
        group: Their own, on the processor: what training sends is not disturbed, and may wait less long.
    """

    rank: int
    size: int
    group: ProcessGroup

    def broadcast(self, value: object = None) -> object:
        """Return, on all, what the main process has given."""
        from torch import distributed

        values = [value]
        distributed.broadcast_object_list(values, src=0, group=self.group)
        return values[0]

    def collect(self, answer: Answer) -> list[Answer]:
        """Return the answers of all on the main process, in their order; nothing on the others."""
        from torch import distributed

        answers = [answer] * self.size if self.rank == 0 else None
        distributed.gather_object(answer, answers, dst=0, group=self.group)
        return answers or []


def process_count() -> int:
    """How many processes have begun to train together; 1 where this one is alone."""
    if (distributed := _distributed()) is None:
        return 1
    return int(distributed.get_world_size())


def is_leading() -> bool:
    """Whether this process tells the others what comes next."""
    distributed = _distributed()
    return distributed is None or distributed.get_rank() == 0


@contextlib.contextmanager
def channel() -> Iterator[Channel]:
    """Open a channel between all processes of the launch, each of which has to ask for it."""
    from torch import distributed

    _wait_for_all()
    backend = "gloo" if distributed.is_gloo_available() else None
    group = distributed.new_group(backend=backend, timeout=PATIENCE)
    try:
        yield Channel(distributed.get_rank(), distributed.get_world_size(), group)
    finally:
        with contextlib.suppress(Exception):  # what goes wrong at the end hides no reason for it
            distributed.destroy_process_group(group)


def lead(line: Channel, work: Callable[[], Result]) -> Result:
    """Do ``work`` on the main process, and tell the others that it is done, or why it is not."""
    try:
        result = work()
    except BaseException as error:
        line.broadcast(_Ended(error=Failure.of(error, 0).error if isinstance(error, Exception) else SystemExit(130)))
        raise
    line.broadcast(_Ended(result))
    return result


def serve(line: Channel, servant: Servant | None = None) -> object:
    """Answer until the main process is done; its result, or its error, is the result here.

    Args:
        line: To the main process.
        servant: Who answers; None: the main process asks nothing.
    """
    hush()
    while True:
        order = line.broadcast()
        if not isinstance(order, _Ended):
            assert servant is not None
            line.collect(servant.answer(order))
        elif order.error is not None:
            order.error.__dict__["is_told"] = True
            raise order.error
        else:
            return order.result


def once_per_machine(work: Callable[[], Result]) -> Result:
    """Return what ``work`` gives, on each process: the main one works first, then the first one of each machine.

    The others find in the cache of their machine what is left there. However long it takes, nobody gives up waiting.
    """
    if (distributed := _distributed()) is None or distributed.get_world_size() == 1:
        return work()
    error: Exception | None = None
    result: list[Result] = []
    with channel() as line:
        mine = 0 if line.rank == 0 else 1 if local_rank() == 0 else 2
        for turn in range(3):
            if turn == mine:
                try:
                    result.append(work())
                except Exception as caught:  # noqa: BLE001 -- raised once nobody waits for this process any more
                    error = caught
            distributed.barrier(group=line.group)
    if error is not None:
        raise error
    return result[0]


def hush() -> None:
    """Let what the main process tells end this process without being told again."""
    previous = sys.excepthook
    if getattr(previous, "hushed", False):
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, GateError) or error.__dict__.get("is_told"):
            time.sleep(AFTER)  # a launcher stops all processes when the first one ends
            return
        previous(kind, error, trace)

    hook.hushed = True  # type: ignore[attr-defined]
    sys.excepthook = hook


@contextlib.contextmanager
def no_collectives() -> Iterator[None]:
    """Let this process take itself for the only one, for code that others do not run at the same time."""
    if (distributed := _distributed()) is None or distributed.get_world_size() == 1:
        yield
        return
    from accelerate.state import AcceleratorState, DistributedType, PartialState
    from torch.distributed.distributed_c10d import GroupMember

    world, alone = GroupMember.WORLD, {"num_processes": 1, "distributed_type": DistributedType.NO}
    states = [state for one in (PartialState, AcceleratorState) if (state := one._shared_state)]
    kept = [dict(state) for state in states]
    GroupMember.WORLD = None
    try:
        for state in states:
            state.update({name: value for name, value in alone.items() if name in state})
        yield
    finally:
        GroupMember.WORLD = world
        for state, before in zip(states, kept, strict=True):
            state.update(before)


def _distributed() -> ModuleType | None:
    """torch's module, where processes have found each other."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return None
    found: ModuleType = torch.distributed
    return found


def _wait_for_all() -> None:
    """Raise where another process does not come: a check that only one of them runs would wait without end."""
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore, _get_default_store

    store = PrefixStore("sanetune", _get_default_store())
    turn = store.add(f"turn-{distributed.get_rank()}", 1)
    store.set(f"here-{turn}-{distributed.get_rank()}", "1")
    if distributed.get_rank():
        return
    try:
        store.wait([f"here-{turn}-{rank}" for rank in range(distributed.get_world_size())], ARRIVAL)
    except distributed.DistStoreError:
        raise UserError(
            f"the check waited {ARRIVAL.seconds // 60} minutes for the other processes",
            "They read the batches together, so that each has to begin it.",
            "Call sanetune.check, or add sanetune.Gate, on every process and not on the main one alone.",
        ) from None
