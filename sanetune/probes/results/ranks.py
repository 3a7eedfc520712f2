"""What the processes that train together have of one step, compared with one process that makes it alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowDistribution:
    """How the rows of an epoch are shared out.

    Attributes:
        rows: Training rows (packs, where they are packed).
        missed: Rows that no process gets.
        repeated: Rows that are given out more than once.
        spare: Rows that may be missed or come again, since the last batches have to come out even.
    """

    rows: int
    missed: int
    repeated: int
    spare: int


@dataclass(frozen=True, slots=True)
class SavedWeights:
    """A checkpoint of several processes.

    Attributes:
        size: Bytes of its weights.
        trained_size: Bytes of the trained weights.
        adapter: Whether it holds an adapter alone.
        weights: Trained weights that it has.
        missing: Trained weights that it lacks.
        differs: The largest relative difference of a saved weight from that of any process.
        differing: The weight with that difference.
        sixteen_bits: Whether it is stored in 16 bits.
    """

    size: int
    trained_size: int
    adapter: bool
    weights: int
    missing: tuple[str, ...]
    differs: float
    differing: str
    sixteen_bits: bool


@dataclass(frozen=True, slots=True)
class RankComparison:
    """One step of all processes, and the same rows in one.

    Attributes:
        processes: That made the step.
        how: ``DDP``, ``FSDP`` or ``DeepSpeed``.
        examples: Rows of the step, of all processes.
        loss: As the run logs it, in nats per token in the loss.
        one_loss: Of one process on the same rows.
        norm: Norm of the gradients, before clipping, as the run logs it; None: it logs none.
        one_norm: Of one process; None: no weight gets a gradient.
        copied: For each process, the share of its rows that an earlier process has too.
        started: For each process, the largest relative difference of its weights before the step from those of
            one process.
        ended: For each process, that of its weights after the step from the main one's.
        distribution: Of the rows of the first epoch; None: not known.
        saved: The checkpoint; None: none was written that could be read.
        sixteen_bits: Whether weights or matrix products have 16 bits.
    """

    processes: int
    how: str
    examples: int
    loss: float
    one_loss: float
    norm: float | None
    one_norm: float | None
    copied: tuple[float, ...]
    started: tuple[float, ...]
    ended: tuple[float, ...]
    distribution: RowDistribution | None
    saved: SavedWeights | None
    sixteen_bits: bool
