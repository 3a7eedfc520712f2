"""Damaged characters are found and shown so that they can be seen; the world's scripts are left in peace."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.checks.rows import encoding
from sanetune.data.conversation import Conversation
from sanetune.errors import Place
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged

SENTENCES = [
    "Où est le café près de l’hôtel ? « Là-bas », dit Zoë.",
    "SÃO PAULO NÃO É A CAPITAL. Ação, coração, avô, à noite.",
    "Kâğıt, hâlâ, rüzgâr; İstanbul’da yağmur yağıyor.",
    "Grüße aus Österreich: „Straße“, Maße, 20 °C, ½ Liter, 5 €.",
    "Žluťoučký kůň úpěl ďábelské ódy. Łódź, gęś, źdźbło, ŝanĝo.",
    "Tiếng Việt có nhiều dấu: ă, â, đ, ê, ô, ơ, ư — ồ ạt, Ầ.",
    "Îți mulțumesc, bună ziua; Þórður sagði: ‚Já‘ og fór.",
    "Ἐν ἀρχῇ ἦν ὁ λόγος. Καλημέρα, τι κάνεις;",
    "Съешь же ещё этих мягких французских булок. Україна, їжак, ґанок.",
    "مرحبا بالعالم\u200f: نص عربي. می\u200cخواهم بروم.",
    "שלום עולם\u200e — \u202bטקסט\u202c בעברית.",
    "नमस्ते दुनिया, क्\u200dष और स्त्री। বাংলা ভাষা। தமிழ் மொழி.",
    "ภาษา\u200bไทย\u200bไม่มีช่องว่าง ភាសា\u200bខ្មែរ",
    "你好，世界！今天天气很好。「日本語のテキスト」です。한국어 문장입니다.",
    "🎉👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿❤️👍🏽 ∑ ∀x∈ℝ: x² ≥ 0, ⟨a|b⟩, µm, Å, ™©®",
    "Tab\tand line\r\nare no damage.",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sound_text_of_any_script_is_sound(sentence: str) -> None:
    assert list(encoding.damage(sentence)) == []


@pytest.mark.parametrize(
    ("sentence", "table"),
    [
        ("Où est le café de Zoë ?", "latin-1"),
        ("Où est le café de Zoë ?", "cp1252"),
        ("Grüße, Straße, schöne Maße", "latin-1"),
        ("It’s 5 € for “Żółć", "latin-1"),
        ("Żółć gęś", "cp1250"),
        ("Съешь же ещё", "latin-1"),
    ],
)
def test_mojibake_is_found_and_fixed_beside(sentence: str, table: str) -> None:
    torn = sentence.encode().decode(table)
    measured, judgement = judged(encoding, chats([chat("A question?", f"First line.\n{torn}\nLast line.")]))
    assert measured.numbers["mojibake"] == 1
    assert judgement.verdict is Verdict.FAIL
    witness = next(w for w in measured.witnesses if "mojibake" in w.note)
    assert (sentence.split()[0] in witness.beside and sentence.split()[0] not in witness.text) or "It" in sentence
    assert witness.place and witness.place.message == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("lost \ufffd here", "replaced"),
        ("half \ud83d", "surrogate"),
        ("red \x1b[31m text", "control"),
        ("page\x0cbreak", "control"),
        ("a\x00b", "control"),
        ("\x93quoted\x94 by Windows", "control"),
        ("\ufeffbegins with a mark", "invisible"),
        ("zero\u200bwidth", "invisible"),
        ("turned \u202egnirts\u202c", "invisible"),
        ("hidden \U000e0061\U000e0062", "invisible"),
    ],
)
def test_each_kind_of_damage_is_named(text: str, kind: str) -> None:
    assert kind in [found[0] for found in encoding.damage(text)]


def test_what_cannot_be_seen_is_shown_as_its_code() -> None:
    measured, _ = judged(encoding, chats([chat("Why?", "red \x1b[31m text"), chat("And?", "turned \u202egnirts")]))
    shown = " ".join(witness.text for witness in measured.witnesses)
    assert "\\x1b[31m" in shown and "\\u202e" in shown
    assert all(witness.text.isprintable() for witness in measured.witnesses)


def test_one_damaged_row_warns_and_one_in_twenty_fails() -> None:
    good = [chat(f"Question {n}?", SENTENCES[n % 8]) for n in range(39)]
    _, judgement = judged(encoding, chats([*good, chat("Why?", "lost \ufffd")]))
    assert judgement.verdict is Verdict.WARN
    assert "40 rows" in judgement.message and "1 with replacement characters" in judgement.message
    _, judgement = judged(encoding, chats([*good[:19], chat("Why?", "lost \ufffd")]))
    assert judgement.verdict is Verdict.FAIL and "5 %" in judgement.message


def test_a_few_invisible_characters_pass_and_many_warn() -> None:
    good = [chat(f"Question {n}?", "Yes.") for n in range(150)]
    hidden = chat("Where?", "zero\u200bwidth")
    assert judged(encoding, chats([*good, hidden]))[1].verdict is Verdict.PASS
    assert judged(encoding, chats([*good[:50], hidden]))[1].verdict is Verdict.WARN


@given(st.text(max_size=200))
def test_any_text_is_checked_without_an_error(text: str) -> None:
    for _, start, end in encoding.damage(text):
        assert 0 <= start < end <= len(text)


@pytest.mark.parametrize("text", ["Ã\n" * 500_000, "Ã©" * 500_000, "\u200b" * 1_000_000, "é" * 1_000_000])
def test_a_megabyte_takes_no_more_than_seconds(text: str) -> None:
    began = time.process_time()
    list(encoding.damage(text))
    assert time.process_time() - began < 2


def test_clean_real_data_pass(shared: Path) -> None:
    verdicts = {name: judged(encoding, one)[1].verdict for name, one in clean(shared).items()}
    assert set(verdicts.values()) == {Verdict.PASS}, verdicts


def _verdict(question: str, answer: str, *, tool: str = "") -> Verdict:
    messages = [{"role": "user", "content": question}]
    if tool:
        messages += [{"role": "assistant", "content": "I run it."}, {"role": "tool", "content": tool}]
    messages.append({"role": "assistant", "content": answer})
    store = chats([Conversation(messages, Place("f", n + 1, n)) for n in range(10)])
    return judged(encoding, store)[1].verdict


def test_damage_that_the_model_learns_to_write_fails_and_in_prompts_it_warns() -> None:
    assert _verdict("Where?", "Au cafÃ© dâ€™Ã  cÃ´tÃ©.") is Verdict.FAIL
    assert _verdict("OÃ¹ est le cafÃ© dâ€™Ã  cÃ´tÃ©?", "Left.") is Verdict.WARN


def test_what_a_terminal_writes_into_a_masked_result_is_no_damage() -> None:
    assert _verdict("Run it.", "It passed.", tool="\x1b[32mok\x1b[0m 12 passed") is Verdict.PASS
    assert _verdict("Run it.", "\x1b[32mok\x1b[0m 12 passed") is Verdict.FAIL


def test_a_lesson_about_encodings_may_show_damage() -> None:
    lesson = "Decode it as UTF-8: read as Latin-1, `café` becomes `cafÃ©`. That is mojibake."
    assert _verdict("Why do I see cafÃ© instead of café in my UTF-8 file?", lesson) is Verdict.PASS
    assert _verdict("Fix it.", "```\ns = 'cafÃ©'\n```\nThe file was decoded in the wrong encoding.") is Verdict.PASS


def test_a_next_line_character_is_a_line_break() -> None:
    assert _verdict("Where?", "It is here.\x85It is there.") is Verdict.PASS
