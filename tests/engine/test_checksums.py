from __future__ import annotations

import json
from pathlib import Path

import pytest
from xxhash import xxh3_128_hexdigest

from sanetune.engine.checksums import FILE, fault_of, write_checksums
from sanetune.errors import RunError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    (made / "inner").mkdir(parents=True)
    (made / "weights").write_bytes(b"abc" * 1000)
    (made / "inner" / "state").write_bytes(b"xyz")
    write_checksums(made)
    return made


def test_all_files_are_listed_with_the_library_s_checksum(folder: Path) -> None:
    listed = json.loads((folder / FILE).read_text())["files"]
    assert listed == {
        "weights": {"bytes": 3000, "xxh3_128": xxh3_128_hexdigest(b"abc" * 1000)},
        "inner/state": {"bytes": 3, "xxh3_128": xxh3_128_hexdigest(b"xyz")},
    }
    assert fault_of(folder) is None


def test_a_flipped_bit_a_cut_a_lost_file_and_a_broken_list_are_found(folder: Path) -> None:
    weights = folder / "weights"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1500] + b"b" + whole[1501:])
    assert fault_of(folder) == "weights is not what was written"
    weights.write_bytes(whole[:-1])
    assert fault_of(folder) == "weights has 2,999 bytes instead of 3,000"
    weights.unlink()
    assert fault_of(folder) == "weights is missing"
    weights.write_bytes(whole)
    assert fault_of(folder) is None
    (folder / FILE).write_text((folder / FILE).read_text()[:-20])
    assert fault_of(folder) == f"{FILE} cannot be read"
    (folder / FILE).unlink()
    with pytest.raises(RunError, match="has no checksums"):
        fault_of(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname"])
def test_a_listed_name_that_leads_out_of_the_folder_is_a_fault(name: str, folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"")
    (folder / FILE).write_text(json.dumps({"files": {name: {"bytes": 0, "xxh3_128": ""}}}))
    assert fault_of(folder) == f"{name} leads out of the folder"


def test_a_link_in_place_of_a_file_is_a_fault(folder: Path, tmp_path: Path) -> None:
    (folder / "weights").rename(tmp_path / "elsewhere")
    (folder / "weights").symlink_to(tmp_path / "elsewhere")
    assert fault_of(folder) == "weights leads out of the folder"
