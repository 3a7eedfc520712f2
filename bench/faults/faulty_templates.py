"""Faults of the chat template."""

from __future__ import annotations

import json

from bench.faults.recipes import breaks, builds
from bench.faults.setups import Setup, change
from bench.faults.trainers import Kit

ON = ("demo-demo", "stories-gsm8k", "llama3-sharegpt", "gemma-gsm8k")
SYSTEM = ("demo-demo", "llama3-demo", "minimind-demo", "minimind-drone")
"""Rows with system prompts, and templates that take them."""

ENDS = {"demo": "<|im_end|>", "stories": "<|im_end|>", "llama3": "<|eot_id|>", "gemma": "<end_of_turn>"}
PROMPTS = {
    "demo": ("im_start|>assistant", "im_start|>robot"),
    "stories": ("im_start|>assistant", "im_start|>robot"),
    "llama3": ("header_id|>assistant", "header_id|>robot"),
    "gemma": ("of_turn>model", "of_turn>robot"),
}
"""What is in the generation prompt alone, by family, and what a slip makes of it."""


def before(setup: Setup, more: str) -> None:
    """Puts a piece before the template."""
    setup.use_template(more + setup.template())


def replaced(setup: Setup, old: str, new: str) -> None:
    """Replaces a piece of the template, which has to be there."""
    source = setup.template()
    assert old in source, (setup.name, old)
    setup.use_template(source.replace(old, new))


def family(setup: Setup) -> str:
    return setup.name.partition("-")[0]


@breaks("template-missing", on=("demo-demo", "stories-alpaca", "llama3-sharegpt"))
def no_template(setup: Setup) -> None:
    """The tokenizer comes without a chat template."""
    if setup.model.pop("chat_template", None) is None:
        (setup.own_model() / "chat_template.jinja").unlink()


@breaks("template-drops-content", on=SYSTEM)
def drops_system(setup: Setup) -> None:
    """The template passes over system messages."""
    before(setup, "{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}")


@breaks("template-drops-content", on=("minimind-airline", "qwen3-airline"))
def drops_results(setup: Setup) -> None:
    """The template passes over the answers of tools."""
    before(setup, "{% set messages = messages | rejectattr('role', 'equalto', 'tool') | list %}")


# A reply that is nothing but a call cannot be found in the text: the preparation refuses those rows by name, and of a
# hundred rows so few are left that fewer than ten are held out.
@breaks(
    "template-drops-content",
    on=("minimind-airline", "qwen3-airline"),
    related=("template-refuses", "config-no-validation"),
)
def drops_calls(setup: Setup) -> None:
    """A plain ChatML template, which knows no tool calls."""
    from sanetune.data.template.chat_template import CHATML

    setup.use_template(CHATML.replace("message.content", "(message.content or '')"))


# Replies that are left out cannot be found by the preparation either, and what is left differs at inference.
@breaks("template-drops-content", on=SYSTEM[:3], related=("template-refuses", "template-drift"))
def drops_early_turns(setup: Setup) -> None:
    """The template renders the last two messages only."""
    before(setup, "{% if messages[-1]['role'] == 'assistant' %}{% set messages = messages[-2:] %}{% endif %}")


@breaks("template-changes-content", on=("stories-alpaca", "stories-gsm8k"))
def trims(setup: Setup) -> None:
    """The answers are indented, and the template trims them."""
    setup.write([change(row, "assistant", lambda text: f"    {text}", setup.row_format) for row in setup.rows()])
    replaced(setup, "message.content +", "message.content | trim +")


@breaks("template-adds-content", on=("qwen3-alpaca",), related=("labels-scarce",))
def preamble(setup: Setup) -> None:
    """The template writes pages of its own before each conversation."""
    before(setup, "{{ 'The house has rules for every guest. ' * 120 }}\n")


@breaks("template-empty-thinking", on=("qwen3-alpaca", "qwen3-gsm8k"))
def no_thought(setup: Setup) -> None:
    """A template with thinking, on rows without reasoning."""
    setup.config["check"] = {}


@breaks("template-refuses", on=SYSTEM)
def raises_on_system(setup: Setup) -> None:
    """The template raises on a system message."""
    before(
        setup,
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}",
    )


@breaks("template-refuses", on=("demo-demo", "stories-sharegpt", "llama3-sharegpt"))
def raises_on_second_turn(setup: Setup) -> None:
    """The template raises on conversations of more than two messages."""
    before(setup, "{% if messages | length > 3 %}{{ raise_exception('One question at a time, please') }}{% endif %}")


# Of a hundred rows so few are left that fewer than ten are held out.
@breaks("template-refuses", on=("minimind-airline", "qwen3-airline"), related=("config-no-validation",))
def raises_on_tools(setup: Setup) -> None:
    """The template raises on the answers of tools."""
    before(
        setup,
        "{% for message in messages %}{% if message['role'] == 'tool' %}"
        "{{ raise_exception('Conversation roles must be user or assistant') }}{% endif %}{% endfor %}",
    )


# What the model has to write then begins with the header: only the run's labels have it in the loss.
@breaks("template-drift", on=ON, related=("labels-disagree",))
def no_generation_prompt(setup: Setup) -> None:
    """The template ignores add_generation_prompt."""
    before(setup, "{% set add_generation_prompt = false %}")


@breaks("template-drift", on=ON, related=("labels-disagree",))
def other_role_word(setup: Setup) -> None:
    """The generation prompt calls the assistant by another word than its turns."""
    replaced(setup, *PROMPTS[family(setup)])


@breaks("template-drift", on=ON)
def system_at_inference_only(setup: Setup) -> None:
    """A line of instruction precedes the conversation at inference, and not in training."""
    line = "{{ 'Answer briefly and politely.\n' }}"
    before(setup, "{% if add_generation_prompt %}" + line + "{% endif %}")


# The preparation renders each row more than once and refuses those that come out differently.
@breaks("template-drift", on=("demo-demo", "stories-gsm8k", "llama3-sharegpt"), related=("template-refuses",))
def unsteady(setup: Setup) -> None:
    """The template writes a random number before each conversation."""
    before(setup, "{{ range(100000) | random }}")


@breaks("template-double-bos", on=("stories-alpaca", "llama3-alpaca", "gemma-gsm8k"))
def bos_written_twice(setup: Setup) -> None:
    """The template writes the beginning token twice."""
    twice = "{{ bos_token }}" if family(setup) != "stories" else "{{ bos_token }}{{ bos_token }}"
    before(setup, twice)


@builds("template-double-bos", on=("stories-alpaca/text", "stories-sharegpt/text", "llama3-alpaca/text"))
def rendered_text_tokenized_again(setup: Setup, kind: str) -> Kit:
    """Rendered conversations with their beginning token are given as text, and the tokenizer adds one."""
    from tokenizers.processors import TemplateProcessing

    source = setup.template()
    source = source if "bos_token" in source else "{{ bos_token }}" + source

    def begins(tokenizer: object) -> None:
        bos = tokenizer.bos_token  # type: ignore[attr-defined]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(  # type: ignore[attr-defined]
            single=f"{bos} $A",
            special_tokens=[(bos, tokenizer.bos_token_id)],  # type: ignore[attr-defined]
        )

    return Kit.of(kind, template=source, tokenizer=begins, loss_on="all")


# Without an end after the last message the template is no longer the same at inference: template-drift tells it so.
@breaks("template-end-unlearnt", on=ON, related=("template-drift",))
def no_end_token(setup: Setup) -> None:
    """The template writes nothing where its end token was, and none is appended."""
    replaced(setup, ENDS[family(setup)], "")
    setup.data["append_end"] = False


# The run's labels take the words for the turn's; who looks for end tokens finds none.
@breaks("template-end-unlearnt", on=ON, related=("labels-disagree",))
def end_is_mere_text(setup: Setup) -> None:
    """Turns end with the words ### End, at which no generation stops."""
    replaced(setup, ENDS[family(setup)], "\\n### End")


@builds("template-end-unlearnt", on=("demo-demo/messages", "stories-alpaca/messages", "qwen3-alpaca/messages"))
def base_end_left(setup: Setup, kind: str) -> Kit:
    """The base model's end token is left in force, and the template writes another."""
    return Kit.of(kind, keep_eos=True)


@breaks("template-unsafe", on=("demo-demo", "llama3-sharegpt", "gemma-gsm8k"))
def endless_loop(setup: Setup) -> None:
    """The template counts to ten thousand million."""
    before(setup, "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")


@breaks("template-unsafe", on=ON)
def memory_bomb(setup: Setup) -> None:
    """The template doubles a text forty times."""
    before(
        setup,
        "{% set bomb = namespace(text='x' * 10) %}"
        "{% for a in range(40) %}{% set bomb.text = bomb.text + bomb.text %}{% endfor %}{{ bomb.text | length }}",
    )


@breaks("template-unsafe", on=ON)
def attribute_escape(setup: Setup) -> None:
    """The template reaches for Python's classes."""
    before(setup, "{% set x = ''.__class__.__mro__[1].__subclasses__() %}")


@breaks("template-unsafe", on=ON)
def sleeping_escape(setup: Setup) -> None:
    """The same in a branch that these rows never reach."""
    before(
        setup,
        "{% if messages | length > 9000 %}{{ cycler.__init__.__globals__.os.popen('id').read() }}{% endif %}",
    )


@breaks("template-unsafe", on=ON)
def broken_syntax(setup: Setup) -> None:
    """The template does not parse."""
    source = setup.template()
    setup.folder.joinpath("template.jinja").write_text(source + "{% if %}")
    folder = setup.own_model()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(source + "{% if %}")
    setup.model.pop("chat_template", None)
