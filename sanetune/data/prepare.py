"""From the configuration to what is trained: examples, split, cut or dropped, packed, each loss written down.

Two layers lie in the cache.  *Examples* (rendered, tokenized, labelled, uncut) depend on the rows, the template, the
tokenizer and ``loss_on``; they are expensive.  The *split* (held-out share, ``max_length``, packing) is cheap and is
made from them by Arrow.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data import examples
from sanetune.data.conversation import Conversation
from sanetune.data.labels import Labeller
from sanetune.data.masking.turns import TurnFinder
from sanetune.data.sources.read import Source
from sanetune.errors import Place, RunError, TemplateError
from sanetune.events import PreparationEnded, PreparationStarted, Publish, bracket, silent

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from sanetune.config.schema import Config, SourceSection


@dataclass
class Prepared:
    """Data ready for training.

    ``train`` and ``validation`` have columns ``input_ids``, ``labels`` (-100 where masked), ``length`` and ``row``
    (its row in the source); packs have lists ``seq_lengths`` and ``rows`` instead of ``row``. ``lost`` lists every
    row dropped or cut, ``stats`` holds the figures, ``stop_token_ids`` the tokens that end the final turns.
    ``refused`` are rows that the template cannot render (at most 1,000 of ``refused_count``); there are none unless
    they were asked to be left out.
    """

    train: datasets.Dataset
    validation: datasets.Dataset | None
    tokenizer: Any
    packed: bool
    max_length: int
    stop_token_ids: list[int]
    stats: dict[str, Any]
    lost: list[dict[str, Any]]
    fingerprint: str
    origins: dict[str, Origin] = field(repr=False)
    refused: list[TemplateError] = field(default_factory=list, repr=False)
    refused_count: int = 0

    def conversation(self, split: str, index: int) -> Conversation:
        """The conversation behind example ``index`` of ``train`` or ``validation`` (before packing, in file
        order)."""
        origin = self.origins[split]
        return examples.unpacked(origin.table.slice(origin.rows[index], 1).to_pylist()[0])

    def conversations(self, split: str, limit: int | None = None) -> list[Conversation]:
        """The first ``limit`` conversations of ``train`` or ``validation``, in file order."""
        return [self.conversation(split, index) for index in range(len(self.origins[split].rows[:limit]))]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a split comes from: all examples, uncut and memory-mapped, and the numbers of those that it uses."""

    table: pa.Table
    rows: list[int]


def prepare(
    config: Config,
    tokenizer: Any = None,
    *,
    context: int | None = None,
    publish: Publish = silent,
    leave_out_bad: bool = False,
) -> Prepared:
    """Prepares the data of ``config``, from the cache where its content has been prepared before.

    ``tokenizer`` defaults to the model's; ``context`` (tokens the model can see) to its configuration's.
    ``publish`` gets the rows that are done.  Raises DataError, TemplateError or ModelError.  ``leave_out_bad``:
    rows that cannot be read or rendered are left out instead of raising (for those who look, not for those who train).
    """
    from sanetune.data.tokenizer import load_tokenizer

    if tokenizer is None:
        tokenizer = load_tokenizer(config.model)
    if context is None:
        context = context_of(config)
    labeller = make_labeller(config, tokenizer)
    data = config.data
    with bracket(publish, PreparationStarted(), PreparationEnded()):
        sides = {"train": _examples(config, data.train, labeller, data.max_examples, publish, leave_out_bad)}
        if data.validation:
            sides["validation"] = _examples(config, data.validation, labeller, None, publish, leave_out_bad)
        return _arranged(config, tokenizer, context, sides)


def _arranged(config: Config, tokenizer: Any, context: int | None, sides: dict[str, Path]) -> Prepared:
    """The splits of the prepared examples, cut or dropped and packed as ``config`` says."""
    import datasets

    from sanetune.data.arrange import arrange

    about = [json.loads((folder / "about.json").read_text()) for folder in sides.values()]
    files = {name: side / "examples.arrow" for name, side in sides.items()}
    folder = cache_folder() / "splits" / _split_key(config, context, about)
    with _Replacing(folder) as scratch:
        result = arrange(config, context, files, scratch)
    result.stats["rows"] = sum(part["rows"] for part in about)
    result.stats["forms"] = dict(sum((Counter(part["forms"]) for part in about), Counter()))
    loaded = {name: datasets.Dataset.from_file(str(folder / f"{name}.arrow")) for name in result.rows}
    stops = [
        token for token in result.ends if token in tokenizer.added_tokens_decoder or token == tokenizer.eos_token_id
    ]
    result.stats["stop_tokens"] = {
        token: result.ends[i] for i in stops for token in [tokenizer.convert_ids_to_tokens(i)]
    }
    return Prepared(
        train=loaded["train"],
        validation=loaded.get("validation"),
        tokenizer=tokenizer,
        packed="seq_lengths" in loaded["train"].column_names,
        max_length=result.max_length,
        stop_token_ids=stops,
        stats=result.stats,
        lost=result.lost,
        fingerprint="-".join(part["key"] for part in about),
        origins={name: Origin(open_table(files.get(name, files["train"])), rows) for name, rows in result.rows.items()},
        refused=[_refusal(one) for part in about for one in part["refused"]],
        refused_count=sum(part["refused_count"] for part in about),
    )


def make_labeller(config: Config, tokenizer: Any) -> Labeller:
    """The labeller that ``config`` asks for, with ``tokenizer``'s chat template and the model's own end tokens."""
    from sanetune.data.tokenizer import chat_template, stop_tokens

    template = chat_template(tokenizer)
    turns = TurnFinder(template, stop_tokens(tokenizer, config.model.name)) if template else None
    return Labeller(tokenizer.backend_tokenizer, turns, config.data.loss_on, tokenizer.eos_token)


def context_of(config: Config) -> int | None:
    """The model's context length in tokens, from its config.json; None where that names none or cannot be read."""
    from transformers import AutoConfig

    from sanetune.data.model_files import locate

    try:
        where = locate(config.model.name, config.model.revision)
        model = AutoConfig.from_pretrained(
            where.name, **where.keywords, trust_remote_code=config.model.trust_remote_code
        )
    except Exception:  # noqa: BLE001 -- whatever is wrong with the model is told where the model is loaded
        return None
    text = model.get_text_config()
    length = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return length if isinstance(length, int) and length > 0 else None


def open_table(file: Path) -> pa.Table:
    """An Arrow stream file, memory-mapped."""
    import pyarrow as pa

    return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()


def cache_folder() -> Path:
    """Where prepared data is kept: ``$SANETUNE_CACHE``, or sanetune's folder in the user's cache."""
    if home := os.environ.get("SANETUNE_CACHE"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sanetune"


def _examples(
    config: Config,
    sections: Sequence[SourceSection],
    labeller: Labeller,
    max_examples: int | None,
    publish: Publish,
    leave_out_bad: bool,
) -> Path:
    """The folder with ``examples.arrow`` and ``about.json`` of these sources, from the cache or made now."""
    from sanetune.data.formats import read_conversations

    sources = [Source(**section.model_dump()) for section in sections]
    key = _key(config, sources, labeller, max_examples, leave_out_bad)
    folder = cache_folder() / "examples" / key
    if (folder / "about.json").is_file():
        return folder
    with _Replacing(folder) as scratch:
        read = read_conversations(
            sources,
            fields=config.data.fields or None,
            max_examples=max_examples,
            seed=config.data.seed,
            on_bad="drop" if leave_out_bad else "error",
        )
        count, refusals = examples.write(
            read, labeller, scratch / "examples.arrow", workers=config.data.workers, publish=publish
        )
        if not leave_out_bad or refusals.count == count:
            refusals.raise_if_any(count)
        about = {"rows": count, "forms": dict(read.forms), "key": key}
        about |= {"refused_count": refusals.count, "refused": [_plain(error) for error in refusals.first]}
        (scratch / "about.json").write_text(json.dumps(about))
    return folder


def _plain(error: TemplateError) -> dict[str, Any]:
    place = error.place or Place()
    where = {"file": str(place.file), "line": place.line, "row": place.row, "message": place.message}
    return {"what": error.message, "why": error.rationale, "fix": error.remedy, "place": where}


def _refusal(values: dict[str, Any]) -> TemplateError:
    return TemplateError(values["what"], values["why"], values["fix"], Place(**values["place"]))


def _key(
    config: Config, sources: list[Source], labeller: Labeller, max_examples: int | None, leave_out_bad: bool
) -> str:
    """A hash of everything that the examples depend on, this package's own code included."""
    from datetime import date

    import xxhash

    from sanetune.data.sources.read import fingerprint

    template = labeller.turns.template if labeller.turns else None
    parts = [
        fingerprint(sources),
        [source.path for source in sources],
        config.data.fields,
        max_examples,
        leave_out_bad,
        config.data.seed,
        labeller.loss_on,
        labeller.eos_token,
        labeller.turns.stops if labeller.turns else None,
        template and (template.source, template.specials),
        # Llama's templates write today's date into the system turn.
        date.today().isoformat() if template and "strftime_now" in template.source else None,
        labeller.tokenizer.to_str(),
    ]
    digest = xxhash.xxh3_128(json.dumps(parts, sort_keys=True).encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _split_key(config: Config, context: int | None, about: list[dict[str, Any]]) -> str:
    import xxhash

    options = [config.train.get(key) for key in ("max_length", "packing", "eval_packing")]
    data = [config.data.holdout, config.data.overlong, config.data.seed]
    return xxhash.xxh3_128(json.dumps([[part["key"] for part in about], context, options, data]).encode()).hexdigest()


class _Replacing:
    """A scratch folder that becomes ``folder`` when all went well, so that a half-written one is never read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Path:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.scratch = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=".making-"))
        except OSError as error:
            raise RunError(
                f"The cache folder {self.folder.parent} cannot be written: {error.strerror}",
                "Prepared data is kept there so that the next run starts at once.",
                "Set the environment variable SANETUNE_CACHE to a folder that you can write to.",
            ) from None
        return self.scratch

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            try:
                os.replace(self.scratch, self.folder)
            except OSError:  # another process has just put the same content there
                shutil.rmtree(self.scratch, ignore_errors=True)
            return
        shutil.rmtree(self.scratch, ignore_errors=True)
        if isinstance(error, OSError) and error.errno == 28:
            raise RunError(
                f"The disk is full: prepared data could not be written to {self.folder.parent}.",
                "Nothing half-written was left behind.",
                "Free some space, or set SANETUNE_CACHE to a folder on another disk.",
            ) from None
