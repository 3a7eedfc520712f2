"""Adviser and judge: what is sent is limited and shown, what comes back is read strictly, and the gate decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sanetune.engine.answer import Answer
from sanetune.errors import ConfigError
from sanetune.events import AgentAsked, Event
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.agent import adviser
from sanetune.workflows.auto.agent.adviser import advise, refused
from sanetune.workflows.auto.agent.answers import Advice, Vote, read_answer
from sanetune.workflows.auto.agent.client import Agent, AgentError, agent_of
from sanetune.workflows.auto.agent.judge import judge
from sanetune.workflows.auto.facts import Checked, Found, Planned
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.machine import BudgetSpentError
from sanetune.workflows.auto.request import Request, settings_of
from sanetune.workflows.comparing.result import AskedPrompt, Compared, Model
from sanetune.workflows.comparing.stored import store
from tests.workflows.comparing.made import of_runs
from tests.workflows.evaluating.made import model

KEY = "sk-secret-of-the-test"


@dataclass
class Endpoint:
    """A local endpoint that answers with ``answer``, a text or a function of the request."""

    answer: Any = ""
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked.append(body)
            made.keys.append(self.headers.get("Authorization"))
            text = made.answer(body) if callable(made.answer) else made.answer
            self.send_response(made.status)
            if made.status == 302:
                self.send_header("Location", made.url + "/elsewhere")
            self.end_headers()
            reply = {"choices": [{"message": {"role": "assistant", "content": text}}]}
            self.wfile.write(text if isinstance(text, bytes) else json.dumps(reply).encode())

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def agent(endpoint: Endpoint, folder: Path, **values: Any) -> Agent:
    made = Agent(endpoint.url, "tiny", KEY, 3, 12_000, 5.0, folder / "agent")
    return replace(made, **values)


# -- what is sent and what comes back -----------------------------------------------------------------------------


def test_nothing_is_asked_unless_an_address_is_set() -> None:
    assert agent_of(settings_of(Request("owner/model", ("owner/rows",))), Path("x")) is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["agent.base_url=ftp://x/v1", "agent.model=m"], "agent.base_url is"),
        (["agent.base_url=http://user:word@x/v1", "agent.model=m"], "agent.base_url is"),
        (["agent.base_url=http://x/v1"], "agent.model is not"),
        (["agent.base_url=http://x/v1", "agent.model=m", "agent.api_key_env=NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
        (["agent.base_uri=http://x/v1"], "agent.base_uri"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_refused_before_anything_begins(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        agent_of(settings_of(Request("owner/model", ("owner/rows",), overrides=tuple(overrides))), Path("x"))


def test_the_key_comes_from_the_environment_and_goes_into_no_file(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_TEST", KEY)
    words = (f"agent.base_url={endpoint.url}", "agent.model=tiny", "agent.api_key_env=OF_THIS_TEST")
    found = agent_of(settings_of(Request("owner/model", ("owner/rows",), overrides=words)), tmp_path)
    assert found is not None
    endpoint.answer = '{"better": "A"}'
    found.ask("test", [{"role": "user", "content": "Which?"}], {}, lambda event: None)
    assert endpoint.keys == [f"Bearer {KEY}"]
    assert not any(KEY in file.read_text() for file in tmp_path.rglob("*") if file.is_file())


def test_what_is_sent_is_shown_before_and_is_all_that_is_sent(endpoint: Endpoint, tmp_path: Path) -> None:
    order: list[str] = []
    seen: list[Event] = []
    endpoint.answer = lambda body: order.append("sent") or "fine"

    def follow(event: Event) -> None:
        order.append("shown")
        seen.append(event)

    agent(endpoint, tmp_path).ask("test", [{"role": "user", "content": "Which?"}], {}, follow)
    assert order == ["shown", "sent"]
    (event,) = seen
    assert isinstance(event, AgentAsked) and event.text == "[user]\nWhich?" and event.address == endpoint.url
    assert [one["content"] for one in endpoint.asked[0]["messages"]] == ["Which?"]
    assert (tmp_path / "agent" / "test-request.txt").read_text() == event.text
    assert (tmp_path / "agent" / "test-answer.txt").read_text() == "fine"


def test_a_message_that_is_too_long_is_not_sent(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"agent\.max_characters"):
        agent(endpoint, tmp_path, most=10).ask("t", [{"role": "user", "content": "x" * 11}], {}, lambda event: None)
    assert not endpoint.asked


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (500, b"no \x1b[31mmemory", "HTTP status 500"),
        (302, b"", "HTTP status 302"),
        (200, b"{", "no chat completion"),
        (200, b'{"choices": []}', "no chat completion"),
        (200, b'{"choices": [{"message": {"content": 7}}]}', "no chat completion"),
        (200, b"x" * 1_100_000, "more than 1,000,000 bytes"),
    ],
)
def test_an_endpoint_that_answers_badly_is_an_error_with_its_reason(
    status: int, answer: bytes, message: str, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(AgentError, match=message):
        agent(endpoint, tmp_path).ask("t", [{"role": "user", "content": "x"}], {}, lambda event: None)
    assert len(endpoint.asked) == 1


def test_an_endpoint_that_is_not_there_is_an_error_with_its_reason(tmp_path: Path) -> None:
    nobody = Agent("http://127.0.0.1:9/v1", "m", "", 3, 12_000, 5.0, tmp_path)
    with pytest.raises(AgentError, match="refused"):
        nobody.ask("t", [{"role": "user", "content": "x"}], {}, lambda event: None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "learning_rate 1e-4 would be better",
        '{"changes": {"learning_rate": 1e-4}, "reason": "x", "run": "rm -rf"}',
        '{"changes": {"output_dir": "/"}, "reason": "x"}',
        '{"changes": {"learning_rate": "1e-4"}, "reason": "x"}',
        '{"changes": {"learning_rate": -1}, "reason": "x"}',
        '{"changes": {"learning_rate": NaN}}',
        '{"changes": {"num_train_epochs": 1000}}',
        '{"changes": {"lr_scheduler_type": "magic"}}',
        '{"changes": {"per_device_train_batch_size": 2.5}}',
        '{"changes": null}',
        "[" * 5000,
        '{"reason": "' + "x" * 30_000 + '"}',
    ],
)
def test_advice_that_is_not_of_the_form_is_refused_whole(text: str) -> None:
    with pytest.raises(AgentError):
        read_answer(text, Advice)


def test_advice_of_the_form_becomes_changes_of_the_allowed_keys() -> None:
    advice = read_answer('```json\n{"changes": {"learning_rate": 0.001, "num_train_epochs": 2}}\n```', Advice)
    assert advice.changes.changes() == {"train.learning_rate": 0.001, "train.num_train_epochs": 2.0}
    with pytest.raises(AgentError):
        read_answer('{"better": "C"}', Vote)


# -- the adviser --------------------------------------------------------------------------------------------------

CONFIG = "model:\n  name: owner/model\ndata:\n  train: rows.jsonl\ntrain:\n  learning_rate: 0.01\n"
BEFORE = Checked(verdict="warn", level="trial", cleared=True, held_out=2.0, found=(Found("x-warns", "warn", "It is."),))


@pytest.fixture
def known() -> Known:
    made = Known(Request("owner/model", ("rows.jsonl",), goal="be kind"), config=CONFIG)
    made.checked, made.planned = BEFORE, Planned(steps=200, epochs=2.0)
    return made


def advised(
    endpoint: Endpoint, known: Known, folder: Path, monkeypatch: pytest.MonkeyPatch, found: Checked, rows: list[str]
) -> Any:
    """What becomes of an answer, where the check of what is proposed finds ``found``."""
    monkeypatch.setattr(adviser, "_rows", lambda site, known: iter(rows))
    monkeypatch.setattr(adviser, "checked", lambda site, config, level: replace(found, config=site.text()))
    return advise(Site(folder), known, agent(endpoint, folder))


def test_a_proposal_is_kept_where_the_gate_passes_and_the_trial_is_no_worse(
    endpoint: Endpoint, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.answer = '{"changes": {"learning_rate": 0.002}, "reason": "hot"}'
    found = advised(endpoint, known, tmp_path, monkeypatch, replace(BEFORE, held_out=1.9), ["user: hi"])
    assert (found.accepted, found.changes, found.argument) == (True, {"train.learning_rate": 0.002}, "hot")
    assert "0.002" in found.config and found.check is not None
    asked = endpoint.asked[0]["messages"][1]["content"]
    assert "x-warns" in asked and "user: hi" in asked and "be kind" in asked
    assert found.sent == sum(len(one["content"]) for one in endpoint.asked[0]["messages"])


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (Checked(verdict="fail", found=(Found("curve-diverged", "fail", "x"),)), "the gate refuses it: curve-diverged"),
        (replace(BEFORE, held_out=2.1), "the held-out loss of the trial was 2.1 with it"),
        (replace(BEFORE, cleared=False, note="No clearance"), "the gate refuses it: No clearance"),
    ],
)
def test_a_proposal_that_the_gate_or_the_trial_refuses_is_taken_back(
    after: Checked, reason: str, endpoint: Endpoint, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.answer = '{"changes": {"learning_rate": 0.9}, "reason": "bold"}'
    found = advised(endpoint, known, tmp_path, monkeypatch, after, [])
    assert not found.accepted and found.reason.startswith(reason)
    assert found.config == CONFIG and Site(tmp_path).text() == CONFIG
    assert refused(BEFORE, replace(BEFORE, held_out=None)) != ""


def test_a_check_of_a_proposal_that_is_ended_or_killed_costs_no_clearance(
    endpoint: Endpoint, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Site(tmp_path).run(1)
    run.path.mkdir(parents=True)
    run.clearance.write_text("of the check before")

    def ends(site: Site, config: object, level: str) -> Checked:
        run.clearance.unlink()
        raise BudgetSpentError("spent")

    endpoint.answer = '{"changes": {"learning_rate": 0.9}, "reason": "bold"}'
    monkeypatch.setattr(adviser, "_rows", lambda site, known: iter(()))
    monkeypatch.setattr(adviser, "checked", ends)
    with pytest.raises(BudgetSpentError):
        advise(Site(tmp_path), known, agent(endpoint, tmp_path))
    assert run.clearance.read_text() == "of the check before"
    killed = tmp_path / "agent" / "before"
    killed.mkdir()
    run.clearance.rename(killed / run.clearance.name)
    assert not advised(endpoint, known, tmp_path, monkeypatch, replace(BEFORE, verdict="fail"), []).accepted
    assert run.clearance.read_text() == "of the check before"
    assert not list((tmp_path / "agent").glob("before*"))


def test_no_change_costs_no_check(
    endpoint: Endpoint, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.answer = '{"changes": {"learning_rate": 0.01}, "reason": "as it is"}'
    monkeypatch.setattr(adviser, "checked", lambda *args: pytest.fail("checked"))
    monkeypatch.setattr(adviser, "_rows", lambda site, known: iter(()))
    assert advise(Site(tmp_path), known, agent(endpoint, tmp_path)).reason == "it proposes no change"


def test_rows_are_sent_as_far_as_they_fit(
    endpoint: Endpoint, known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.answer = '{"changes": {}}'
    monkeypatch.setattr(adviser, "_rows", lambda site, known: iter(["a" * 600] * 50))
    small = agent(endpoint, tmp_path, most=2_800, rows=50)
    advise(Site(tmp_path), known, small)
    sent = json.loads(endpoint.asked[0]["messages"][1]["content"])
    assert 0 < len(sent["rows"]) < 5
    advise(Site(tmp_path), known, agent(endpoint, tmp_path, rows=0))
    assert json.loads(endpoint.asked[1]["messages"][1]["content"])["rows"] == []


# -- the judge ----------------------------------------------------------------------------------------------------


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    """A site with the stored comparison of twenty pairs: the tuned answer is the one that says "good"."""
    run = Site(tmp_path).run(1)
    prompts = [AskedPrompt([{"role": "user", "content": f"Question {n}?"}]) for n in range(20)]
    base = Model("base", "b", [Answer(f"bad {n}", True, 2) for n in range(20)])
    tuned = Model("tuned", "t", [Answer(f"good {n}" if n else "bad 0", True, 2) for n in range(20)])
    model(run.model)
    store(run, [run], of_runs(Compared(prompts, [base, tuned], 16), run))
    return tmp_path


def good_side(body: dict[str, Any]) -> str:
    text = body["messages"][1]["content"]
    first = text.index("<answer A>")
    return "A" if "good" in text[first : text.index("</answer A>")] else "B"


def test_the_judge_is_asked_in_both_orders_and_knows_not_whose_an_answer_is(
    endpoint: Endpoint, known: Known, compared: Path
) -> None:
    endpoint.answer = lambda body: json.dumps({"better": good_side(body)})
    found = judge(Site(compared), known, agent(endpoint, compared))
    assert (found.wins, found.losses, found.ties, found.same, found.win_rate) == (19, 0, 0, 1, 1.0)
    assert 0.8 < found.low < 1.0 == found.high
    assert len(endpoint.asked) == 2 * 19
    assert {good_side(one) for one in endpoint.asked} == {"A", "B"}
    assert not any("tuned" in json.dumps(one) or "base" in json.dumps(one["messages"]) for one in endpoint.asked)


def test_a_judge_that_always_takes_the_first_answer_decides_nothing(
    endpoint: Endpoint, known: Known, compared: Path
) -> None:
    endpoint.answer = '{"better": "A"}'
    found = judge(Site(compared), known, agent(endpoint, compared))
    assert (found.wins, found.losses, found.ties, found.win_rate) == (0, 0, 19, None)


def test_votes_are_kept_and_not_asked_for_twice(endpoint: Endpoint, known: Known, compared: Path) -> None:
    answers = iter(['{"better": "tie"}'] * 8 + ["no JSON"] * 100)
    endpoint.answer = lambda body: next(answers)
    with pytest.raises(AgentError):
        judge(Site(compared), known, agent(endpoint, compared))
    asked = len(endpoint.asked)
    endpoint.answer = lambda body: json.dumps({"better": good_side(body)})
    found = judge(Site(compared), known, agent(endpoint, compared))
    assert (found.wins, found.ties) == (15, 4) and len(endpoint.asked) - asked == 2 * 15


def test_answers_that_cannot_be_read_now_and_then_are_counted(endpoint: Endpoint, known: Known, compared: Path) -> None:
    turns = iter(range(1000))
    endpoint.answer = lambda body: "?" if next(turns) % 7 == 6 else json.dumps({"better": good_side(body)})
    found = judge(Site(compared), known, agent(endpoint, compared))
    assert found.failed > 0 and found.wins + found.failed == 19
