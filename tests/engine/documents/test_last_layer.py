"""The last layer on the tokens in the loss alone gives the loss and the gradients of all its tokens."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import AutoModelForCausalLM

from sanetune.data.collator import Collator
from sanetune.engine.documents.batch_loss import DocumentLoss
from sanetune.engine.documents.last_layer import LastLayer, closed, kept_parts, parts_of
from sanetune.engine.documents.tree import prefix_tree
from tests.engine.documents.test_attention import DOCUMENTS
from tests.engine.documents.test_batch_loss import VOCABULARY, assert_equal, by_documents, model_of, one_by_one


def rows_with_answers(seed: int, vocabulary: int = VOCABULARY) -> list[dict[str, list[int]]]:
    """Rows that begin alike, of which an answer at the end, and sometimes one in the middle, is in the loss."""
    draw = random.Random(seed)
    beginning = [draw.randrange(3, vocabulary) for _ in range(20)]
    rows = []
    for number in range(6):
        ids = (beginning if number % 3 else []) + [draw.randrange(3, vocabulary) for _ in range(draw.randrange(20, 40))]
        labels = [-100] * len(ids)
        for low in ([5] if number % 2 else []) + [len(ids) - draw.randrange(1, 6)]:
            labels[low : low + 4] = ids[low : low + 4]
        rows.append({"input_ids": ids, "labels": labels})
    return rows


ONE_TOKEN = [{"input_ids": list(range(3, 40)), "labels": [-100] * 36 + [39]}]


class Watched:
    """Counts the tokens that the last layer's feed-forward part gets, of which a step has ``loss.computed``."""

    def __init__(self, loss: DocumentLoss) -> None:
        last = LastLayer.of(loss.model)
        assert last is not None
        self.tokens = 0
        feed_forward = next(one for name, one in last.layer.named_children() if "mlp" in name)
        feed_forward.register_forward_pre_hook(self._count)

    def _count(self, _: Any, args: tuple[Any, ...]) -> None:
        self.tokens = args[0].shape[1] if args[0].dim() == 3 else args[0].shape[0]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gemma", "gemma3_text", "phi3", "olmo2", "gpt_neox"])
def test_loss_and_gradients_are_those_of_separate_rows(kind: str) -> None:
    model = model_of(kind)
    loss, rows = DocumentLoss(model), rows_with_answers(0)
    watched = Watched(loss)
    expected = one_by_one(model, rows)
    assert_equal(by_documents(loss, Collator(0)(rows)), expected)
    assert not loss.notes
    assert 0 < watched.tokens < 0.5 * loss.computed


@pytest.mark.parametrize("answers", [rows_with_answers(0), ONE_TOKEN], ids=["answers", "one token"])
def test_a_layer_of_another_structure_is_computed_whole_and_named(answers: list[dict[str, list[int]]]) -> None:
    """Cohere's feed-forward part reads the norm of the attention. One token could be added to any number of them."""
    model = model_of("cohere")
    loss = DocumentLoss(model)
    watched = Watched(loss)
    expected = one_by_one(model, answers)
    assert_equal(by_documents(loss, Collator(0)(answers)), expected)
    assert [note for note in loss.notes if note.startswith("the last layer is computed on every token")]
    assert watched.tokens == loss.computed


def one_after_the_other(model: Any, rows: list[dict[str, list[int]]]) -> tuple[float, tuple[torch.Tensor, ...]]:
    """The summed loss of separate rows, and its gradients."""
    total = torch.zeros(())
    for row in rows:
        ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        total = total + functional.cross_entropy(logits, labels[0, 1:], ignore_index=-100, reduction="sum")
    return float(total.detach()), torch.autograd.grad(total, [one for one in model.parameters() if one.requires_grad])


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("lora", [False, True])
def test_a_real_model_and_its_adapter_have_the_same_gradients(shared: Path, lora: bool, checkpointed: bool) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(shared / "models" / "stories260k").train()
    torch.manual_seed(0)
    if lora:
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
        with torch.no_grad():  # B begins with zeros, which would hide the gradient of A
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.05)
    rows = rows_with_answers(1, 500)
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    total, expected = one_after_the_other(model, rows)
    _, exact = one_after_the_other(copy.deepcopy(model).double(), rows)
    if checkpointed:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    loss = DocumentLoss(model)
    watched = Watched(loss)
    with loss.step():
        found, _ = loss(Collator(0)(rows))
        found.backward()
    assert float(found.detach()) == pytest.approx(total, rel=1e-5)
    for (name, weight), wanted, true in zip(trained.items(), expected, exact, strict=True):
        # What 32 bits leave of a gradient depends on the processor's products, of separate rows too.
        rounded = float((wanted - true).norm())
        assert float((weight.grad - true).norm()) <= rounded + 1e-5 * float(true.norm()) + 1e-6, name
    assert not loss.notes
    if not checkpointed:
        assert 0 < watched.tokens < 0.6 * loss.computed


def test_the_layer_has_no_hook_outside_of_a_step() -> None:
    model = model_of("llama")
    loss = DocumentLoss(model)
    by_documents(loss, Collator(0)(rows_with_answers(2)))
    assert not any(one._forward_pre_hooks or one._forward_hooks for one in model.modules())


@settings(max_examples=60)
@given(DOCUMENTS, st.data())
def test_kept_queries_see_what_they_see_among_all(documents: list[list[int]], data: st.DataObject) -> None:
    tree = prefix_tree(documents, fewest=1)
    chosen = data.draw(st.sets(st.sampled_from(range(len(tree.ids))), min_size=1))
    needed = torch.tensor(sorted(chosen)).numpy()
    places = closed(needed, gap=data.draw(st.sampled_from([0, 1, 3])))
    assert set(needed) <= set(places)

    def seen(parts: Any, numbers: Any) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {int(number): set() for number in numbers}
        for queries, keys, causal in parts:
            for offset, number in enumerate(numbers[queries]):
                end = keys.start + offset + 1 if causal else keys.stop
                new = set(range(keys.start, end))
                assert not found[int(number)] & new, "a key is counted twice"
                found[int(number)] |= new
        return found

    every = seen(parts_of(tree.nodes), torch.arange(len(tree.ids)).numpy())
    assert seen(kept_parts(tree.nodes, places), places) == {int(place): every[int(place)] for place in places}
