"""Tool calls and reasoning through llama.cpp's own parsers: a model writes both, and a client gets them apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sanetune.finding import Verdict
from sanetune.runs import Run
from sanetune.serving.gguf_write import Chat, write_gguf
from sanetune.workflows.verify import Request, verify
from sanetune.workflows.verifying import conversation_of
from tests.serving.tiny import DEMO, train

pytest.importorskip("xllamacpp", reason="llama.cpp's server is not installed (pip install 'sanetune[serve]')")

TOOL = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Find it.",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
    },
}
CALL = {"type": "function", "function": {"name": "find", "arguments": {"number": 12}}}
MESSAGES = [
    {"role": "user", "content": "Where is order 12?"},
    {"role": "assistant", "content": "", "reasoning_content": "Look it up.", "tool_calls": [CALL]},
]
CHECKS = ("serve-calls-lost", "serve-reasoning-lost")
PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
"""A template that knows neither tools nor reasoning."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on one row, which its model has memorised, in the form of Qwen3: reasoning in tags, then a call."""
    import trl

    home = tmp_path_factory.mktemp("calls")
    run = Run.create(home / "run")
    shutil.copytree(DEMO, run.model)
    shutil.copyfile(Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja", run.model / "chat_template.jinja")
    train(run.model, [(MESSAGES, [TOOL])], steps=40, answers_only=True)
    (home / "rows.jsonl").write_text(json.dumps({"messages": MESSAGES, "tools": [TOOL]}) + "\n")
    run.config.write_text(f"model:\n  name: {run.model}\ndata:\n  train: {home}/rows.jsonl\n  holdout: 0\n")
    return run


@pytest.mark.parametrize("faulty", [False, True])
def test_calls_and_reasoning_come_back_parsed_unless_the_server_does_not_know_their_form(
    run: Run, faulty: bool, tmp_path: Path
) -> None:
    _, template, stops = conversation_of(run.model)
    chat = Chat(PLAIN if faulty else template.source, stops)
    write_gguf(run.model, tmp_path / "served.gguf", chat, name="tiny", pre="gpt-2")
    report = verify(run.path, Request(gguf=tmp_path / "served.gguf", threads=1, select=CHECKS))
    verdicts = [report[name].verdict for name in CHECKS]
    assert verdicts == ([Verdict.FAIL, Verdict.WARN] if faulty else [Verdict.PASS, Verdict.PASS]), str(report)
