"""An agent's paths stay below the roots, whatever they go through, and nothing runs code of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanetune.errors import ConfigError, UserError
from sanetune.mcp.confine import opened
from sanetune.mcp.roots import Roots

ROW = json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}) + "\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A root with a model, rows and a configuration, and beside it what is nobody's business."""
    home, outside = tmp_path / "home", tmp_path / "outside"
    for folder in (home / "model", home / "rows", outside / "model"):
        folder.mkdir(parents=True)
    for file in (home / "rows.jsonl", home / "rows" / "a.jsonl", outside / "secret.jsonl"):
        file.write_text(ROW)
    (outside / "chat.jinja").write_text("{{ messages }}")
    (outside / "dataset_info.json").write_text('{"mine": {"file_name": "secret.jsonl"}}')
    return home


def write(home: Path, text: str) -> str:
    (home / "sanetune.yaml").write_text(text)
    return "sanetune.yaml"


SOUND = "model: {name: model}\ndata: {train: rows.jsonl}\nrun: {output_dir: run}\n"


def test_a_configuration_below_the_root_is_opened(home: Path) -> None:
    config = opened(write(home, SOUND), ["train.seed=7"], Roots([home]))
    assert (config.data.train[0].path, config.train.given["seed"]) == (str(home / "rows.jsonl"), 7)


@pytest.mark.parametrize("path", ["../outside/secret.yaml", "~/sanetune.yaml", "/etc/passwd", "link.yaml", "", "a\0b"])
def test_a_path_that_leads_out_is_refused(home: Path, path: str) -> None:
    (home / "link.yaml").symlink_to(home.parent / "outside" / "secret.jsonl")
    with pytest.raises(UserError, match=r"outside of the folders|is no path"):
        opened(path, [], Roots([home]))


LEADING_OUT = {
    "data.train": "model: {name: model}\ndata: {train: ../outside/secret.jsonl}\n",
    "data.train, absolute": "model: {name: model}\ndata: {train: OUTSIDE/secret.jsonl}\n",
    "data.train, a pattern": "model: {name: model}\ndata: {train: 'OUTSIDE/*.jsonl'}\n",
    "data.train, a list": "model: {name: model}\ndata: {train: [rows.jsonl, {path: link.jsonl}]}\n",
    "data.train, a link in a folder": "model: {name: model}\ndata: {train: linked}\n",
    "data.train, a link in a pattern": "model: {name: model}\ndata: {train: 'linked/*.jsonl'}\n",
    "data.validation": "model: {name: model}\ndata: {train: rows.jsonl, validation: ~/x.jsonl}\n",
    "data.replay": "model: {name: model}\ndata: {train: rows.jsonl, replay: {path: link.jsonl, share: 0.1}}\n",
    "model.name": "model: {name: ../outside/model}\ndata: {train: rows.jsonl}\n",
    "model.name, a link": "model: {name: linked-model}\ndata: {train: rows.jsonl}\n",
    "model.chat_template": "model: {name: model, chat_template: ../outside/chat.jinja}\ndata: {train: rows.jsonl}\n",
    "run.output_dir": SOUND.replace("output_dir: run", "output_dir: ../elsewhere"),
    "run.output_dir, a link": SOUND.replace("output_dir: run", "output_dir: out/run"),
    "check.keep": SOUND + "check: {keep: ../outside/secret.jsonl}\n",
    "train.deepspeed": SOUND + "train: {deepspeed: OUTSIDE/zero.json}\n",
    "train.resume_from_checkpoint": SOUND + "train: {resume_from_checkpoint: OUTSIDE/checkpoint-1}\n",
    "LLaMA-Factory's dataset_dir": "model_name_or_path: model\nstage: sft\ndataset: mine\ndataset_dir: ../outside\n"
    "template: llama3\n",
    "Axolotl's path": "base_model: model\ndatasets: [{path: OUTSIDE/secret.jsonl, type: chat_template}]\n",
}


@pytest.mark.parametrize("text", LEADING_OUT.values(), ids=LEADING_OUT)
def test_a_path_inside_a_configuration_that_leads_out_is_refused(home: Path, text: str) -> None:
    outside = home.parent / "outside"
    (home / "linked").mkdir()
    for link, target in (
        ("link.jsonl", "secret.jsonl"), ("linked/a.jsonl", "secret.jsonl"), ("linked-model", "model"), ("out", "")
    ):  # fmt: skip
        (home / link).symlink_to(outside / target)
    with pytest.raises(UserError, match="outside of the folders"):
        opened(write(home, text.replace("OUTSIDE", str(outside))), [], Roots([home]))


def test_an_override_that_leads_out_is_refused(home: Path) -> None:
    for override in ("data.train=../outside/secret.jsonl", "run.output_dir=/tmp/x", "model.name=../outside/model"):
        with pytest.raises(UserError, match="outside of the folders"):
            opened(write(home, SOUND), [override], Roots([home]))


@pytest.mark.parametrize(
    "override",
    [
        "model.trust_remote_code=true",
        "model.attention=somebody/kernel",
        "run.evaluate=[tasks/mine.yaml]",
        "train.push_to_hub=true",
    ],
)
def test_what_runs_code_of_others_or_publishes_is_refused(home: Path, override: str) -> None:
    pinned = ["model.revision=da87bfb608c14b7cf20ba1ce41287e8de496c0cd"] if "remote" in override else []
    with pytest.raises(ConfigError, match=f"{override.split('=')[0]} is refused for an agent"):
        opened(write(home, SOUND), [override, *pinned], Roots([home]))


def test_a_tracker_is_used_where_the_file_names_it_and_added_by_no_call(home: Path) -> None:
    file, roots = write(home, SOUND), Roots([home])
    for override in ("run.trackers=[wandb]", "train.report_to=wandb", "train.trackio_space_id=me/board"):
        with pytest.raises(ConfigError, match=r"an agent may not add '(wandb|me/board)'"):
            opened(file, [override], roots)
    assert opened(file, ["run.trackers=[tensorboard]"], roots).run.trackers == ["tensorboard"]
    theirs = write(home, SOUND.replace("output_dir: run", "output_dir: run, trackers: [wandb]"))
    assert opened(theirs, ["run.trackers=[wandb, tensorboard]"], roots).run.trackers == ["wandb", "tensorboard"]
    assert opened(theirs, ["run.trackers=[]"], roots).run.trackers == []


def test_names_of_the_hub_and_texts_for_the_model_are_no_paths(home: Path) -> None:
    text = "model: {name: Qwen/Qwen3-0.6B}\ndata: {train: tatsu-lab/alpaca}\nrun: {sample_prompts: ['/etc or ../?']}\n"
    assert opened(write(home, text), [], Roots([home])).model.name == "Qwen/Qwen3-0.6B"


def test_a_second_root_adds_its_folder(home: Path) -> None:
    text = write(home, "model: {name: ../outside/model}\ndata: {train: rows.jsonl}\n")
    assert opened(text, [], Roots([home, home.parent / "outside"])).model.name == str(home.parent / "outside" / "model")


def test_a_root_that_is_no_folder_is_refused(home: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        Roots([home / "rows.jsonl"])
