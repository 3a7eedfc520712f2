"""Servers that answer as the documentation of vLLM and Ollama says they do, on a port of their own."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Route = Callable[[dict[str, Any]], Any]


@contextlib.contextmanager
def answering(routes: dict[str, Route], seen: list[tuple[str, dict[str, Any], str]] | None = None) -> Iterator[str]:
    """Give the address of a server with ``routes``; what it is asked goes into ``seen``: path, body, authorization."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                self._answer(json.loads(sent))
            except ValueError:  # lines of JSON, as the Hub gets a commit
                self._answer({"raw": sent})

        def _answer(self, body: dict[str, Any]) -> None:
            if seen is not None:
                seen.append((self.path, body, self.headers.get("Authorization", "")))
            route = routes.get(self.path)
            found = route(body) if route else (404, {"error": {"message": "Not Found"}})
            status, answer = found if isinstance(found, tuple) else (200, found)
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", data.decode())
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):  # whoever asked may have had enough
                self.wfile.write(data)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def completion(content: str, finish: str = "stop", prompt_tokens: int = 3, **message: Any) -> dict[str, Any]:
    """A chat completion of OpenAI's API."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": prompt_tokens}}


def vllm(more: dict[str, Route] | None = None) -> dict[str, Route]:
    """vLLM's routes: prompts become the ids 7, 8, 9, and 5 follows them."""
    return {
        "/v1/models": lambda body: {"object": "list", "data": [{"id": "mine", "owned_by": "vllm"}]},
        "/tokenize": lambda body: {"count": 3, "max_model_len": 512, "tokens": [7, 8, 9], "token_strs": None},
        "/v1/completions": lambda body: {
            "choices": [
                {
                    "text": "x",
                    "finish_reason": "length",
                    "logprobs": {
                        "tokens": ["token_id:5"],
                        "token_logprobs": [-0.1],
                        "top_logprobs": [{"token_id:5": -0.1, "token_id:6": -2.5}],
                    },
                }
            ]
        },
        "/v1/chat/completions": lambda body: completion("x"),
        **(more or {}),
    }


def ollama(more: dict[str, Route] | None = None) -> dict[str, Route]:
    """Ollama's routes, as in its OpenAPI description."""
    return {
        "/v1/models": lambda body: {"object": "list", "data": [{"id": "mine:latest", "owned_by": "library"}]},
        "/api/version": lambda body: {"version": "0.13.0"},
        "/api/show": lambda body: {
            "template": "{{ .Prompt }}",
            "details": {"format": "gguf", "quantization_level": "Q4_K_M"},
            "model_info": {"general.architecture": "llama"},
        },
        "/api/chat": lambda body: {
            "message": {
                "role": "assistant",
                "content": "Oslo.",
                "thinking": "It is in Norway.",
                "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
            },
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "eval_count": 2,
        },
        **(more or {}),
    }
