"""Serves the page of a run on this machine while it trains: one token, one host, nothing but reading."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTP_PORT
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import orjson

from sanetune.errors import RunError

if TYPE_CHECKING:
    from sanetune.runs import Run

ADDRESS = "127.0.0.1"
"""The only address that is listened on."""
NAMES = ("127.0.0.1", "localhost")
"""Names under which a browser on this machine may ask. Any other in ``Host`` is a page elsewhere whose name was made to
point here."""
REST = 10.0
"""Times the seconds that a page took to make, for which it is not made anew: training gets the processor."""


@dataclass(frozen=True, slots=True)
class LivePage:
    """A page as it is now.

    Attributes:
        html: The whole page.
        first: Its first screen alone.
        title: Its title.
        is_over: Whether the run will not go on.
    """

    html: str
    first: str
    title: str
    is_over: bool


Make = Callable[[], LivePage]
"""Makes the page from the run's files."""


class PageCache:
    """Makes a page when the files of its run have changed, and not more often than it can be had cheaply.

    Args:
        run: The run's folder.
        make: Makes the page.
        clock: Seconds that only rise.
    """

    def __init__(self, run: Run, make: Make, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._make, self._clock = run, make, clock
        self._lock = threading.Lock()
        self._seen, self._phase, self._tag, self._next = "", "", "", 0.0
        self._page: LivePage | None = None

    def get(self) -> tuple[LivePage, str]:
        """Return the page and its ETag, which changes with what the page shows."""
        with self._lock:
            now, phase = self._clock(), _phase_of(self._run)
            # Nothing is trained any more when a run has ended: that is shown at once.
            due = now >= self._next or phase != self._phase
            if self._page is None or (due and _state_of(self._run) != self._seen):
                seen = _state_of(self._run)
                self._page = self._make()
                self._seen, self._phase, self._next = seen, phase, self._clock() + REST * (self._clock() - now)
                shown = f"{self._page.title}\0{self._page.first}".encode("utf-8", "replace")
                self._tag = f'"{hashlib.sha256(shown).hexdigest()[:24]}"'
            return self._page, self._tag


def _state_of(run: Run) -> str:
    """Names, sizes and times of the files that a page is made from; whether the process lives is asked each time."""
    found = []
    for file in sorted([*run.path.glob("*.json*"), *run.path.glob("config.yaml"), run.model / "config.json"]):
        try:
            stat = file.stat()
        except OSError:
            continue
        found.append(f"{file.name}:{stat.st_size}:{stat.st_mtime_ns}")
    return "|".join([*found, _phase_of(run)])


def _phase_of(run: Run) -> str:
    """How far the run is, by itself, and whether its process lives."""
    from sanetune.workflows.run_state import read_state

    state = read_state(run)
    if state is None:
        return ""
    return f"{state.phase} {state.is_alive if state.phase == 'running' else None}"


class PageServer:
    """Serves one page on :data:`ADDRESS` until it is closed.

    Args:
        page: What is served.
        port: Number of the port; 0: one that is free.

    Raises:
        RunError: The port is taken.
    """

    def __init__(self, page: PageCache, port: int = 0) -> None:
        self.token = secrets.token_urlsafe(24)
        handler = type("Handler", (_Handler,), {"page": page, "token": self.token})
        try:
            self._server = _Server((ADDRESS, port), handler)
        except OSError as error:
            raise RunError(
                f"Port {port} of {ADDRESS} cannot be used: {error.strerror or error}.",
                remedy="Give another with --port, or none for one that is free.",
            ) from None

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://{ADDRESS}:{self.port}/?token={self.token}"

    def serve(self) -> None:
        """Answer until :meth:`close` is called, or Ctrl-C ends it."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Another process of this machine could take a port that is only waiting.
    allow_reuse_address = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that has gone; anything else keeps its traceback."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    page: PageCache
    token: str
    server: _Server
    timeout = 30
    server_version, sys_version = "sanetune", ""

    def do_GET(self) -> None:
        """Answer with the page, or with what is new of it; everything else is refused."""
        if not self._is_local():
            return self._refuse(HTTPStatus.FORBIDDEN, "Ask for 127.0.0.1: this page is for this machine.")
        try:
            place = urlsplit(self.path)
        except ValueError:
            return self._refuse(HTTPStatus.BAD_REQUEST, "This is no address.")
        if place.path not in ("/", "/data"):
            return self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")
        given = parse_qs(place.query).get("token", [""])[0]
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            return self._refuse(HTTPStatus.FORBIDDEN, "The token is missing or wrong: use the address on the terminal.")
        return self._answer(news=place.path == "/data")

    def _is_local(self) -> bool:
        """Whether the browser asked for this server by a name of this machine, and no page of another asked for it."""
        port = self.server.server_port
        # Clients leave out the port that http has by itself.
        ends = (f":{port}", "") if port == HTTP_PORT else (f":{port}",)
        hosts = {f"{name}{end}" for name in NAMES for end in ends}
        origin = self.headers.get("Origin")
        return self.headers.get("Host", "") in hosts and origin in {None, *(f"http://{host}" for host in hosts)}

    def _answer(self, *, news: bool) -> None:
        page, tag = self.page.get()
        if news and self.headers.get("If-None-Match") == tag:
            return self._send(HTTPStatus.NOT_MODIFIED, b"", "", tag)
        if not news:
            return self._send(HTTPStatus.OK, page.html.encode("utf-8", "replace"), "text/html; charset=utf-8", tag)
        body = orjson.dumps(
            {
                "title": page.title.encode("utf-8", "replace").decode(),
                "first": page.first.encode("utf-8", "replace").decode(),
                "over": page.is_over,
            }
        )
        return self._send(HTTPStatus.OK, body, "application/json", tag)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send(status, text.encode(), "text/plain; charset=utf-8", "")

    def _send(self, status: HTTPStatus, body: bytes, kind: str, tag: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", tag)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the token would be in each line."""
