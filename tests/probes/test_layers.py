"""Layers are ranked by their own gradient and weights, and patterns match the layers that were chosen."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from scipy import stats

from sanetune.cli import write_json
from sanetune.commands import typed
from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.engine.adapters import matching
from sanetune.errors import ModelError
from sanetune.planning.plan import plan
from sanetune.probes.added_tokens import added_tokens
from sanetune.probes.harness import probe_harness
from sanetune.probes.layers import numbered, rank_layers
from sanetune.probes.results.layers import BlockGradient, LayerRanking, MatrixSignal, number_patterns
from sanetune.report import layers_plot
from sanetune.report.terminal import layers as view
from sanetune.workflows.layers import layers_of
from sanetune.workflows.sweep.space import read_space

DEMO = Path(__file__).parents[2] / "sanetune/demo"


def made(count: int = 24) -> LayerRanking:
    """Layers of which the first have the highest gradient and the last the highest signal."""
    blocks = tuple(BlockGradient(at, 100, 2.0, (50.0 - at, 50.0 - at)) for at in range(count))
    names = ("mlp.up", "attn.q")
    matrices = tuple(MatrixSignal(kind, at, 50, 0.1 * (at + 1), at, 0.02) for at in range(count) for kind in names)
    return LayerRanking("layers", blocks, matrices, 5000, 640)


def test_gradients_and_weights_are_those_of_the_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    data = {"train": str(DEMO / "data/train.jsonl"), "max_examples": 40}
    config = load({"model": {"name": str(DEMO / "model")}, "data": data, "train": {"use_cpu": True}})
    prepared = prepare(config)
    with probe_harness(plan(config, prepared).config, prepared) as harness:
        before = {name: value.clone() for name, value in harness.model.state_dict().items()}
        found = rank_layers(harness)
        assert all(torch.equal(value, before[name]) for name, value in harness.model.state_dict().items())
        assert all(weight.grad is None for weight in harness.model.parameters())
        harness.gradients(harness.batches[:2], label_smoothing=False)
        for one in found.blocks:
            weights = [w for name, w in harness.model.named_parameters() if f".layers.{one.block}." in name]
            flat = torch.cat([w.detach().flatten() for w in weights]).double()
            grads = torch.cat([w.grad.flatten() for w in weights if w.grad is not None]).double()
            assert (one.parameters, one.weight) == (len(flat), pytest.approx(float(flat.norm()), rel=1e-5))
            assert one.gradients[0] == pytest.approx(float(grads.norm()), rel=1e-4)
    names = found.by_kind()
    assert names and all(len(some) == len(found.blocks) for some in names.values())
    frozen = {"name": str(DEMO / "model"), "adapter": "lora", "freeze": ["embed_tokens"]}
    assert layers_of(load({"model": frozen, "data": data, "train": {"use_cpu": True}})) == found


@pytest.mark.parametrize(("rows", "halves"), [(3, (2, 1)), (1, (1,))])
def test_one_batch_is_halved_by_its_rows_and_a_single_row_agrees_with_nothing(
    rows: int, halves: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    data = {"train": str(DEMO / "data/train.jsonl"), "max_examples": rows, "holdout": 0}
    train = {"use_cpu": True, "per_device_train_batch_size": 8}
    config = load({"model": {"name": str(DEMO / "model")}, "data": data, "train": train})
    prepared = prepare(config)
    with probe_harness(plan(config, prepared).config, prepared) as harness:
        (batch,) = harness.batches
        found = rank_layers(harness)
        norms = []
        for part in torch.arange(rows).split(halves):
            harness.model.zero_grad()
            harness.gradients([{name: value[part] for name, value in batch.items()}], label_smoothing=False)
            first = [w.grad for name, w in harness.model.named_parameters() if ".layers.0." in name]
            norms.append(float(torch.cat([grad.flatten() for grad in first if grad is not None]).norm()))
    assert found.blocks[0].gradients == pytest.approx(norms, rel=1e-4)
    assert found.blocks[0].ratio == pytest.approx(sum(norms) / len(norms) / found.blocks[0].weight, rel=1e-4)


def test_rows_without_halves_are_not_said_to_agree() -> None:
    found = made(6)
    single = replace(found, blocks=tuple(replace(one, gradients=one.gradients[:1]) for one in found.blocks))
    assert "alike" in _shown(found)
    assert "alike" not in _shown(single) and "unsure" not in _shown(single)


def test_figures_that_are_no_numbers_are_null_for_other_programs(tmp_path: Path) -> None:
    found = made(6)
    spoilt = replace(found, blocks=(replace(found.blocks[0], gradients=(math.nan,)), *found.blocks[1:]))
    write_json(tmp_path / "layers.json", view.figures(spoilt))
    read = json.loads((tmp_path / "layers.json").read_text())
    assert (read["agreement"], read["blocks"][0]["gradients"], read["ratios"]["0"]) == (None, [None], None)


def test_patterns_match_the_chosen_layers_alone() -> None:
    names = [f"model.layers.{number}.mlp.up.weight" for number in range(130)]
    chosen = [0, 7, 9, 10, 19, 42, 100, 101, 129]
    found = {name for some in matching(number_patterns("layers", chosen), names).values() for name in some}
    assert found == {names[number] for number in chosen}


def test_a_quarter_is_the_best_by_gradient_and_of_each_kind_by_signal() -> None:
    found = made()
    assert found.by_gradient(0.25) == ["layers.[012345]"]
    assert found.by_signal(0.25) == [
        "layers.1[89].mlp.up",
        "layers.2[0123].mlp.up",
        "layers.1[89].attn.q",
        "layers.2[0123].attn.q",
    ]
    assert found.signals()[23] == pytest.approx(1.0) and found.signals()[0] == pytest.approx(1 / 24)


def test_halves_that_rank_the_layers_differently_are_called_unsure() -> None:
    found = made(6)
    swapped = [replace(one, gradients=(one.gradients[0], 60.0 + one.block * (-1) ** one.block)) for one in found.blocks]
    other = replace(found, blocks=tuple(swapped))
    known = stats.spearmanr([one.gradients[0] for one in swapped], [one.gradients[1] for one in swapped]).statistic
    assert other.agreement == pytest.approx(known) and found.agreement == pytest.approx(1.0)
    assert "unsure" in _shown(other) and "unsure" not in _shown(found)


def _shown(found: LayerRanking) -> str:
    out = io.StringIO()
    view.show(found, Console(file=out, width=80, color_system=None))
    return out.getvalue()


def test_the_command_that_is_offered_is_one_that_sweep_understands(tmp_path: Path) -> None:
    import shlex

    found = made()
    words = shlex.split(view.sweep_line(found))[3:]
    grid = read_space(words).grid()
    lists = [None, found.by_gradient(0.25), found.by_signal(0.25)]
    assert [one["model.train_only"] for one in grid] == lists * 2
    assert json.loads(json.dumps(view.figures(found)))["train_only"]["0.25"]["gradient"] == found.by_gradient(0.25)
    assert view.sweep_line(found) in _shown(found)
    with typed("my.yaml"):
        assert view.sweep_line(found).startswith("sanetune sweep my.yaml adapter=none,lora "), "as it can be pasted"
    assert [file.suffix for file in layers_plot.draw(found, tmp_path) if file.stat().st_size] == [".png", ".svg"]


@pytest.mark.parametrize("adapter", [None, "lora"])
def test_patterns_train_the_rows_of_tokens_that_the_base_has_never_seen(
    adapter: str | None, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    rows = [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": f"{n}"}]} for n in "abcd"]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    model = {"name": str(shared / "models/stories260k"), "chat_template": "chatml"}
    common = {"data": {"train": str(tmp_path / "rows.jsonl"), "holdout": 0}, "train": {"use_cpu": True}}
    found = layers_of(load({"model": model, **common}))
    assert found.unseen == ("<|im_start|>", "<|im_end|>") and found.token_modules == ("embed_tokens",)
    said = " ".join(_shown(found).split())
    assert "embed_tokens beside the layers: the base has never seen '<|im_start|>', '<|im_end|>'" in said

    def frozen(patterns: list[str]) -> tuple[str, ...]:
        config = load({"model": {**model, "adapter": adapter, "train_only": patterns}, **common})
        prepared = prepare(config)
        with probe_harness(plan(config, prepared).config, prepared) as harness:
            return added_tokens(harness, prepared.tokenizer).frozen

    for patterns in (found.by_gradient(0.25), found.by_signal(0.5)):
        assert patterns[-1] == "embed_tokens" and not frozen(patterns)
        assert frozen(patterns[:-1]) == ("embedding", "output head")


def test_patterns_are_of_layers_alone_where_the_base_knows_all_tokens() -> None:
    assert made().by_gradient(0.25) == ["layers.[012345]"] and "beside the layers" not in _shown(made())


def test_a_model_without_numbered_layers_is_refused() -> None:
    with pytest.raises(ModelError, match="number of a layer"):
        numbered(["embed.weight", "head.weight"])
