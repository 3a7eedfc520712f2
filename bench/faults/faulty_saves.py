"""Faults of the folder that a model is saved as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from bench.faults.faulty_models import layers
from bench.faults.recipes import during
from bench.faults.setups import Setup


@contextmanager
def saved(
    change: Callable[[Any, Any, dict[str, Any]], None], after: Callable[[Path], None] = lambda f: None
) -> Iterator[None]:
    """``change`` spoils what is saved (the model, its tokenizer, the keywords), ``after`` the folder."""
    from sanetune.probes import save_reload

    whole = save_reload.save_model

    def spoilt(model: Any, tokenizer: Any, run: Any, **keywords: Any) -> Any:
        change(model, tokenizer, keywords)
        found = whole(model, tokenizer, run, **keywords)
        after(run.model)
        return found

    with mock.patch.object(save_reload, "save_model", spoilt):
        yield


@during("model-save-reload", "probe", on=("stories-alpaca", "gemma3-alpaca", "demo-demo"))
def saved_in_eight_bits(setup: Setup) -> AbstractContextManager[None]:
    """Weights are rounded to eight bits when they are saved."""
    import torch

    def rounded(model: Any, tokenizer: Any, keywords: dict[str, Any]) -> None:
        for weight in model.parameters():
            weight.data.copy_(weight.data.to(torch.float8_e4m3fn).to(weight.dtype))

    return saved(rounded)


@during("model-save-reload", "probe", on=("qwen3-alpaca+lora", "stories-alpaca+lora"))
def adapter_not_merged(setup: Setup) -> AbstractContextManager[None]:
    """The folder holds the base: the adapter was left out."""

    def forget(model: Any, tokenizer: Any, keywords: dict[str, Any]) -> None:
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.data.zero_()

    return saved(forget)


@during("model-save-reload", "probe", on=("gemma3-alpaca+lora", "gpt2-alpaca+lora"))
def adapter_merged_twice(setup: Setup) -> AbstractContextManager[None]:
    """The adapter is merged at twice its scale."""

    def double(model: Any, tokenizer: Any, keywords: dict[str, Any]) -> None:
        for part in model.modules():
            if isinstance(getattr(part, "scaling", None), dict):
                part.scaling = {name: 2 * value for name, value in part.scaling.items()}

    return saved(double)


@during("model-save-reload", "probe", on=("stories-alpaca", "gemma3-alpaca"))
def stop_token_forgotten(setup: Setup) -> AbstractContextManager[None]:
    """generation_config.json is left without the token that ends a turn."""
    import json

    def forget(folder: Path) -> None:
        file = folder / "generation_config.json"
        found = json.loads(file.read_text())
        found["eos_token_id"] = 1
        file.write_text(json.dumps(found))

    return saved(lambda model, tokenizer, keywords: None, forget)


@during("model-save-reload", "probe", on=("stories-alpaca", "qwen3-alpaca", "gpt2-alpaca"))
def template_forgotten(setup: Setup) -> AbstractContextManager[None]:
    """Another chat template is saved than was trained with."""

    def other(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")

    return saved(lambda model, tokenizer, keywords: None, other)


@during("model-save-reload", "probe", on=("demo-demo", "stories-alpaca"))
def last_layer_of_the_base(setup: Setup) -> AbstractContextManager[None]:
    """One layer is saved as it was before training, as a shard that was not written does."""

    def old(model: Any, tokenizer: Any, keywords: dict[str, Any]) -> None:
        for weight in layers(model)[-1].parameters():
            weight.data.mul_(0.9)

    return saved(old)
