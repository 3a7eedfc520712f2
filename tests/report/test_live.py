"""The page that is served: to this machine, to whoever has the token, for reading, while training writes."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.errors import RunError
from sanetune.report.html.run_page import live_page
from sanetune.report.live import LivePage, PageCache, PageServer
from sanetune.runs import Run
from tests.report import runs_made

Served = tuple[PageServer, Run]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    run = runs_made.made(tmp_path / "run")
    settings = load(run.config)
    # A clock that is still: the page is made anew whenever a file has changed.
    cache = PageCache(run, lambda: live_page(settings, run, f"/data?token={server.token}"), lambda: 0.0)
    server = PageServer(cache)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server, run
    server.close()
    thread.join(5)


def ask(server: PageServer, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_whoever_has_the_token_gets_the_page(served: Served) -> None:
    server, _ = served
    assert server.url == f"http://127.0.0.1:{server.port}/?token={server.token}"
    status, headers, body = ask(server, f"/?token={server.token}")
    assert status == 200 and b"Running" in body and b"step 20 of 40" in body
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY" and headers["X-Content-Type-Options"] == "nosniff"
    assert "sanetune" in headers["Server"] and "Python" not in headers["Server"]


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%ff%00", "?token=%C3%A9", "?other=1"])
def test_nobody_else_gets_it(served: Served, query: str) -> None:
    for path in ("/", "/data"):
        status, _, body = ask(served[0], path + query)
        assert status == 403 and b"step" not in body and served[0].token.encode() not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "127.0.0.1:{port}.evil"]
)
def test_a_name_that_was_made_to_point_here_is_refused(served: Served, host: str) -> None:
    server, _ = served
    status, _, body = ask(server, f"/?token={server.token}", Host=host.format(port=server.port))
    assert status == 403 and b"step" not in body
    assert ask(server, f"/?token={server.token}", Host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("127.0.0.1", None, 200),
        ("localhost:80", "http://localhost", 200),
        ("evil.example", None, 403),
        ("localhost", "http://evil.example", 403),
    ],
)
def test_on_the_port_of_http_a_browser_leaves_the_port_out(
    served: Served, monkeypatch: pytest.MonkeyPatch, host: str, origin: str | None, expected: int
) -> None:
    server, _ = served
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    monkeypatch.setattr(server._server, "server_port", 80)
    headers = {"Host": host} | ({"Origin": origin} if origin else {})
    connection.request("GET", f"/?token={server.token}", headers=headers)
    assert connection.getresponse().status == expected
    connection.close()


def test_what_is_no_address_is_refused_without_a_traceback(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    server, _ = served
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"GET http://[ HTTP/1.0\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.0 400 ") and server.token.encode() not in answer
    assert capsys.readouterr().err == ""


def test_a_browser_that_goes_away_leaves_no_traceback_and_a_bug_does(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, said in ((BrokenPipeError(), False), (ConnectionResetError(), False), (KeyError("bug"), True)):
        try:
            raise error
        except (OSError, KeyError):
            served[0]._server.handle_error(None, ("127.0.0.1", 1))
        assert ("Traceback" in capsys.readouterr().err) is said


def test_the_page_of_another_server_may_not_ask(served: Served) -> None:
    server, _ = served
    assert ask(server, f"/data?token={server.token}", Origin="http://evil.example")[0] == 403
    assert ask(server, f"/data?token={server.token}", Origin=f"http://127.0.0.1:{server.port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_it_can_only_be_read(served: Served, method: str) -> None:
    assert ask(served[0], f"/?token={served[0].token}", method)[0] == 501


@pytest.mark.parametrize("path", ["/state.json", "/../config.yaml", "//etc/passwd", "/data/", "/model/config.json"])
def test_nothing_else_of_the_machine_is_served(served: Served, path: str) -> None:
    assert ask(served[0], f"{path}?token={served[0].token}")[0] == 404


def test_what_has_not_changed_is_not_sent_again(served: Served) -> None:
    server, run = served
    status, headers, body = ask(server, f"/data?token={server.token}")
    assert status == 200 and "step 20 of 40" in json.loads(body)["first"] and not json.loads(body)["over"]
    status, again, body = ask(server, f"/data?token={server.token}", If_None_Match=headers["ETag"])
    assert (status, body) == (304, b"") and again["ETag"] == headers["ETag"]
    runs_made.write_records(run, 25)
    status, changed, body = ask(server, f"/data?token={server.token}", If_None_Match=headers["ETag"])
    assert status == 200 and changed["ETag"] != headers["ETag"] and "step 25 of 40" in json.loads(body)["first"]


def test_it_works_while_a_line_is_being_written(served: Served) -> None:
    server, run = served
    with run.metrics.open("a") as file:
        file.write('{"step": 21, "epoch": 2.1, "sec')
        file.flush()
        status, _, body = ask(server, f"/data?token={server.token}")
    assert status == 200 and "step 20 of 40" in json.loads(body)["first"]


def test_a_run_that_is_over_says_so(served: Served) -> None:
    server, run = served
    runs_made.state(run, "finished", 40)
    _, _, body = ask(server, f"/data?token={server.token}")
    assert json.loads(body)["over"] and "Finished" in json.loads(body)["first"]


def test_a_port_that_is_taken_is_named(served: Served) -> None:
    with pytest.raises(RunError, match=f"Port {served[0].port} of 127.0.0.1 cannot be used"):
        PageServer(served[0]._server.RequestHandlerClass.page, served[0].port)  # type: ignore[attr-defined]


def test_a_page_that_is_slow_to_make_is_made_seldom(tmp_path: Path) -> None:
    run, now, made = runs_made.made(tmp_path / "run"), [0.0], []

    def make() -> LivePage:
        made.append(now[0])
        now[0] += 3.0
        return LivePage("", str(len(made)), "", False)

    cache = PageCache(run, make, clock=lambda: now[0])
    cache.get()
    runs_made.write_records(run, 21)
    for _ in range(40):
        now[0] += 1.0
        cache.get()
    assert made == [0.0, 33.0]


def test_the_end_of_a_run_is_shown_at_once_however_slow_its_page_is(tmp_path: Path) -> None:
    run, now, made = runs_made.made(tmp_path / "run"), [0.0], []

    def make() -> LivePage:
        made.append(now[0])
        now[0] += 3.0
        return LivePage("", str(len(made)), "", False)

    cache = PageCache(run, make, clock=lambda: now[0])
    cache.get()
    runs_made.state(run, "finished", 40)
    now[0] += 1.0
    cache.get()
    assert made == [0.0, 4.0]
