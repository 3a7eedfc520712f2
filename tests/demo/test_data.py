"""The conversations: rebuilt from the seed they are the files, no split leaks into another, every answer is right."""

import json
import subprocess
import sys

import pytest

from sanetune import demo
from sanetune.demo.score import NUMBER, Reply, in_form, score
from tools.demo_model.build import SEED, build_data
from tools.demo_model.conversations import conversations
from tools.demo_model.corpus import stories
from tools.demo_model.phrases import FOLLOW_UPS, KINDS
from tools.demo_model.world import CLERKS, CUSTOMERS

FILES = {"train": demo.TRAIN, "validation": demo.VALIDATION, "prompts": demo.PROMPTS}
MEBIBYTE = 2**20


def rows(split):
    return [json.loads(line) for line in FILES[split].read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rebuilt")
    build_data(SEED, folder)
    return folder / "data"


@pytest.mark.parametrize("split", FILES)
def test_the_files_are_what_the_seed_gives(split, rebuilt):
    assert (rebuilt / f"{split}.jsonl").read_text(encoding="utf-8") == FILES[split].read_text(encoding="utf-8")


def test_another_seed_gives_other_data():
    assert conversations(1, "prompts") != conversations(0, "prompts")
    assert list(stories(1, 3)) != list(stories(0, 3)) == list(stories(0, 3))


def test_there_is_enough_and_not_too_much():
    assert len(rows("train")) >= 1000
    assert len(rows("validation")) >= 100
    assert len(rows("prompts")) == 50
    assert sum(path.stat().st_size for path in FILES.values()) <= 3 * MEBIBYTE


def test_nothing_is_twice_within_or_across_splits():
    asked = {split: [json.dumps(row["messages"][:-1]) for row in rows(split)] for split in ("train", "validation")}
    asked["prompts"] = [json.dumps(row["messages"]) for row in rows("prompts")]
    everything = [text for texts in asked.values() for text in texts]
    assert len(set(everything)) == len(everything)


def test_the_numbers_of_the_prompts_are_in_no_training_row():
    written = {number for row in rows("train") for m in row["messages"] for number in NUMBER.findall(m["content"])}
    orders = {row["facts"]["order"] for row in rows("prompts") if "order" in row["facts"]}
    assert len(orders) > 30
    assert len(orders & written) <= 2  # of 90,000 possible ones, drawn by chance


@pytest.mark.parametrize("split", ["train", "validation"])
def test_turns_alternate_and_end_with_the_shop(split):
    for row in rows(split):
        roles = [message["role"] for message in row["messages"] if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert 1 <= len(roles) // 2 <= 3
        assert all(in_form(m["content"]) for m in row["messages"] if m["role"] == "assistant")


@pytest.mark.parametrize("split", FILES)
def test_the_shop_s_own_answers_score_full_marks(split):
    answered = conversations(SEED, split)
    replies = [Reply(c.messages[-1]["content"], True) for c in answered]
    assert score(replies, [c.prompt() for c in answered]) == {"in_form": 1.0, "facts_right": 1.0, "ends_itself": 1.0}


def test_there_are_many_kinds_of_message_and_some_system_prompts():
    assert len(KINDS) >= 10
    train = rows("train")
    assert 0.2 < sum(row["messages"][0]["role"] == "system" for row in train) / len(train) < 0.5
    first_answers = {
        m["content"].split("\n\n")[1] for row in train for m in row["messages"] if m["role"] == "assistant"
    }
    assert len(first_answers) > 0.9 * len(train)


@pytest.mark.parametrize("kind", [*KINDS.values(), *FOLLOW_UPS.values()])
def test_every_wording_holds_the_facts_of_its_kind_and_no_number_of_its_own(kind):
    for wording in kind.answers:
        assert all(f"{{{fact}}}" in wording for fact in kind.facts)
        assert not NUMBER.search(wording)
    for wording in kind.asks:
        said = wording.replace("{a_", "{")
        assert all(f"{{{fact}}}" in said for fact in kind.facts if fact != "order" or not kind.numbered)
    assert all(step.endswith(".") and not NUMBER.search(step) for step in kind.steps)


def test_the_prose_holds_no_chat_and_no_letter_in_the_house_form():
    for story in stories(SEED, 500):
        assert "<|im_start|>" not in story
        assert "regards" not in story
        assert not any(in_form(part) for part in story.split("\n\n"))


def test_clerks_and_customers_are_different_people():
    assert len(set(CUSTOMERS)) == len(CUSTOMERS)
    assert not set(CLERKS) & set(CUSTOMERS)


def test_importing_the_demo_loads_nothing_heavy():
    code = "import sys, sanetune.demo; print([m for m in ('torch', 'transformers', 'tokenizers') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
