"""Faults of the tokenizer, of lengths, and of what is lost on the way."""

from __future__ import annotations

import random
from typing import Any

from bench.faults.recipes import breaks, builds
from bench.faults.setups import Setup, change, prompt, trl_template
from bench.faults.trainers import Kit

ON = ("demo-demo", "stories-gsm8k", "llama3-sharegpt")


def median_length(setup: Setup) -> int:
    """Tokens of the middle row."""
    import statistics

    import sanetune

    return int(statistics.median(sanetune.prepare(setup.config).train["length"]))


# Rows that are truncated are counted among what is lost, too.
@breaks("tokens-cut-reply", on=ON, related=("packs-dropped",))
def answers_cut(setup: Setup) -> None:
    """max_length is the median row's, and longer rows are truncated."""
    setup.train["max_length"] = median_length(setup)
    setup.data["overlong"] = "cut"


# Rows of several turns that are truncated inside a question end on the user's turn, which rows-roles sees.
@builds(
    "tokens-cut-reply",
    on=("demo-demo/messages", "stories-gsm8k/messages", "llama3-alpaca/messages"),
    related=("rows-roles",),
)
def answers_cut_by_trl(setup: Setup, kind: str) -> Kit:
    """SFTConfig's max_length is the median row's."""
    return Kit.of(kind, max_length=median_length(setup))


@builds("tokens-outside-vocabulary", on=("stories-alpaca/messages", "llama3-alpaca/messages", "qwen3-alpaca/messages"))
def tokens_without_embedding(setup: Setup, kind: str) -> Kit:
    """The embedding has no rows for the last twenty tokens, the template's among them."""
    return Kit.of(kind, missing=20)


# A batch's rows are found again by their ids, and these are changed: batches-order misses them.
@builds(
    "tokens-outside-vocabulary",
    on=("demo-demo/plain", "stories-alpaca/rows", "gemma-gsm8k/plain"),
    related=("batches-order",),
)
def negative_ids(setup: Setup, kind: str) -> Kit:
    """Padding was written as -1 by a script of one's own."""

    def spoil(batch: dict[str, Any]) -> dict[str, Any]:
        batch["input_ids"][batch["attention_mask"] == 0] = -1
        batch["attention_mask"][:] = 1
        return batch

    return Kit.of(kind, spoil_batch=spoil)


@breaks("tokens-unknown", on=("minimind-alpaca", "stories-alpaca", "llama3-sharegpt"))
def foreign_alphabet(setup: Setup) -> None:
    """The tokenizer was made for Greek, and the rows are English."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoTokenizer

    folder = setup.own_model()
    old = AutoTokenizer.from_pretrained(str(folder))
    if setup.model.get("chat_template") == "chatml":
        setup.use_template(setup.template())
        old = AutoTokenizer.from_pretrained(str(folder))
    tags = [token for token in old.get_vocab() if token.startswith("<") and token.endswith(">") and len(token) > 3]
    special = [token for token in tags if token in old.added_tokens_encoder]
    letters = ["<unk>", *special, *"αβγδεζηθικλμνξοπρστυφχψωςΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ .,;:!?\n", *"0123456789"]
    words = Tokenizer(models.BPE(dict(zip(dict.fromkeys(letters), range(999), strict=False)), [], unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    names = {"eos_token": old.eos_token, "pad_token": old.pad_token, "bos_token": old.bos_token, "unk_token": "<unk>"}
    made = type(old)(tokenizer_object=words, **{name: token for name, token in names.items() if token})
    made.add_special_tokens({"extra_special_tokens": special})
    made.chat_template = old.chat_template or setup.template()
    made.save_pretrained(folder)


# An end that is several tokens is no stop token either: template-end-unlearnt sees the same fault from behind.
@breaks(
    "tokens-split-specials", on=("stories-gsm8k", "minimind-alpaca", "demo-demo"), related=("template-end-unlearnt",)
)
def foreign_template(setup: Setup) -> None:
    """Llama 3's template on a tokenizer that has none of its tokens."""
    setup.model.pop("chat_template", None)
    source = trl_template("llama3").replace("bos_token + content", "content")
    setup.model["chat_template"] = str(setup.folder / "template.jinja")
    (setup.folder / "template.jinja").write_text(source)


@breaks(
    "tokens-split-specials", on=("stories-alpaca", "llama3-sharegpt", "gemma-gsm8k"), related=("template-end-unlearnt",)
)
def chatml_without_its_tokens(setup: Setup) -> None:
    """A ChatML template on a tokenizer to which nobody has added its two tokens."""
    from sanetune.data.template.chat_template import CHATML

    setup.model["chat_template"] = str(setup.folder / "template.jinja")
    (setup.folder / "template.jinja").write_text(CHATML)


@breaks("packs-dropped", on=ON)
def long_rows_dropped(setup: Setup) -> None:
    """max_length is the median row's, and longer rows are dropped."""
    setup.train["max_length"] = median_length(setup)
    setup.train["num_train_epochs"] = 4  # enough steps for what is left


# Rows that no batch of an epoch holds are what batches-order counts as well.
@breaks("packs-dropped", on=ON, related=("batches-order",))
def last_batch_dropped(setup: Setup) -> None:
    """dataloader_drop_last leaves out what does not fill a batch of seven."""
    import sanetune

    rows = len(sanetune.prepare(setup.config).train)
    setup.train["dataloader_drop_last"] = True
    setup.train["per_device_train_batch_size"] = max(range(5, 12), key=lambda size: rows % size)
    setup.train["num_train_epochs"] = 6


@breaks("labels-scarce", on=("minimind-alpaca", "gemma-gsm8k", "qwen3-alpaca"))
def documents_before_short_answers(setup: Setup) -> None:
    """Each question follows pages that hardly matter, and the answer is short."""
    rows = setup.rows()
    texts = [prompt(row, setup.row_format) for row in rows]
    chance = random.Random(0)

    def pages(text: str) -> str:
        found: list[str] = []
        while sum(map(len, found)) < 11_000:
            found.append(chance.choice(texts))
        return " ".join(found) + "\n" + text

    long = [change(row, "user", pages, setup.row_format) for row in rows]
    setup.write([change(row, "assistant", lambda text: text[:60], setup.row_format) for row in long])
