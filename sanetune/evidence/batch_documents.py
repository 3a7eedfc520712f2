"""Takes the engine's batches apart into documents, without their padding.

Shapes: B rows of a batch, T tokens of a row or document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.data.labels import IGNORE_INDEX
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.known_examples import KnownExamples, bare
from sanetune.evidence.token_roles import digest

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Document:
    """One example as it is in a batch: equally long arrays without padding."""

    ids_T: np.ndarray  # noqa: N815 -- shape suffix
    labels_T: np.ndarray  # noqa: N815

    @property
    def in_loss_T(self) -> np.ndarray:  # noqa: N802 -- shape suffix
        """Which tokens have a label."""
        in_loss: np.ndarray = self.labels_T != IGNORE_INDEX
        return in_loss


@dataclass(frozen=True, slots=True)
class DocumentSplitter:
    """Finds the documents of a batch, and counts its padding into ``stats``.

    Attributes:
        pad: Id of the padding token; None: nothing pads.
        ends: Ids that end a text, of which padding may be one.
    """

    stats: SplitStats
    known: KnownExamples
    pad: int | None
    ends: frozenset[int] = frozenset()

    def documents(self, arrays: dict[str, np.ndarray]) -> Iterator[Document]:
        """The documents of a batch; padding is counted and left out."""
        import numpy as np

        ids_BT, labels_BT = arrays["input_ids"], arrays["labels"]  # noqa: N806 -- shape suffixes
        mask, positions = arrays.get("attention_mask"), arrays.get("position_ids")
        if positions is not None and positions.shape != ids_BT.shape:
            positions = None
        if mask is not None and mask.shape != ids_BT.shape:
            mask = None
        for row in range(ids_BT.shape[0]):
            ids, labels = ids_BT[row], labels_BT[row]
            if mask is not None:
                real = self._real(ids, labels, mask[row].astype(bool))
                self._padding(labels[~real], int((~real[: np.flatnonzero(real).max(initial=0)]).sum()))
                yield from self._split(ids[real], labels[real], None if positions is None else positions[row][real])
            else:
                yield from self._split(ids, labels, None if positions is None else positions[row])

    def _real(self, ids: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """What the attention mask keeps, and an end directly behind it that alone has a label.

        A mask that is read off the ids (``ids.ne(pad)``) leaves out the row's own end where the end token also pads.
        It is learned all the same: nothing has to attend to it.
        """
        import numpy as np

        outside = np.flatnonzero(~mask & (labels != IGNORE_INDEX))
        if len(outside) == 1 and (at := int(outside[0])) and mask[at - 1] and int(ids[at]) in self.ends:
            mask = mask.copy()
            mask[at] = True
        return mask

    def _split(self, ids: np.ndarray, labels: np.ndarray, positions: np.ndarray | None) -> Iterator[Document]:
        import numpy as np

        if not len(ids):  # a row of padding alone
            return
        starts = [0] if positions is None else np.flatnonzero(positions == 0).tolist()
        if not starts or starts[0] != 0:
            starts = [0, *starts]
        self.stats.packed = self.stats.packed or len(starts) > 1
        for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True):
            if self.pad is not None and len(ids[start:stop]) and (ids[start:stop] == self.pad).all():
                self._padding(labels[start:stop])
                continue
            if positions is None:
                first, last = self._bare(ids[start:stop])
                self._padding(np.concatenate([labels[start : start + first], labels[start + last : stop]]), first)
                start, stop = start + first, start + last
            yield Document(ids[start:stop], labels[start:stop])

    def _bare(self, ids: np.ndarray) -> tuple[int, int]:
        """Where the text begins and stops, where neither mask nor positions tell: as it is an example of the data set,
        else without padding, but with the one token of it that may be a real end."""
        import numpy as np

        if self.pad is None or (ids[-1] != self.pad and ids[0] != self.pad) or digest(ids) in self.known.numbers:
            return 0, len(ids)
        start, stop = bare(ids, self.pad, self.ends)
        run = int(np.argmax(ids[::-1] != self.pad))
        for last in (len(ids) - run, len(ids) - run + 1):
            for first in {start, 0}:
                if last <= len(ids) and digest(ids[first:last]) in self.known.numbers:
                    return first, last
        return start, stop

    def _padding(self, labels: np.ndarray, behind: int | None = None) -> None:
        """Count the padding of a row; ``behind``: which of it follows the row's text."""
        in_loss = labels != IGNORE_INDEX
        self.stats.padding += len(labels)
        self.stats.padding_in_loss += int(in_loss.sum())
        if behind is not None and in_loss.sum() == 1 and in_loss[behind:][:1].any():
            self.stats.padding_behind_text += 1
