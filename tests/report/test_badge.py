"""The badge says how a run was cleared, is legible, and no text of it becomes markup."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from sanetune.gate.clearance import Clearance
from sanetune.gate.fingerprint import Fingerprint
from sanetune.report.badge import AMBER, GREEN, GREY, PADDING, SLATE, badge, badge_of, words_of
from tests.report import sample

CLEAR = Clearance(Fingerprint({}, "", "", "", {}), "pass", "trial", "2026-11-28 10:00 UTC")
NAME = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("clearance", "words"),
    [
        (CLEAR, ("cleared: trial", GREEN)),
        (replace(CLEAR, verdict="warn", level="probe"), ("cleared: probe, with warnings", AMBER)),
        (replace(CLEAR, unchecked="in a hurry"), ("cleared: trial, began unchecked", AMBER)),
        (replace(CLEAR, verdict="unchecked", level="", unchecked="in a hurry"), ("not checked", GREY)),
        (None, ("not checked", GREY)),
    ],
)
def test_it_says_what_was_proved_and_no_more(clearance: Clearance | None, words: tuple[str, str]) -> None:
    assert words_of(clearance) == words
    texts = [one.text for one in ElementTree.fromstring(badge_of(clearance)).iter(f"{NAME}text")]
    assert texts == ["sanetune", words[0]]


def test_no_text_becomes_markup_and_each_stays_inside_its_part() -> None:
    root = ElementTree.fromstring(badge("".join(sign for sign in sample.EVIL if sign.isprintable()), 'a" & <b>', GREEN))
    assert {one.tag.removeprefix(NAME) for one in root.iter()} == {"svg", "title", "clipPath", "rect", "g", "text"}
    first, second = root.iter(f"{NAME}text")
    assert float(second.get("x", 0)) - float(first.get("x", 0)) - float(first.get("textLength", 0)) == 2 * PADDING
    assert float(second.get("x", 0)) + float(second.get("textLength", 0)) + PADDING == float(root.get("width", 0))


@pytest.mark.parametrize("ground", [GREEN, AMBER, GREY, SLATE])
def test_white_text_stands_out(ground: str) -> None:
    parts = [int(ground[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (light + 0.05) >= 4.5
