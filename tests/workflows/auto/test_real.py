"""The autopilot on a real model: a whole run with a cleaned copy, its page, and what it does with a user's mistakes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.demo import MODEL, TRAIN
from sanetune.engine.checkpoints import ResumePoint
from sanetune.errors import UserError
from sanetune.events import AutoEnded, Event, to_all
from sanetune.finding import Finding, Verdict
from sanetune.gate.watch import LiveFinding
from sanetune.gate.watch_report import Ended, WatchFinding, WatchReport
from sanetune.report.html.auto_page import AutoFiles, page_of_auto
from sanetune.runs import Run
from sanetune.typed_json import to_json
from sanetune.workflows.auto.acts.promote import promote
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.acts.train import train
from sanetune.workflows.auto.acts.world import ACTS, RealWorld, _Guard
from sanetune.workflows.auto.decision import Decision
from sanetune.workflows.auto.facts import Checked, Facts
from sanetune.workflows.auto.forecasts import reserve, train_seconds
from sanetune.workflows.auto.journal import Journal
from sanetune.workflows.auto.known import Known, known_from
from sanetune.workflows.auto.machine import BudgetSpentError
from sanetune.workflows.auto.request import Budget, Request
from sanetune.workflows.auto.run import _settings, auto, default_folder
from sanetune.workflows.run_state import RunState

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = (
    "train.max_steps=3",
    "train.per_device_train_batch_size=2",
    "train.learning_rate=1e-3",
    "train.use_cpu=true",
    "check.level=static",
    "check.keep=off",
    "run.trackers=[]",
    "data.workers=1",
)


@pytest.fixture(scope="module")
def ended_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, int]]:
    """The rows, the folder of an autopilot that has ended, and its exit code; of a few steps and a static check."""
    folder = tmp_path_factory.mktemp("auto")
    rows = TRAIN.read_text().splitlines(keepends=True)[:40]
    data = folder / "rows.jsonl"
    data.write_text("".join([*rows, *rows[:12], '{"messages": [{"role": "user", "con\n']))
    asked = Request(str(MODEL), (str(data),), overrides=SETTINGS, budget=Budget(3600))

    def ask(state: str, decision: Decision) -> tuple[str, str]:
        return ("skip", "person") if state == "sweep" else (decision.chosen, "policy")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(folder / "cache"))
        result = auto(asked, folder / "out", ask=ask, publish=AutoFiles())
        yield data, folder / "out", result.exit_code


def test_a_whole_run_leaves_journal_copy_run_and_page(ended_run: tuple[Path, Path, int]) -> None:
    data, folder, code = ended_run
    entries = Journal.read(folder).entries
    assert [one["act"] for one in entries if one["kind"] == "did"][:6] == [
        "inspect", "copy", "plan", "check", "train", "compare",
    ]  # fmt: skip
    assert len(data.read_text().splitlines()) == 53
    log = [json.loads(line) for line in (folder / "data" / "log.jsonl").read_text().splitlines()]
    found = [one["check"] for one in log]
    assert found.count("rows-unreadable") == 1 and found.count("rows-duplicated") + found.count("rows-leaked") == 12
    run = Run(folder / "runs" / "attempt-1")
    assert run.finished and run.clearance.is_file() and run.comparison.is_file()
    last = [one for one in entries if one["kind"] == "decided"][-2]
    assert last["known"]["cleared"] is True and last["chosen"] in ("promote", "reject", "retry")
    assert (folder / "model").is_dir() == (code == 0)
    page = (folder / "report.html").read_text()
    assert "rows are found by" in page and "rows-duplicated" in page and "http-equiv" in page


def without_seconds(facts: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on how busy the machine is."""
    return {key: value for key, value in facts.items() if not key.endswith("seconds")}


def test_what_was_done_and_not_written_down_is_done_again_with_the_same_result(
    ended_run: tuple[Path, Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between an act and its entry: each act is done on what the folder holds after it."""
    folder = ended_run[1]
    monkeypatch.setattr("sanetune.workflows.train.train", lambda *args, **more: pytest.fail("trained again"))
    entries = Journal.read(folder).entries
    done = []
    for number, entry in enumerate(entries):
        if entry["kind"] != "did" or entry["act"] not in ("copy", "plan", "change", "train", "compare", "promote"):
            continue
        known = known_from(entries[:number])
        assert known.open is not None
        found = RealWorld(Site(folder)).do(known.open.act, known, known.open.with_)
        assert without_seconds(json.loads(json.dumps(to_json(found)))) == without_seconds(entry["facts"])
        done.append(entry["act"])
    assert {"copy", "plan", "train", "compare"} <= set(done)


@pytest.mark.parametrize(
    ("files", "resumes", "keeps"),
    [
        ([], False, []),
        (["clearance.json"], False, ["clearance.json"]),
        (["clearance.json", "metrics.jsonl", "steps/process-0.bin"], False, ["clearance.json"]),
        (["clearance.json", "metrics.jsonl", "checkpoints/checkpoint-5/x"], True, ["clearance.json", "metrics.jsonl"]),
    ],
)
def test_training_that_was_killed_goes_on_from_its_checkpoint_or_begins_anew(
    files: list[str], resumes: bool, keeps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, known = Site(tmp_path), Known(config="model:\n  name: owner/model\ndata:\n  train: owner/rows\n")
    run = site.run(1)
    for name in files:
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text("{}")
    point = ResumePoint(run.checkpoints / "checkpoint-5" if resumes else None)
    monkeypatch.setattr("sanetune.engine.checkpoints.resume_point", lambda folder: point)
    seen: list[bool] = []

    def train_(config: object, *, resume: bool, **more: object) -> None:
        seen.append(resume)
        assert all((run.path / name).is_file() for name in keeps)
        assert not (run.path / "steps").exists()

    monkeypatch.setattr("sanetune.workflows.train.train", train_)
    assert train(site, known, {"attempt": 1}).ended == "finished"
    assert seen == [resumes]


@pytest.mark.parametrize(("course", "ended"), [("stop", "stopped"), ("turn", "turned")])
def test_how_the_watch_ended_a_run_is_read_from_its_folder(course: str, ended: str, tmp_path: Path) -> None:
    run = Site(tmp_path).run(1)
    run.path.mkdir(parents=True)
    fix = {"train.learning_rate": 1e-4}
    live = LiveFinding(60, 55, Finding("curve-diverged", Verdict.FAIL, "It rose.", "w", "t", fix=fix))
    report = WatchReport("stop", [WatchFinding(live)], Ended(60, course, ("curve-diverged",), 50))
    run.write_json(run.watch, report.to_json())
    if course == "turn":
        run.model.mkdir()
        (run.model / "config.json").write_text("{}")
        run.write_json(run.state, to_json(RunState("finished", "a", "b")))
    known = Known(config="model:\n  name: owner/model\ndata:\n  train: owner/rows\n")
    found = train(Site(tmp_path), known, {"attempt": 1})
    assert (found.ended, found.step, found.checks) == (ended, 60, ("curve-diverged",))
    assert found.change == (fix if course == "stop" else {}) and "curve-diverged" in found.reason


def test_the_report_of_an_autopilots_folder_is_its_page(ended_run: tuple[Path, Path, int], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["report", str(ended_run[1]), "--html", str(tmp_path / "p.html")])
    assert done.exit_code == 0 and (tmp_path / "p.html").read_text() == page_of_auto(ended_run[1])


def test_an_ended_autopilot_that_is_resumed_does_nothing_again(ended_run: tuple[Path, Path, int]) -> None:
    before = Journal.read(ended_run[1]).entries
    result = auto(Request(), ended_run[1], resume=True)
    entries = Journal.read(ended_run[1]).entries
    assert result.known.over and entries[: len(before)] == before
    assert [one["kind"] for one in entries[len(before) :]] == ["resumed"]


def test_dollars_without_a_price_are_no_budget_for_a_resumed_autopilot(ended_run: tuple[Path, Path, int]) -> None:
    before = Journal.read(ended_run[1]).entries
    with pytest.raises(UserError, match="began without a price"):
        auto(Request(budget=Budget(usd=5.0)), ended_run[1], resume=True)
    assert Journal.read(ended_run[1]).entries == before


def test_a_resumed_autopilot_does_not_need_the_file_that_it_began_with(tmp_path: Path) -> None:
    source, folder = tmp_path / "mine.yaml", tmp_path / "out"
    source.write_text("model: {name: owner/model}\ndata: {train: owner/rows}\n")
    journal = Journal(folder)
    journal.add("began", request=to_json(Request(source=str(source))), agent=False)
    known = Known(config=source.read_text())
    site = Site(folder)
    site.open_config(known)
    journal.close()
    source.unlink()
    assert _settings(site, known).model.name == "owner/model"


def test_the_steps_of_a_run_that_the_budget_ended_are_those_of_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*more: object) -> None:
        raise BudgetSpentError("spent")

    monkeypatch.setattr("sanetune.engine.checkpoints.latest", lambda folder: folder / "checkpoint-7")
    monkeypatch.setitem(ACTS, "train", ended)  # type: ignore[arg-type]
    with pytest.raises(BudgetSpentError) as caught:
        RealWorld(Site(tmp_path)).do("train", Known(), {"attempt": 1})
    assert caught.value.done == 7


def test_a_sweep_is_ended_while_there_is_enough_to_train_and_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, allowed = RealWorld(Site(tmp_path)), list[float]()

    @contextmanager
    def within(seconds: float | None, *, steps: bool = False) -> Iterator[None]:
        allowed.append(seconds or 0.0)
        yield

    monkeypatch.setattr(world._guard, "within", within)
    monkeypatch.setitem(ACTS, "sweep", lambda *more: Facts())  # type: ignore[arg-type]
    monkeypatch.setitem(ACTS, "check", lambda *more: Facts())  # type: ignore[arg-type]
    known = Known(Request(budget=Budget(3000)), checked=Checked(run_seconds=500.0, steps=100))
    for act in ("check", "sweep"):
        world.do(act, known, {})
    assert allowed[0] > 2900 and allowed[1] == pytest.approx(allowed[0] - train_seconds(known) - reserve(known))


def test_a_promoted_model_is_put_in_place_whole_with_its_clearance(tmp_path: Path) -> None:
    site = Site(tmp_path)
    run = site.run(1)
    run.model.mkdir(parents=True)
    (run.model / "config.json").write_text("{}")
    run.clearance.write_text("{}")
    (tmp_path / ".model.partial").mkdir()
    for _ in range(2):
        assert promote(site, Known(), {}).folder == str(site.model)
    assert sorted(one.name for one in site.model.iterdir()) == ["clearance.json", "config.json"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model", "runs"]


def test_a_dry_run_trains_nothing_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(TRAIN.read_text().splitlines(keepends=True)[:40]))
    words = ["auto", str(MODEL), str(rows), "--dry-run", "--budget", "2h", "--json", "d.json", *SETTINGS[:4]]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cache", "d.json", "rows.jsonl"]
    found = json.loads((tmp_path / "d.json").read_text())["decisions"]
    assert [one["state"] for one in found][:4] == ["inspect", "clean", "plan", "check"]
    assert "nothing was trained" in done.output and "check" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["owner/model"], "Give MODEL and DATA"),
        (["no/model", "rows.jsonl", "--budget", "soon"], "the budget 'soon' is not understood"),
        (["no/model", "rows.jsonl", "--budget", "$50"], "no price is known"),
        (["no/model", "rows.jsonl", "train.learning_rat=1"], "train.learning_rat"),
        (
            ["m", "d", "--goal", "ends by itslf at least 95%"],
            "The measures are: validation loss falls by, ends",
        ),
        (["--from", "none.yaml"], "there is no configuration file none.yaml"),
        (["--from", "none.yaml", "m", "d"], "leave MODEL and DATA out"),
        (["--resume"], "There is no journal in auto/*/. It has to be known which one goes on."),
        (["--resume", "--out", "nowhere"], "There is no journal in"),
        (["m", "d", "--dry-run", "--ask"], "--dry-run does nothing"),
        (["m", "d", "--budjet", "6h"], "--budget"),
    ],
)
def test_mistakes_are_told_before_anything_begins(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["auto", *words])
    assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="is not empty"):
        auto(Request("owner/model", ("owner/rows",)), tmp_path)
    assert default_folder(Request("/x/My Model!", ("d",))) == Path("auto/My-Model")


@pytest.mark.parametrize(
    ("words", "message"),
    [((str(MODEL), "none.jsonl"), "none.jsonl: no such file"), (("no/such/model", "rows.jsonl"), "no model folder")],
)
def test_a_model_or_data_that_is_not_there_leaves_no_folder_in_the_way(
    words: tuple[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("{}")
    done = CliRunner().invoke(main, ["auto", *words])
    assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


def test_data_that_cannot_be_read_ends_it_with_the_reason(tmp_path: Path) -> None:
    rows = tmp_path / "empty.jsonl"
    rows.write_text("")
    seen: list[Event] = []
    follow = to_all(AutoFiles(), seen.append)
    result = auto(Request(str(MODEL), (str(rows),)), tmp_path / "out", publish=follow)
    assert (result.known.outcome, result.exit_code) == ("gave up", 1)
    assert "empty.jsonl" in result.known.reason and isinstance(seen[-2], AutoEnded)
    assert "empty.jsonl" in (tmp_path / "out" / "report.html").read_text()


def test_the_clock_ends_an_act_at_the_budget_and_a_training_step_with_a_checkpoint() -> None:
    from sanetune.events import StepFinished

    guard, stopped = _Guard(), []
    # A shell starts what it puts into the background with SIGINT ignored; the engine has a handler of its own.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def until_stopped(seconds: float | None, step: bool) -> None:
        with guard.within(seconds, steps=step):
            try:
                while True:
                    guard(StepFinished(1)) if step else None
            except KeyboardInterrupt as error:  # at a step: what the engine raises once its checkpoint is there
                stopped.append(type(error).__name__)
                raise

    with pytest.raises(BudgetSpentError, match="before this was done"):
        until_stopped(0.02, step=False)
    with pytest.raises(BudgetSpentError, match="checkpoint"):
        until_stopped(0.0, step=True)
    signal.signal(signal.SIGINT, before)
    assert stopped == ["BudgetSpentError", "KeyboardInterrupt"]
    with guard.within(None):
        guard(StepFinished(1))
    assert isinstance(RealWorld(Site(Path("x"))), RealWorld)


def test_a_person_is_asked_and_enter_takes_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none.jsonl").write_text("[]\n")  # a file is there, and no row of it can be read
    words = ["auto", str(MODEL), str(tmp_path / "none.jsonl"), "--ask", "--out", "o"]
    done = CliRunner().invoke(main, words, input="\nfix\n3\n\n")
    assert done.exit_code == 1, done.output
    assert "* 1 inspect: read every row" in done.output and "Not possible: fix" in done.output
    decided = [one for one in Journal.read(tmp_path / "o").entries if one["kind"] == "decided"]
    assert [one["by"] for one in decided] == ["policy, confirmed"] * 3
