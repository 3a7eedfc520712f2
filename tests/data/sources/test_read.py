"""Sources are found, mixed by weight and drawn by seed; a source that cannot be found names its neighbours."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanetune.data.sources.mix import mix
from sanetune.data.sources.read import count, fingerprint, read_rows
from sanetune.data.sources.source import Source, is_hub_id
from tests.data.sources.row_files import LINES, Write, refused, rows


def test_a_missing_file_names_its_neighbours(write: Write, tmp_path: Path) -> None:
    write("train.jsonl", LINES)
    error = refused(tmp_path / "trian.jsonl")
    assert "no such file" in error.message
    assert "Did you mean train.jsonl?" in error.remedy
    assert "train.jsonl" in refused(tmp_path / "zzz.csv").remedy
    assert "does not exist" in refused(tmp_path / "no" / "folder" / "a.json").remedy


def test_a_folder_gives_its_data_files_by_name_and_nothing_else(write: Write, tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.json", "LICENSE", ".hidden.jsonl", "state.json"):
        write(f"d/{name}", LINES if "json" in name else "text")
    assert [Path(str(row.place.file)).name for row in read_rows(Source(str(tmp_path / "d")))] == ["a.json"] * 5 + [
        "b.jsonl"
    ] * 5
    assert len(rows(tmp_path / "d", split="b")) == 5
    assert "Did you mean" in refused(tmp_path / "d", split="bb").remedy
    assert len(rows(tmp_path / "d" / "*.jsonl")) == 5
    assert "no data file fits" in refused(tmp_path / "d" / "*.csv").message
    write("texts/readme.txt", "hello")
    assert "readme.txt" in refused(tmp_path / "texts").remedy
    assert "Data files are in d" in refused(tmp_path).remedy


@pytest.fixture
def two(write: Write) -> list[str]:
    for name, size in (("a", 100), ("b", 40)):
        write(f"{name}.jsonl", "".join(f'{{"id": "{name}{i}"}}\n' for i in range(size)))
    return [
        str(write("a.jsonl", "".join(f'{{"id": "a{i}"}}\n' for i in range(100)))),
        str(write("b.jsonl", "".join(f'{{"id": "b{i}"}}\n' for i in range(40)))),
    ]


def ids(sources: list[Source], **options: Any) -> list[str]:
    return [row.values["id"] for row in mix(sources, **options)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    weight=st.floats(0.01, 3.5),
    limit=st.none() | st.integers(1, 200),
    seed=st.integers(0, 9),
    most=st.none() | st.integers(1, 300),
)
def test_each_row_is_used_as_often_as_its_weight_says(
    two: list[str], weight: float, limit: int | None, seed: int, most: int | None
) -> None:
    sources = [Source(two[0], weight=weight, limit=limit), Source(two[1])]
    size = min(limit or 100, 100)
    uses = int(weight) * size + round(weight % 1 * size)
    drawn = ids(sources, seed=seed, max_examples=most)
    assert len(drawn) == min(uses + 40, most or 10**9)
    assert drawn == ids(sources, seed=seed, max_examples=most)
    times = Counter(drawn)
    assert all(times[f"a{i}"] <= int(weight) + 1 for i in range(size))
    if most is None:
        assert all(times[f"a{i}"] >= int(weight) for i in range(size))
        assert all(times[f"b{i}"] == 1 for i in range(40))


def test_a_limit_draws_from_all_sources_and_by_seed(two: list[str]) -> None:
    sources = [Source(path) for path in two]
    first, second = ids(sources, max_examples=70, seed=1), ids(sources, max_examples=70, seed=2)
    assert first != second
    assert len(set(first)) == 70
    assert 10 <= sum(name.startswith("b") for name in first) <= 30
    assert first == sorted(first, key=lambda name: (name[0], int(name[1:])))
    half = ids([Source(two[0], weight=0.5)], seed=3)
    assert len(half) == len(set(half)) == 50
    assert half != [f"a{i}" for i in range(0, 100, 2)]


@pytest.mark.parametrize(
    "options", [{"weight": 0}, {"weight": float("nan")}, {"limit": 0}, {"revision": "main"}, {"split": "train"}]
)
def test_settings_that_mean_nothing_are_refused(two: list[str], options: dict[str, Any]) -> None:
    assert next(iter(options)) in refused(two[0], **options).message


def test_the_fingerprint_follows_content_and_mixture_and_not_the_name(write: Write, two: list[str]) -> None:
    base = fingerprint([Source(two[0])])
    assert base == fingerprint([Source(str(write("elsewhere/c.jsonl", Path(two[0]).read_bytes())))])
    others = [Source(two[1])], [Source(two[0], weight=2)], [Source(two[0], limit=5)], [Source(two[0])] * 2
    hub = [Source("org/name")], [Source("org/name", revision="abc")], [Source("org/name", split="test")]
    assert len({base, *map(fingerprint, others), *map(fingerprint, hub)}) == 8
    Path(two[0]).write_text(Path(two[0]).read_text().replace("a7", "a8", 1))
    assert base != fingerprint([Source(two[0])])


def test_a_hub_id_is_reported_from_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert is_hub_id("openai/gsm8k")
    for path in ("data/train", "org/rows.jsonl", "gsm8k", "a/b/c", "../x", "/abs/x", "a/", "~/x"):
        assert not is_hub_id(path), path


def test_an_unreachable_hub_is_reported_with_the_way_to_a_local_file(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    class ConnectError(Exception):
        """As the HTTP library has them: no kin of Python's own errors."""

    def offline(*_: Any, **__: Any) -> None:
        raise ConnectError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", offline)
    error = refused("some-org/some-data")
    assert "Hub could not be reached" in error.message
    assert "local file" in error.remedy
    assert "some-org/some-data" in str(error)


def test_hub_rows_are_streamed_with_split_subset_and_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub

    asked: list[Any] = []

    def load(*args: Any, **options: Any) -> Any:
        asked.append((args, options))
        return ({"id": f"h{i}", "chat": [{"role": "user", "name": None}]} for i in range(1000))

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: None)
    monkeypatch.setattr(datasets, "load_dataset", load)
    source = Source("some-org/some-data", split="test", subset="main", revision="v1", limit=3)
    got = list(read_rows(source))
    assert [row.values["id"] for row in got] == ["h0", "h1", "h2"]
    assert got[0].values["chat"] == [{"role": "user"}]
    assert asked == [(("some-org/some-data", "main"), {"split": "test", "revision": "v1", "streaming": True})]
    assert count(source) is None
    assert len(ids([Source("some-org/some-data")], max_examples=20)) == 20
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: (_ for _ in ()).throw(ValueError("Bad split: test")))
    assert "Bad split: test" in refused("some-org/some-data").message
