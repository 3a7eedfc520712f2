"""Which model is to be found behind a server, and with which prompts: those of a run, or general ones for a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.schema import Config, ModelSection
from sanetune.data.labels import IGNORE_INDEX
from sanetune.data.model_files import check_folder
from sanetune.errors import ModelError, RunError, UserError
from sanetune.events import Publish
from sanetune.evidence.from_server import TrainedModel
from sanetune.runs import Run
from sanetune.serving.server import Prompt
from sanetune.workflows.compare import open_run

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.conversation import Conversation
    from sanetune.data.prepare import Prepared
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.probes.served import HeldOut

LONGEST_PROMPT = 4_096
"""Tokens of a prompt that is asked."""
SEARCHED = 500
"""Rows among which those with tools and with reasoning are searched."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is verified.

    Attributes:
        folder: The trained model, in transformers' form.
        held_out: The prompts.
        words: What they are, for the report.
        run: The run; None: a folder of a model was given.
        config: Its configuration.
    """

    folder: Path
    held_out: list[HeldOut]
    words: str
    run: Run | None = None
    config: Config | None = None


def subject_at(path: Path, count: int, own: Sequence[str], publish: Publish) -> Subject:
    """Return what is at ``path``: a finished run, or a folder of a model.

    Args:
        path: The folder.
        count: Prompts, at most, besides ``own``.
        own: Prompts of the user's own.
        publish: Gets the progress of preparation.

    Raises:
        RunError: It is neither.
    """
    from sanetune.data.prepare import prepare
    from sanetune.probes.served import HeldOut

    yours = [HeldOut(Prompt([{"role": "user", "content": text}])) for text in own]
    words = f"{len(yours)} of your own" if yours else ""
    if _is_model(path):
        found = general_prompts(count)
        general = f"{len(found)} general: there is no run, and so no rows" if found else ""
        return Subject(path, yours + found, ", ".join(filter(None, (words, general))))
    run, config = open_run(path)
    prepared = prepare(config, publish=publish)
    held_out, rows = rows_held_out(prepared, count)
    if not held_out and not yours:
        raise RunError(
            f"No row of {path} has a prompt and an answer of an assistant.",
            "There is nothing to ask the server.",
            "Give the model's folder alone to ask general questions: sanetune verify RUN/model.",
        )
    return Subject(run.model, yours + held_out, ", ".join(filter(None, (words, rows))), run, config)


def require_subject(path: Path) -> None:
    """Check, at once, that ``path`` is a finished run or the folder of a model.

    Raises:
        RunError: It is neither.
    """
    if not _is_model(path):
        open_run(path)


def _is_model(path: Path) -> bool:
    return (path / "config.json").is_file() and not (path / "config.yaml").is_file()


def general_prompts(count: int) -> list[HeldOut]:
    """Return ``count`` of the package's general prompts, evenly spread."""
    from sanetune.probes.general.material import GENERAL, material_of
    from sanetune.probes.served import HeldOut

    found = material_of(GENERAL)
    assert found is not None
    return [HeldOut(Prompt(list(one.messages))) for one in found.few(count).prompts] if count else []


def rows_held_out(prepared: Prepared, count: int) -> tuple[list[HeldOut], str]:
    """Return ``count`` rows of the validation split as prompts, some with tools and some with reasoning where there are
    any; and in words what they are.

    Args:
        prepared: The rows of a run.
        count: Prompts, at most.
    """
    split = "validation" if prepared.validation is not None else "train"
    total = len(prepared.origins[split].rows)
    conversations = prepared.conversations(split, SEARCHED)
    tools = [number for number, one in enumerate(conversations) if one.tools]
    reasoning = [number for number, one in enumerate(conversations) if _reasons(one)]
    chosen = dict.fromkeys([*_spread(tools, count // 4), *_spread(reasoning, count // 4)])
    for number in _spread(range(total), count):
        if len(chosen) < count:
            chosen.setdefault(number)
    found = [one for number in sorted(chosen) if (one := _held_out(prepared, split, number)) is not None]
    counted = [f"{len(set(some) & set(chosen))} {word}" for some, word in ((tools, "with tools"),
             (reasoning, "with reasoning")) if some]  # fmt: skip
    rows = "validation rows" if split == "validation" else "training rows, none are held out"
    return found, ", ".join([f"{len(found)} {rows}", *counted])


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    count = min(count, len(numbers))
    return [numbers[at * len(numbers) // count] for at in range(count)]


def _reasons(conversation: Conversation) -> bool:
    return any(one.get("reasoning_content") for one in conversation.messages)


def _held_out(prepared: Prepared, split: str, number: int) -> HeldOut | None:
    """One row as a prompt; None where it has none, or is too long."""
    from sanetune.probes.served import HeldOut

    conversation = prepared.conversation(split, number)
    replies = [at for at, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    if not replies or not replies[-1]:
        return None
    messages = conversation.messages[: replies[-1]]
    prompt = Prompt(messages, conversation.tools, dict(conversation.template_kwargs))
    ids, row_ids = (None, None) if conversation.masked else _last_turn(prepared, split, number)
    if ids is not None and len(ids) > LONGEST_PROMPT:
        return None
    return HeldOut(prompt, ids, row_ids, conversation.messages[replies[-1]], conversation.place)


def _last_turn(prepared: Prepared, split: str, number: int) -> tuple[list[int] | None, list[int] | None]:
    """The ids that training puts before the last turn in the loss, and those up to the token that ends it."""
    example = prepared.origins[split].example(number)
    ids, labels = example["input_ids"], example["labels"]
    last = next((at for at in reversed(range(len(labels))) if labels[at] != IGNORE_INDEX), None)
    if last is None:
        return None, None
    first = next((at + 1 for at in reversed(range(last)) if labels[at] == IGNORE_INDEX), 0)
    if first == 0:
        return None, None  # the prompt is in the loss, so that labels do not say where it ends
    whole = ids[last] in prepared.stop_token_ids and last <= LONGEST_PROMPT
    return ids[:first], ids[:last] if whole else None


def load_trained(subject: Subject) -> TrainedModel:
    """Load the trained model in 32-bit numbers, with what a conversation with it needs.

    Raises:
        ModelError: It cannot be loaded, or has no chat template.
    """
    from sanetune.config.machine import default_device
    from sanetune.engine.models import load_model

    check_folder(subject.folder)
    tokenizer, template, stops = conversation_of(subject.folder)
    model = load_model(_section(subject.folder), dtype="float32", device=default_device())
    return TrainedModel(subject.folder, model.eval(), tokenizer, template, stops)


def _section(folder: Path) -> ModelSection:
    return ModelSection.model_validate({"name": str(folder)})


def conversation_of(folder: Path) -> tuple[PreTrainedTokenizerBase, ChatTemplate, list[int]]:
    """Return the tokenizer of the model in ``folder``, its chat template, and the ids of the tokens that end answers.

    Raises:
        ModelError: It has no chat template.
    """
    from sanetune.data.tokenizer import chat_template, load_tokenizer, stop_tokens

    tokenizer = load_tokenizer(_section(folder))
    template = chat_template(tokenizer)
    if template is None:
        raise ModelError(
            f"{folder} has no chat template.",
            "Servers make prompts of messages by it.",
            "Give a run that was trained on conversations.",
        )
    stops = [int(tokenizer.convert_tokens_to_ids(one)) for one in stop_tokens(tokenizer, _section(folder))]
    return tokenizer, template, turn_end_first(template, tokenizer, stops)


def turn_end_first(template: ChatTemplate, tokenizer: PreTrainedTokenizerBase, stops: list[int]) -> list[int]:
    """Return ``stops`` with those first that the template writes behind an answer.

    Args:
        template: The run's.
        tokenizer: Its tokenizer.
        stops: Ids of tokens that end answers.
    """
    reply = "Yes."
    messages = [{"role": "user", "content": "Is it?"}, {"role": "assistant", "content": reply}]
    try:
        behind = template.render(messages).rpartition(reply)[2]
    except UserError:
        return stops
    texts = {one: str(tokenizer.decode([one], skip_special_tokens=False)) for one in stops}
    return sorted(stops, key=lambda one: texts[one] not in behind)
