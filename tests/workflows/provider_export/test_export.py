"""Rows are exported as a provider takes them, its limits are checked, and reading them back gives the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sanetune.cli import COMMANDS, main
from sanetune.cli.data import command
from sanetune.config.load import load
from sanetune.data.conversation import Conversation, MaskedPart
from sanetune.data.conversation_reader import read_conversations
from sanetune.data.prepare import prepare
from sanetune.data.sources.source import Source
from sanetune.demo import MODEL
from sanetune.errors import DataError, Place, RunError
from sanetune.workflows.provider_export.export import Export, export
from sanetune.workflows.provider_export.providers import PROVIDERS
from sanetune.workflows.provider_export.rows import LeftOutError, line_of

TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object", "properties": {}}}}
PLACE = Place("a.jsonl", 1, 0)
OPENAI, TOGETHER, FIREWORKS = (PROVIDERS[name] for name in ("openai", "together", "fireworks"))


def dialogue(*said: str, **more: Any) -> Conversation:
    roles = ("user", "assistant")
    return Conversation([{"role": roles[n % 2], "content": text} for n, text in enumerate(said)], PLACE, **more)


PAIR = dialogue("a", "b").messages


def with_tools() -> Conversation:
    call = {"type": "function", "function": {"name": "price", "arguments": {"of": "tea"}}}
    return Conversation(
        [
            {"role": "user", "content": "What does tea cost?"},
            {"role": "assistant", "content": "", "tool_calls": [call, dict(call)]},
            {"role": "tool", "content": "3"},
            {"role": "tool", "content": "3"},
            {"role": "assistant", "content": "Three."},
        ],
        PLACE,
        [TOOL],
    )


def test_masks_are_weights_of_messages() -> None:
    four = ("a", "b", "c", "d")
    masked = line_of(dialogue(*four, masked=[MaskedPart(1)]), OPENAI, "assistant")["messages"]
    assert [one.get("weight") for one in masked] == [None, 0, None, None]
    assert [one.get("weight") for one in line_of(dialogue(*four), FIREWORKS, "last")["messages"]] == [
        None,
        0,
        None,
        None,
    ]
    assert all("weight" not in one for one in line_of(dialogue(*four), TOGETHER, "assistant")["messages"])


def test_what_follows_the_last_answer_is_left_out() -> None:
    assert line_of(dialogue("a", "b", "c"), OPENAI, "assistant") == {"messages": PAIR}


def test_calls_of_tools_get_ids_and_arguments_as_text() -> None:
    line = line_of(with_tools(), OPENAI, "assistant")
    calls = line["messages"][1]["tool_calls"]
    assert [call["id"] for call in calls] == ["call_1", "call_2"]
    assert calls[0]["function"] == {"name": "price", "arguments": '{"of": "tea"}'}
    assert [one["tool_call_id"] for one in line["messages"][2:4]] == ["call_1", "call_2"]
    assert line["tools"] == [TOOL] and "content" not in line["messages"][1]


@pytest.mark.parametrize(
    ("conversation", "provider", "loss_on", "reason"),
    [
        (dialogue("a", "b", masked=[MaskedPart(1, 0, 1)]), OPENAI, "assistant", "only a part of a message"),
        (dialogue("a", "b", masked=[MaskedPart(1)]), OPENAI, "assistant", "none of its messages"),
        (dialogue("a", "b"), OPENAI, "all", "prompts in the loss"),
        (Conversation([], PLACE, text="plain"), OPENAI, "assistant", "plain text"),
        (dialogue("a"), OPENAI, "assistant", "no assistant message"),
        (with_tools(), FIREWORKS, "assistant", "messages of the role tool"),
        (dialogue("a", "b", tools=[TOOL]), TOGETHER, "assistant", "it has tools"),
        (dialogue("a", "b", tools=[TOOL] * 129), OPENAI, "assistant", "more than 128 tools"),
        (
            Conversation([*dialogue("a", "b").messages, dialogue("a", "b").messages[1]], PLACE),
            TOGETHER,
            "assistant",
            "take turns",
        ),
        (
            Conversation([{"role": "tool", "content": "3"}, *dialogue("a", "b").messages], PLACE),
            OPENAI,
            "assistant",
            "nothing",
        ),
        (
            Conversation([{**dialogue("a", "b").messages[1], "reasoning_content": "Hm."}], PLACE),
            OPENAI,
            "assistant",
            "it has reasoning",
        ),
        (dialogue("a", "b", template_kwargs={"enable_thinking": False}), OPENAI, "assistant", "variables of the chat"),
    ],
)
def test_what_a_provider_cannot_express_leaves_the_row_out(
    conversation: Conversation, provider: Any, loss_on: Any, reason: str
) -> None:
    with pytest.raises(LeftOutError, match=reason):
        line_of(conversation, provider, loss_on)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Export]:
    """Eleven rows of which one cannot be exported."""
    folder = tmp_path_factory.mktemp("export")
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": f"It is {n}."}]}
        for n in range(11)
    ]
    rows[3]["messages"] = [*rows[3]["messages"], *rows[4]["messages"]]
    rows[3]["messages"][1] = rows[3]["messages"][1] | {"weight": 0}
    rows[5]["messages"][1]["reasoning_content"] = "Hm."
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(folder / "cache"))
        config = load(
            {
                "model": {"name": str(MODEL)},
                "data": {"train": str(folder / "rows.jsonl"), "holdout": 0},
                "train": {"num_train_epochs": 2},
            }
        )
        return folder, export(config, prepare(config), OPENAI, folder / "out")


def test_reading_the_file_back_gives_the_same_conversations_and_masks(exported: tuple[Path, Export]) -> None:
    folder, _ = exported
    before, after = (
        list(read_conversations([Source(str(folder / name))])) for name in ("rows.jsonl", "out/train.jsonl")
    )
    kept = [one for one in before if not any("reasoning_content" in message for message in one.messages)]
    assert len(after) == 10
    assert [(one.messages, one.masked, one.tools) for one in after] == [
        (one.messages, one.masked, one.tools) for one in kept
    ]


def test_limits_and_cost_are_those_that_are_stated(exported: tuple[Path, Export]) -> None:
    _, found = exported
    (train,) = found.files
    assert found.problems == [] and train.rows == 10 and train.weighted == 1
    assert train.left_out == {"it has reasoning, which messages of the provider have no place for": 1}
    assert found.epochs == 2 and found.price is not None and found.price.as_of
    assert found.usd == pytest.approx(train.tokens * 2 * 25.0 / 1e6)
    assert found.to_json()["source"].startswith("https://developers.openai.com/")


def test_a_limit_that_is_not_kept_is_exit_code_1(exported: tuple[Path, Export], tmp_path: Path) -> None:
    folder, _ = exported
    Path(tmp_path, "c.yaml").write_text(
        f"model: {{name: {MODEL}}}\ndata: {{train: {folder / 'rows.jsonl'}, holdout: 0.4}}\n"
    )
    out = ["--out", str(tmp_path / "o"), "--price", "5"]
    words = ["data", str(tmp_path / "c.yaml"), "--export", "openai", *out]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 1 and "at least 10 are asked for" in done.output
    assert (tmp_path / "o/validation.jsonl").is_file()
    done = CliRunner().invoke(main, [*words[:3], "fireworks", *out, "--json", "-"], catch_exceptions=False)
    figures = json.loads(done.stdout)
    assert (done.exit_code, figures["verdict"], figures["cost"]["price"]["usd"]) == (0, "pass", 5.0)


def test_nothing_to_export_is_an_error(exported: tuple[Path, Export], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = exported
    monkeypatch.setenv("SANETUNE_CACHE", str(folder / "cache"))
    config = load({"model": {"name": str(MODEL)}, "data": {"train": str(folder / "rows.jsonl"), "loss_on": "all"}})
    with pytest.raises(DataError, match="no row can be exported"):
        export(config, prepare(config), OPENAI, folder / "none")
    assert not (folder / "none").exists()


@pytest.mark.parametrize("source", ["train.jsonl", "*.jsonl", ".", "link.jsonl"])
def test_an_export_never_overwrites_what_it_is_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    row = json.dumps({"messages": PAIR}) + "\n"
    (data / "train.jsonl").write_text(row)
    (data / "link.jsonl").symlink_to(data / "train.jsonl")
    config = load({"model": {"name": str(MODEL)}, "data": {"train": str(data / source), "holdout": 0}})
    with pytest.raises(RunError, match="would be among the rows"):
        export(config, prepare(config), OPENAI, data)
    assert (data / "train.jsonl").read_text() == row


def test_the_command_offers_every_provider() -> None:
    (option,) = (one for one in command.params if one.name == "provider")
    assert set(option.type.choices) == set(PROVIDERS) and "data" in COMMANDS  # type: ignore[attr-defined]
    assert all(one.source.startswith("https://") and one.pricing for one in PROVIDERS.values())
