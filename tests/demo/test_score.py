"""The judge: good letters pass, each way of being wrong fails, and only where it is wrong."""

import pytest

from sanetune.demo.score import Reply, facts_right, in_form, score

PROMPT = {
    "messages": [{"role": "user", "content": "Mara here. Order 48213. I paid 24.90 for the walnut tray."}],
    "facts": {"name": "Mara", "order": "48213", "product": "walnut tray", "price": "24.90"},
}
GOOD = (
    "Hello Mara,\n\n"
    "thank you for your message. The 24.90 for the walnut tray of order 48213 is on its way.\n\n"
    "Next step: we write to you tomorrow.\n\n"
    "Kind regards,\nthe Lindenhof shop team"
)


def test_a_good_letter_is_in_form_and_right():
    assert in_form(GOOD)
    assert facts_right(GOOD, PROMPT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Hello Mara", "Good morning Zoë"),
        ("Next step:", "As the next step,"),
        ("Kind regards", "Best regards"),
        ("\nthe Lindenhof", "\nNell from the Lindenhof"),
    ],
)
def test_the_form_has_variants(old, new):
    assert in_form(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Hello Mara,\n\n", ""),
        ("Hello Mara,", "Hello,"),
        ("Hello Mara,", "hello Mara,"),
        ("Next step: we write to you tomorrow.\n\n", ""),
        ("Next step: we write to you tomorrow.", "Next step: ok."),
        ("Next step: ", ""),
        ("Kind regards,\nthe Lindenhof shop team", ""),
        ("the Lindenhof shop team", "the Lindenhof"),
        ("Kind regards,\n", "Kind regards, "),
        ("team", "team\n\nHello Mara,"),
        ("thank you for your message. The", "The\n\nThe"),
    ],
)
def test_each_part_of_the_form_is_needed(old, new):
    assert not in_form(GOOD.replace(old, new))


def test_parts_in_another_order_are_not_in_form():
    greeting, body, step, closing = GOOD.split("\n\n")
    assert not in_form("\n\n".join([greeting, step, body, closing]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Mara", "Marat"),
        ("Mara", "mara"),
        ("48213", "48231"),
        ("48213", "482130"),
        ("48213", "4821"),
        ("24.90", "24.9"),
        ("24.90", "124.90"),
        ("24.90", "24"),
        ("walnut tray", "walnut trays"),
        ("walnut tray", "tray"),
        ("tomorrow", "on 12 May"),
    ],
)
def test_a_wrong_fact_or_an_invented_number_is_not_right(old, new):
    text = GOOD.replace(old, new)
    assert not facts_right(text, PROMPT)


def test_form_and_facts_are_judged_apart():
    assert in_form(GOOD.replace("48213", "11111"))
    assert facts_right("Mara 48213 walnut tray 24.90", PROMPT)
    assert not in_form("Mara 48213 walnut tray 24.90")


def test_a_reply_without_facts_is_not_right():
    assert not facts_right("", PROMPT)
    with pytest.raises(ValueError, match="without facts"):
        facts_right(GOOD, {"messages": PROMPT["messages"], "facts": {}})


def test_shares_are_over_all_prompts():
    replies = [Reply(GOOD, True), Reply(GOOD.replace("48213", "1"), True), Reply("", False), Reply(GOOD, False)]
    assert score(replies, [PROMPT] * 4) == {"in_form": 0.75, "facts_right": 0.5, "ends_itself": 0.5}


@pytest.mark.parametrize(("replies", "prompts"), [([], []), ([Reply(GOOD, True)], [PROMPT, PROMPT])])
def test_each_prompt_needs_a_reply(replies, prompts):
    with pytest.raises(ValueError, match="replies for"):
        score(replies, prompts)
