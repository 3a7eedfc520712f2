from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sanetune.engine.documents.kept_states import KeptStates

DOCUMENTS = [[1, 2, 3], [4], [5, 6]]


def filled(path: Path, made_by: str = "weights", most: int = 10_000) -> tuple[KeptStates, list[torch.Tensor]]:
    torch.manual_seed(0)
    states = [torch.randn(len(ids), 4) for ids in DOCUMENTS]
    kept = KeptStates(path, made_by, most)
    for ids, some in zip(DOCUMENTS, states, strict=True):
        kept.put(ids, some)
    return kept, states


def test_states_come_back_to_the_last_bit_after_the_file_was_opened_again(tmp_path: Path) -> None:
    kept, states = filled(tmp_path / "states")
    kept.close(remove=False)
    again = KeptStates(tmp_path / "states", "weights", 10_000)
    for ids, some in zip(DOCUMENTS, states, strict=True):
        assert torch.equal(again.get(ids), some)  # type: ignore[arg-type]
    assert again.get([1, 2]) is None and [1, 2] not in again


@pytest.mark.parametrize("torn", [1, 20, 40])
def test_a_torn_record_is_left_out_and_the_others_stay(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "states"
    kept, states = filled(path)
    kept.close(remove=False)
    path.write_bytes(path.read_bytes()[:-torn])
    again = KeptStates(path, "weights", 10_000)
    assert [ids in again for ids in DOCUMENTS] == [True, True, False]
    assert again.put(DOCUMENTS[2], states[2])
    again.close(remove=False)
    assert torch.equal(KeptStates(path, "weights", 10_000).get(DOCUMENTS[2]), states[2])  # type: ignore[arg-type]


def test_a_changed_byte_ends_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "states"
    filled(path)[0].close(remove=False)
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(bytes(whole))
    assert [ids in KeptStates(path, "weights", 10_000) for ids in DOCUMENTS] == [True, True, False]


def test_states_of_other_weights_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "states"
    filled(path)[0].close(remove=False)
    other = KeptStates(path, "other weights", 10_000)
    assert not any(ids in other for ids in DOCUMENTS)
    assert path.stat().st_size == other.bytes


def test_the_file_grows_to_its_bound_and_no_further(tmp_path: Path) -> None:
    kept, _ = filled(tmp_path / "states", most=200)
    assert [ids in kept for ids in DOCUMENTS] == [True, True, False]
    assert (tmp_path / "states").stat().st_size == kept.bytes <= 200
    kept.close(remove=True)
    assert not (tmp_path / "states").exists()


def test_sixteen_bits_are_kept_as_such(tmp_path: Path) -> None:
    kept = KeptStates(tmp_path / "states", "weights", 10_000, torch.bfloat16)
    some = torch.randn(2, 4).bfloat16()
    kept.put([1, 2], some)
    assert torch.equal(kept.get([1, 2]), some)  # type: ignore[arg-type]
