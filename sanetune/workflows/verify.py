"""Prove that a server, or a file for one, is the model that was trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.errors import ConfigError
from sanetune.events import ChecksEnded, ChecksStarted, Publish, bracket, silent
from sanetune.evidence.from_server import Served, ServerEvidence
from sanetune.evidence.registry import Evidence, builders_of
from sanetune.finding import BAD, Report, Verdict
from sanetune.gate.catalogue import chosen, require_some
from sanetune.gate.clearance import Verification
from sanetune.gate.clearance_file import read_clearance, write_clearance
from sanetune.gate.runner import Rules, report
from sanetune.runs import Run
from sanetune.serving.detect import detect
from sanetune.serving.gguf_file import GgufFile
from sanetune.serving.http import SECONDS, Endpoint
from sanetune.serving.local import served as served_here
from sanetune.serving.rounding import known_storage
from sanetune.serving.server import Server
from sanetune.text import one_line, shortest_path
from sanetune.workflows.check import rules_of
from sanetune.workflows.verifying import LONGEST_PROMPT, Subject, load_trained, require_subject, subject_at

if TYPE_CHECKING:
    from sanetune.probes.served import HeldOut

FAMILY = "serve"
LEVEL = "served"
PROMPTS = 8
"""Prompts that are asked, unless it is said otherwise."""
ROOM = 512
"""Tokens of an answer beside the prompt, for which a server that is started here has room."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be verified, and how.

    Attributes:
        endpoint: Address of a server; "": the file is served here.
        gguf: The file; None: the server alone is asked.
        model: Which of the server's models; "": the only one.
        storage: How its weights are stored; "": as the file or the server says.
        key_env: Name of the environment variable with the server's key.
        seconds: How long one answer may take.
        count: Rows that are asked, at most.
        prompts: Prompts of the user's own.
        threads: Threads of a server that is started here; 0: one for each core.
        select: Names of checks; none: all of the family.
        ignore: Names that are left out.
    """

    endpoint: str = ""
    gguf: Path | None = None
    model: str = ""
    storage: str = ""
    key_env: str = ""
    seconds: float = SECONDS
    count: int = PROMPTS
    prompts: Sequence[str] = ()
    threads: int = 0
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()


def verify(path: Path, request: Request, publish: Publish = silent) -> Report:
    """Return what the checks of the family ``serve`` find about a server or a file.

    The outcome is noted in the clearance of the run, where there is one.

    Args:
        path: A finished run, or the folder of a model.
        request: What is asked, and how.
        publish: Gets what is built, and which checks run.

    Raises:
        ConfigError: Neither a server nor a file is given, or the type of weights is not known.
        RunError: There is no finished run.
        EndpointError: The server does not answer.
        ModelError: The file cannot be read or run.
    """
    if not request.endpoint and request.gguf is None:
        raise ConfigError(
            "Neither a server nor a file is given.",
            "There is nothing to compare with the run.",
            "Give --endpoint URL of a running server, or --gguf FILE, which is then served here.",
        )
    if request.storage and not known_storage(request.storage):
        raise ConfigError(
            f"The type of weights {request.storage!r} is not known.",
            "How far answers may differ follows from it.",
            "Give one of ggml's, as F16, Q8_0, Q4_K_M or Q4_1.",
        )
    checks = chosen(list(request.select) or [FAMILY], list(request.ignore), LEVEL)
    checks = [one for one in checks if one.family == FAMILY]
    require_some(checks, request.select, request.ignore, "of what is served")
    require_subject(path)
    with ExitStack() as stack:
        # The server first: that it is not there is known in a second, and preparation may take minutes.
        file = GgufFile(request.gguf) if request.gguf is not None else None
        there = _asked(request, stack) if request.endpoint else None
        subject = subject_at(path, request.count, request.prompts, publish)
        serve = None if request.endpoint else _here(request, subject, stack)
        server = there or (serve(file.path) if serve is not None and file is not None else None)
        source = Served(lambda: load_trained(subject), subject.held_out, server, file, request.storage, serve)
        stack.enter_context(bracket(publish, ChecksStarted(), ChecksEnded()))
        evidence = Evidence(builders_of(ServerEvidence(source, publish), LEVEL), publish=publish)
        rules = rules_of(subject.config) if subject.config is not None else Rules()
        found = report(checks, evidence, rules, LEVEL, _subject(subject, request, server, file))
    if subject.run is not None and not (request.select or request.ignore):
        _note(subject.run, found)
    return found


def _asked(request: Request, stack: ExitStack) -> Server:
    return detect(Endpoint.of(request.endpoint, request.key_env, request.seconds), request.model)


def _here(request: Request, subject: Subject, stack: ExitStack) -> _Serve:
    return _Serve(max(map(_tokens_of, subject.held_out), default=0) + ROOM, request, stack)


def _tokens_of(one: HeldOut) -> int:
    """Tokens of a row; of a prompt that is none, no fewer than it has: a token is a byte at least."""
    if one.ids is None:
        return max(LONGEST_PROMPT // 2, len(json.dumps(one.prompt.body(), ensure_ascii=False).encode()))
    return max(len(one.ids), len(one.row_ids or ()))


@dataclass(frozen=True, slots=True)
class _Serve:
    """Runs files on this machine until the stack is closed."""

    context: int
    request: Request
    stack: ExitStack

    def __call__(self, file: Path) -> Server:
        return self.stack.enter_context(served_here(file, self.context, self.request.threads, self.request.seconds))


def _subject(subject: Subject, request: Request, server: Server | None, file: GgufFile | None) -> dict[str, str]:
    """What was verified, in words, by name."""
    found = {"trained": shortest_path(subject.folder)}
    if file is not None:
        found["file"] = f"{shortest_path(file.path)} ({file.architecture}, {file.storage})"
    if server is not None:
        where = request.endpoint or "on this machine"
        said = f", {server.storage}" if server.storage else ""
        found["server"] = one_line(f"{server.kind}{said} {where}", 200)
    return found | {"prompts": subject.words}


def _note(run: Run, found: Report) -> None:
    """Write into the run's clearance how it came out; what was verified before under the same name is replaced."""
    clearance, _ = read_clearance(run)
    if clearance is None or found.unusable:
        return
    name = ", ".join(found.subject[key] for key in ("file", "server") if key in found.subject)
    bad = ", ".join(finding.check for finding in found.of(*BAD))
    passed = len(found.of(Verdict.PASS))
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    outcome = Verification(name, found.verdict, made, f"{passed} passed{f'; found: {bad}' if bad else ''}")
    others = [one for one in clearance.served if one.name != name]
    write_clearance(run, replace(clearance, served=[*others, outcome]))
