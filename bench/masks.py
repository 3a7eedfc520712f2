"""Response masks for every chat template that TRL ships: ours beside TRL's ``assistant_only_loss``.

For each template, tokenizer and kind of conversation that the template renders: do the tokens in the loss decode to
exactly the assistant's turns?  For TRL: does it give a mask at all, and does that still work when the template has
been edited by one comment? Writes docs/masks.md with ``--write``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.figures import ROOT, options, shared, show

TOKENIZERS = ("gpt2", "dolma2", "minimind")
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def judge(name: str, source: str, tokenizers: dict[str, Any]) -> dict[str, Any]:
    """Counts of (tokenizer, kind) pairs for one template; ``refused`` are those that it renders without some
    reply."""
    from sanetune.data.labels import Labeller
    from sanetune.data.masking.turns import TurnFinder
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.errors import TemplateError
    from tests.data.chats import KINDS, conversation

    finder = TurnFinder(ChatTemplate(source, SPECIALS))
    shapes, rendered, exact, refused = [], 0, 0, 0
    for kind in KINDS:
        conversation = conversation(kind)
        try:
            finder.template.render(conversation.messages, conversation.tools)
        except TemplateError:
            continue  # neither of the two can do anything with it
        try:
            rendering = finder.find(conversation)
        except TemplateError:
            refused += len(tokenizers)
            continue
        shapes.append(kind)
        expected = "".join(rendering.text[turn.start : turn.end] for turn in rendering.turns)
        for tokenizer in tokenizers.values():
            labeller = Labeller(tokenizer.backend_tokenizer, finder, "assistant", None)
            labels = labeller.examples([conversation(kind)])[0].labels
            in_loss = [label for label in labels if label >= 0]
            rendered += 1
            exact += tokenizer.backend_tokenizer.decode(in_loss, skip_special_tokens=False) == expected
    return {
        "template": name,
        "kinds": shapes,
        "rendered": rendered,
        "exact": exact,
        "refused": refused,
        "trl": _trl_masks(source, shapes, tokenizers),
        "trl_edited": _trl_masks(source + "{# edited #}", shapes, tokenizers),
    }


def _trl_masks(source: str, shapes: list[str], tokenizers: dict[str, Any]) -> int:
    """How many (tokenizer, kind) pairs TRL's ``assistant_only_loss`` gives a mask for that holds every reply."""
    from trl.chat_template_utils import get_training_chat_template

    from tests.data.chats import TOOLS, conversation

    given = 0
    for tokenizer in tokenizers.values():
        tokenizer.chat_template = source
        try:
            training = get_training_chat_template(tokenizer) or source
        except Exception:  # whatever it raises, there is no mask
            continue
        for kind in shapes:
            try:
                encoded = tokenizer.apply_chat_template(
                    conversation(kind).messages,
                    tools=TOOLS if kind == "tools" else None,
                    chat_template=training,
                    return_dict=True,
                    return_assistant_tokens_mask=True,
                )
            except Exception:
                continue
            marked = [
                token for token, mark in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mark
            ]
            replies = [message["content"] for message in conversation(kind).messages if message["role"] == "assistant"]
            given += all(reply in tokenizer.decode(marked) for reply in replies)
    return given


def main() -> None:
    write = "--write" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--write"]
    args = options(__doc__)
    import trl
    from transformers import PreTrainedTokenizerFast

    folder = shared() / "tokenizers"
    tokenizers = {
        name: PreTrainedTokenizerFast(tokenizer_file=str(folder / name / "tokenizer.json"), **SPECIALS)
        for name in (TOKENIZERS[:1] if args.quick else TOKENIZERS)
    }
    files = sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
    originals = [file for file in files if not file.stem.endswith("_training")]
    found = [judge(file.stem, file.read_text(), tokenizers) for file in originals]
    total = {key: sum(one[key] for one in found) for key in ("rendered", "exact", "refused", "trl", "trl_edited")}
    columns = ["template", "rendered", "sanetune exact", "sanetune refuses", "TRL gives a mask", "TRL, template edited"]
    rows = [
        (one["template"], one["rendered"], one["exact"], one["refused"], one["trl"], one["trl_edited"]) for one in found
    ]
    rows.append(("all", *total.values()))
    show(
        f"Response masks, {len(originals)} templates of TRL {trl.__version__}",
        columns,
        rows,
        {"total": total, "templates": found},
        args.json,
    )
    if write:
        _write(rows, columns, trl.__version__)


def _write(rows: list[tuple[Any, ...]], columns: list[str], version: str) -> None:
    lines = [
        "# Response masks: ours and TRL's",
        "",
        f"Made by `python -m bench.masks --write` with TRL {version}. Each count is over three tokenizers "
        f"({', '.join(TOKENIZERS)}) and the kinds of conversation that the template can render (one turn, several "
        "turns, system prompt, tool call and answer, reasoning).",
        "",
        "*Exact*: the tokens in the loss decode to exactly the assistant's turns with their end tokens, and nothing "
        "else. *Refuses*: the template renders the conversation but leaves out all of some reply (a tool call, say), "
        "or puts another message inside it: an error that names row and message. "
        "*TRL gives a mask*: `assistant_only_loss` accepts the template and its mask holds the text of every reply. "
        "*Edited*: the same with a Jinja comment added to the template; TRL knows its templates to the byte.",
        "",
        "| " + " | ".join(columns) + " |",
        "|---" * len(columns) + "|",
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
        "",
    ]
    (ROOT / "docs" / "masks.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
