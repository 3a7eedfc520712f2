"""A client of OpenAI's chat completions: what is sent is limited and shown first, what comes back is not trusted."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sanetune.atomic import write_text
from sanetune.config.schema import Config
from sanetune.errors import ConfigError, UserError
from sanetune.events import AgentAsked, Publish
from sanetune.text import shorten

LARGEST = 1_000_000
"""Bytes of an answer that are read."""

Message = Mapping[str, str]


class AgentError(UserError):
    """The endpoint does not answer, or not in the form that was asked for."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would send key and rows to an address that nobody has agreed to."""

    def redirect_request(self, *request: object) -> None:  # type: ignore[override]
        return None


@dataclass(frozen=True, slots=True)
class Agent:
    """An endpoint.

    Attributes:
        base_url: Its address, without ``chat/completions``.
        model: Name of the model there.
        key: API key; "": none. It is in no file and no message.
        rows: Training rows that the adviser may read.
        most: Characters of one message, at most.
        timeout: Seconds that an answer may take.
        folder: Where requests and answers are kept.
    """

    base_url: str
    model: str
    key: str
    rows: int
    most: int
    timeout: float
    folder: Path

    def ask(self, purpose: str, messages: Sequence[Message], schema: Mapping[str, Any], publish: Publish) -> str:
        """Send ``messages`` and return the text of the answer.

        Args:
            purpose: What it is for, which also names the files that are kept.
            messages: With ``role`` and ``content``.
            schema: JSON schema that the answer shall keep, for endpoints that can keep to one.
            publish: Gets what is about to be sent.

        Raises:
            AgentError: There is no answer.
        """
        text = "\n\n".join(f"[{one['role']}]\n{one['content']}" for one in messages)
        if len(text) > self.most:
            raise AgentError(
                f"The {purpose} would get {len(text):,} characters, and agent.max_characters is {self.most:,}.",
                "Nothing was sent.",
                "Raise agent.max_characters, or lower agent.rows.",
            )
        publish(AgentAsked(purpose, self.base_url, text))
        write_text(self.folder / f"{purpose}-request.txt", text)
        body = {
            "model": self.model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": 512,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        }
        answer = self._content(self._post(body))
        write_text(self.folder / f"{purpose}-answer.txt", answer)
        return answer

    def _post(self, body: Mapping[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json", "User-Agent": "sanetune"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        address = f"{self.base_url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.timeout) as answer:
                found: bytes = answer.read(LARGEST + 1)
        except urllib.error.HTTPError as error:
            raise self._unanswered(f"HTTP status {error.code}: {_excerpt(error)}") from None
        except (OSError, ValueError) as error:
            raise self._unanswered(shorten(str(getattr(error, "reason", error)), 200)) from None
        if len(found) > LARGEST:
            raise self._unanswered(f"more than {LARGEST:,} bytes")
        return found

    def _content(self, raw: bytes) -> str:
        try:
            content = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            content = None
        if not isinstance(content, str):
            raise self._unanswered("no chat completion")
        return content

    def _unanswered(self, fault: str) -> AgentError:
        return AgentError(
            f"{self.base_url} has given no answer: {fault}.",
            "Adviser and judge cannot be asked.",
            "Check agent.base_url, agent.model and agent.api_key_env, or leave the section agent out.",
        )


def agent_of(config: Config, folder: Path) -> Agent | None:
    """Return the endpoint that ``config`` names; None: it names none.

    Args:
        config: With which the autopilot began, or as it is now.
        folder: Of the autopilot.

    Raises:
        ConfigError: The endpoint's address, model or key is missing.
    """
    section = config.agent
    if not section.base_url:
        return None
    parts = urlsplit(section.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigError(
            f"agent.base_url is {section.base_url!r}",
            "Adviser and judge are asked over HTTP; a key belongs into an environment variable.",
            "Write an address such as http://127.0.0.1:8080/v1.",
            config.place("agent.base_url"),
        )
    if not section.model:
        raise ConfigError(
            "agent.base_url is set, and agent.model is not",
            "An endpoint may serve several models.",
            "Name one: agent.model=NAME",
            config.place("agent.base_url"),
        )
    key = os.environ.get(section.api_key_env, "") if section.api_key_env else ""
    if section.api_key_env and not key:
        raise ConfigError(
            f"the environment variable {section.api_key_env} is not set",
            "agent.api_key_env names it as the place of the key.",
            f"Set it, or leave agent.api_key_env out: export {section.api_key_env}=...",
            config.place("agent.api_key_env"),
        )
    return Agent(
        section.base_url,
        section.model,
        key,
        section.rows,
        section.max_characters,
        section.timeout_seconds,
        folder / "agent",
    )


def _excerpt(error: urllib.error.HTTPError) -> str:
    try:
        return shorten(" ".join(error.read(2_000).decode("utf-8", "replace").split()), 200)
    except OSError:
        return ""
