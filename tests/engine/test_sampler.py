from __future__ import annotations

from types import SimpleNamespace

from accelerate.data_loader import BatchSamplerShard, DataLoaderShard, SeedableRandomSampler
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler

from sanetune.engine.accelerate.loop import Loop
from sanetune.engine.sampler import FilledUp, LengthGrouped


@given(st.lists(st.integers(1, 300), min_size=1, max_size=80), st.integers(1, 8), st.integers(0, 9), st.integers(0, 3))
def test_every_row_once_and_the_same_order_for_a_seed_and_epoch(
    lengths: list[int], size: int, seed: int, epoch: int
) -> None:
    sampler, again = LengthGrouped(lengths, size, seed), LengthGrouped(lengths, size, seed)
    sampler.set_epoch(0)
    list(sampler)
    for one in (sampler, again):
        one.set_epoch(epoch)
    assert list(sampler) == list(again)
    assert sorted(sampler) == list(range(len(lengths)))


def test_epochs_differ_and_neighbours_are_of_like_length() -> None:
    lengths = [(i * 37) % 200 + 1 for i in range(400)]
    sampler = LengthGrouped(lengths, 8, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)
    spread = [max(part) - min(part) for k in range(0, 400, 8) for part in [[lengths[i] for i in first[k : k + 8]]]]
    assert sum(spread) / len(spread) < 20


def test_one_of_several_processes_that_resumes_in_a_later_epoch_goes_on_in_the_order_of_that_epoch() -> None:
    rows = list(range(12))

    def one_of_two() -> DataLoaderShard:
        order = FilledUp(SeedableRandomSampler(rows, data_seed=3), range(12, 12))
        return DataLoaderShard(rows, batch_sampler=BatchSamplerShard(BatchSampler(order, 2, drop_last=False), 2, 0))

    def read(done: int) -> list[list[int]]:
        loop = SimpleNamespace(own=None, args=SimpleNamespace(gradient_accumulation_steps=1), loader=one_of_two())
        return [batch.tolist() for batch in Loop._batches(loop, 1, done)]  # type: ignore[arg-type]

    assert read(1) == read(0)[1:] and len(read(0)) == 3
