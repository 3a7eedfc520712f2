"""A file that llama.cpp really serves: the trained model passes, and each fault that is injected is found by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.finding import Report, Verdict
from sanetune.gate.clearance import Clearance
from sanetune.gate.clearance_file import read_clearance, write_clearance
from sanetune.gate.fingerprint import Fingerprint
from sanetune.report.clearance import lines
from sanetune.runs import Run
from sanetune.serving.gguf_write import Chat, write_gguf
from sanetune.workflows.verify import Request, verify
from sanetune.workflows.verifying import conversation_of
from tests.serving.tiny import BEGIN, END, QUESTIONS, make

pytest.importorskip("xllamacpp", reason="llama.cpp's server is not installed (pip install 'sanetune[serve]')")

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("tuned") / "model")


@pytest.fixture
def write(tuned: Path, tmp_path: Path) -> Write:
    """Writes the tuned model as a file, with another template, ends or type where they are given."""

    def written(folder: Path = tuned, storage: str = "f16", **changed: object) -> Path:
        _, template, stops = conversation_of(tuned)
        chat = replace(Chat(template.source, stops), **changed)  # type: ignore[arg-type]
        write_gguf(folder, tmp_path / "served.gguf", chat, name="tiny", storage=storage, pre="gpt-2")
        return tmp_path / "served.gguf"

    return written


def verified(tuned: Path, file: Path, select: tuple[str, ...] = ()) -> Report:
    return verify(tuned, Request(gguf=file, count=0, prompts=list(QUESTIONS)[:3], threads=1, select=select))


def patched(file: Path, key: str, value: object) -> Path:
    """The file with one value of its metadata replaced in place."""
    from gguf import GGUFReader

    field = GGUFReader(file, "r+").fields[key]
    field.parts[field.data[0]][0] = value
    return file


def failing(report: Report) -> set[str]:
    return {one.check for one in report.of(Verdict.FAIL)}


def test_the_exported_file_is_the_trained_model_in_every_check(tuned: Path, write: Write) -> None:
    report = verified(tuned, write())
    assert report.verdict is Verdict.PASS, str(report)
    assert report["serve-prompt-differs"].numbers["told"] == 3
    assert report["serve-prompt-differs"].numbers["counted"] == 3
    assert f"All 3 answers end on the server where they end as trained ({END}" in report["serve-no-stop"].message
    assert report["serve-answers-differ"].numbers["distance"] < 0.01
    assert report["serve-weights-differ"].numbers["tensors"] == 38
    assert {one.check for one in report.of(Verdict.SKIP)} == {"serve-calls-lost", "serve-reasoning-lost"}


def test_a_runs_own_validation_rows_are_asked_and_its_clearance_gets_a_line(
    tuned: Path, write: Write, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run")
    shutil.copytree(tuned, run.model)
    rows = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]}
        for question, reply in QUESTIONS.items()
    ]
    for name, some in (("train", rows[:2]), ("validation", rows[2:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    sources = f"data:\n  train: {tmp_path}/train.jsonl\n  validation: {tmp_path}/validation.jsonl\n"
    run.config.write_text(f"model:\n  name: {tuned}\n{sources}")
    write_clearance(run, Clearance(Fingerprint({}, {}, {}, "", {}), "pass", "trial", "now"))
    report = verify(run.path, Request(gguf=write(), threads=1))
    assert report.verdict is Verdict.PASS, str(report)
    assert report.subject["prompts"] == "2 validation rows"
    assert report["serve-prompt-differs"].numbers["told"] == 2
    kept, _ = read_clearance(run)
    assert kept is not None
    line = lines(kept)[-1]
    assert line.startswith("served: ") and "served.gguf" in line and "is the trained model (" in line


def test_another_template_is_found_in_the_file_and_in_the_prompts(tuned: Path, write: Write) -> None:
    source = conversation_of(tuned)[1].source.replace("'<|im_start|>' +", "'<|im_start|>The ' +")
    report = verified(tuned, write(template=source), ("serve-prompt-differs", "serve-template-differs"))
    assert failing(report) == {"serve-prompt-differs", "serve-template-differs"}
    found = report["serve-prompt-differs"]
    assert "3 of 3 prompts become other tokens" in found.message and "parts at token 1 " in found.message
    assert "The user" in found.witnesses[0].beside and "The" not in found.witnesses[0].text


def test_a_first_token_that_is_there_twice_is_found_and_is_one_finding(tuned: Path, write: Write) -> None:
    # That the file asks for it (add_bos_token) is not enough: llama.cpp then takes the template's own away.
    file = patched(write(template=BEGIN + conversation_of(tuned)[1].source), "tokenizer.ggml.add_bos_token", False)
    report = verified(tuned, file, ("serve-prompt-differs", "serve-double-bos"))
    assert failing(report) == {"serve-double-bos"}
    assert "begin with 2 <|im_start|> on the server, and with 1 in training" in report["serve-double-bos"].message


def test_an_end_that_the_server_does_not_know_is_found(tuned: Path, write: Write) -> None:
    report = verified(tuned, write(stops=[300]), ("serve-no-stop", "serve-end-unlisted"))
    assert failing(report) == {"serve-no-stop"}
    assert "its likeliest token is the end, and it goes on" in report["serve-no-stop"].message
    assert report["serve-end-unlisted"].verdict is Verdict.WARN


def test_four_bits_are_forgiven_and_four_bits_of_other_weights_are_not(
    tuned: Path, write: Write, tmp_path: Path
) -> None:
    names = ("serve-weights-differ", "serve-answers-differ")
    rounded = verified(tuned, write(storage="q4_1"), names)
    assert not failing(rounded), str(rounded)
    assert rounded["serve-weights-differ"].numbers["worst"] > 0.02  # it is rounded, and by much
    other = verified(tuned, write(make(tmp_path / "other", steps=20), "q4_1"), names)
    assert failing(other) == set(names)
    assert "Cause: the file's weights" in other["serve-answers-differ"].message
    assert other["serve-answers-differ"].numbers["distance"] > 5 * rounded["serve-answers-differ"].numbers["distance"]


def test_only_the_models_own_weight_files_count_and_a_head_that_is_the_embedding_may_be_there_or_not(
    tuned: Path, write: Write, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tuned, tmp_path / "copy"))
    weights = load_file(folder / "model.safetensors")
    embedding = weights["model.embed_tokens.weight"]
    save_file({"tok_embeddings.weight": embedding}, folder / "consolidated.safetensors")
    save_file(weights | {"lm_head.weight": embedding.clone(), "model.rotary_emb.inv_freq": embedding[0].clone()},
              folder / "model.safetensors")  # fmt: skip
    names = ("serve-weights-differ",)
    assert verified(folder, write(), names).verdict is Verdict.PASS
    config = json.loads((folder / "config.json").read_text())
    for head, verdict in ((embedding, Verdict.PASS), (embedding + 0.01, Verdict.FAIL)):
        save_file(weights | {"lm_head.weight": head.clone()}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
        assert verified(tuned, write(folder), names).verdict is verdict


def test_the_command_writes_the_report_as_check_does_and_ends_with_its_code(
    tuned: Path, write: Write, tmp_path: Path
) -> None:
    file = write(template="{{ messages[0]['content'] }}")
    words = ["verify", str(tuned), "--gguf", str(file), "-n", "0", "--prompt", "Who are you?"]
    words += ["--select", "serve-template-differs", "--json", str(tmp_path / "out.json")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1, done.output
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["schema"], written["verdict"], written["level"]) == (1, "fail", "served")
    assert [one["check"] for one in written["findings"]] == ["serve-template-differs"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Neither a server nor a file is given"),
        (["--endpoint", "localhost:8000"], "is not the address of a server"),
        (["--endpoint", "http://127.0.0.1:9"], "does not answer"),
        (["--endpoint", "http://127.0.0.1:9", "--api-key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
        (["--gguf", "none.gguf"], "cannot be read"),
        (["--gguf", __file__], "is no GGUF file"),
        (["--gguf", __file__, "--storage", "Q17"], "'Q17' is not known"),
    ],
)
def test_a_mistake_of_the_user_is_said_with_what_to_do(words: list[str], said: str, tuned: Path) -> None:
    done = CliRunner().invoke(main, ["verify", str(tuned), *words])
    assert done.exit_code == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_an_incomplete_file_ends_its_own_process_alone(tuned: Path, write: Write) -> None:
    file = write()
    file.write_bytes(file.read_bytes()[:-100_000])
    done = CliRunner().invoke(main, ["verify", str(tuned), "--gguf", str(file), "--prompt", "Who are you?", "-n", "0"])
    assert done.exit_code == 2
    assert "is broken" in done.stderr or "cannot run" in done.stderr
