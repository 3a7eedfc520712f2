from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.config.schema import ModelSection
from sanetune.engine import generate
from sanetune.engine.generate import Decoding, answer, encode, stop_ids, stream, write
from sanetune.engine.models import load_model

SHORT = Decoding(max_new_tokens=12)


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    return load_model(ModelSection(name=str(base)))


def ask(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


PROMPTS = [ask("Tell me a story."), "Once upon a time", ask("Hi " * 30), ask("Where is the cat?")]


def test_answers_come_in_order_and_do_not_depend_on_the_batch(model: Any, tokenizer: Any) -> None:
    alone = answer(model, tokenizer, PROMPTS, decoding=SHORT, batch_size=1)
    together = answer(model, tokenizer, PROMPTS, decoding=SHORT, batch_size=4)
    assert alone == together
    assert together[1].text.startswith(", there was a little girl")
    assert all(one.tokens == 12 and not one.ended for one in together)


def test_the_limit_on_an_answer_does_not_depend_on_its_batch_near_the_contexts_end(model: Any, tokenizer: Any) -> None:
    prompts = ["Once upon a time", *("One day, " * n for n in (30, 100, 120, 120, 160))]
    ids = [encode(tokenizer, one) for one in prompts]
    wide = Decoding(max_new_tokens=400)
    together = answer(model, tokenizer, prompts, decoding=wide)
    assert together == answer(model, tokenizer, prompts, decoding=wide, batch_size=1)
    written = write(model, tokenizer, ids, wide, stops=[tokenizer.unk_token_id])
    assert [len(row) for row in written] == [min(400, 512 - len(row)) for row in ids]


def test_time_is_shared_by_all_rows_whatever_room_they_have(
    model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    given: list[float | None] = []
    whole = generate._call
    monkeypatch.setattr(generate, "_call", lambda *args: given.append(args[3].seconds) or whole(*args))
    rows = [encode(tokenizer, "Once upon a time"), encode(tokenizer, "One day, " * 300)[:511]]
    written = write(model, tokenizer, rows, Decoding(max_new_tokens=8, seconds=2), [tokenizer.unk_token_id])
    assert (given, [len(row) for row in written]) == ([1], [1, 1])


def test_answering_leaves_the_mode_of_every_module_alone(model: Any, tokenizer: Any) -> None:
    model.train()
    model.model.layers[0].eval()
    before = [module.training for module in model.modules()]
    answer(model, tokenizer, PROMPTS[:1], decoding=Decoding(max_new_tokens=2))
    next(stream(model, tokenizer, "Once upon", decoding=Decoding(max_new_tokens=2)))
    assert [module.training for module in model.modules()] == before and len(set(before)) == 2
    model.eval()


def test_an_answer_that_stops_says_so_and_loses_its_stop_token(model: Any, tokenizer: Any) -> None:
    first = answer(model, tokenizer, ["Once upon a time"], decoding=SHORT)[0]
    comma = tokenizer(first.text, add_special_tokens=False)["input_ids"]
    stop = next(token for token in comma if tokenizer.decode([token]).strip() == "there")
    stopped = answer(model, tokenizer, ["Once upon a time"], decoding=SHORT, stop_token_ids=[stop])[0]
    assert (stopped.ended, stopped.text.strip()) == (True, ",")
    assert stopped.tokens < first.tokens


def test_drawing_repeats_with_its_seed_and_leaves_the_random_state(model: Any, tokenizer: Any) -> None:
    state = torch.get_rng_state()
    drawn = [
        answer(model, tokenizer, PROMPTS[:2], decoding=Decoding(12, temperature=1.5, seed=seed)) for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(state, torch.get_rng_state())


def test_the_models_own_sampling_settings_do_not_count(model: Any, tokenizer: Any) -> None:
    before = answer(model, tokenizer, PROMPTS[:2], decoding=SHORT)
    model.generation_config.update(do_sample=True, temperature=3.0, repetition_penalty=5.0)
    try:
        assert answer(model, tokenizer, PROMPTS[:2], decoding=SHORT) == before
    finally:
        model.generation_config.update(do_sample=False, temperature=None, repetition_penalty=None)


def test_a_prompt_without_room_gets_a_note_and_the_others_their_answers(model: Any, tokenizer: Any) -> None:
    long, fine, empty = answer(model, tokenizer, [ask("word " * 600), "Once upon a time", ""], decoding=SHORT)
    assert "context 512" in long.note
    assert (long.text, long.ended) == ("", False)
    assert fine.tokens == 12
    assert empty.tokens in (0, 12)


def test_the_template_writes_the_special_tokens_and_nobody_else(tokenizer: Any) -> None:
    ids = encode(tokenizer, ask("Hi"))
    assert tokenizer.bos_token_id not in ids
    assert tokenizer.decode(ids).endswith("assistant: ")
    assert encode(tokenizer, "Hi")[0] == tokenizer.bos_token_id
    assert stop_ids(tokenizer, [5, 2, 5]) == [2, 5]


def test_streaming_gives_the_same_text_piece_by_piece(model: Any, tokenizer: Any) -> None:
    pieces = list(stream(model, tokenizer, "Once upon a time", decoding=SHORT))
    assert len(pieces) > 1
    assert "".join(pieces) == answer(model, tokenizer, ["Once upon a time"], decoding=SHORT)[0].text


def test_leaving_a_stream_early_stops_the_model(model: Any, tokenizer: Any) -> None:
    import threading

    before = threading.active_count()
    pieces = stream(model, tokenizer, "Once upon a time", decoding=Decoding(max_new_tokens=400))
    next(pieces)
    pieces.close()
    assert threading.active_count() == before


def test_a_fault_while_streaming_reaches_the_reader(
    model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("out of something")

    monkeypatch.setattr(model, "generate", broken)
    with pytest.raises(RuntimeError, match="out of something"):
        list(stream(model, tokenizer, "Once upon a time"))
