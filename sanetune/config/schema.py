"""What may stand in the configuration: one pydantic model per section, one doc line per field.

The fields say what a value means and which type it has. Where a value came from is kept beside them, in
:attr:`Config.origins`; what an open value becomes is decided in :mod:`sanetune.planning.defaults`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from sanetune.config.origin import Origin, Renamed
from sanetune.errors import Place


class Section(BaseModel):
    """A section of the configuration: unknown keys are refused, types are not bent ("3" is no number)."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, validate_assignment=True)

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None

    def get(self, key: str, default: object = None) -> Any:
        """The value of ``key``, or ``default`` where the section has no such key or leaves it open."""
        value = getattr(self, key, None)
        return default if value is None else value

    def keys(self) -> Iterator[str]:
        """Names of the fields, so that ``dict(section)`` and ``**section`` work."""
        return iter(type(self).model_fields)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _plain_dtype(value: object) -> object:
    """``bf16``, ``fp16``, ``torch.float32`` and their like, by the names that transformers takes."""
    names = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}
    if isinstance(value, str):
        short = value.strip().removeprefix("torch.").lower()
        return names.get(short, short)
    return value


def _as_adapter(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


Patterns = Annotated[list[str], BeforeValidator(_as_list)]
LossOn = Literal["assistant", "last", "all"]
Share = Annotated[float, Field(ge=0, lt=1)]
Dtype = Annotated[Literal["auto", "float32", "bfloat16", "float16"], BeforeValidator(_plain_dtype)]


class AdapterSection(Section):
    """LoRA: small trained matrices beside frozen ones."""

    type: Literal["lora"] = "lora"
    """The kind of adapter; LoRA is the one there is."""
    r: int = Field(16, ge=1)
    """Rank of the two small matrices: the best learning rate hardly depends on it."""
    alpha: float = Field(32, gt=0)
    """Scale: the update is multiplied by alpha / r (alpha / sqrt(r) with rslora)."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """Share of the adapter's input that is dropped while training."""
    target: str | list[str] = "all-linear"
    """Modules that get an adapter: all-linear (every linear layer but the head), or names of modules."""
    modules_to_save: list[str] | None = None
    """Modules that are trained in full beside the adapter and saved with it."""
    tokens: list[str] | None = None
    """Tokens whose rows in embedding and head are trained too (those that the tokenizer added always are): what the
    base never learnt to write, an adapter alone cannot teach it."""
    rslora: bool = False
    """Scale by alpha / sqrt(r), which stays stable at high ranks."""
    dora: bool = False
    """Weight-decomposed LoRA: trains the magnitude of each column apart."""


class ModelSection(Section):
    """Which model is tuned, and which part of it."""

    name: str = Field(min_length=1)
    """Folder of the model (relative to this file) or its id on the Hub."""
    revision: str | None = None
    """Commit, tag or branch on the Hub; a commit makes the run repeatable."""
    dtype: Dtype | None = None
    """Number format of the weights: float32, bfloat16, float16 or auto (as stored). Open: from method and device."""
    attention: str | None = None
    """Attention implementation: sdpa, eager, flex_attention, flash_attention_2... Open: the model's own choice."""
    adapter: Annotated[AdapterSection, BeforeValidator(_as_adapter)] | None = None
    """Trains a LoRA adapter instead of the weights: lora, or its settings."""
    quantization: Literal["4bit", "8bit"] | None = None
    """Keeps the frozen weights in 4 or 8 bits (needs bitsandbytes, a GPU and an adapter)."""
    freeze: Patterns | None = None
    """Patterns of parameter names that stay as they are."""
    train_only: Patterns | None = None
    """Patterns of parameter names: only what matches one of them is trained."""
    chat_template: str | None = None
    """A template file, or chatml. Open: the one that comes with the tokenizer."""
    trust_remote_code: bool = False
    """Runs Python code out of the model's repository; needs a pinned revision."""


class SourceSection(Section):
    """One source of rows."""

    path: str = Field(min_length=1)
    """File, folder or glob (relative to this file), or a data set's id on the Hub."""
    weight: float = Field(1.0, gt=0)
    """How often its rows are used, relative to its size: 0.5 uses half of them, 2.0 each twice."""
    split: str | None = None
    """Split of a Hub data set."""
    subset: str | None = None
    """Configuration of a Hub data set."""
    revision: str | None = None
    """Commit, tag or branch of a Hub data set."""
    limit: int | None = Field(None, ge=1)
    """Uses at most this many rows of this source."""


def _as_sources(value: object) -> list[object]:
    """One source or several, as text or as mappings: always a list of mappings."""
    many = value if isinstance(value, list) else [value]
    return [{"path": one} if isinstance(one, str) else one for one in many]


Sources = Annotated[list[SourceSection], BeforeValidator(_as_sources), Field(min_length=1)]


class DataSection(Section):
    """What is learnt from."""

    train: Sources
    """A file, a folder, a Hub id, or a list of them, each with its weight, split, subset and revision."""
    validation: Sources | None = None
    """Rows that are only measured on. Open: a share of the training rows is held out."""
    holdout: Share = 0.1
    """Share of the rows that is held out when there is no validation data; 0 holds out none."""
    loss_on: LossOn = "assistant"
    """Which tokens are learnt: every assistant turn, only the last one, or everything."""
    overlong: Literal["drop", "cut", "error"] = "drop"
    """What happens to a row with more than max_length tokens; every one is counted and listed."""
    fields: dict[str, str] = {}
    """Which column holds what, for files in no usual form, as in {messages: traj}."""
    max_examples: int | None = Field(None, ge=1)
    """Uses at most this many rows."""
    seed: int = Field(0, ge=0)
    """Seed of the choice of rows and of the held-out share."""
    workers: int | None = Field(None, ge=1)
    """Processes that prepare the data. Open: one per core."""


class TrainSection(Section):
    """How it is trained: every key of TRL's SFTConfig, in :attr:`given`, plus two of our own."""

    engine: Literal["trl"] = "trl"
    """The training loop: TRL's SFTTrainer."""
    early_stopping_patience: int | None = Field(None, ge=1)
    """Stops after this many evaluations in a row without a better validation loss. Open: never."""
    given: dict[str, Any] = {}
    """Keys of SFTConfig with a value: from the file, an override, or (once settled) derived."""

    def __getitem__(self, key: str) -> Any:
        return self.given[key] if key in self.given else super().__getitem__(key)

    def get(self, key: str, default: object = None) -> Any:
        """The value of an SFTConfig key that has one, or of a field of ours; else ``default``."""
        value = self.given.get(key)
        return super().get(key, default) if value is None else value

    def value(self, key: str) -> Any:
        """What SFTConfig will hold for ``key``: the given value, or its own default. Imports trl."""
        from sanetune.config.trl_fields import default_of

        return self.given[key] if key in self.given else default_of(key)


class CheckSection(Section):
    """What has to be proved before a run."""

    level: Literal["static", "probe", "trial"] = "trial"
    """How far the checks go: look only, probe the model, or train a short trial."""
    select: list[str] = []
    """Runs only these checks. Empty: all."""
    ignore: list[str] = []
    """Leaves out these checks."""
    limits: dict[str, dict[str, Any]] = {}
    """Other limits for a check, as in {config-epochs-many: {epochs: 10}}."""
    overfit_examples: int = Field(20, ge=1)
    """Examples that the model has to learn by heart."""
    overfit_steps: int = Field(50, ge=1)
    """Steps that it has for that."""
    trial_steps: int = Field(200, ge=10)
    """Steps of the trial (fewer where the whole run has fewer)."""
    trial_eval_steps: int = Field(50, ge=1)
    """Steps between two looks of the trial at held-out rows."""
    samples: int = Field(16, ge=0)
    """Held-out prompts that base and model are asked after the trial."""
    severity: dict[str, Literal["fail", "warn", "off"]] = {}
    """What a check's finding counts as, as in {rows-secrets: fail}; off leaves the check out."""


class BudgetSection(Section):
    """What the run may cost."""

    devices: int | str | None = None
    """The devices that will be paid for: their number, or number and kind."""
    usd_per_device_hour: float | None = Field(None, ge=0)
    """Price of one device for one hour, in US dollars."""
    max_usd: float | None = Field(None, ge=0)
    """The most that the run may cost, in US dollars."""
    max_hours: float | None = Field(None, gt=0)
    """The longest that the run may take, in hours."""


class RunSection(Section):
    """Where the run goes and who watches it."""

    output_dir: str | None = None
    """Folder of the run (relative to this file). Open: runs/NAME."""
    name: str | None = None
    """Name of the run. Open: the name of this file, or of the model."""
    trackers: Annotated[list[str], BeforeValidator(_as_list)] = ["tensorboard"]
    """Programs that show the curves: tensorboard, wandb, trackio. Empty: none (metrics.jsonl is always written)."""
    devices: int | None = Field(None, ge=1)
    """Number of devices that train together. Open: the number this program was launched on."""
    sample_prompts: Annotated[list[str], BeforeValidator(_as_list)] = []
    """Your own prompts for the comparison of base and tuned model."""


class Config(Section):
    """A whole configuration. Made by :func:`sanetune.config.load`, which also fills in where the values came from."""

    model: ModelSection
    """Which model is tuned."""
    data: DataSection
    """What it learns from."""
    train: TrainSection = Field(default_factory=TrainSection)
    """How it is trained."""
    check: CheckSection = Field(default_factory=CheckSection)
    """What has to be proved first."""
    budget: BudgetSection = Field(default_factory=BudgetSection)
    """What it may cost."""
    run: RunSection = Field(default_factory=RunSection)
    """Where it goes."""

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)
    _renamed: list[Renamed] = PrivateAttr(default_factory=list)
    _file: Path | None = PrivateAttr(default=None)

    def came_from(self, origins: dict[str, Origin], renamed: list[Renamed], file: Path | None) -> Self:
        """Note where the values came from, and return the configuration."""
        self._origins, self._renamed, self._file = origins, renamed, file
        return self

    @property
    def origins(self) -> dict[str, Origin]:
        """``section.key`` -> where its value came from. Keys of SFTConfig at TRL's default are not in it."""
        return self._origins

    @property
    def renamed(self) -> list[Renamed]:
        """Keys that were given by an old name, in the order in which they were found."""
        return self._renamed

    @property
    def file(self) -> Path | None:
        """The YAML file, or None for a configuration made in Python."""
        return self._file

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from: the file's, or the current one."""
        return self._file.parent if self._file else Path.cwd()

    def place(self, key: str) -> Place | None:
        """Where ``section.key`` stands in the user's file, for messages; None when it does not stand there."""
        origin = self._origins.get(key)
        return (origin.place if origin else None) or (Place(self._file) if self._file else None)
