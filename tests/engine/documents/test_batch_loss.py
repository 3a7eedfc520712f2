"""Documents without padding give the loss and the gradients of padded rows, or padded rows are what is computed."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from sanetune.data.collator import Collator
from sanetune.engine.documents.batch_loss import DocumentLoss
from sanetune.engine.loss import summed_loss

VOCABULARY = 67
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def model_of(kind: str, **more: Any) -> Any:
    torch.manual_seed(0)
    head = {"head_dim": 6} if kind not in ("gpt2", "gpt_neox", "mamba", "bloom") else {}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES | head | more))
    with torch.no_grad():  # small random weights would hide a leak below the tolerance
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return model.train()


def rows_of(seed: int, count: int = 7) -> list[dict[str, list[int]]]:
    """Rows that begin alike on several levels, one of them twice, with labels of their own."""
    draw = random.Random(seed)
    beginning: list[int] = []
    documents = []
    for _ in range(count):
        if draw.random() < 0.5:
            beginning = beginning + [draw.randrange(3, VOCABULARY) for _ in range(draw.randrange(10, 25))]
        elif draw.random() < 0.3:
            beginning = beginning[: draw.randrange(len(beginning) + 1)]
        documents.append(beginning + [draw.randrange(3, VOCABULARY) for _ in range(draw.randrange(2, 20))])
    documents.append(list(documents[0]))
    draw.shuffle(documents)
    return [
        {"input_ids": ids, "labels": [token if draw.random() < 0.6 else -100 for token in ids]} for ids in documents
    ]


def packed(rows: list[dict[str, list[int]]]) -> dict[str, Tensor]:
    halves = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    return Collator(0, packed=True)(
        [
            {name: [token for row in half for token in row[name]] for name in ("input_ids", "labels")}
            | {"seq_lengths": [len(row["input_ids"]) for row in half]}
            for half in halves
        ]
    )


def one_by_one(model: Any, rows: list[dict[str, list[int]]]) -> tuple[float, int, list[Tensor]]:
    """The sum of the losses of rows without padding, each in a pass of its own."""
    model.zero_grad()
    total, count = 0.0, 0
    for row in rows:
        ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
        loss, tokens = summed_loss(model(input_ids=ids, use_cache=False).logits, labels)
        loss.backward()
        total, count = total + float(loss.detach()), count + int(tokens)
    return total, count, [weight.grad.clone() for weight in model.parameters()]


def by_documents(
    loss: DocumentLoss, batch: dict[str, Tensor], precision: torch.dtype | None = None
) -> tuple[float, int, list[Tensor]]:
    loss.model.zero_grad()
    with loss.step():
        with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
            total, count = loss(batch)
        total.backward()
    return float(total.detach()), int(count), [weight.grad.clone() for weight in loss.model.parameters()]


def assert_equal(found: tuple[float, int, list[Tensor]], expected: tuple[float, int, list[Tensor]]) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1] == expected[1]
    for ours, theirs in zip(found[2], expected[2], strict=True):
        assert float((ours - theirs).norm()) <= 1e-5 * float(theirs.norm()) + 1e-6


APART = ["the last layer is computed on every token"]
"""What is noted of a layer that adds attention and feed-forward part to its input at once."""
KINDS = ("llama", "qwen2", "qwen3", "gemma", "gemma3_text", "mistral", "phi3", "olmo2", "granite", "gpt_neox", "cohere")


@pytest.mark.parametrize("kind", KINDS)
def test_shared_beginnings_give_the_loss_and_gradients_of_separate_rows(kind: str) -> None:
    model = model_of(kind)
    loss = DocumentLoss(model)
    for seed in range(2):
        rows = rows_of(seed)
        assert_equal(by_documents(loss, Collator(0)(rows)), one_by_one(model, rows))
    assert [note.partition(":")[0] for note in loss.notes] == (APART if kind == "cohere" else [])
    assert loss.computed < 0.8 * loss.tokens


@pytest.mark.parametrize("pack", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("share", [True, False])
def test_the_losses_of_rows_are_those_of_their_documents_alone(share: bool, pack: bool) -> None:
    model = model_of("llama").eval()
    loss, rows = DocumentLoss(model, share=share), rows_of(4)
    rows[1]["labels"] = [-100] * len(rows[1]["input_ids"])  # none of it in the loss
    batch, half = packed(rows) if pack else Collator(0)(rows), len(rows) // 2
    with loss.step():
        losses, counts = loss.by_row(batch)
    alone = [one_by_one(model, some) for some in ([rows[:half], rows[half:]] if pack else [[row] for row in rows])]
    assert not losses.requires_grad and loss.tokens
    assert counts.tolist() == [count for _, count, _ in alone]
    assert losses.tolist() == pytest.approx([total for total, _, _ in alone], rel=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "cohere"])
def test_a_first_batch_with_every_token_in_the_loss_proves_enough_for_one_with_few(kind: str) -> None:
    model = model_of(kind, **({"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0} if kind == "gpt2" else {}))
    loss = DocumentLoss(model)
    every = [{**row, "labels": row["input_ids"]} for row in rows_of(5)]
    few = [{**row, "labels": [-100] * (len(row["input_ids"]) - 1) + row["input_ids"][-1:]} for row in rows_of(6)]
    for rows in (every, few):
        assert_equal(by_documents(loss, Collator(0)(rows)), one_by_one(model, rows))


def test_learned_positions_go_on_from_the_beginning() -> None:
    model = model_of("gpt2", resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    loss, rows = DocumentLoss(model), rows_of(3)
    assert_equal(by_documents(loss, Collator(0)(rows)), one_by_one(model, rows))
    assert loss.computed < loss.tokens


def test_packs_are_computed_by_their_documents_too() -> None:
    model = model_of("llama")
    rows = rows_of(1)
    loss = DocumentLoss(model)
    assert_equal(by_documents(loss, packed(rows)), one_by_one(model, rows))
    assert loss.tokens == sum(max(at for at, label in enumerate(row["labels"]) if label >= 0) for row in rows)


def test_sharing_can_be_left_out() -> None:
    model = model_of("llama")
    rows = rows_of(2)
    loss = DocumentLoss(model, share=False)
    assert_equal(by_documents(loss, Collator(0)(rows)), one_by_one(model, rows))
    assert loss.computed == loss.tokens


@pytest.mark.parametrize("kind", ["mamba", "gemma2", "gpt_oss", "bloom"])
def test_what_joins_tokens_otherwise_is_padded_and_named(kind: str) -> None:
    model = model_of(kind)
    rows = rows_of(0)
    loss = DocumentLoss(model)
    total, count, _ = by_documents(loss, Collator(0)(rows))
    expected = one_by_one(model.eval(), rows)
    assert total == pytest.approx(expected[0], rel=1e-4)
    assert count == expected[1]
    assert loss.notes


@pytest.mark.parametrize("kind", ["mistral", "gemma3_text"])
def test_documents_beyond_the_window_are_padded_and_shorter_ones_are_not(kind: str) -> None:
    model = model_of(kind, sliding_window=32)
    loss = DocumentLoss(model)
    rows = rows_of(0)
    short = [row for row in rows if len(row["input_ids"]) <= 32]
    assert 1 < len(short) < len(rows)
    for some in (short, rows, short):
        assert_equal(by_documents(loss, Collator(0)(some)), one_by_one(model, some))
    assert {note.split(" are ")[0] for note in loss.notes} == {
        "shared beginnings beyond the window",
        "documents beyond the window",
    }


def test_dropout_draws_for_every_document() -> None:
    """A shared beginning would be dropped alike in all documents."""
    model = model_of("llama")
    model.model.layers[0].mlp.act_fn = torch.nn.Sequential(torch.nn.SiLU(), torch.nn.Dropout(0.5))
    loss = DocumentLoss(model)
    batch = Collator(0)(rows_of(0))
    by_documents(loss, batch)
    assert loss.computed == loss.tokens
    model.eval()
    by_documents(loss, batch)
    assert loss.computed < loss.tokens


def test_dropout_of_attention_falls_back_to_padded_rows() -> None:
    loss = DocumentLoss(model_of("llama", attention_dropout=0.5))
    by_documents(loss, Collator(0)(rows_of(0)))
    assert any("dropout" in note for note in loss.notes)


def test_activations_that_are_computed_again_see_the_same_documents() -> None:
    model = model_of("llama")
    rows = rows_of(4)
    expected = one_by_one(model, rows)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    loss = DocumentLoss(model)
    assert_equal(by_documents(loss, Collator(0)(rows)), expected)
    assert loss.computed < loss.tokens


def test_mixed_precision_is_as_close_as_its_rounding() -> None:
    model = model_of("llama")
    rows = rows_of(0)
    loss = DocumentLoss(model)
    found, exact = by_documents(loss, Collator(0)(rows), torch.bfloat16), one_by_one(model, rows)
    assert not loss.notes
    assert found[0] == pytest.approx(exact[0], rel=1e-2)
    norms = [sum(float(some.norm()) ** 2 for some in result[2]) ** 0.5 for result in (found, exact)]
    assert norms[0] == pytest.approx(norms[1], rel=2e-2)


def test_an_evaluation_has_the_same_loss_without_a_gradient() -> None:
    model = model_of("llama").eval()
    rows = rows_of(5)
    loss = DocumentLoss(model)
    with torch.no_grad(), loss.step():
        total, count = loss(Collator(0)(rows))
    expected = one_by_one(model, rows)
    assert float(total) == pytest.approx(expected[0], rel=1e-5)
    assert (int(count), loss.notes) == (expected[1], [])


def test_noise_on_embeddings_pads_while_it_is_on() -> None:
    """NEFTune scales it by the tokens of a row."""
    model = model_of("llama")
    loss, rows = DocumentLoss(model), rows_of(0)
    model.get_input_embeddings().neftune_noise_alpha = 5.0
    by_documents(loss, Collator(0)(rows))
    assert "NEFTune" in loss.notes[0]
    del model.get_input_embeddings().neftune_noise_alpha
    loss.tokens = loss.computed = 0
    assert_equal(by_documents(loss, Collator(0)(rows)), one_by_one(model, rows))
    assert loss.computed < loss.tokens


@pytest.mark.parametrize(("kind", "sound"), [("llama", True), ("mamba", False)])
def test_weights_of_sixteen_bits_are_compared_too(kind: str, sound: bool) -> None:
    model = model_of(kind).to(torch.bfloat16)
    loss = DocumentLoss(model)
    by_documents(loss, Collator(0)(rows_of(0)))
    assert (not loss.notes) == sound


def test_a_batch_without_a_label_is_connected_and_zero() -> None:
    model = model_of("llama")
    batch = Collator(0)([{"input_ids": [3, 4, 5], "labels": [-100] * 3}])
    total, count, gradients = by_documents(DocumentLoss(model), batch)
    assert (total, count) == (0.0, 0)
    assert not any(some.any() for some in gradients)


def test_the_model_has_its_own_attention_outside_of_a_step() -> None:
    model = model_of("llama")
    before = model.config._attn_implementation
    loss = DocumentLoss(model)
    with loss.step():
        assert model.config._attn_implementation != before
    assert model.config._attn_implementation == before
    with pytest.raises(RuntimeError, match="step"):
        loss(Collator(0)(rows_of(0)))


def test_comparing_leaves_random_states_modes_and_gradients_alone() -> None:
    model = model_of("llama")
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    loss = DocumentLoss(model)
    with loss.step():
        loss(Collator(0)(rows_of(0)))
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in model.parameters())
