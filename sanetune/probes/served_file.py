"""Compare a GGUF file with the model that was trained: its weights, its tokenizer, its template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data.model_files import read_config
from sanetune.errors import UserError
from sanetune.probes.results.served import (
    FileFacts,
    RenderedPair,
    ServedTemplate,
    TensorDifference,
    TrainedAnswer,
    WeightComparison,
)
from sanetune.serving.gguf_file import GgufFile
from sanetune.serving.gguf_weights import (
    OF_POSITIONS,
    as_stored,
    heads_of,
    names_in_file,
    trained_tensors,
    values_of,
)
from sanetune.serving.rounding import FLOATS, STORAGES, rounded

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.template.chat_template import ChatTemplate

SHOWN = 5
"""Ids whose texts differ that are kept."""
HEAD = "output.weight"
"""What a file calls the last layer."""
END_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")
"""Where a file lists tokens that end an answer; llama.cpp adds some that it knows by their text."""


def compare_weights(file: GgufFile, folder: Path) -> WeightComparison:
    """Return how far each tensor of ``file`` is from the model in ``folder``, and how far its type explains.

    Raises:
        UnknownFormError: For an architecture whose form in a file is not known.
    """
    import torch

    names = names_in_file(folder, file.architecture)
    tied = bool(read_config(folder).get("tie_word_embeddings"))
    heads, key_heads = heads_of(folder)
    there = {one.name: one for one in file.tensors}
    rest = set(there) - set(OF_POSITIONS)
    tensors, missing, uncompared, reshaped = [], [], {}, {}
    for name, tensor in _with_head(trained_tensors(folder), tied and HEAD in there):
        stored = there.get(names[name])
        if stored is None:
            if not (tied and names[name] == HEAD):  # the embedding is used in its place
                missing.append(name)
            continue
        rest.discard(stored.name)
        values = values_of(stored)
        trained = as_stored(name, tensor, file.architecture, heads, key_heads).float()
        if tuple(trained.shape) != stored.shape:
            shapes = ("x".join(map(str, shape)) for shape in (stored.shape, trained.shape))
            reshaped[name] = "it is {}, the trained one {}".format(*shapes)
            continue
        if isinstance(values, str):
            uncompared[name] = values
            continue
        other = torch.from_numpy(values.copy())  # what is mapped from the file cannot be written
        scale = float(trained.norm()) or 1.0
        known = stored.type in STORAGES or stored.type in FLOATS
        explained = float((rounded(trained, stored.type) - trained).norm()) / scale if known else float("nan")
        tensors.append(TensorDifference(name, stored.type, float((other - trained).norm()) / scale, explained))
    return WeightComparison(tensors, missing, uncompared, reshaped, sorted(rest))


def _with_head(tensors: Iterator[tuple[str, Tensor]], own_head: bool) -> Iterator[tuple[str, Tensor]]:
    """``tensors``; and, where the file has a last layer of its own, the embedding that it has to be a copy of."""
    seen = False
    for name, tensor in tensors:
        seen = seen or name == "lm_head.weight"
        yield name, tensor
        if own_head and name.endswith("embed_tokens.weight"):
            embedding = tensor
    if own_head and not seen:
        yield "lm_head.weight", embedding


def file_facts(file: GgufFile, tokenizer: PreTrainedTokenizerBase, stops: Sequence[int]) -> FileFacts:
    """Return what the file says of its tokens beside the run's tokenizer.

    Args:
        file: The file.
        tokenizer: Of the run.
        stops: Ids of the tokens that end an answer as trained.
    """
    vocabulary = file.vocabulary
    trained: dict[int, str] = {number: text for text, number in tokenizer.get_vocab().items()}
    size = min(len(vocabulary), max(trained, default=-1) + 1)
    different = [
        (number, trained[number], vocabulary[number])
        for number in range(size)
        if number in trained and trained[number] != vocabulary[number]
    ]
    values = file.token_values()
    listed = [values[key] for key in END_KEYS if type(values.get(key)) is int]
    texts = {one: vocabulary[one] for one in {*stops, *listed} if 0 <= one < len(vocabulary)}
    return FileFacts(
        file.path.name, values, len(vocabulary), len(trained), different[:SHOWN], len(different), list(stops), listed,
        texts,
    )  # fmt: skip


def compare_templates(
    source: str, template: str, own: ChatTemplate, trained: Sequence[TrainedAnswer]
) -> ServedTemplate:
    """Return how another template renders the prompts, beside the run's.

    Args:
        source: Where the other is from: ``the file`` or ``the server``.
        template: Its text; "": there is none.
        own: The run's.
        trained: The prompts.
    """
    from sanetune.data.template.chat_template import ChatTemplate

    if not template:
        return ServedTemplate(source, False, True, [])
    if template == own.source:
        return ServedTemplate(source, True, False, [])
    pairs = []
    try:
        other = ChatTemplate(template, own.specials)
    except UserError as error:
        return ServedTemplate(source, False, False, [RenderedPair("", "", str(error.message))])
    for one in trained:
        keywords: dict[str, Any] = {"tools": one.prompt.tools, "kwargs": dict(one.prompt.template_kwargs)}
        mine = own.render(one.prompt.messages, **keywords, add_generation_prompt=True)
        try:
            theirs, error_text = other.render(one.prompt.messages, **keywords, add_generation_prompt=True), ""
        except UserError as error:
            theirs, error_text = "", error.message
        pairs.append(RenderedPair(mine, theirs, error_text, one.place))
    return ServedTemplate(source, False, False, pairs)
