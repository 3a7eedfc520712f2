"""What is handed on is the trained model: the merged one by its logits, the uploaded one with its proof."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from sanetune.cli import main
from sanetune.config.load import load
from sanetune.errors import ModelError, RunError
from sanetune.runs import Run
from sanetune.serving.gguf_vocabulary import vocabulary_of
from sanetune.workflows import export
from tests.serving.fakes import answering
from tests.serving.tiny import DEMO


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with an adapter, as training leaves it, but for its training."""
    home = tmp_path_factory.mktemp("runs")
    run = Run.create(home / "mine")
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(DEMO)
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(run.adapter)
    merged = adapted.merge_and_unload()
    merged.save_pretrained(run.model)
    tokenizer.save_pretrained(run.model)
    (run.model / "README.md").write_text("# mine\n")
    (run.model / "sanetune.svg").write_text("<svg/>")
    (home / "rows.jsonl").write_text(json.dumps({"prompt": "Hi", "completion": "Hello."}) + "\n")
    run.config.write_text(
        f"model:\n  name: {DEMO}\n  dtype: float32\n  adapter: lora\ndata:\n  train: ../rows.jsonl\n", encoding="utf-8"
    )
    run.clearance.write_text('{"schema": 2}')
    load(run.config)
    return run


def test_the_merged_model_has_the_logits_of_base_and_adapter(run: Run, tmp_path: Path) -> None:
    done = export.merge(run.path, tmp_path / "merged")
    assert done.difference < 1e-5 and done.logits > 2_048
    ids = torch.tensor([[5, 300, 7]])
    with torch.inference_mode():
        one = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)(input_ids=ids).logits
        other = AutoModelForCausalLM.from_pretrained(run.model, dtype=torch.float32)(input_ids=ids).logits
        base = AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32)(input_ids=ids).logits
    assert torch.allclose(one, other, atol=1e-4) and not torch.allclose(one, base, atol=1e-2)
    assert (tmp_path / "merged" / "tokenizer.json").is_file()
    with pytest.raises(RunError, match="is not empty"):
        export.merge(run.path, tmp_path / "merged")


def test_the_upload_has_card_clearance_and_badge_and_none_of_the_rows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, dict[str, Any], str]] = []
    commits: list[str] = []

    def commit(body: dict[str, Any]) -> Any:
        commits.append(body["raw"])
        return {"commitUrl": f"{hub}/me/mine/commit/{'0' * 40}", "commitOid": "0" * 40, "pullRequestUrl": None}

    def mode(body: dict[str, Any]) -> Any:
        modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in body["files"]]
        return {"files": modes}

    routes = {
        "/api/repos/create": lambda body: {"url": f"{hub}/me/mine", "name": "me/mine"},
        "/api/validate-yaml": lambda body: {"errors": [], "warnings": []},
        "/api/models/me/mine/preupload/main": mode,
        "/api/models/me/mine/commit/main": commit,
    }
    with answering(routes, seen) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub)
        pushed = export.push(run.path, "me/mine", token="hf_secret")
    assert pushed.url == f"{hub}/me/mine"
    assert {key for path, _, key in seen if "commit" in path or "create" in path} == {"Bearer hf_secret"}
    made = next(body for path, body, _ in seen if path == "/api/repos/create")
    assert made.get("visibility") == "private" or made.get("private") is True
    files = {
        value["path"]: base64.b64decode(value["content"])
        for line in commits[0].splitlines()
        if (one := json.loads(line))["key"] == "file" and (value := one["value"])
    }
    assert sorted(files) == pushed.files
    assert {"README.md", "sanetune.svg", "clearance.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert not any("rows" in name or "adapter" in name for name in files)
    assert files["model.safetensors"] == (run.model / "model.safetensors").read_bytes()


def test_a_hub_that_refuses_is_said_with_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse = {"/api/repos/create": lambda body: (403, {"error": "You don't have the rights"})}
    with answering(refuse) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub)
        with pytest.raises(RunError, match="The Hub refuses"):
            export.push(run.path, "me/mine", token="hf_x")


def test_a_hub_that_is_not_there_and_a_file_that_cannot_be_written_are_said_with_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="The Hub refuses, or does not answer"):
        export.push(run.path, "me/mine", token="hf_x")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        export.export_gguf(DEMO, tmp_path / "file" / "a.gguf", storage="f16", pre="gpt-2")


def test_a_tokenizer_that_llama_cpp_may_not_have_is_refused_unless_its_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pattern that is not known"):
        vocabulary_of(DEMO, 2048)
    assert vocabulary_of(DEMO, 2050, "gpt-2").tokens[-1] == "[PAD2049]"


def test_sentencepiece_keeps_bytes_scores_and_its_blank(shared: Path) -> None:
    found = vocabulary_of(shared / "models" / "stories260k", 512)
    assert (found.model, found.pre, found.space_prefix, found.adds_bos) == ("llama", "default", True, True)
    assert found.roles[:4] == [2, 3, 3, 6] and found.tokens[3] == "<0x00>"
    assert max(found.scores) == 0.0 and len(found.scores) == 512


def test_llama_cpps_own_converter_is_run_where_it_is_given_and_its_error_is_shown(tmp_path: Path) -> None:
    script = tmp_path / "convert.py"
    script.write_text("import sys; open(sys.argv[3], 'w').write(' '.join(sys.argv[4:]))")
    export.export_gguf(DEMO, tmp_path / "a.gguf", storage="q8_0", converter=script)
    assert (tmp_path / "a.gguf").read_text() == "--outtype q8_0"
    script.write_text("raise SystemExit('Model X is not supported')")
    with pytest.raises(ModelError, match="Model X is not supported"):
        export.export_gguf(DEMO, tmp_path / "b.gguf", storage="q8_0", converter=script)


def test_the_command_asks_for_something_to_do_and_writes_a_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", str(DEMO)])
    assert (done.exit_code, "Nothing to do" in done.stderr) == (2, True)
    words = ["export", str(DEMO), "--gguf", str(tmp_path / "demo.gguf"), "--pre", "gpt-2", "--no-verify"]
    done = CliRunner().invoke(main, [*words, "--json", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out.json").read_text())["gguf"]["bytes"] > 2_000_000


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "demo.gguf"
    file.write_text("mine")
    done = CliRunner().invoke(main, ["export", str(DEMO), "--gguf", str(file), "--no-verify"])
    assert done.exit_code == 2
    assert "is there already" in done.output and "--force" in done.output
    forced = CliRunner().invoke(main, ["export", str(DEMO), "--gguf", str(file), "--no-verify", "--force"])
    assert (forced.exit_code, "is no GGUF file" in forced.output) == (2, True)
    assert file.read_text() == "mine"
    script = tmp_path / "convert.py"
    script.write_text("import sys; open(sys.argv[3], 'wb').write(b'GGUF new')")
    file.write_bytes(b"GGUF old")
    export.export_gguf(DEMO, file, storage="f16", converter=script, force=True)
    assert file.read_bytes() == b"GGUF new"
    script.write_text("import sys; open(sys.argv[3], 'wb').write(b'half'); raise SystemExit(1)")
    with pytest.raises(ModelError, match="converter failed"):
        export.export_gguf(DEMO, file, storage="f16", converter=script, force=True)
    assert file.read_bytes() == b"GGUF new" and sorted(one.name for one in tmp_path.iterdir()) == [
        "convert.py",
        "demo.gguf",
    ]


def test_an_unknown_way_of_splitting_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    file = tmp_path / "demo.gguf"
    done = CliRunner().invoke(main, ["export", str(DEMO), "--gguf", str(file), "--pre", "foo", "--no-verify"])
    assert done.exit_code == 2
    assert "Known are" in done.output
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--merge", "m", "--public"], "--public is for --push-to-hub"),
        (["--merge", "m", "--type", "q8_0", "--no-verify"], "--type, --verify/--no-verify: for --gguf"),
    ],
)
def test_an_option_of_what_is_not_exported_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", str(tmp_path), *words])
    assert result.exit_code == 2 and said in " ".join(result.output.split())
