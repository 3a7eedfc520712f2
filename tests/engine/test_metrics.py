from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.curves.logs import metrics
from sanetune.engine.metrics import MetricsFile, Record, curve_of, read, to_line
from sanetune.errors import RunError
from sanetune.events import RecordLogged, TrainingStarted

numbers = st.one_of(st.none(), st.floats())
made = st.builds(
    Record,
    step=st.integers(0, 10**9),
    epoch=st.floats(0, 100),
    seconds=st.floats(0, 1e7),
    kind=st.sampled_from(["train", "validation"]),
    loss=st.floats(),
    learning_rate=numbers,
    grad_norm=numbers,
    tokens=st.one_of(st.none(), st.integers(0, 10**15)),
)


@given(made)
def test_a_record_survives_its_line_also_when_it_is_no_number(
    tmp_path_factory: pytest.TempPathFactory, record: Record
) -> None:
    line = to_line(record)
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    path.write_text(line)
    assert repr(read(path)) == repr([record])


def test_each_record_is_on_disk_at_once(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file(TrainingStarted(0, 10))
    for step in (1, 2):
        file(RecordLogged(Record(step, 0.1, 1.0, "train", 2.5)))
        assert len(file.path.read_text().splitlines()) == step
    assert "learning_rate" not in file.path.read_text()


def test_resuming_drops_the_records_that_will_be_made_again(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file(TrainingStarted(0, 10))
    for step in range(1, 6):
        file(RecordLogged(Record(step, 0.1, float(step), "train", 1.0)))
    file.path.write_text(file.path.read_text() + '{"step": 6, "epo')
    file(TrainingStarted(3, 10))
    assert [record.step for record in read(file.path)] == [1, 2, 3]
    assert [record.step for record in file.until(2)] == [1, 2] and file.until(0) == []


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(to_line(Record(1, 0.1, 1.0, "train", 1.0)) + "nonsense\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl:2"):
        read(path)


def test_records_make_the_curve_that_their_file_makes(tmp_path: Path) -> None:
    records = [
        Record(0, 0.0, 0.0, "validation", 3.0),
        Record(1, 0.1, 1.0, "train", 3.0, learning_rate=0.1),
        Record(1, 0.1, 1.0, "validation", 2.0),
        Record(2, 0.2, 1.0, "train", math.nan, grad_norm=math.inf),
    ]
    curve = curve_of(records)
    assert [(one.step, one.loss) for one in curve.validation] == [(0, 3.0), (1, 2.0)]
    assert [(one.step, one.lr, one.epoch) for one in curve.points] == [(1, 0.1, 0.1), (2, None, 0.2)]
    assert math.isnan(curve.points[1].loss) and curve.points[1].grad_norm == math.inf
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(map(to_line, records)) + '{"step": 3')
    assert repr(metrics.curve(path)) == repr(replace(curve, source=str(path)))


def test_a_file_of_an_earlier_version_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "epoch": 0.1, "seconds": 1.0, "kind": "train", "loss": 2.0, "learnt_tokens": 7}\n')
    assert read(path)[0].loss_tokens == 7
