"""What `torch.compile` of every layer costs and saves on a processor: `python -m bench.throughput.compiled MODEL`.

The engine's loss of documents with shared beginnings, forward and backward pass, clipping and AdamW, float32. Every
batch is trained on by each variant in turn, in one process, so that neighbours on the cores count for all alike; what
counts is CPU seconds, those of the C++ compiler included. Attention has a kernel of its own and is no part of what is
compiled; neither is the last layer, which leaves tokens out. The kernels are compiled anew, for any number of tokens.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import resource
import statistics
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import show
from bench.throughput.rows import DATA, Row
from bench.throughput.systems import BATCH

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from sanetune.engine.batches import Batch
    from sanetune.engine.documents import DocumentLoss

VARIANTS = ("plain", "compiled, MKL", "compiled, oneDNN")
"""As the engine is; layers compiled with products by MKL; the same with the products that the engine has measured, each
of which ends a graph."""
SAME = 1e-4
"""Largest relative difference of the losses of a step."""
STILL = 1e-12
"""Learning rate: the weights stay, so that all variants train on the same ones."""
COLUMNS = ("data", "variant", "compiling, s", "a step, s", "gain", "pays from step")


def cpu_seconds() -> float:
    """Of this process and of the compilers that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


class Nodes:
    """The nodes of a tree as one object: of a list, torch would compile a graph for each length."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.nodes = nodes


def hidden(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the layers :class:`Nodes`."""
    from sanetune.engine.documents.attention import ARGUMENT

    return args, kwargs | ({ARGUMENT: Nodes(kwargs[ARGUMENT])} if ARGUMENT in kwargs else {})


def opened(attend: Callable[..., Any]) -> Callable[..., Any]:
    """Return an attention function that takes them."""
    from sanetune.engine.documents.attention import ARGUMENT

    def attention(*args: Any, **kwargs: Any) -> Any:
        if isinstance(given := kwargs.get(ARGUMENT), Nodes):
            kwargs[ARGUMENT] = given.nodes
        return attend(*args, **kwargs)

    return attention


class Variants:
    """The layers of a model, compiled or not, and its loss as the engine computes it."""

    def __init__(self, model: PreTrainedModel) -> None:
        import torch

        from sanetune.engine.documents import DocumentLoss, attention
        from sanetune.engine.documents.last_layer import layers_of
        from sanetune.engine.products import Products

        # Graphs end at what calls a library by itself.
        attention.document_attention = torch.compiler.disable(opened(attention.document_attention))
        model.register_forward_pre_hook(hidden, with_kwargs=True)
        Products._forward = torch.compiler.disable(Products._forward)  # type: ignore[method-assign]
        self.layers: list[nn.Module] = (layers_of(model) or [])[:-1]
        self.compiled: dict[str, list[Callable[..., Any] | None]] = {VARIANTS[0]: [None] * len(self.layers)}
        plain = DocumentLoss(model)
        # They share what the first batch has shown.
        self.losses: dict[str, DocumentLoss] = {name: copy.copy(plain) for name in VARIANTS}
        self.losses[VARIANTS[1]]._products = Products(model)
        self.losses[VARIANTS[1]]._products.choose([])

    def choose(self, name: str) -> DocumentLoss:
        """Let the layers be those of a variant, and return its loss."""
        if name not in self.compiled:
            for layer in self.layers:
                layer.compile(dynamic=True)
            self.compiled[name] = [layer._compiled_call_impl for layer in self.layers]
        for layer, call in zip(self.layers, self.compiled[name], strict=True):
            layer._compiled_call_impl = call
        return self.losses[name]


def measured(model: PreTrainedModel, batches: Sequence[Batch]) -> dict[str, list[float]]:
    """CPU seconds of each step of each variant; the first batch is for what is measured and compared before."""
    import torch

    from sanetune.engine.batches import loss_token_count

    variants = Variants(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=STILL, weight_decay=0.0, fused=True)
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    model.train()
    for number, batch in enumerate(batches):
        losses = []
        for name in VARIANTS if number else VARIANTS[:1]:
            loss, began = variants.choose(name), cpu_seconds()
            with loss.step():
                mean = loss(batch)[0] / loss_token_count(batch)
                mean.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(mean.detach()))
            if number:
                seconds[name].append(cpu_seconds() - began)
        assert max(losses) <= min(losses) * (1 + SAME), f"variants have other losses: {losses}"
    return seconds


def figures_of(seconds: Sequence[float], plain: Sequence[float]) -> dict[str, float]:
    """What a variant costs and saves; the gain of a step is the median of those of the batches."""
    later = [theirs - ours for ours, theirs in zip(seconds[1:], plain[1:], strict=True)]
    saved, compiling = statistics.median(later), max(0.0, seconds[0] - plain[0] + statistics.median(later))
    return {
        "compiling": compiling,
        "step": statistics.median(seconds[1:]),
        "gain": saved / statistics.median(plain[1:]),
        "pays": compiling / saved if saved > 0 else math.inf,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput.compiled", description=__doc__)
    parser.add_argument("model", help="folder of a model with a chat template")
    parser.add_argument("--data", choices=list(DATA), default="alpaca")
    parser.add_argument("--steps", type=int, default=5, help="batches that each variant trains on")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TORCHINDUCTOR_CACHE_DIR": folder, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from sanetune.data.collator import Collator

        torch.set_num_threads(1)
        tokenizer = AutoTokenizer.from_pretrained(asked.model)
        model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.float32)
        rows: list[Row] = list(islice(DATA[asked.data](tokenizer), (asked.steps + 1) * BATCH))
        collate = Collator(tokenizer.pad_token_id or 0)
        seconds = measured(model, [collate(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)])
    figures: dict[str, Any] = {name: figures_of(seconds[name], seconds[VARIANTS[0]]) for name in VARIANTS[1:]}
    table = [[asked.data, VARIANTS[0], "", f"{statistics.median(seconds[VARIANTS[0]][1:]):.2f}", "", ""]]
    for name, one in figures.items():
        pays = f"{one['pays']:,.0f}" if math.isfinite(one["pays"]) else "never"
        table.append([asked.data, name, f"{one['compiling']:.0f}", f"{one['step']:.2f}", f"{one['gain']:+.1%}", pays])
    show("Layers compiled", COLUMNS, table, figures | {"seconds": seconds, "load": os.getloadavg()[0]}, asked.json)


if __name__ == "__main__":
    main()
