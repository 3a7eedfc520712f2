"""Takes the engine's batches apart and counts what :class:`sanetune.evidence.batch_stats.BatchStats` holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sanetune.data.labels import IGNORE_INDEX
from sanetune.events import Publish, RowsProcessed, silent
from sanetune.evidence.batch_stats import SHOWN, SplitStats
from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.registry import MissingError
from sanetune.evidence.roles_from_ids import decoded
from sanetune.evidence.token_roles import EITHER, IN_LOSS, NAMES, TokenRole, TokenRoles, digest
from sanetune.finding import Witness

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

AROUND = 24
"""Tokens shown on each side of the first wrong one."""


@dataclass(frozen=True, slots=True)
class Document:
    """One example as it stands in a batch: equally long arrays without padding."""

    ids_T: np.ndarray  # noqa: N815 -- shape suffix
    labels_T: np.ndarray  # noqa: N815


@dataclass(slots=True)
class BatchScanner:
    """Reads one split. ``spoken(ids)`` says who wrote the tokens, ``whole``: a document of that many tokens or more may
    have been cut (None: only the independent route tells)."""

    side: SplitStats
    known: KnownExamples
    spoken: Callable[[Any], TokenRoles | None]
    tokenizer: PreTrainedTokenizerBase
    pad: int | None
    longest: int | None = None
    _order: list[int] = field(default_factory=list)
    _worst: dict[str, list[tuple[int, Witness]]] = field(default_factory=dict)

    def read(self, batches: Iterable[dict[str, Any]], publish: Publish = silent) -> None:
        """One epoch."""
        seen: dict[int, int] = {}
        for batch in batches:
            self.side.batches += 1
            arrays = {name: _array(value) for name, value in batch.items() if hasattr(value, "shape")}
            if "input_ids" not in arrays or arrays["input_ids"].ndim != 2:
                raise MissingError(f"the batches have no rows of input_ids; they have {', '.join(map(str, batch))}")
            if "labels" not in arrays:
                arrays["labels"] = arrays["input_ids"] * 0 + IGNORE_INDEX
            for document in self._documents(arrays):
                self.side.documents += 1
                self._document(document, seen)
            publish(RowsProcessed(self.side.documents))
        self._coverage(seen)
        self.side.witnesses = {
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
        self.side.packed = self.side.packed or len(starts) > 1
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
        self.side.padding += len(labels)
        self.side.padding_learnt += int((labels != IGNORE_INDEX).sum())

    def _document(self, document: Document, seen: dict[int, int]) -> None:
        import numpy as np

        side, ids, labels = self.side, document.ids_T, document.labels_T
        learnt = labels != IGNORE_INDEX
        side.tokens += len(ids)
        side.learnt += int(learnt.sum())
        side.largest_id = max(side.largest_id, int(ids.max(initial=-1)))
        side.smallest_id = min(side.smallest_id, int(ids.min(initial=0)))
        if (unknown := self.tokenizer.unk_token_id) is not None and unknown != self.tokenizer.eos_token_id:
            side.unknown_tokens += self._seen("unknown_tokens", document, ids == unknown)
        spoken, number = self.spoken(ids), self._number(ids, seen)
        if spoken is not None and spoken.example is not None:
            number = spoken.example
        if not learnt.any():
            side.blank += 1
            self._witness("blank", document, 0, 1, number)
        bos = self.tokenizer.bos_token_id
        if bos is not None and len(ids) > 1 and ids[0] == ids[1] == bos:
            side.double_bos += 1
            self._witness("double_bos", document, 0, 1, number)
        changed = learnt & (labels != ids)
        if changed.any():
            side.changed += int(changed.sum())
            self._witness("changed", document, int(np.argmax(changed)), int(changed.sum()), number)
            side.shifted += _is_shifted(ids, labels, learnt)
        if spoken is None or len(spoken.who_T) != len(learnt):
            side.unread += 1
            self._witness("unread", document, 0, 1, number)
            return
        self._compared(document, learnt, spoken, number)

    def _compared(self, document: Document, learnt: np.ndarray, spoken: TokenRoles, number: int | None) -> None:
        """What only the independent route can tell."""
        import numpy as np

        side = self.side
        who, wanted = spoken.who_T, spoken.wanted_T
        for value, counts in enumerate(np.bincount(who, weights=learnt, minlength=len(NAMES))):
            if counts:
                side.learnt_by[NAMES[value]] += int(counts)
        for value, counts in enumerate(np.bincount(who[1:], weights=~learnt[1:], minlength=len(NAMES))):
            if counts:
                side.masked_by[NAMES[value]] += int(counts)
        wrong = (wanted != EITHER) & (learnt != (wanted == IN_LOSS))
        wrong[:1] = False
        if wrong.any():
            side.disagree += int(wrong.sum())
            side.disagree_documents += 1
            self._witness("disagree", document, int(np.argmax(wrong)), int(wrong.sum()), number)
        prompt = learnt & np.isin(who, (TokenRole.SYSTEM, TokenRole.USER, TokenRole.TOOL))
        if prompt.any():
            self._witness("on_prompt", document, int(np.argmax(prompt)), int(prompt.sum()), number)
        missing = ~learnt & (wanted == IN_LOSS) & (who == TokenRole.ASSISTANT)
        if missing.any():
            side.missing_reply += int(missing.sum())
            self._witness("missing_reply", document, int(np.argmax(missing)), int(missing.sum()), number)
        self._turns(document, learnt, spoken, number)

    def _turns(self, document: Document, learnt: np.ndarray, spoken: TokenRoles, number: int | None) -> None:
        """How each trained assistant turn ends."""
        import numpy as np

        side, who = self.side, spoken.who_T
        member = np.isin(who, (TokenRole.ASSISTANT, TokenRole.END)) | (
            (who == TokenRole.TEMPLATE) & (spoken.wanted_T == EITHER)
        )
        borders = np.flatnonzero(np.diff(np.concatenate([[False], member, [False]]).astype(np.int8)))
        for start, stop in borders.reshape(-1, 2).tolist():
            part = slice(start, stop)
            if not (learnt[part] & (who[part] != TokenRole.TEMPLATE)).any():
                continue
            side.turns += 1
            ends = np.flatnonzero(who[part] == TokenRole.END)
            if len(ends):
                end = start + int(ends[-1])
                if learnt[end]:
                    side.ends[int(document.ids_T[end])] += 1
                else:
                    side.turns_end_masked += 1
                    self._witness("turns_end_masked", document, end, 1, number)
            elif stop == len(who) and (len(who) < spoken.whole or len(who) == self.longest):
                side.cut += 1
                self._witness("cut", document, stop - 1, spoken.whole - len(who), number)
            else:
                side.turns_without_end += 1
                self._witness("turns_without_end", document, stop - 1, 1, number)

    def _number(self, ids: np.ndarray, seen: dict[int, int]) -> int | None:
        """The number of the example in the data set; copies of one example take their numbers in turn."""
        if not self.known.numbers:
            return None
        key = digest(ids)
        numbers = self.known.numbers.get(key)
        if numbers is None:
            self.side.foreign += 1
            return None
        count = seen[key] = seen.get(key, 0) + 1
        number = numbers[min(count, len(numbers)) - 1]
        self._order.append(number)
        return number

    def _coverage(self, seen: dict[int, int]) -> None:
        side = self.side
        for key, numbers in self.known.numbers.items():
            times = seen.get(key, 0)
            side.never += max(0, len(numbers) - times)
            side.repeated += max(0, times - len(numbers))
        side.shuffled = not _rising(self._order)

    def _seen(self, name: str, document: Document, where: np.ndarray) -> int:
        import numpy as np

        count = int(where.sum())
        if count:
            self._witness(name, document, int(np.argmax(where)), count, None)
        return count

    def _witness(self, name: str, document: Document, at: int, weight: int, number: int | None) -> None:
        """Keeps the SHOWN worst documents of a kind, with the text around token ``at``."""
        worst = self._worst.setdefault(name, [])
        if len(worst) == SHOWN and weight <= min(one[0] for one in worst):
            return
        ids = document.ids_T
        before = decoded(self.tokenizer, ids[max(0, at - AROUND) : at])
        here = decoded(self.tokenizer, ids[at : at + 1])
        after = decoded(self.tokenizer, ids[at + 1 : at + 1 + AROUND])
        place = self.known.place(number) if number is not None else None
        note = f"token {at:,} of {len(ids):,} ({here!r}), id {int(ids[at])}, label {int(document.labels_T[at])}"
        witness = Witness(f"{before}⟦{here}⟧{after}", place, note, split=self.side.split, example=number)
        worst.append((weight, witness))
        worst.sort(key=lambda one: -one[0])
        del worst[SHOWN:]


def _array(value: Any) -> np.ndarray:
    array: np.ndarray = value.detach().cpu().numpy()
    return array


def _is_shifted(ids: np.ndarray, labels: np.ndarray, learnt: np.ndarray) -> bool:
    """Whether most labels are the neighbour's id, and fewer are their own."""
    if len(ids) < 3:
        return False
    own = (labels == ids)[learnt].mean()
    ahead = (labels[:-1] == ids[1:])[learnt[:-1]]
    behind = (labels[1:] == ids[:-1])[learnt[1:]]
    neighbour = max((part.mean() for part in (ahead, behind) if len(part)), default=0.0)
    return bool(neighbour > 0.5 and neighbour > own)


def _rising(order: list[int]) -> bool:
    """Whether numbers come (nearly) in rising order: a rank correlation above 0.95 over at least 10 of them."""
    import numpy as np

    if len(order) < 10 or len(set(order)) < 10:
        return False
    return bool(np.corrcoef(np.arange(len(order)), np.array(order))[0, 1] > 0.95)
