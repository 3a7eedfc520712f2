"""The configuration: one model for each section, with type, default and description of every key.

Where a value came from is kept beside the values, in :attr:`Config.origins`. What an unset one becomes is decided in
:mod:`sanetune.planning.defaults`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr

from sanetune.config.origin import Origin, Renamed
from sanetune.config.section import Dtype, LossOn, Section, Share, Texts
from sanetune.errors import Place


def _as_adapter(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


def _as_sources(value: object) -> list[object]:
    """One source or several, as text or as mappings: always a list of mappings."""
    many = value if isinstance(value, list) else [value]
    return [{"path": one} if isinstance(one, str) else one for one in many]


class AdapterSection(Section):
    """LoRA: small matrices that are trained beside frozen weights."""

    type: Literal["lora"] = "lora"
    """Kind of the adapter; LoRA is the only one."""
    r: int = Field(16, ge=1)
    """Rank of the two small matrices. The best learning rate hardly depends on it."""
    alpha: float = Field(32, gt=0)
    """Scale: the update is multiplied by alpha / r (alpha / sqrt(r) with rslora)."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """Share of the adapter's input that is dropped in training."""
    target: str | list[str] = Field("all-linear", examples=[["q_proj", "v_proj"]])
    """Modules that get an adapter: all-linear (every linear layer but the head), or names of modules."""
    modules_to_save: list[str] | None = Field(None, examples=[["lm_head"]])
    """Modules that are trained in full and saved with the adapter. Unset: none."""
    tokens: list[str] | None = Field(None, examples=[["<|im_start|>", "<|im_end|>"]])
    """Tokens whose rows in embedding and head are trained too: an adapter alone cannot teach the model to write a
    token that it has never seen. Those that the tokenizer added always are. Unset: only those."""
    rslora: bool = False
    """Scales by alpha / sqrt(r), which stays stable at high ranks."""
    dora: bool = False
    """Weight-decomposed LoRA: trains the magnitude of each column separately."""


class ModelSection(Section):
    """Which model is trained, and which part of it."""

    name: str = Field(min_length=1, examples=["Qwen/Qwen3-0.6B-Base", "models/mine"])
    """Folder of the model (relative to this file), or its id on the Hub."""
    revision: str | None = Field(None, examples=["da87bfb608c14b7cf20ba1ce41287e8de496c0cd"])
    """Commit, tag or branch on the Hub; a commit makes the run repeatable. Unset: main."""
    dtype: Dtype | None = None
    """Number format of the weights: float32, bfloat16, float16 or auto (as stored). Unset: by method and device."""
    attention: str | None = Field(None, examples=["sdpa"])
    """Attention implementation: sdpa, eager, flex_attention, flash_attention_2, ... Unset: the model's own choice."""
    adapter: Annotated[AdapterSection, BeforeValidator(_as_adapter)] | None = Field(None, examples=["lora", {"r": 32}])
    """Trains a LoRA adapter instead of the weights: lora, or a mapping of its settings. Unset: the weights."""
    quantization: Literal["4bit", "8bit"] | None = None
    """Keeps the frozen weights in 4 or 8 bits, for which it needs bitsandbytes and an adapter. Unset: not."""
    freeze: Texts | None = Field(None, examples=["embed_tokens", ["layers.[0-3]", "*.bias"]])
    """Parameters that are not trained: parts of their names, with wildcards. Unset: none."""
    train_only: Texts | None = Field(None, examples=["layers.2[0-9]"])
    """The only parameters that are trained: parts of their names, with wildcards. Unset: all are."""
    chat_template: str | None = Field(None, examples=["chatml", "templates/mine.jinja"])
    """A Jinja file (relative to this file), a template's own text, or chatml. Unset: the tokenizer's template."""
    trust_remote_code: bool = False
    """Runs Python code of the model's repository; needs a pinned revision."""


class SourceSection(Section):
    """One source of rows."""

    path: str = Field(min_length=1, examples=["rows.jsonl", "data/*.parquet", "tatsu-lab/alpaca"])
    """File, folder or pattern (relative to this file), or the id of a data set on the Hub."""
    weight: float = Field(1.0, gt=0)
    """How often each of its rows is used: 0.5 uses half of them, 2.0 each of them twice."""
    split: str | None = Field(None, examples=["train"])
    """Split of a data set on the Hub, or of a folder whose files are named after splits. Unset: train."""
    subset: str | None = Field(None, examples=["main"])
    """Configuration of a data set on the Hub. Unset: its default."""
    revision: str | None = Field(None, examples=["main"])
    """Commit, tag or branch of a data set on the Hub. Unset: main."""
    limit: int | None = Field(None, ge=1, examples=[1000])
    """Most rows of this source that are used. Unset: all."""
    fields: dict[str, str] | None = Field(None, examples=[{"messages": "traj"}])
    """What is in which column of this source. Unset: as data.fields says."""


Sources = Annotated[list[SourceSection], BeforeValidator(_as_sources), Field(min_length=1)]
"""Sources of rows; one path, or one mapping, stands for a list of one."""


def _as_replay(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class ReplaySection(Section):
    """General rows that are mixed into training, so that less is forgotten."""

    path: str = Field("general", min_length=1, examples=["general", "general.jsonl"])
    """File or folder of the rows (relative to this file), an id on the Hub, or those of this package (general)."""
    share: float = Field(0.1, ge=0, lt=1)
    """Share of the training rows that are replay rows, repeated where there are fewer; 0: none, but where the trial
    forgets too much, shares of these rows are tried."""

    def __bool__(self) -> bool:
        """Whether rows are mixed in."""
        return self.share > 0


class DataSection(Section):
    """Which rows the model is trained on."""

    train: Sources = Field(examples=["rows.jsonl", ["a.jsonl", {"path": "owner/data", "weight": 0.5}]])
    """A file, a folder, an id on the Hub, or a list of them, each with weight, split, subset, revision, limit and
    fields."""
    validation: Sources | None = Field(None, examples=["validation.jsonl"])
    """Rows that are only evaluated. Unset: the validation files of the folder that is trained on, or a share of the
    training rows is held out."""
    holdout: Share = 0.1
    """Share of the rows that is held out for validation where there is no validation data; 0 holds out none."""
    replay: Annotated[ReplaySection, BeforeValidator(_as_replay)] | None = Field(
        None, examples=["general", {"path": "general.jsonl", "share": 0.25}]
    )
    """General rows that are mixed into training, never into validation: general (those of this package), or a mapping
    of path and share. Unset: none."""
    loss_on: LossOn = "assistant"
    """Which tokens are in the loss: those of every assistant turn, only of the last one, or all."""
    append_end: bool = True
    """Whether the last reply gets an end token where the template writes ends between turns only."""
    overlong: Literal["drop", "cut", "error"] = "drop"
    """What happens to a row of more than max_length tokens: it is dropped, truncated, or an error. Every one is
    counted and listed."""
    markup: Literal["keep", "parse"] = "keep"
    """What happens to rows whose text was rendered with a chat template before: they stay as they are, or are turned
    back into messages where that can be done for certain."""
    on_bad_row: Literal["stop", "skip"] = "stop"
    """What happens at rows that cannot be read: the run stops, or they are left out and listed in the run's data.json
    and in the report."""
    fields: dict[str, str] = Field({}, examples=[{"messages": "traj"}])
    """What is in which column, for files in no usual format. Empty: the format is recognised."""
    max_examples: int | None = Field(None, ge=1, examples=[1000])
    """Most training rows that are used. Unset: all."""
    seed: int = Field(0, ge=0)
    """Seed of the choice of rows and of the held-out share."""
    workers: int | None = Field(None, ge=1, examples=[4])
    """Processes that prepare the data. Unset: one per core."""


class TrainSection(Section):
    """How the model is trained: every key of TRL's SFTConfig, in :attr:`given`, and two more."""

    engine: Literal["trl", "accelerate"] = "trl"
    """The training loop: TRL's SFTTrainer, or sanetune's own on Hugging Face Accelerate, with the same losses and
    records."""
    early_stopping_patience: int | None = Field(None, ge=1, examples=[3])
    """Evaluations in a row without a better validation loss after which training stops. Unset: it never does."""
    given: dict[str, Any] = Field({})
    """Keys of SFTConfig with a value: from the file or an override and, once resolved, inferred ones."""

    def __getitem__(self, key: str) -> Any:
        return self.given[key] if key in self.given else super().__getitem__(key)

    def get(self, key: str, default: object = None) -> Any:
        """Return the value of a key of SFTConfig or of this section, or ``default`` where it is unset."""
        value = self.given.get(key)
        return super().get(key, default) if value is None else value

    def value(self, key: str) -> Any:
        """Return what SFTConfig will have for ``key``: the given value, or its own default. Imports trl."""
        from sanetune.config.trl_fields import default_of

        return self.given[key] if key in self.given else default_of(key)


class CheckSection(Section):
    """What is checked before a run."""

    level: Literal["static", "probe", "trial"] = "trial"
    """How far the checks go: read the inputs, probe the model, or train it for a trial."""
    select: list[str] = Field([], examples=[["labels", "rows-secrets"]])
    """The only checks, or families of checks, that run. Empty: all."""
    ignore: list[str] = Field([], examples=[["config-epochs-many"]])
    """Checks, or families of checks, that do not run."""
    limits: dict[str, dict[str, Any]] = Field({}, examples=[{"config-epochs-many": {"epochs": 10}}])
    """Limits of checks in place of their own: check -> limit -> value."""
    overfit_examples: int = Field(20, ge=1)
    """Examples that the model has to memorise in the overfit test."""
    overfit_steps: int = Field(50, ge=1)
    """Optimizer steps that it has for that."""
    trial_steps: int = Field(200, ge=10)
    """Optimizer steps of the trial; fewer where the run has fewer, and, unset, of a large model on a processor."""
    trial_eval_steps: int = Field(50, ge=1)
    """Steps between two evaluations of the trial."""
    samples: int = Field(16, ge=0)
    """Validation prompts that base and tuned model answer after the trial."""
    watch: Literal["stop", "warn", "off"] = "stop"
    """What happens while the run trains when a check of its curve fails: it is stopped with a checkpoint (or ends with
    its best weights, where the validation loss turned), or it only warns, or nothing is watched."""
    keep: str = Field("general", min_length=1, examples=["general", "off", "keep.jsonl"])
    """What the model must not forget: general prompts and texts of this package (general), those of a file of JSON
    lines with prompt or text (relative to this file), or nothing (off)."""
    severity: dict[str, Literal["fail", "warn", "off"]] = Field({}, examples=[{"rows-secrets": "fail"}])
    """What a check's finding counts as: check -> fail, warn, or off, which does not run it."""


class BudgetSection(Section):
    """What the run may cost."""

    devices: int | str | None = Field(None, examples=[8, "8 x H100"])
    """The devices that are paid for: their number, or number and kind. Unset: those of the run."""
    usd_per_device_hour: float | None = Field(None, ge=0, examples=[2.5])
    """Price of one device for one hour, in US dollars. Unset: no cost is forecast."""
    max_usd: float | None = Field(None, ge=0, examples=[100.0])
    """The most that the run may cost, in US dollars. Unset: no limit."""
    max_hours: float | None = Field(None, gt=0, examples=[8.0])
    """The longest that the run may take, in hours. Unset: no limit."""


class RunSection(Section):
    """Where the run is stored, and which programs show it."""

    output_dir: str | None = Field(None, examples=["runs/first"])
    """Folder of the run (relative to this file). Unset: runs/NAME."""
    name: str | None = Field(None, examples=["first"])
    """Name of the run. Unset: the name of this file, or of the model."""
    trackers: Texts = Field(["tensorboard"], examples=[["wandb", "tensorboard"]])
    """Programs that show the curves: tensorboard, wandb, trackio. Empty: none. metrics.jsonl is always written."""
    devices: int | None = Field(None, ge=1, examples=[8])
    """Devices that train together. Unset: one for each process of this launch."""
    samples: int = Field(3, ge=0)
    """Prompts that the model answers at each evaluation, into samples.jsonl and the trackers: yours first, then
    validation rows; 0: none. Together they take at most 5 seconds or 1 % of the run."""
    sample_prompts: Texts = Field([], examples=[["What is the capital of France?"]])
    """Prompts of your own for the comparison of base and tuned model."""
    evaluate: Texts = Field([], examples=[["gsm8k", "ifeval"], ["tasks/mine.yaml"]])
    """Tasks of lm-eval that base and tuned model are measured on after training: names, or paths of a task's YAML file
    or of a folder with some (relative to this file). Empty: none."""
    evaluate_limit: int | None = Field(None, ge=1, examples=[200])
    """Documents of each task that are used, at most. Unset: all."""


class AgentSection(Section):
    """Adviser and judge of `sanetune auto`: any endpoint that speaks OpenAI's chat completions; off unless set."""

    base_url: str | None = Field(None, examples=["http://127.0.0.1:8080/v1"])
    """Address of the endpoint, without chat/completions. Unset: nobody is asked, and nothing is sent."""
    model: str | None = Field(None, examples=["gpt-oss-20b"])
    """Name of the model there. Unset: an error where base_url is set."""
    api_key_env: str | None = Field(None, examples=["OPENAI_API_KEY"])
    """Name of the environment variable that holds the key. Unset: none is sent."""
    rows: int = Field(3, ge=0, le=50)
    """Training rows that the adviser reads; 0: findings alone."""
    max_characters: int = Field(12_000, ge=1_000, le=200_000)
    """Characters of one message to the endpoint, at most."""
    timeout_seconds: float = Field(120.0, gt=0, le=3600)
    """Seconds that an answer may take."""


class Config(Section):
    """A whole configuration, as :func:`sanetune.config.load` makes it."""

    model: ModelSection
    """Which model is trained."""
    data: DataSection
    """Which rows it is trained on."""
    train: TrainSection = Field(default_factory=TrainSection)
    """How it is trained."""
    check: CheckSection = Field(default_factory=CheckSection)
    """What is checked before."""
    budget: BudgetSection = Field(default_factory=BudgetSection)
    """What it may cost."""
    run: RunSection = Field(default_factory=RunSection)
    """Where it is stored."""
    agent: AgentSection = Field(default_factory=AgentSection)
    """Whom the autopilot may ask."""

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)
    _renamed: list[Renamed] = PrivateAttr(default_factory=list)
    _file: Path | None = PrivateAttr(default=None)

    def __repr__(self) -> str:
        data = ", ".join(source.path for source in self.data.train)
        where = f" ({self._file})" if self._file else ""
        return f"<Config: {self.model.name} on {data}{where}>"

    def came_from(self, origins: dict[str, Origin], renamed: list[Renamed], file: Path | None) -> Self:
        """Note where the values came from, and return the configuration."""
        self._origins, self._renamed, self._file = origins, renamed, file
        return self

    @property
    def origins(self) -> dict[str, Origin]:
        """``section.key`` -> where its value came from. Keys of SFTConfig that are unset are not in it."""
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
        """Return file and line of ``section.key``, or the file where it has no line; None where there is no file."""
        origin = self._origins.get(key)
        return (origin.place if origin else None) or (Place(self._file) if self._file else None)
