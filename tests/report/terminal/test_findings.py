"""The gate's report on a terminal: everything to act on, in 80 columns, as text."""

from __future__ import annotations

import io
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sanetune.errors import DataError, Place
from sanetune.finding import Finding, Report, Verdict, Witness
from sanetune.report import format
from sanetune.report.terminal import findings
from sanetune.report.terminal.findings import Detail
from sanetune.text import escape_control
from tests.report import sample


def shown(report: Report, width: int = 80, detail: Detail = Detail.SHORT) -> str:
    out = io.StringIO()
    findings.show(report, Console(file=out, width=width, color_system=None), detail)
    return out.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_it_fits_eighty_columns_also_on_a_wide_screen() -> None:
    for width in (60, 80, 200):
        for detail in Detail:
            assert max(map(len, shown(sample.report(), width, detail).splitlines())) <= min(width, 80)


def test_the_worst_comes_first_whatever_the_order_of_findings() -> None:
    report = sample.report()
    text = shown(Report(list(reversed(report.findings))), detail=Detail.EVERYTHING)
    names = ["tokens-unknown", "labels-on-prompt", "rows-duplicated", "rows-roles", "packs-dropped"]
    places = [text.index(name) for name in names]
    assert places == sorted(places)
    assert text.index("labels-on-prompt") < text.index("config-rate-unusual") < text.index("rows-roles")


def test_a_finding_says_what_why_what_to_do_its_numbers_fix_and_places() -> None:
    text = flat(shown(sample.report(), detail=Detail.EVERYTHING))
    for words in (sample.MASKED.message, sample.MASKED.rationale, sample.MASKED.remedy):
        assert words in text
    assert "of users 12,345" in text
    assert "data.loss_on: assistant" in text
    assert "train.assistant_only_loss: true" in text
    assert "train.learning_rate: 2.0e-04" in text
    assert "data/train.jsonl:12, row 11, message 0: 18 tokens of this turn are in the loss" in text
    assert "user↵ Where is my parcel?" in text


def test_both_texts_of_a_pair_stand_below_each_other() -> None:
    lines = [line.strip() for line in shown(sample.report()).splitlines()]
    first = next(n for n, line in enumerate(lines) if "parcel left Hamburg" in line)
    second = next(n for n, line in enumerate(lines) if "parcel left Bremen" in line)
    assert second == first + 2
    assert lines[first].startswith("│") and lines[second].startswith("┃")


def test_more_witnesses_than_are_shown_are_counted() -> None:
    text = flat(shown(sample.report()))
    assert "data/train.jsonl:901" in text
    assert "data/train.jsonl:902" not in text
    assert "… and 1 more" in text


def test_a_crash_shows_the_end_of_its_traceback() -> None:
    text = shown(sample.report())
    assert "share = unknown / total" in text
    assert "ZeroDivisionError" in text


def test_passed_checks_are_listed_on_demand_with_their_message_and_skipped_ones_with_the_reason() -> None:
    text = flat(shown(sample.report(), detail=Detail.EVERYTHING))
    assert "Passed (4)" in text
    assert "✓ labels-shifted 398,112 tokens: labels stand under their inputs." in text
    assert "Skipped (2)" in text
    assert "– packs-dropped this run does not pack" in text


def test_warnings_on_settings_take_a_line_each_behind_findings_of_other_kinds() -> None:
    text = shown(sample.report())
    assert text.index("rows-duplicated") < text.index("Advice on settings (1)") < text.index("! config-rate-unusual")
    assert "fix train.learning_rate: 2.0e-04" in text and sample.LEARNING_RATE.rationale not in text
    alone = flat(shown(Report([sample.LEARNING_RATE])))
    assert sample.LEARNING_RATE.rationale in alone and "Advice" not in alone
    failed = flat(shown(Report([replace(sample.LEARNING_RATE, verdict=Verdict.FAIL), sample.DOUBLED])))
    assert failed.index("config-rate-unusual") < failed.index("rows-duplicated") and "Advice" not in failed


def test_each_family_has_one_line_with_its_counts_and_why_checks_were_skipped() -> None:
    text = flat(shown(sample.report()))
    assert "rows 1 of 3 passed, 1 warned, 1 skipped (leaked:" in text
    assert "labels 1 of 2 passed, 1 failed 682 ms" in text
    assert "tokens 1 of 2 passed, 1 crashed" in text
    assert "packs 1 skipped (dropped: this run does not pack)" in text
    assert text.index("config 1 warned") < text.index("rows 1 of 3") < text.index("packs 1 skipped")
    assert "8.6 s of evidence for all of them: reading the batches 1.3 s" in text


def test_a_reason_that_skips_several_families_is_told_once() -> None:
    names = ("rows-roles", "rows-leaked", "labels-none", "tokens-unknown")
    some = [Finding(name, Verdict.SKIP, "skipped: [x] is not there") for name in names]
    text = shown(Report([*some, *sample.FINE]))
    assert text.count("is not there") == 1
    assert "4 checks skipped: [x] is not there" in text
    error = DataError("[x] is not there", "It cannot be read.", "Mend it.")
    text = shown(Report(some, unusable=error))
    assert "4 checks not run because of it." in text
    assert text.count("is not there") == 1 and "passed" not in text


def test_a_long_name_in_the_heading_is_folded_and_stays_whole() -> None:
    name = "eval_owner-of-a-set/a-name-of-a-data-set_loss"
    report = Report((), subject={name: "1.5", "log": "x"})
    output = io.StringIO()
    findings.show(report, Console(file=output, width=80))
    heading = [line.split(" ")[0] for line in output.getvalue().splitlines()[:2]]
    assert "".join(heading) == name


def test_the_names_of_validation_sets_in_the_heading_are_not_broken() -> None:
    names = ("eval_shop_loss", "eval_stories_loss", "eval_yahma/alpaca-cleaned_loss")
    lines = shown(Report([], subject=dict.fromkeys(names, "1.061 at its lowest"))).splitlines()
    assert [line.split()[0] for line in lines[: len(names)]] == list(names)


def test_quiet_is_the_last_line_alone() -> None:
    (line,) = shown(sample.report(), detail=Detail.VERDICT).splitlines()
    assert line.startswith("refused: 1 crashed, 1 failed")


def test_the_last_line_has_verdict_counts_and_seconds() -> None:
    last = shown(sample.report()).strip().splitlines()[-1]
    assert last == "refused: 1 crashed, 1 failed, 2 warned, 4 passed, 2 skipped; level static, 12 s"
    assert shown(sample.clear()).strip().splitlines()[-1].startswith("clear: 4 passed, 2 skipped")
    assert shown(Report([sample.LEARNING_RATE])).strip().splitlines()[-1].startswith("clear, with warnings: 1 warned")
    assert shown(Report([])).strip() == "clear: nothing was checked; level static, 0 ms"


def test_an_unusable_input_is_said_first() -> None:
    error = DataError("line 3 is not JSON", "It cannot be read.", "Mend it.", Place("rows.jsonl", 3))
    text = shown(Report(sample.LEFT_OUT, unusable=error))
    assert text.strip().startswith("UNUSABLE  rows.jsonl:3: line 3 is not JSON")
    assert "Mend it." in text
    assert text.strip().splitlines()[-1].startswith("unusable: 2 skipped")


def test_every_line_of_an_unusable_input_is_indented_alike() -> None:
    text = shown(Report([], unusable=DataError("a message " * 20, "why " * 40, "do " * 40)))
    lines = [line for line in text.split("unusable:")[0].splitlines() if line.strip()]
    assert len(lines) > 5 and lines[0].startswith(" UNUSABLE  a")
    assert {len(line) - len(line.lstrip()) for line in lines[1:]} == {11}


def test_markup_and_control_characters_are_only_text() -> None:
    text = shown(sample.report())
    assert "[red]red[/red]" in text
    assert "\x1b" not in text and "\x07" not in text
    assert "\\x1b[31mnow\\x07" in text


def test_a_long_text_loses_its_middle_and_says_so() -> None:
    witness = Witness("a" * 1_000_000 + "z")
    text = shown(Report([Finding("rows-outliers", Verdict.WARN, "one", witnesses=[witness])]))
    assert "999,801 characters left out" in flat(text)
    assert len(text) < 2_000


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_breaks_the_terminal(text: str, name: str) -> None:
    finding = Finding(
        name, Verdict.FAIL, text, text, text, {name: text}, [Witness(text, Place(name, 1), text, text)], {name: text}
    )
    advice = Finding(f"config-{name}", Verdict.WARN, text, fix={name: text})
    report = Report([finding, advice, Finding(name, Verdict.PASS, text), Finding(name, Verdict.SKIP, text)])
    for detail in (Detail.SHORT, Detail.EVERYTHING):
        out = shown(report, detail=detail)
        out.encode()
        assert all(sign == "\n" or sign.isprintable() for sign in out)


@given(st.text())
def test_visible_text_is_itself_where_nothing_is_hidden(text: str) -> None:
    shown = escape_control(text)
    shown.encode()
    if text.isprintable():
        assert shown == text
    assert escape_control(shown) == shown
    assert all(sign.isprintable() or sign in "\t\n" for sign in escape_control(text, strict=True))


def test_numbers_are_written_as_people_read_them() -> None:
    values = [True, None, 12_345, 0.30862, 3.0, 1e20, 2e-5, float("nan"), float("inf"), 10**400, {"a": 1}]
    assert [format.number(value) for value in values] == [
        "yes", "unknown", "12,345", "0.3086", "3", "1e+20", "2e-05", "nan", "inf", "a very large number", '{"a": 1}',
    ]  # fmt: skip


def test_a_fix_is_yaml_that_can_be_copied() -> None:
    fixes = {"data.loss_on": "assistant", "train.learning_rate": 2e-5, "model.adapter.r": 16, "train.seed": None}
    assert format.yaml(fixes) == (
        "data:\n  loss_on: assistant\ntrain:\n  learning_rate: 2.0e-05\n  seed: null\nmodel:\n  adapter:\n    r: 16\n"
    )
    assert format.scalar("a: b") == "'a: b'"
    assert format.scalar(["q", "k"]) == "[q, k]"


@given(st.text(max_size=600), st.text(max_size=400), st.text(max_size=400))
def test_the_sentences_of_a_finding_have_at_most_300_characters_together(message: str, why: str, todo: str) -> None:
    shown = findings.brief(Finding("rows-roles", Verdict.FAIL, message, why, todo))
    assert sum(map(len, shown)) <= 300
    if len(message) + len(why) + len(todo) <= 300:
        assert shown == (message, why, todo)


def test_a_long_message_keeps_its_first_clauses_and_the_whole_remedy() -> None:
    clauses = "; ".join(f"{number} of 100 rows have fault number {number}" for number in range(10, 20))
    remedy = "Remove these rows from the data."
    message, why, do = findings.brief(Finding("rows-roles", Verdict.FAIL, clauses, "They teach nothing.", remedy))
    assert do == remedy and why == "sanetune explain rows-roles"
    assert message.endswith(" …") and clauses.startswith(message[:-2]) and message[:-2].endswith(tuple("0123456789"))


OVERFITTED = Finding(
    "curve-overfit",
    Verdict.FAIL,
    "The held-out loss is lowest at step 1,200 (1.047 in 35 evaluations) and 2.147 at step 3,500, 105 % higher;"
    " training goes from 0.823 to 0.361 (median of the last 700 losses) meanwhile.",
    "From the minimum on, the model memorises its rows, and every further step makes it worse on all others.",
    "Keep the checkpoint at the minimum, or train for fewer epochs, at a lower learning rate, with LoRA, or on more"
    " rows.",
)


def test_a_message_is_whole_beside_a_long_remedy() -> None:
    message, why, do = findings.brief(OVERFITTED)
    assert message == OVERFITTED.message
    assert why == "sanetune explain curve-overfit" and do.startswith("Keep the checkpoint at the minimum, or train for")


def test_verbose_shows_every_sentence_whole() -> None:
    passed = Finding(
        "curve-diverged", Verdict.PASS, "By training batches " + "the loss falls and " * 20 + "ends there."
    )
    console = Console(width=80, record=True, file=io.StringIO())
    findings.show(Report([OVERFITTED, passed], "log", 0.1), console, findings.Detail.EVERYTHING)
    shown = " ".join(console.export_text().split())
    for words in (OVERFITTED.message, OVERFITTED.rationale, OVERFITTED.remedy):
        assert words in shown
    assert "…" not in shown and shown.count("the loss falls and") == 20
