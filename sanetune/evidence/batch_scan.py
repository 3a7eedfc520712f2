"""Takes the engine's batches apart and counts what :class:`sanetune.evidence.batch_stats.BatchStats` holds.

Shapes: B rows of a batch, T tokens of a row or document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.data.labels import IGNORE_INDEX
from sanetune.events import Publish, RowsProcessed, silent
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.registry import MissingError
from sanetune.evidence.roles_from_ids import decoded
from sanetune.evidence.token_roles import EITHER, IN_LOSS, NAMES, TokenRole, TokenRoles, digest
from sanetune.finding import MOST_WITNESSES, Witness

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedTokenizerBase

AROUND = 24
"""Tokens shown on each side of the first wrong one."""


@dataclass(frozen=True, slots=True)
class Document:
    """One example as it is in a batch: equally long arrays without padding."""

    ids_T: np.ndarray  # noqa: N815 -- shape suffix
    labels_T: np.ndarray  # noqa: N815


@dataclass(slots=True)
class BatchScanner:
    """Reads one split's batches into ``stats``.

    Attributes:
        roles_of: Gives the roles of a document's tokens by the independent route, None where it knows none.
        pad: Id of the padding token.
        longest: A document of so many tokens may have been truncated; None: only the independent route tells.
    """

    stats: SplitStats
    known: KnownExamples
    roles_of: Callable[[np.ndarray], TokenRoles | None]
    tokenizer: PreTrainedTokenizerBase
    pad: int | None
    longest: int | None = None
    _order: list[int] = field(default_factory=list)
    _worst: dict[str, list[tuple[int, Witness]]] = field(default_factory=dict)

    def read(self, batches: Iterable[Mapping[str, torch.Tensor]], publish: Publish = silent) -> None:
        """One epoch."""
        seen: dict[int, int] = {}
        for batch in batches:
            self.stats.batches += 1
            arrays = {name: _array(value) for name, value in batch.items() if hasattr(value, "shape")}
            if "input_ids" not in arrays or arrays["input_ids"].ndim != 2:
                raise MissingError(f"the batches have no rows of input_ids; they have {', '.join(map(str, batch))}")
            if "labels" not in arrays:
                arrays["labels"] = arrays["input_ids"] * 0 + IGNORE_INDEX
            for document in self._documents(arrays):
                self.stats.documents += 1
                self._document(document, seen)
            publish(RowsProcessed(self.stats.documents))
        self._coverage(seen)
        self.stats.witnesses = {
            name: [witness for _, witness in sorted(worst, key=lambda one: -one[0])]
            for name, worst in self._worst.items()
        }

    def _documents(self, arrays: dict[str, np.ndarray]) -> Iterator[Document]:
        """The documents of a batch; padding is counted and left out."""
        ids_BT, labels_BT = arrays["input_ids"], arrays["labels"]  # noqa: N806 -- shape suffixes
        mask, positions = arrays.get("attention_mask"), arrays.get("position_ids")
        if positions is not None and positions.shape != ids_BT.shape:
            positions = None
        if mask is not None and mask.shape != ids_BT.shape:
            mask = None
        for row in range(ids_BT.shape[0]):
            ids, labels = ids_BT[row], labels_BT[row]
            if mask is not None:
                real = mask[row].astype(bool)
                self._padding(labels[~real])
                yield from self._split(ids[real], labels[real], None if positions is None else positions[row][real])
            else:
                yield from self._split(ids, labels, None if positions is None else positions[row])

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
            if positions is None and (tail := self._tail(ids[start:stop])):
                self._padding(labels[stop - tail : stop])
                stop -= tail
            yield Document(ids[start:stop], labels[start:stop])

    def _tail(self, ids: np.ndarray) -> int:
        """How many tokens of padding trail, where neither mask nor positions tell: as many as leave an example of the
        data set, else all but the one that may be a real end."""
        import numpy as np

        if self.pad is None or ids[-1] != self.pad or digest(ids) in self.known.numbers:
            return 0
        run = int(np.argmax(ids[::-1] != self.pad))
        for tail in (run, run - 1):
            if tail and digest(ids[:-tail]) in self.known.numbers:
                return tail
        return run - 1 if self.pad == self.tokenizer.eos_token_id else run

    def _padding(self, labels: np.ndarray) -> None:
        self.stats.padding += len(labels)
        self.stats.padding_in_loss += int((labels != IGNORE_INDEX).sum())

    def _document(self, document: Document, seen: dict[int, int]) -> None:
        import numpy as np

        stats, ids, labels = self.stats, document.ids_T, document.labels_T
        in_loss = labels != IGNORE_INDEX
        stats.tokens += len(ids)
        stats.loss_tokens += int(in_loss.sum())
        stats.largest_id = max(stats.largest_id, int(ids.max(initial=-1)))
        stats.smallest_id = min(stats.smallest_id, int(ids.min(initial=0)))
        if (unknown := self.tokenizer.unk_token_id) is not None and unknown != self.tokenizer.eos_token_id:
            stats.unknown_tokens += self._seen("unknown_tokens", document, ids == unknown)
        found, number = self.roles_of(ids), self._number(ids, seen)
        if found is not None and found.example is not None:
            number = found.example
        if not in_loss.any():
            stats.fully_masked += 1
            self._witness("fully_masked", document, 0, 1, number)
        bos = self.tokenizer.bos_token_id
        if bos is not None and len(ids) > 1 and ids[0] == ids[1] == bos:
            stats.double_bos += 1
            self._witness("double_bos", document, 0, 1, number)
        changed = in_loss & (labels != ids)
        if changed.any():
            stats.changed += int(changed.sum())
            self._witness("changed", document, int(np.argmax(changed)), int(changed.sum()), number)
            stats.shifted += _is_shifted(ids, labels, in_loss)
        if found is None or len(found.roles_T) != len(in_loss):
            stats.roles_unknown += 1
            self._witness("roles_unknown", document, 0, 1, number)
            return
        self._compare(document, in_loss, found, number)

    def _compare(self, document: Document, in_loss: np.ndarray, found: TokenRoles, number: int | None) -> None:
        """What only the independent route can tell."""
        import numpy as np

        stats = self.stats
        roles, expected = found.roles_T, found.expected_T
        for value, counts in enumerate(np.bincount(roles, weights=in_loss, minlength=len(NAMES))):
            if counts:
                stats.loss_tokens_by[NAMES[value]] += int(counts)
        for value, counts in enumerate(np.bincount(roles[1:], weights=~in_loss[1:], minlength=len(NAMES))):
            if counts:
                stats.masked_tokens_by[NAMES[value]] += int(counts)
        wrong = (expected != EITHER) & (in_loss != (expected == IN_LOSS))
        wrong[:1] = False
        if wrong.any():
            stats.disagree += int(wrong.sum())
            stats.disagree_documents += 1
            self._witness("disagree", document, int(np.argmax(wrong)), int(wrong.sum()), number)
        prompt = in_loss & np.isin(roles, (TokenRole.SYSTEM, TokenRole.USER, TokenRole.TOOL))
        if prompt.any():
            self._witness("on_prompt", document, int(np.argmax(prompt)), int(prompt.sum()), number)
        missing = ~in_loss & (expected == IN_LOSS) & (roles == TokenRole.ASSISTANT)
        if missing.any():
            stats.missing_reply += int(missing.sum())
            self._witness("missing_reply", document, int(np.argmax(missing)), int(missing.sum()), number)
        self._turns(document, in_loss, found, number)

    def _turns(self, document: Document, in_loss: np.ndarray, found: TokenRoles, number: int | None) -> None:
        """How each trained assistant turn ends."""
        import numpy as np

        stats, roles = self.stats, found.roles_T
        member = np.isin(roles, (TokenRole.ASSISTANT, TokenRole.END)) | (
            (roles == TokenRole.TEMPLATE) & (found.expected_T == EITHER)
        )
        borders = np.flatnonzero(np.diff(np.concatenate([[False], member, [False]]).astype(np.int8)))
        for start, stop in borders.reshape(-1, 2).tolist():
            part = slice(start, stop)
            if not (in_loss[part] & (roles[part] != TokenRole.TEMPLATE)).any():
                continue
            stats.turns += 1
            ends = np.flatnonzero(roles[part] == TokenRole.END)
            if len(ends):
                end = start + int(ends[-1])
                if in_loss[end]:
                    stats.ends[int(document.ids_T[end])] += 1
                else:
                    stats.turns_end_masked += 1
                    self._witness("turns_end_masked", document, end, 1, number)
            elif stop == len(roles) and (len(roles) < found.full_length or len(roles) == self.longest):
                stats.truncated += 1
                self._witness("truncated", document, stop - 1, found.full_length - len(roles), number)
            else:
                stats.turns_without_end += 1
                self._witness("turns_without_end", document, stop - 1, 1, number)

    def _number(self, ids: np.ndarray, seen: dict[int, int]) -> int | None:
        """The number of the example in the data set; copies of one example take their numbers in turn."""
        if not self.known.numbers:
            return None
        key = digest(ids)
        numbers = self.known.numbers.get(key)
        if numbers is None:
            self.stats.not_in_data += 1
            return None
        count = seen[key] = seen.get(key, 0) + 1
        number = numbers[min(count, len(numbers)) - 1]
        self._order.append(number)
        return number

    def _coverage(self, seen: dict[int, int]) -> None:
        stats = self.stats
        for key, numbers in self.known.numbers.items():
            times = seen.get(key, 0)
            stats.never += max(0, len(numbers) - times)
            stats.repeated += max(0, times - len(numbers))
        stats.shuffled = not _rising(self._order)

    def _seen(self, name: str, document: Document, where: np.ndarray) -> int:
        import numpy as np

        count = int(where.sum())
        if count:
            self._witness(name, document, int(np.argmax(where)), count, None)
        return count

    def _witness(self, name: str, document: Document, at: int, weight: int, number: int | None) -> None:
        """Keeps the MOST_WITNESSES worst documents of a kind, with the text around token ``at``."""
        worst = self._worst.setdefault(name, [])
        if len(worst) == MOST_WITNESSES and weight <= min(one[0] for one in worst):
            return
        ids = document.ids_T
        before = decoded(self.tokenizer, ids[max(0, at - AROUND) : at])
        here = decoded(self.tokenizer, ids[at : at + 1])
        after = decoded(self.tokenizer, ids[at + 1 : at + 1 + AROUND])
        place = self.known.place(number) if number is not None else None
        note = f"token {at:,} of {len(ids):,} ({here!r}), id {int(ids[at])}, label {int(document.labels_T[at])}"
        witness = Witness(f"{before}⟦{here}⟧{after}", place, note, split=self.stats.split, example=number)
        worst.append((weight, witness))
        worst.sort(key=lambda one: -one[0])
        del worst[MOST_WITNESSES:]


def _array(value: torch.Tensor) -> np.ndarray:
    array: np.ndarray = value.detach().cpu().numpy()
    return array


def _is_shifted(ids: np.ndarray, labels: np.ndarray, in_loss: np.ndarray) -> bool:
    """Whether most labels are the neighbour's id, and fewer are their own."""
    if len(ids) < 3:
        return False
    own = (labels == ids)[in_loss].mean()
    ahead = (labels[:-1] == ids[1:])[in_loss[:-1]]
    behind = (labels[1:] == ids[:-1])[in_loss[1:]]
    neighbour = max((part.mean() for part in (ahead, behind) if len(part)), default=0.0)
    return bool(neighbour > 0.5 and neighbour > own)


def _rising(order: list[int]) -> bool:
    """Whether numbers come (nearly) in rising order: a rank correlation above 0.95 over at least 10 of them."""
    import numpy as np

    if len(order) < 10 or len(set(order)) < 10:
        return False
    return bool(np.corrcoef(np.arange(len(order)), np.array(order))[0, 1] > 0.95)
