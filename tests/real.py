"""Real models and data, set up for runs: what tests/test_real.py and bench/real.py share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

STORIES = {
    "alpaca": "alpaca/instruction-data.json",
    "sharegpt": "sharegpt/dummy_conversation.json",
    "gsm8k": "gsm8k/train.jsonl",
}
TOOLS: dict[str, dict[str, Any]] = {
    "drone": {"train": "messages/drone_training.jsonl"},
    "airline": {"train": "airline/gpt-4o-airline.json", "fields": {"messages": "traj"}},
}


def config(shared: Path, model: Path, data: dict[str, Any], out: Path, train: dict[str, Any], **model_keys: Any) -> Any:
    """A configuration for ``sanetune.train``; ``data['train']`` is relative to the shared data."""
    return {
        "model": {"name": str(model), **model_keys},
        "data": {**data, "train": str(shared / "data" / data["train"])},
        "train": {"logging_steps": 1, "use_cpu": True, **train},
        "run": {"output_dir": str(out), "trackers": []},
    }


def qwen3(shared: Path, folder: Path) -> Path:
    """A small random-weight Qwen3 with a long context, OLMo 2's tokenizer and Qwen3's chat template."""
    import torch
    import trl
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    template = (Path(trl.__file__).parent / "chat_templates/qwen3.jinja").read_text()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(shared / "tokenizers/dolma2/tokenizer.json"), eos_token="<|endoftext|>", pad_token="<|pad|>"
    )
    tokenizer.chat_template = template
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16384}
    model = Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), tie_word_embeddings=True, **sizes, **heads))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def smollm2(shared: Path, folder: Path) -> Path:
    """SmolLM2-135M's shape with random weights, and a small tokenizer with a ChatML template."""
    import shutil

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "vocab_size": 49152}
    heads = {"num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192}
    LlamaForCausalLM(LlamaConfig(tie_word_embeddings=True, **sizes, **heads)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(shared / "tokenizers/minimind" / name, folder / name)
    return folder


def reload_difference(trained: Any) -> float:
    """Largest difference in logits between the model in memory and its folder, loaded plainly."""
    import torch
    from transformers import AutoModelForCausalLM

    kept = trained.outcome.model.eval().float().cpu()
    again = AutoModelForCausalLM.from_pretrained(str(trained.run.model), dtype=torch.float32).eval()
    ids = torch.arange(5, 37)[None]
    with torch.no_grad():
        return float((kept(input_ids=ids).logits - again(input_ids=ids).logits).abs().max())
