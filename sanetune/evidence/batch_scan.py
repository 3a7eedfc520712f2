"""Reads the engine's batches and counts what :class:`sanetune.evidence.batch_stats.BatchStats` holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sanetune.data.labels import IGNORE_INDEX
from sanetune.errors import DataError
from sanetune.events import Publish, RowsProcessed, silent
from sanetune.evidence.batch_documents import Document, DocumentSplitter
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.label_comparison import LabelComparison
from sanetune.evidence.plain_documents import PlainDocuments, is_plain
from sanetune.evidence.registry import MissingError
from sanetune.evidence.roles_from_ids import decoded
from sanetune.evidence.token_roles import TokenRole, TokenRoles, digest
from sanetune.finding import MOST_WITNESSES, Witness

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedTokenizerBase

AROUND = 24
"""Tokens shown on each side of the first wrong one."""
ROLE = re.compile(r"\s*(assistant|user|system|human|model|bot|gpt|tool)\b", re.IGNORECASE)
"""Words that a turn of a conversation begins with."""
ORDERED = 10
"""Rows (or packs) below which their order may be chance."""


@dataclass(slots=True)
class BatchScanner:
    """Reads one split's batches into ``stats``.

    Attributes:
        roles_of: Gives the roles of a document's tokens by the independent route, None where it knows none.
        tokenizer: None: ids are shown as they are, and what a tokenizer would tell is not counted.
        pad: Id of the padding token.
        longest: A document of so many tokens may have been truncated; None: only the independent route tells.
        ends: Ids that end a text, by which documents without a chat template are judged; empty: they are not.
        most: Batches that are read at most, as many as the run reads; None: all.
    """

    stats: SplitStats
    known: KnownExamples
    roles_of: Callable[[np.ndarray], TokenRoles | None]
    tokenizer: PreTrainedTokenizerBase | None
    pad: int | None
    longest: int | None = None
    ends: frozenset[int] = frozenset()
    most: int | None = None
    _order: list[int] = field(default_factory=list)
    _worst: dict[str, list[tuple[int, Witness]]] = field(default_factory=dict)
    _readers: dict[int, int] = field(default_factory=dict)

    def read(self, batches: Iterable[Mapping[str, torch.Tensor]], publish: Publish = silent) -> None:
        """One epoch, or as much of it as the run reads."""
        seen: dict[int, int] = {}
        splitter = DocumentSplitter(self.stats, self.known, self.pad, self.ends)
        compare = LabelComparison(self.stats, self._witness, self.longest, own_script=bool(self.ends))
        decode = partial(decoded, self.tokenizer) if self.tokenizer is not None else None
        begin = getattr(self.tokenizer, "bos_token_id", None)
        special = self.ends | {token for token in (begin, self.pad) if token is not None}
        opening = frozenset(getattr(self.tokenizer, "all_special_ids", ())) - special
        plain = PlainDocuments(self.stats, self._witness, decode, self.ends, self.longest, special, opening)
        for batch in batches:
            if self.stats.batches == self.most:
                self.stats.partial = True
                break
            self.stats.batches += 1
            self.stats.unsendable += bool(getattr(batch, "is_unsendable", False))
            for document in splitter.documents(self._arrays(batch)):
                self.stats.documents += 1
                if self.stats.processes > 1:
                    key, rank = digest(document.ids_T), getattr(batch, "rank", 0)
                    self._readers[key] = self._readers.get(key, 0) | 1 << rank
                found, number = self._document(document, seen)
                if found is None or len(found.roles_T) != len(document.ids_T):
                    self.stats.roles_unknown += 1
                    self._witness("roles_unknown", document, 0, 1, number)
                    plain.add(document, number)
                    continue
                compare.compare(document, found, number)
                if is_plain(found.roles_T):
                    self.stats.plain += 1
                    plain.add(document, number)
            publish(RowsProcessed(self.stats.documents))
        plain.close()
        self._coverage(seen)
        self.stats.witnesses = {
            name: [witness for _, witness in sorted(worst, key=lambda one: -one[0])]
            for name, worst in self._worst.items()
        }

    def _arrays(self, batch: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
        arrays = {name: _array(value) for name, value in batch.items() if hasattr(value, "shape")}
        if "input_ids" not in arrays or arrays["input_ids"].ndim != 2:
            raise MissingError(f"the batches have no rows of input_ids; they have {', '.join(map(str, batch))}")
        if "labels" not in arrays:
            self.stats.unlabelled += 1
            arrays["labels"] = arrays["input_ids"] * 0 + IGNORE_INDEX
        ids, labels = arrays["input_ids"].shape, arrays["labels"].shape
        if len(labels) != 2:
            raise MissingError(f"the labels are none of tokens: they have the shape {labels}, the ids {ids}")
        if labels != ids:
            raise DataError(
                f"a batch has labels of the shape {labels} and ids of the shape {ids}",
                "Each token needs one label, else training stops at the first step.",
                "Make labels as long as input_ids; -100 masks a token.",
            )
        return arrays

    def _document(self, document: Document, seen: dict[int, int]) -> tuple[TokenRoles | None, int | None]:
        """Counts what needs no roles; returns the document's roles and its number, where they are known."""
        import numpy as np

        stats, ids, labels, in_loss = self.stats, document.ids_T, document.labels_T, document.in_loss_T
        stats.tokens += len(ids)
        stats.loss_tokens += int(in_loss.sum())
        stats.largest_id = max(stats.largest_id, int(ids.max(initial=-1)))
        stats.smallest_id = min(stats.smallest_id, int(ids.min(initial=0)))
        found, number = self.roles_of(ids), self._number(ids, seen)
        if found is not None and found.example is not None:
            number = found.example
        if not in_loss.any():
            stats.fully_masked += 1
            self._witness("fully_masked", document, 0, 1, number)
        self._special_tokens(document, number, found)
        changed = in_loss & (labels != ids)
        if changed.any():
            stats.changed += int(changed.sum())
            stats.changed_to_end += int((changed & np.isin(labels, sorted(self.ends))).sum())
            self._witness("changed", document, int(np.argmax(changed)), int(changed.sum()), number)
            stats.shifted += _is_shifted(ids, labels, in_loss)
        return found, number

    def _special_tokens(self, document: Document, number: int | None, found: TokenRoles | None) -> None:
        import numpy as np

        if (tokenizer := self.tokenizer) is None:
            return
        ids, unknown, bos = document.ids_T, tokenizer.unk_token_id, tokenizer.bos_token_id
        if unknown is not None and unknown != tokenizer.eos_token_id and (where := ids == unknown).any():
            self.stats.unknown_tokens += int(where.sum())
            self._witness("unknown_tokens", document, int(np.argmax(where)), int(where.sum()), None)
        if bos is not None and len(ids) > 1 and ids[0] == ids[1] == bos:
            self.stats.double_bos += 1
            self._witness("double_bos", document, 0, 1, number)
        ends = [one for one in (*self.ends, tokenizer.eos_token_id, self.pad) if one is not None]
        if bos is not None and bos not in ends:
            self._inner_bos(document, number, found, bos, ends)

    def _inner_bos(
        self, document: Document, number: int | None, found: TokenRoles | None, bos: int, ends: list[int]
    ) -> None:
        """A beginning that is the first token in the loss: behind an end another text begins, and some templates
        begin each turn with it."""
        import numpy as np

        ids, in_loss = document.ids_T, document.in_loss_T
        begun = (ids[1:] == bos) & in_loss[1:] & ~in_loss[:-1] & ~np.isin(ids[:-1], [bos, *ends])
        if found is not None and len(found.roles_T) == len(ids):
            begun &= found.roles_T[1:] != TokenRole.TEMPLATE
        if begun.any() and not self._is_header(ids[int(np.argmax(begun)) + 2 :][:3]):
            self.stats.inner_bos += 1
            self._witness("inner_bos", document, int(np.argmax(begun)) + 1, 1, number)

    def _is_header(self, ids: np.ndarray) -> bool:
        """Whether what follows a beginning names who speaks: with ChatML each turn begins so, and some tokenizers have
        ``<|im_start|>`` as theirs."""
        assert self.tokenizer is not None, "it has a beginning"
        return ROLE.match(decoded(self.tokenizer, ids)) is not None

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
        row = self.known.row(number)
        if not self._order or self._order[-1] != row:  # the documents of a pack come together
            self._order.append(row)
        return number

    def _coverage(self, seen: dict[int, int]) -> None:
        stats = self.stats
        stats.apart = self.known.apart
        stats.largest_pack = max(Counter(map(self.known.row, range(self.known.size))).values(), default=1)
        stats.distinct, stats.shared = len(self._readers), sum(one.bit_count() > 1 for one in self._readers.values())
        for key, numbers in self.known.numbers.items():
            times = seen.get(key, 0)
            stats.never += max(0, len(numbers) - times) if not stats.partial else 0
            stats.repeated += max(0, times - len(numbers))
        stats.order_known = len(set(self._order)) >= ORDERED
        stats.shuffled = not (stats.order_known and _rising(self._order))

    def _witness(self, name: str, document: Document, at: int, weight: int, number: int | None) -> None:
        """Keeps the MOST_WITNESSES worst documents of a kind, with the text around token ``at``."""
        worst = self._worst.setdefault(name, [])
        if len(worst) == MOST_WITNESSES and weight <= min(one[0] for one in worst):
            return
        ids = document.ids_T
        before = self._text(ids[max(0, at - AROUND) : at])
        here = self._text(ids[at : at + 1])
        after = self._text(ids[at + 1 : at + 1 + AROUND])
        place = self.known.place(number) if number is not None else None
        note = f"token {at:,} of {len(ids):,} ({here!r}), id {int(ids[at])}, label {int(document.labels_T[at])}"
        witness = Witness(f"{before}⟦{here}⟧{after}", place, note, split=self.stats.split, example=number)
        worst.append((weight, witness))
        worst.sort(key=lambda one: -one[0])
        del worst[MOST_WITNESSES:]

    def _text(self, ids: Sequence[int] | np.ndarray) -> str:
        if self.tokenizer is not None:
            return decoded(self.tokenizer, ids)
        return "".join(f" {int(token)}" for token in ids)


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
    """Whether numbers come (nearly) in rising order: a rank correlation above 0.95."""
    import numpy as np

    return bool(np.corrcoef(np.arange(len(order)), np.array(order))[0, 1] > 0.95)
