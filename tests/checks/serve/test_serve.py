"""Each check of a server finds its fault in what was told, and not the nearest thing that is none."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.serve import (
    answers_differ,
    calls_lost,
    double_bos,
    no_stop,
    prompt_differs,
    reasoning_lost,
    template_differs,
    vocabulary_differs,
    weights_differ,
)
from sanetune.engine.answer import Answer
from sanetune.finding import Judgement, Verdict
from sanetune.probes.results.served import (
    ChatPair,
    EndTrial,
    FileFacts,
    FloatCopy,
    PromptPair,
    ServedPrompts,
    ServedTemplate,
    ServedTokens,
    TensorDifference,
    TokenPair,
    TrainedAnswer,
    WeightComparison,
)
from sanetune.serving.server import ChatReply, Prompt

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
WRITTEN = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'


def found(check: ModuleType, evidence: object) -> Judgement:
    limits = {name: limit.value for name, limit in getattr(check, "LIMITS", {}).items()}
    keywords = {"limits": limits} if "limits" in check.measure.__code__.co_varnames[:2] else {}
    judgement: Judgement = check.judge(check.measure(evidence, **keywords), limits)
    return judgement


def prompts(*pairs: tuple[list[int], list[int] | None, int | None]) -> ServedPrompts:
    return ServedPrompts([PromptPair(*pair, text="Hi") for pair in pairs], 1, "it does not tell", {1: "<s>"})


@pytest.mark.parametrize(
    ("trained", "served", "counted", "verdict", "said"),
    [
        ([1, 5, 6], [1, 5, 6], 3, "pass", "the token ids that were trained on"),
        ([1, 5, 6], [1, 5, 6], None, "pass", "the token ids that were trained on"),
        ([1, 5, 6], [1, 7, 6], 3, "fail", "parts at token 1 (3 trained, 3 served)"),
        ([1, 5, 6], [1, 5, 6], 4, "fail", "when it answers it counts another number"),
        ([1, 5, 6], [1, 1, 5, 6], 4, "pass", "the token ids that were trained on"),  # serve-double-bos has it
        ([1, 5, 6], None, 4, "fail", "another number of tokens on the server"),
        ([1, 5, 6], None, 3, "warn", "the server does not tell which they are"),
    ],
)
def test_prompts_are_compared_by_what_the_server_tells(
    trained: list[int], served: list[int] | None, counted: int | None, verdict: str, said: str
) -> None:
    judgement = found(prompt_differs, prompts((trained, served, counted)))
    assert (judgement.verdict, said in judgement.message) == (verdict, True), judgement.message


def test_another_tokenizer_on_the_same_text_is_not_said_to_be_another_template() -> None:
    for same, blamed in ((True, True), (False, False)):
        pairs = [
            PromptPair([1, 5, 6], [1, 7], 2, "Hi", same_text=same),
            PromptPair([1, 5, 6], [1, 7], 2, "Hi", None, True),
        ]
        judgement = found(prompt_differs, ServedPrompts(pairs, 1))
        assert judgement.verdict is Verdict.FAIL
        assert ("Their texts are the same" in judgement.message, "--pre" in judgement.remedy) == (blamed, blamed)


def test_a_server_that_tells_nothing_is_a_skip_with_the_reason() -> None:
    for check in (prompt_differs, double_bos):
        with pytest.raises(NotApplicableError, match="it does not tell"):
            found(check, prompts(([1, 5], None, None)))


def test_a_first_token_twice_is_a_fault_unless_training_had_it_twice() -> None:
    assert found(double_bos, prompts(([1, 5], [1, 1, 5], None))).verdict is Verdict.FAIL
    assert found(double_bos, prompts(([1, 1, 5], [1, 1, 5], None))).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("ended", "likeliest", "verdict"),
    [(True, True, "pass"), (False, True, "fail"), (False, None, "fail"), (False, False, "fail")],
)
def test_an_answer_that_goes_on_fails_and_says_whether_the_end_was_likeliest(
    ended: bool, likeliest: bool | None, verdict: str
) -> None:
    judgement = found(no_stop, [EndTrial(ended, likeliest, "and", "</s>", "Hi")])
    assert judgement.verdict == verdict
    assert ("another token is likeliest" in judgement.message) is (likeliest is False)


def test_one_end_of_many_that_moved_warns() -> None:
    trials = [EndTrial(True, True, "", "</s>", "Hi")] * 9 + [EndTrial(False, False, "and", "</s>", "Hi")]
    assert found(no_stop, trials).verdict is Verdict.WARN


def test_one_answer_of_many_that_runs_on_warns_where_the_server_takes_no_ids_and_fails_where_it_does() -> None:
    for likeliest, verdict in ((None, Verdict.WARN), (True, Verdict.FAIL)):
        trials = [EndTrial(True, likeliest, "", "</s>", "Hi")] * 7 + [EndTrial(False, likeliest, "and", "</s>", "Hi")]
        assert found(no_stop, trials).verdict is verdict


def test_checks_that_have_no_prompts_are_skipped() -> None:
    for check in (prompt_differs, double_bos):
        with pytest.raises(NotApplicableError, match="there are no prompts"):
            found(check, prompts())
    with pytest.raises(NotApplicableError, match="there are no prompts"):
        found(template_differs, ServedTemplate("the file", False, False, []))
    assert found(template_differs, ServedTemplate("the file", True, False, [])).verdict is Verdict.PASS


def tokens(served: dict[int, float], rounded: dict[int, float], copy: dict[int, float] | None) -> ServedTokens:
    trained = {5: -0.7, 6: -0.8, 7: -3.0}
    pairs = [TokenPair(0, at, trained, served, rounded) for at in range(8)]
    made = None if copy is None else FloatCopy([copy] * 8)
    return ServedTokens(pairs, "Q4_1", False, {5: "The", 6: "L"}, ["Capital?"], made)


SAME, NEAR, FAR = {5: -0.7, 6: -0.8, 7: -3.0}, {5: -0.9, 6: -0.7, 7: -3.0}, {5: -6.0, 6: -5.0, 9: -0.1}


@pytest.mark.parametrize(
    ("served", "copy", "verdict", "cause"),
    [
        (SAME, None, "pass", ""),
        (NEAR, None, "warn", ""),
        (NEAR, SAME, "warn", "Cause: the arithmetic on Q4_1 weights"),
        (FAR, None, "fail", ""),
        (FAR, FAR, "fail", "Cause: the file's weights"),
    ],
)
def test_a_cause_is_named_only_where_the_experiment_established_it(
    served: dict[int, float], copy: dict[int, float] | None, verdict: str, cause: str
) -> None:
    judgement = found(answers_differ, tokens(served, NEAR, copy))
    assert judgement.verdict == verdict, judgement.message
    assert cause in judgement.message and ("Cause" in judgement.message) is bool(cause)


def test_a_tie_that_turns_is_no_difference() -> None:
    assert found(answers_differ, tokens({5: -0.76, 6: -0.75, 7: -3.0}, NEAR, None)).verdict is Verdict.WARN
    close = ServedTokens(
        [TokenPair(0, 0, {5: -0.70, 6: -0.71}, {5: -0.71, 6: -0.70}, {5: -0.7, 6: -0.71})], "F16", False, {}, ["Hi"]
    )
    assert found(answers_differ, close).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("error", "explained", "missing", "verdict"),
    [
        (0.08, 0.08, [], "pass"),
        (0.3, 0.08, [], "fail"),
        (0.3, float("nan"), [], "pass"),
        (0.08, 0.08, ["b"], "fail"),
        (float("nan"), 0.08, [], "fail"),
        (float("nan"), float("nan"), [], "fail"),
    ],
)
def test_a_tensor_is_judged_by_what_its_type_explains(
    error: float, explained: float, missing: list[str], verdict: str
) -> None:
    comparison = WeightComparison([TensorDifference("a", "Q4_1", error, explained)], missing, {})
    assert found(weights_differ, comparison).verdict == verdict


def test_a_file_of_another_shape_or_with_more_tensors_is_another_model() -> None:
    one = TensorDifference("a", "F16", 0.0, 0.0)
    reshaped = found(weights_differ, WeightComparison([], [], {}, {"a": "it is 4x8, the trained one 4x9"}))
    assert (reshaped.verdict, "another shape" in reshaped.message) == (Verdict.FAIL, True)
    more = found(weights_differ, WeightComparison([one], [], {}, {}, ["output.weight"]))
    assert (more.verdict, "1 tensors that the trained model does not have" in more.message) == (Verdict.FAIL, True)


def test_a_token_with_another_text_is_found_and_padding_is_not() -> None:
    values: dict[str, Any] = {"name": "f.gguf", "values": {}, "stops": [2], "listed": [2], "texts": {}}
    same = FileFacts(tokens=12, trained_tokens=10, different=[], differing=0, **values)
    assert found(vocabulary_differs, same).verdict is Verdict.PASS
    other = FileFacts(tokens=10, trained_tokens=10, different=[(3, "a", "b")], differing=1, **values)
    assert found(vocabulary_differs, other).verdict is Verdict.FAIL


def chat(written: str, reply: ChatReply, tools: bool = True) -> list[ChatPair]:
    prompt = Prompt([{"role": "user", "content": "Weather?"}], [{"type": "function"}] if tools else None)
    return [ChatPair(TrainedAnswer(prompt, [1], [2], True, Answer("", True, 9, raw=written), []), reply)]


@pytest.mark.parametrize(
    ("reply", "verdict", "said"),
    [
        (ChatReply("", "", [CALL]), "pass", "come back parsed"),
        (ChatReply(WRITTEN), "fail", "come back as text"),
        (ChatReply("It rains."), "fail", "get none"),
        (ChatReply("", "", [{**CALL, "function": {"name": "weather", "arguments": {}}}]), "warn", "1 differ"),
    ],
)
def test_calls_have_to_come_back_as_calls(reply: ChatReply, verdict: str, said: str) -> None:
    judgement = found(calls_lost, chat(WRITTEN, reply))
    assert (judgement.verdict, said in judgement.message) == (verdict, True), judgement.message


def test_calls_that_the_trained_model_does_not_write_are_not_asked_for() -> None:
    with pytest.raises(NotApplicableError, match="offers tools"):
        found(calls_lost, chat(WRITTEN, ChatReply(""), tools=False))
    with pytest.raises(NotApplicableError, match="ends no call"):
        found(calls_lost, chat("It rains.", ChatReply("")))


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (ChatReply("Oslo.", "In Norway."), "pass"),
        (ChatReply("<think>In Norway.</think>Oslo."), "warn"),
        (ChatReply("Oslo."), "warn"),
    ],
)
def test_reasoning_has_to_come_back_apart(reply: ChatReply, verdict: str) -> None:
    assert found(reasoning_lost, chat("<think>In Norway.</think>Oslo.", reply)).verdict == verdict
    assert found(reasoning_lost, chat("In Norway.</think>Oslo.", reply)).verdict == verdict  # opened in the prompt


def test_tags_without_anything_between_them_are_no_reasoning_that_could_be_lost() -> None:
    for raw in ("<think>\n\n</think>\n\nOslo.", "\n</think>Oslo."):
        with pytest.raises(NotApplicableError, match="ends no reasoning"):
            found(reasoning_lost, chat(raw, ChatReply("Oslo.")))
