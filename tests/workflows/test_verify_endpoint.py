"""A served model is verified from end to end: behind vLLM's API, which tells ids, and Ollama's, which tells counts.

The servers are small: they compute with transformers and answer by the documentation of vLLM and Ollama.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sanetune.finding import Report, Verdict
from sanetune.serving.http import Endpoint
from sanetune.workflows.verify import Request, verify
from sanetune.workflows.verifying import load_trained, subject_at
from tests.serving.fakes import answering, completion, ollama, vllm
from tests.serving.tiny import QUESTIONS, make

PROMPTS = list(QUESTIONS)[:3]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("tuned") / "model")


@dataclass
class Serving:
    """A model behind an API; its faults are set by who serves it.

    Attributes:
        folder: The model.
        stops: Whether it knows the token that ends answers.
        begin: What it puts before each prompt.
    """

    folder: Path
    stops: bool = True
    begin: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.model = load_trained(subject_at(self.folder, 0, ["Hi"], lambda event: None))

    def ids(self, body: dict[str, Any]) -> list[int]:
        found = self.model.tokenizer.apply_chat_template(
            body["messages"], tools=body.get("tools"), add_generation_prompt=True, return_dict=False
        )
        return [*self.begin, *found]

    def next_token(self, ids: list[int]) -> tuple[int, dict[int, float]]:
        import torch

        with torch.inference_mode():
            log_probs = self.model.model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        values, tokens = log_probs.topk(20)
        return int(tokens[0]), dict(zip(tokens.tolist(), values.tolist(), strict=True))

    def ends(self, token: int) -> bool:
        return self.stops and token in self.model.stops

    def answer(self, body: dict[str, Any], most: int) -> tuple[str, str, int]:
        """The greedy answer, why it ended, and the number of tokens of the prompt."""
        ids = self.ids(body)
        written: list[int] = []
        while len(written) < most:
            token, _ = self.next_token(ids + written)
            if self.ends(token):
                return str(self.model.tokenizer.decode(written)), "stop", len(ids)
            written.append(token)
        return str(self.model.tokenizer.decode(written)), "length", len(ids)

    def as_vllm(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        def complete(body: dict[str, Any]) -> Any:
            assert body["max_tokens"] == 1 and body["logprobs"] == 20 and body["return_tokens_as_token_ids"]
            token, log_probs = self.next_token(body["prompt"])
            given = {f"token_id:{one}": value for one, value in log_probs.items()}
            scores = {"tokens": [f"token_id:{token}"], "token_logprobs": [log_probs[token]], "top_logprobs": [given]}
            finish = "stop" if self.ends(token) else "length"
            return {"choices": [{"index": 0, "text": "", "finish_reason": finish, "logprobs": scores}]}

        def chat(body: dict[str, Any]) -> Any:
            return completion(*self.answer(body, body["max_tokens"]))

        routes = {"/tokenize": lambda body: {"tokens": self.ids(body)}, "/v1/completions": complete}
        return vllm(routes | {"/v1/chat/completions": chat})

    def as_ollama(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        def chat(body: dict[str, Any]) -> Any:
            assert body["stream"] is False and body["options"]["temperature"] == 0
            content, reason, count = self.answer(body, body["options"]["num_predict"])
            message = {"role": "assistant", "content": content}
            return {"message": message, "done": True, "done_reason": reason, "prompt_eval_count": count}

        return ollama({"/api/chat": chat})


def verified(tuned: Path, routes: dict[str, Any]) -> Report:
    with answering(routes) as url:
        return verify(tuned, Request(Endpoint.of(url).url, count=0, prompts=PROMPTS))


def verdicts(report: Report) -> dict[str, str]:
    return {one.check.removeprefix("serve-"): one.verdict.value for one in report.findings}


def test_the_trained_model_behind_vllm_passes_all_that_vllm_tells(tuned: Path) -> None:
    report = verified(tuned, Serving(tuned).as_vllm())
    assert report.exit_code == 0 and "vLLM" in report.subject["server"]
    found = verdicts(report)
    passed = {"prompt-differs", "double-bos", "no-stop", "answers-differ"}
    assert {name for name, verdict in found.items() if verdict == "pass"} == passed, str(report)
    assert {name for name, verdict in found.items() if verdict == "skip"} == set(found) - passed
    assert report["serve-answers-differ"].numbers["assumed"] is True
    assert report["serve-no-stop"].numbers["asked"] == "ids"


def test_faults_behind_vllm_are_each_found(tuned: Path, tmp_path: Path) -> None:
    endless = verified(tuned, Serving(tuned, stops=False).as_vllm())
    assert {one.check for one in endless.of(Verdict.FAIL)} == {"serve-no-stop"}
    begin = Serving(tuned).model.tokenizer.bos_token_id
    doubled = verified(tuned, Serving(tuned, begin=(begin,)).as_vllm())
    assert {one.check for one in doubled.of(Verdict.FAIL)} == {"serve-double-bos"}
    other = verified(tuned, Serving(make(tmp_path / "other", steps=20)).as_vllm())
    assert "serve-answers-differ" in {one.check for one in other.of(Verdict.FAIL)}
    assert "Cause" not in other["serve-answers-differ"].message, "nothing was tried that could establish one"


def test_behind_ollama_counts_and_ends_are_compared_and_the_rest_is_said_to_be_untold(tuned: Path) -> None:
    report = verified(tuned, Serving(tuned).as_ollama())
    assert report.exit_code == 0 and "Ollama, Q4_K_M" in report.subject["server"]
    found = verdicts(report)
    assert (found["prompt-differs"], found["no-stop"]) == ("warn", "pass"), str(report)
    assert report["serve-no-stop"].numbers["asked"] == "answers"
    assert "takes no token ids" in report["serve-answers-differ"].message
    assert "does not tell which tokens" in report["serve-double-bos"].message


def test_faults_behind_ollama_are_found_by_counts_and_lengths(tuned: Path) -> None:
    report = verified(tuned, Serving(tuned, stops=False, begin=(5,)).as_ollama())
    assert {one.check for one in report.of(Verdict.FAIL)} == {"serve-prompt-differs", "serve-no-stop"}
    assert "3 of 3 prompts have another number of tokens" in report["serve-prompt-differs"].message
    assert "run to the token limit" in report["serve-no-stop"].message
