"""Rebuild the whole demo from one seed: tokenizer, corpus, base model, conversations.

    python -m tools.demo_model.build --seed 0 --out DIR

The text files are the same on every machine; the weights are the same up to the rounding of its arithmetic.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from sanetune.demo import HERE
from tools.demo_model.conversations import conversations
from tools.demo_model.corpus import lists, stories
from tools.demo_model.world import CLERKS, CUSTOMERS

SEED = 0
#: Stories the tokenizer learns from: enough to see every word and every pair of digits often.
TOKENIZER_STORIES = 6000
#: How often the tokenizer reads the list of all names: so often that each becomes one token, which is copied whole.
NAME_READINGS = 300
#: Tokens that a document has at least on average; decides how many of them the base needs.
STORY_TOKENS = 230


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print how long a stage took."""
    start = time.perf_counter()
    yield
    print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)


def write_rows(path: Path, rows: Iterable[dict]) -> None:
    """One JSON object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def build_data(seed: int, out: Path) -> None:
    """Write the conversations and the prompts under `out`/data."""
    for split in ("train", "validation"):
        write_rows(out / "data" / f"{split}.jsonl", (c.row() for c in conversations(seed, split)))
    write_rows(out / "data" / "prompts.jsonl", (c.prompt() for c in conversations(seed, "prompts")))


def build_model(seed: int, out: Path) -> None:
    """Write the tokenizer and the pre-trained base under `out`/model."""
    from functools import partial

    from tools.demo_model import pretrain
    from tools.demo_model.tokenizer import CONTEXT, save_tokenizer, train_tokenizer

    with stage("tokenizer"):
        names = (" ".join(CUSTOMERS + CLERKS) for _ in range(NAME_READINGS))
        tokenizer = train_tokenizer(chain(stories(seed, TOKENIZER_STORIES), names))
    with stage("corpus"):
        list_rows = pretrain.cut(lists(seed, pretrain.LIST_STEPS * pretrain.LIST_ROWS), tokenizer)
        rows = pretrain.STORY_STEPS * pretrain.BATCH
        story_rows = pretrain.pack(stories(seed, rows * CONTEXT // STORY_TOKENS), tokenizer, rows)
    model = pretrain.new_model(tokenizer, seed)
    print(f"{model.num_parameters():,} parameters, {list_rows.numel() + story_rows.numel():,} tokens", flush=True)
    with stage("base model"):
        loss = pretrain.pretrain(model, list_rows, story_rows, say=partial(print, flush=True))
    print(f"final loss {loss:.3f}")
    model.save_pretrained(out / "model")
    save_tokenizer(tokenizer, out / "model")


def main() -> None:
    """Command line: `--seed`, `--out` (default: the package's own folder), `--data-only`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=HERE, help="folder that gets model/ and data/")
    parser.add_argument("--data-only", action="store_true", help="leave the model as it is")
    options = parser.parse_args()
    with stage("everything"):
        with stage("data"):
            build_data(options.seed, options.out)
        if not options.data_only:
            build_model(options.seed, options.out)


if __name__ == "__main__":
    main()
