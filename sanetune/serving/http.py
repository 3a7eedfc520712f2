"""Asks a server over HTTP, within limits: an answer has a largest size and a longest time, and no redirect is followed.

A server is a stranger: what it answers is read as JSON and nothing else, and a key goes to the address that was given
and to no other.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from sanetune.errors import UserError
from sanetune.text import shorten

SECONDS = 120.0
"""How long one answer may take."""
LARGEST = 16 * 2**20
"""Bytes of one answer: 20 log-probabilities of a thousand tokens have a tenth of that."""
CHUNK = 65_536

Json = dict[str, Any]


class EndpointError(UserError):
    """A server cannot be reached, or does not answer as its kind does."""


class RefusedRequestError(EndpointError):
    """The server answered with an HTTP error; ``status``: its number, which counts from 100."""

    def __init__(self, message: str, rationale: str = "", remedy: str = "", status: int = 0) -> None:
        super().__init__(message, rationale, remedy)
        self.status = status


class NotJsonError(EndpointError):
    """The server answers with a page, or with JSON that is no object."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        """Refuse: the key would go to an address that nobody gave."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a server, without ``/v1``.

    Args:
        url: ``http://`` or ``https://`` with host and port.
        key: Sent as a bearer token; "": none.
        seconds: How long one answer may take.
    """

    url: str
    key: str = field(default="", repr=False)
    seconds: float = SECONDS

    @classmethod
    def of(cls, url: str, key_env: str = "", seconds: float = SECONDS) -> Endpoint:
        """Return the endpoint at ``url``; its key is read from the environment variable ``key_env``.

        >>> Endpoint.of("http://127.0.0.1:8000/v1/").url
        'http://127.0.0.1:8000'

        Raises:
            EndpointError: The address is none, or the variable is not set.
        """
        parts = _parts(url)
        if parts is None:
            raise EndpointError(
                f"{url!r} is not the address of a server.",
                "It is asked over HTTP.",
                "Give it as http://127.0.0.1:8000 (with or without /v1).",
            )
        if parts.username or parts.password:
            raise EndpointError(
                "The address holds a name or a password.",
                "It is shown in the report.",
                "Put the key into an environment variable, and give its name as --api-key-env NAME.",
            )
        key = os.environ.get(key_env, "") if key_env else ""
        if key_env and not key:
            raise EndpointError(
                f"The environment variable {key_env} is not set.",
                "The server's key is read from it.",
                f"Set it first: export {key_env}=...",
            )
        if not (key.isascii() and key.isprintable()):
            raise EndpointError(
                f"The environment variable {key_env} holds a line break, or a sign that no key has.",
                "It cannot be sent as a key.",
                f"Set it to the key alone: export {key_env}=...",
            )
        return cls(url.rstrip("/").removesuffix("/v1"), key, seconds)

    def get(self, path: str) -> Json:
        """Return the JSON at ``path``."""
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, body: dict[str, Any]) -> Json:
        """Return the JSON that ``path`` answers to ``body``.

        Raises:
            EndpointError: The server is not there, takes too long, or answers with what is no JSON.
            RefusedRequestError: It answers with an HTTP error.
        """
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}))

    def _ask(self, request: urllib.request.Request) -> Json:
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        path = urllib.parse.urlsplit(request.full_url).path
        opener = urllib.request.build_opener(_NoRedirect())
        try:
            with opener.open(request, timeout=self.seconds) as answer:
                text = _read(answer, time.monotonic() + self.seconds, path)
        except urllib.error.HTTPError as error:
            raise _refused(error, self.url, path) from None
        except TimeoutError:
            raise _slow(path, self.seconds) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            if isinstance(getattr(error, "reason", None), TimeoutError):
                raise _slow(path, self.seconds) from None
            raise EndpointError(
                f"The server at {self.url} does not answer: {getattr(error, 'reason', error)}.",
                "Nothing can be said about the model that it runs.",
                "Start it, and give its address with --endpoint.",
            ) from None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise NotJsonError(
                f"{self.url}{path} does not answer with a JSON object: {shorten(text.decode('utf-8', 'replace'), 80)}",
                "It is no server of a known kind.",
                "Give the address of the model's server, not of a page in front of it.",
            )
        return found


def _parts(url: str) -> urllib.parse.SplitResult | None:
    """The parts of an address; None where it is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        (parts.hostname or "").encode("idna")
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets, labels or a port that are none
        return None
    return parts if known and not (parts.query or parts.fragment) else None


def _read(answer: http.client.HTTPResponse, until: float, path: str) -> bytes:
    """The whole answer; a server that drips is stopped as one that is silent is."""
    parts, size = [], 0
    while part := answer.read1(CHUNK):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise EndpointError(
                f"{path} answers with more than {LARGEST // 2**20} MiB.",
                "An answer of this kind has a thousandth of that.",
                "Check the address.",
            )
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(parts)


def _slow(path: str, seconds: float) -> EndpointError:
    return EndpointError(
        f"{path} has not answered within {seconds:g} s.",
        "Nothing can be said about the model.",
        "Wait until the server is idle, or allow more with --timeout SECONDS.",
    )


def _refused(error: urllib.error.HTTPError, url: str, path: str) -> RefusedRequestError:
    try:
        body = error.read1(CHUNK) if isinstance(error.fp, http.client.HTTPResponse) else b""
    except (OSError, AttributeError):
        body = b""
    said = shorten(_message(body), 200)
    remedy = "Give the name of the variable that holds its key: --api-key-env NAME." if error.code in (401, 403) else ""
    return RefusedRequestError(
        f"{url}{path} answers {error.code}{f': {said}' if said else ''}.", "", remedy, error.code
    )


def _message(body: bytes) -> str:
    """What the server says of an error; all of the kinds wrap it in ``error``."""
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    while isinstance(found, dict):
        found = found.get("error") or found.get("message") or found.get("detail") or ""
    return str(found)
