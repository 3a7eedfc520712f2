"""Go from the configuration to what is trained: conversations, then examples, then splits.

The first two stages are kept in the cache. *Conversations* depend on the rows and on how they are read; *examples*
(rendered, tokenized, labelled, whole) on the conversations, the template, the tokenizer and ``loss_on``. The *splits*
(validation share, ``max_length``, packing) are cheap and are made from them by Arrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sanetune.data.cache import cache_folder, key_of, open_table, replacing
from sanetune.data.conversation_file import ConversationFile, read_sources
from sanetune.data.example_file import ExampleFile, make_examples
from sanetune.data.prepared import Prepared
from sanetune.data.rows_digest import rows_digest
from sanetune.data.unread_columns import merged
from sanetune.events import PreparationEnded, PreparationStarted, Publish, bracket, silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from sanetune.config.schema import Config

__all__ = ["Prepared", "prepare"]


def prepare(
    config: Config,
    tokenizer: PreTrainedTokenizerFast | None = None,
    *,
    context: int | None = None,
    publish: Publish = silent,
    leave_out_bad: bool = False,
    sources: Mapping[str, ConversationFile] | None = None,
) -> Prepared:
    """Prepare the data of a configuration, from the cache where its content has been prepared before.

    Args:
        config: Where rows come from, and how they are trained.
        tokenizer: The model's, unless given.
        context: Tokens that the model can see; its configuration says so, unless given.
        publish: Gets the number of rows that are done.
        leave_out_bad: Leave out rows that cannot be read or rendered instead of raising: for those who inspect the
            data, not for those who train.
        sources: Conversations that were read before, with :func:`sanetune.data.conversation_file.read_sources`.

    Raises:
        DataError: The rows cannot be read, or none is left to train on.
        TemplateError: The template is missing or refuses rows.
        ModelError: The tokenizer cannot be loaded.
    """
    from sanetune.data.labelling import labeller_of
    from sanetune.data.model_files import context_length
    from sanetune.data.tokenizer import load_tokenizer

    tokenizer = tokenizer or load_tokenizer(config.model)
    context = context or context_length(config.model)
    labeller = labeller_of(config, tokenizer)
    with bracket(publish, PreparationStarted(), PreparationEnded()):
        skips = leave_out_bad or config.data.on_bad_row == "skip"
        sources = sources or read_sources(config.data, leave_out_bad=skips, publish=publish)
        for source in sources.values():
            if source.unusable is not None:
                raise source.unusable
        examples = {
            split: make_examples(source, labeller, workers=config.data.workers, publish=publish)
            for split, source in sources.items()
        }
        for split, made in examples.items():
            if split == "replay":
                continue  # those that the template refuses are not used
            refused, rows = made.refusals, made.source.conversations
            if not leave_out_bad or refused.count == rows:
                refused.raise_if_any(rows)
        prepared = _split(config, tokenizer, context, examples)
        if labeller.turns is not None and labeller.turns.final_end is not None:
            prepared.stats["appended_end"] = labeller.turns.final_end.after_text.strip()
        return prepared


def _split(
    config: Config, tokenizer: PreTrainedTokenizerFast, context: int | None, examples: Mapping[str, ExampleFile]
) -> Prepared:
    """The splits of the examples, truncated or dropped and packed as ``config`` says."""
    from sanetune.data.splits import make_splits

    folder = cache_folder() / "splits" / _key(config, context, examples)
    with replacing(folder) as scratch:
        result = make_splits(config, context, examples, scratch)
    sources = {split: made.source for split, made in examples.items()}
    examples = {split: made for split, made in examples.items() if split != "replay"}
    task = [made.source for made in examples.values()]
    result.stats["rows"] = sum(source.conversations for source in task)
    result.stats["formats"] = dict(sum((source.formats for source in task), Counter()))
    result.stats |= _read_figures(task)
    result.stats["mixture"] = [asdict(one) for one in sources["train"].mixture]
    if config.data.on_bad_row == "skip" and (bad := sum(source.bad for source in task)):
        result.stats["left_out"]["cannot be read (data.on_bad_row: skip)"] = bad
    files = {name: folder / f"{name}.arrow" for name in result.origins}
    stops = [
        token for token in result.ends if token in tokenizer.added_tokens_decoder or token == tokenizer.eos_token_id
    ]
    result.stats["stop_tokens"] = {
        token: result.ends[i] for i in stops for token in [tokenizer.convert_ids_to_tokens(i)]
    }
    return Prepared(
        splits=files,
        tokenizer=tokenizer,
        packed="seq_lengths" in open_table(files["train"]).column_names,
        max_length=result.max_length,
        stop_token_ids=stops,
        stats=result.stats,
        dropped=result.dropped,
        truncated=result.truncated,
        fingerprint=rows_digest(files),
        origins=result.origins,
        sources=sources,
        refused=[error for made in examples.values() for error in made.refusals.first],
        refused_count=sum(made.refusals.count for made in examples.values()),
        replay_rows=result.replay_rows,
    )


def _read_figures(sources: Iterable[ConversationFile]) -> dict[str, Any]:
    """What reading has left out, done and not read, over all splits."""
    sources = list(sources)
    columns = merged(column for source in sources for column in source.unread)
    others = {file for source in sources for file in source.other_splits}
    return {
        "other_splits": sorted(others - {file for source in sources for file in source.files}),
        "read": sum(source.read for source in sources),
        "left_out": dict(sum((Counter(source.left_out) for source in sources), Counter())),
        "notes": dict(sum((Counter(source.notes) for source in sources), Counter())),
        "unread": {column.path: {"rows": column.rows, "characters": column.characters} for column in columns},
    }


def _key(config: Config, context: int | None, examples: Mapping[str, ExampleFile]) -> str:
    options = [config.train.get(key) for key in ("max_length", "packing", "eval_packing")]
    data = [config.data.holdout, config.data.overlong, config.data.seed]
    data += [config.data.replay.share] if config.data.replay else []
    return key_of([[made.key for made in examples.values()], context, options, data])
