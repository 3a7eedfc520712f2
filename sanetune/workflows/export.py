"""Hand a run's model on: as a GGUF file, merged into its base, or to the Hub."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.engine.checkpoints import replacing
from sanetune.errors import ModelError, RunError
from sanetune.runs import Run
from sanetune.text import shorten
from sanetune.workflows.compare import open_run
from sanetune.workflows.verifying import conversation_of

if TYPE_CHECKING:
    from torch import Tensor, nn

CONVERSION = 3_600
"""Seconds that llama.cpp's converter may take."""
MAGIC = b"GGUF"
"""The first bytes of a GGUF file."""
PROBE = "Is it? Yes, 12 of 30 are.\n"
"""What the merged model and the adapter on its base both read."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A model with its adapter in its weights.

    Attributes:
        folder: Where it is.
        difference: Largest difference of a logit from base and adapter, in parts of the largest logit.
        logits: How many were compared.
    """

    folder: Path
    difference: float
    logits: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was uploaded.

    Attributes:
        repository: Its id on the Hub.
        url: Its address.
        files: Names of the files.
    """

    repository: str
    url: str
    files: list[str]


def export_gguf(
    path: Path, to: Path, *, storage: str, pre: str = "", converter: Path | None = None, force: bool = False
) -> None:
    """Write the trained model as one GGUF file.

    Args:
        path: A finished run, or the folder of a model.
        to: The file.
        storage: How weights are stored, as ``f16``.
        pre: llama.cpp's name for how the tokenizer cuts a text into pieces; "": it is recognised.
        converter: llama.cpp's ``convert_hf_to_gguf.py``; None: the writer of this package.
        force: Whether a GGUF file that is there is replaced.

    Raises:
        RunError: ``to`` is there already, or cannot be written.
        ModelError: The model is of a kind that is not known, or the converter fails.
    """
    from sanetune.serving.gguf_write import Chat, write_gguf

    folder = path if (path / "config.json").is_file() else open_run(path)[0].model
    try:
        _require_new(to, force)
        to.parent.mkdir(parents=True, exist_ok=True)
        if converter is not None:
            _convert(converter, folder, to, storage)
            return
        _, template, stops = conversation_of(folder)
        write_gguf(folder, to, Chat(template.source, stops), name=path.resolve().name, storage=storage, pre=pre)
    except OSError as error:
        raise RunError(
            f"{to} cannot be written: {error.strerror or error}.",
            "There is no file.",
            "Give a path in a folder that may be written, on a disk with room for it.",
        ) from None


def _require_new(to: Path, force: bool) -> None:
    """Check that nothing is lost: a file that is there is replaced on demand, and only by one of its own kind."""
    if not to.is_file():
        return
    if not force:
        raise RunError(f"{to} is there already.", "It would be lost.", "Give another file, or replace it with --force.")
    with to.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            raise RunError(
                f"{to} is no GGUF file, and --force replaces no other.", "It would be lost.", "Give another file."
            )


def _convert(converter: Path, folder: Path, to: Path, storage: str) -> None:
    """Run llama.cpp's converter, which the user names: it is a program of their own."""
    part = to.with_name(f"{to.name}.part")
    words = [sys.executable, str(converter), str(folder), "--outfile", str(part), "--outtype", storage]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=CONVERSION, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        part.unlink(missing_ok=True)
        raise ModelError(
            f"{converter} cannot be run: {error}.", "", "Give the path of convert_hf_to_gguf.py."
        ) from None
    if done.returncode or not part.is_file():
        part.unlink(missing_ok=True)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise ModelError(
            f"llama.cpp's converter failed: {shorten(lines[-1] if lines else 'it wrote no file', 300)}",
            "There is no file.",
            "Run it by hand to see all that it says, or leave --converter out.",
        )
    part.replace(to)


def merge(path: Path, to: Path) -> Merged:
    """Merge the run's adapter into its base, and prove that the logits stay the same.

    Args:
        path: A finished run that trained an adapter.
        to: The folder for the merged model.

    Raises:
        RunError: The run has no adapter, or ``to`` is not empty.
        ModelError: The merged model's logits are others.
    """
    from sanetune.data.tokenizer import load_tokenizer
    from sanetune.engine.models import load_model
    from sanetune.engine.save import generation_config

    run, config = open_run(path)
    if not run.adapter.is_dir():
        raise RunError(
            f"{run.path} has no adapter: all of its weights were trained.",
            "There is nothing to merge.",
            f"Its model is in {run.model} as it is.",
        )
    if to.exists() and any(to.iterdir()):
        raise RunError(f"{to} is not empty.", "What is there would be lost.", "Give another folder.")
    from peft import PeftModel

    section = config.model.model_copy(update={"name": str(run.model), "revision": None, "quantization": None})
    tokenizer = load_tokenizer(section)
    base = load_model(config.model, quantize=False)
    if base.get_input_embeddings().weight.shape[0] < len(tokenizer):
        base.resize_token_embeddings(len(tokenizer))
    with_adapter = PeftModel.from_pretrained(base, str(run.adapter)).eval()
    before = _logits(with_adapter, tokenizer(PROBE)["input_ids"])
    merged = with_adapter.merge_and_unload().eval()
    after = _logits(merged, tokenizer(PROBE)["input_ids"])
    difference = float((after - before).abs().max() / before.abs().max().clamp_min(1e-6))
    if not difference <= ROUNDING[str(next(merged.parameters()).dtype)]:
        raise ModelError(
            f"The merged model's logits differ by {difference:.2%} of the largest from those of base and adapter.",
            "It would answer otherwise than it was trained to.",
            "Serve base and adapter apart, or merge in float32 (model.dtype).",
        )
    merged.generation_config = generation_config(merged, tokenizer, conversation_of(run.model)[2])
    to.parent.mkdir(parents=True, exist_ok=True)
    with replacing(to) as folder:
        merged.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
    return Merged(to, difference, before.numel())


ROUNDING = {"torch.float32": 1e-4, "torch.bfloat16": 0.05, "torch.float16": 0.01}
"""How far logits may move when two sums are made in another order, in parts of the largest."""


def _logits(model: nn.Module, ids: list[int]) -> Tensor:
    """Logits of the probe text: (1, tokens, vocabulary)."""
    import torch

    with torch.inference_mode():
        found: Tensor = model(input_ids=torch.tensor([ids])).logits.float()
    return found


def push(path: Path, repository: str, *, private: bool = True, token: str = "") -> Pushed:
    """Upload the run's model with its card, clearance and badge.

    Args:
        path: A finished run.
        repository: ``owner/name`` on the Hub; it is made where it does not exist.
        private: Whether a new one is private.
        token: The Hub's token; "": the one that `hf auth login` stored, or ``HF_TOKEN``.

    Raises:
        RunError: The run has no card, or the Hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    run, _ = open_run(path)
    with tempfile.TemporaryDirectory(prefix="sanetune-") as name:
        folder = Path(name)
        files = _gathered(run, folder)
        api = HfApi(token=token or None)
        try:
            url = api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"Upload {run.name} by sanetune")
        except Exception as error:
            known = isinstance(error, HfHubHTTPError | OSError | ValueError)
            if not known and not type(error).__module__.startswith("httpx"):  # which of its names the Hub's client uses
                raise
            raise RunError(
                f"The Hub refuses, or does not answer: {shorten(str(error), 300)}",
                "Nothing was uploaded, or not all of it.",
                "Log in with a token that may write (hf auth login), and check the name: owner/name.",
            ) from None
    return Pushed(repository, str(url), files)


def _gathered(run: Run, folder: Path) -> list[str]:
    """Links to the files of the model, and copies of what proves it; none of the run's rows is among them."""
    if not (run.model / "README.md").is_file():
        raise RunError(
            f"{run.model} has no model card.",
            "A model without one says neither what it is nor how it was checked.",
            "It is written when training ends: finish the run.",
        )
    for file in sorted(run.model.iterdir()):
        if file.is_file() and not file.is_symlink():
            (folder / file.name).symlink_to(file.resolve())
    if run.clearance.is_file():
        shutil.copyfile(run.clearance, folder / run.clearance.name)
    return sorted(file.name for file in folder.iterdir())
