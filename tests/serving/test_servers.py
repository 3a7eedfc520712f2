"""Each kind of server is recognised and asked as its documentation says, within limits of size and time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sanetune.serving import http
from sanetune.serving.detect import detect
from sanetune.serving.http import Endpoint, EndpointError
from sanetune.serving.server import NextToken, Prompt, UndisclosedError
from tests.serving.fakes import answering, completion, ollama, vllm

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
PROMPT = Prompt([{"role": "user", "content": "Weather?"}], [TOOL], {"enable_thinking": False})


def test_vllm_tokenizes_messages_with_tools_and_variables_and_takes_ids() -> None:
    seen: list[tuple[str, dict[str, Any], str]] = []
    with answering(vllm(), seen) as url:
        server = detect(Endpoint(url))
        assert (server.kind, server.model) == ("vLLM", "mine")
        assert server.prompt_ids(PROMPT) == [7, 8, 9]
        asked = seen[-1][1]
        assert (asked["tools"], asked["chat_template_kwargs"]) == ([TOOL], {"enable_thinking": False})
        assert asked["add_generation_prompt"] is True and "add_special_tokens" not in asked
        assert server.next_token([7, 8, 9]) == NextToken(5, {5: -0.1, 6: -2.5}, False, "x")
        assert seen[-1][1]["prompt"] == [7, 8, 9] and seen[-1][1]["return_tokens_as_token_ids"] is True


def test_ollama_tells_counts_calls_and_reasoning_and_says_that_it_tells_no_ids() -> None:
    seen: list[tuple[str, dict[str, Any], str]] = []
    with answering(ollama(), seen) as url:
        server = detect(Endpoint(url))
        assert (server.kind, server.model, server.storage) == ("Ollama", "mine:latest", "Q4_K_M")
        reply = server.chat(PROMPT, 8)
        assert (reply.content, reply.reasoning, reply.prompt_tokens) == ("Oslo.", "It is in Norway.", 3)
        assert reply.tool_calls[0]["function"] == {"name": "weather", "arguments": {"city": "Oslo"}}
        assert seen[-1][1]["options"] == {"temperature": 0, "num_predict": 8} and seen[-1][1]["think"] is False
        with pytest.raises(UndisclosedError, match="how many"):
            server.prompt_ids(PROMPT)


def test_another_server_is_asked_by_the_chat_api_alone() -> None:
    routes = {
        "/v1/models": lambda body: {"data": [{"id": "a"}, {"id": "b"}]},
        "/v1/chat/completions": lambda body: completion("<think>x</think>", "length"),
    }
    with answering(routes) as url:
        server = detect(Endpoint(url), "b")
        assert (server.kind, server.model) == ("OpenAI-compatible", "b")
        assert server.chat(PROMPT, 4).finish == "length"
        with pytest.raises(UndisclosedError):
            server.next_token([1])
        with pytest.raises(EndpointError, match="2 models: a, b"):
            detect(Endpoint(url))
        with pytest.raises(EndpointError, match="no model 'c'"):
            detect(Endpoint(url), "c")


def test_the_key_is_sent_and_follows_no_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    seen: list[tuple[str, dict[str, Any], str]] = []
    stolen: list[tuple[str, dict[str, Any], str]] = []
    with answering(vllm(), stolen) as other:
        routes = {"/v1/models": lambda body: (302, f"{other}/v1/models".encode())}
        with answering(routes, seen) as url:
            endpoint = Endpoint.of(f"{url}/v1", "MY_KEY")
            assert "secret" not in repr(endpoint)
            with pytest.raises(EndpointError, match="302"):
                detect(endpoint)
    assert seen[0][2] == "Bearer secret" and not stolen


def test_an_answer_that_is_too_large_too_slow_or_no_json_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST", 1_000)

    def slow(body: dict[str, Any]) -> Any:
        time.sleep(0.5)

    routes = {"/large": lambda body: b"[" + b"1," * 5_000, "/page": lambda body: b"<html>", "/slow": slow}
    with answering(routes) as url:
        for path, said in (("/large", "more than"), ("/page", "JSON object"), ("/slow", "within 0.2 s")):
            with pytest.raises(EndpointError, match=said):
                Endpoint(url, seconds=0.2 if path == "/slow" else 10).get(path)


@pytest.mark.parametrize("answer", [{}, [], {"choices": []}, {"choices": [{"logprobs": None}]}, {"tokens": ["x"]}])
def test_an_answer_of_another_form_is_an_error_and_no_crash(answer: Any) -> None:
    routes = vllm(dict.fromkeys(("/tokenize", "/v1/completions", "/v1/chat/completions"), lambda body: answer))
    with answering(routes) as url:
        server = detect(Endpoint(url))
        for ask in (
            lambda: server.prompt_ids(PROMPT),
            lambda: server.next_token([1]),
            lambda: server.chat(PROMPT, 1),
        ):
            with pytest.raises(EndpointError, match="does not answer with"):
                ask()


@pytest.mark.parametrize("data", [5, "m", {"id": "m"}, [5, {"id": 5}]])
def test_a_list_of_models_of_another_form_is_an_error_and_no_crash(data: Any) -> None:
    with answering({"/v1/models": lambda body: {"data": data}}) as url, pytest.raises(EndpointError, match="no model"):
        detect(Endpoint(url))


def test_a_proxy_that_answers_every_address_with_its_page_is_asked_by_the_chat_api() -> None:
    routes: dict[str, Any] = dict.fromkeys(("/api/version", "/props"), lambda body: b"<html>app</html>")
    routes["/v1/models"] = lambda body: {"data": [{"id": "a", "owned_by": "someone"}]}
    with answering(routes) as url:
        assert detect(Endpoint(url)).kind == "OpenAI-compatible"


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://ü..x", "http://host:port", "http://host:99999", "http://h/?a=1"]
)
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(EndpointError, match="is not the address of a server"):
        Endpoint.of(url)


@pytest.mark.parametrize("key", ["abc\n", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_said_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "\x00" in key:
        monkeypatch.setattr("os.environ", {"MY_KEY": key})
    else:
        monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(EndpointError, match="MY_KEY holds") as caught:
        Endpoint.of("http://127.0.0.1:8000", "MY_KEY")
    assert key not in str(caught.value)


def test_a_path_that_a_server_does_not_have_is_untold_and_one_that_refuses_a_prompt_is_an_error() -> None:
    gone, refused = (lambda body: (404, {"detail": "Not Found"})), (lambda body: (400, {"error": "no such role"}))
    sglang = {"/v1/models": lambda body: {"data": [{"id": "mine", "owned_by": "sglang"}]}}
    for more, error, said in (
        ({"/tokenize": gone}, UndisclosedError, "does not tell which tokens"),
        ({"/tokenize": refused}, EndpointError, "no such role"),
        ({"/tokenize": refused, **sglang}, UndisclosedError, "SGLang"),
    ):
        with answering(vllm(more)) as url, pytest.raises(error, match=said):
            detect(Endpoint(url)).prompt_ids(PROMPT)
    texts = {"tokens": [" x"], "top_logprobs": [{" x": -0.1}]}
    for more, error, said in (
        ({"/v1/completions": gone}, UndisclosedError, "does not take token ids"),
        ({"/v1/completions": lambda body: {"choices": [{"logprobs": texts}]}, **sglang}, UndisclosedError, "texts"),
    ):
        with answering(vllm(more)) as url, pytest.raises(error, match=said):
            detect(Endpoint(url)).next_token([7])


@pytest.mark.parametrize("value", [float("nan"), 2.0, "NaN", None])
def test_a_log_probability_that_is_none_is_an_error_and_no_agreement(value: Any) -> None:
    scores = {"tokens": ["token_id:5"], "top_logprobs": [{"token_id:5": value}]}
    routes = vllm({"/v1/completions": lambda body: {"choices": [{"text": "x", "logprobs": scores}]}})
    with answering(routes) as url, pytest.raises(EndpointError, match="does not answer with tokens"):
        detect(Endpoint(url)).next_token([7])
