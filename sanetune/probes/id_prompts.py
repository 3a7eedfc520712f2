"""Prompts of examples as ids, as they were trained, and a model's greedy answers to them."""

from __future__ import annotations

from dataclasses import dataclass

from sanetune.engine.answer import Answer
from sanetune.engine.generate import Decoding, stop_ids, write
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.overfit import answer_span
from sanetune.probes.results import Sample, Samples

BATCH = 8
"""Prompts answered at once."""
LEAST = 64
"""Least limit on the tokens of an answer."""


@dataclass(frozen=True, slots=True)
class IdPrompts:
    """The prompts of examples, up to their last answers.

    Attributes:
        split: Where they are from.
        numbers: Their numbers there.
        prompts: The ids before the answer.
        references: The ids of the answer in the data.
    """

    split: str
    numbers: list[int]
    prompts: list[list[int]]
    references: list[list[int]]

    @classmethod
    def of(cls, harness: ProbeHarness, count: int) -> IdPrompts:
        """Up to ``count`` examples with a prompt and an answer, spread over the validation rows (the training rows
        without any)."""
        origins = harness.prepared.origins
        split = "validation" if "validation" in origins else "train"
        found = cls(split, [], [], [])
        total = len(origins[split].rows)
        for index in range(min(count, total)):
            number = index * total // min(count, total)
            row = origins[split].example(number)
            start, stop = answer_span(row["labels"])
            if start > 1 and stop > start:
                found.numbers.append(number)
                found.prompts.append(row["input_ids"][:start])
                found.references.append(row["input_ids"][start:stop])
        return found

    @property
    def max_new_tokens(self) -> int:
        """Tokens that an answer may have: half again as many as the longest in the data, or a minimum."""
        return max(LEAST, 16 + max(map(len, self.references), default=0) * 3 // 2)

    def answers(self, harness: ProbeHarness) -> list[Answer]:
        """The model's greedy answers, in the order of the prompts. Modes stay as they were."""
        tokenizer, decoding = harness.prepared.tokenizer, Decoding(max_new_tokens=self.max_new_tokens)
        stops = stop_ids(tokenizer, harness.prepared.stop_token_ids)
        order = sorted(range(len(self.prompts)), key=lambda at: len(self.prompts[at]))
        found: dict[int, Answer] = {}
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            written = write(harness.model, tokenizer, [self.prompts[at] for at in some], decoding, stops)
            for at, ids in zip(some, written, strict=True):
                ended = bool(ids) and ids[-1] in stops
                body = ids[:-1] if ended else ids
                text, raw = (tokenizer.decode(body, skip_special_tokens=skip) for skip in (True, False))
                found[at] = Answer(text, ended, len(ids), raw=raw)
        return [found[at] for at in range(len(order))]

    def samples(self, harness: ProbeHarness, base: list[Answer], tuned: list[Answer], steps: int) -> Samples:
        """Both models' answers, with what is needed to judge them."""
        tokenizer = harness.prepared.tokenizer
        found = [
            Sample(
                [{"role": "user", "content": tokenizer.decode(self.prompts[at])}],
                tokenizer.decode(self.references[at], skip_special_tokens=True),
                base[at],
                tuned[at],
                self.split,
                self.numbers[at],
            )
            for at in range(len(self.prompts))
        ]
        special = tuple(tokenizer.all_special_tokens)
        ends = tuple(stop_ids(tokenizer, harness.prepared.stop_token_ids))
        return Samples(found, self.max_new_tokens, steps, special_tokens=special, stop_token_ids=ends)
