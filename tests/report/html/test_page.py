"""The page as text: everything is in it, nothing is loaded, and no text of a user becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.errors import DataError, Place
from sanetune.finding import Finding, Report, Verdict, Witness
from sanetune.gate.fixer import ConfigChange, Round
from sanetune.report.html import (
    ExampleView,
    Heading,
    Histogram,
    PackView,
    PageView,
    RunView,
    SettingView,
    TokenView,
    page,
)
from sanetune.report.html.assets import UPLOT
from sanetune.report.html.status import Status
from sanetune.report.html.token_spans import BUDGET, EXAMPLES, LONGEST
from tests.report import experiments_made as made
from tests.report import sample
from tests.report.html import views

VOID = {"meta", "input", "br", "img", "link", "wbr"}


class Reader(HTMLParser):
    """Elements with their attributes, and texts as a reader sees them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def of(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = {name.replace("_", ""): value for name, value in attributes.items()}
        return [
            found
            for name, found in self.elements
            if name == tag and all(value in (found.get(key) or "").split() for key, value in wanted.items())
        ]

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        # Which words of two answers are marked depends on the words.
        return [(tag, tuple(attributes)) for tag, attributes in self.elements if tag != "mark"]


@pytest.fixture(scope="module")
def full() -> Reader:
    return Reader(page(views.full()))


def test_every_element_is_closed_and_names_are_unique(full: Reader) -> None:
    assert full.open == []
    ids = [attributes["id"] for _, attributes in full.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in full.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name) is None or attributes[name] in ids
    links = [link["href"] or "" for link in full.of("a")]
    assert links and all(link.startswith("#") and link[1:] in ids for link in links)


def test_it_has_one_title_landmarks_and_a_language(full: Reader) -> None:
    for tag in ("h1", "header", "nav", "main", "footer", "style"):
        assert len(full.of(tag)) == 1
    assert len([one for one in full.of("script") if one.get("type") != "application/json"]) == 1
    assert full.of("html")[0]["lang"] == "en"
    assert full.of("meta", name="viewport")


def test_nothing_is_loaded_and_only_its_own_script_may_run(full: Reader) -> None:
    # What the plotting library has of it is a link to its home in a comment.
    source = page(views.full()).replace((UPLOT / "uPlot.iife.min.js").read_text().strip(), "")
    for tag in ("link", "img", "iframe", "object", "embed", "form", "base", "video", "audio"):
        assert not full.of(tag)
    for _, attributes in full.elements:
        assert not set(attributes) & {"src", "srcset", "action", "style", "background"}
        assert not any(name.startswith("on") for name in attributes)
    assert not re.findall(r"url\((?!#)|@import|https?://|fetch\(|XMLHttp|eval\(|innerHTML", source)
    (policy,) = [meta["content"] or "" for meta in full.of("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_findings_are_there_worst_first_and_the_bad_ones_are_expanded(full: Reader) -> None:
    found = full.of("details", class_="finding")
    assert [one["id"] for one in found][:4] == [
        "check-tokens-unknown", "check-labels-on-prompt", "check-rows-duplicated", "check-config-rate-unusual",
    ]  # fmt: skip
    assert {one["data-verdict"] for one in found if "open" in one} == {"crash", "fail", "warn"}
    assert {one["data-verdict"] for one in found if "open" not in one} == {"pass", "skip"}


def test_a_finding_has_all_its_parts(full: Reader) -> None:
    for words in (
        sample.MASKED.message,
        sample.MASKED.rationale,
        sample.MASKED.remedy,
        "of users",
        "12,345",
        "482 ms",
    ):
        assert words in full.text
    assert "data:\n  loss_on: assistant\ntrain:\n  assistant_only_loss: true\n" in full.text
    assert "data/train.jsonl:12, row 11, message 0" in full.text
    assert "share = unknown / total" in full.text
    assert sample.DOUBLED.witnesses[0].beside in full.text
    assert "this run does not pack" in full.text


def test_a_witness_leads_to_its_tokens(full: Reader) -> None:
    assert full.of("a", href="#example-train-1")
    assert full.of("details", id="example-train-1")


def test_tokens_carry_id_label_role_and_position(full: Reader) -> None:
    tokens = full.of("span", class_="t")
    assert {"data-i": "2", "class": "t"} in tokens
    runs = full.of("span", class_="r-assistant")
    assert all("in-loss" in (run["class"] or "") for run in runs if "data-first" in run)
    assert [run["data-first"] for run in full.of("span", class_="run") if "data-first" in run][:2] == ["0", "3"]
    odd = ExampleView("one", "", "train", [TokenView("a", 5, 9, "user"), TokenView("b", 6, -100, "strange")])
    read = Reader(page(replace(views.bare(), examples=[odd])))
    assert {"class": "t", "data-i": "5", "data-l": "9"} in read.of("span", class_="t")
    assert read.of("span", class_="r-unknown")


def test_a_long_example_loses_its_middle_and_says_so(full: Reader) -> None:
    long = views.full().examples[2]
    assert f"… {len(long.tokens) - LONGEST:,} tokens left out …" in full.text
    read = Reader(page(replace(views.bare(), examples=[long])))
    assert len([one for one in read.of("span", class_="t") if "data-i" in one]) == LONGEST
    # Positions behind the gap are those in the example, not those on the page.
    last = [run for run in read.of("span", class_="r-padding") if "data-first" in run][-1]
    assert last["data-first"] == str(len(long.tokens) - 4)


def test_the_page_stays_small_however_much_there_is() -> None:
    words = [TokenView(f" word{n % 99}", n, n, "assistant") for n in range(5_000)]
    examples = [ExampleView(f"train {n}", "rows.jsonl", "train", words, n) for n in range(100)]
    witnesses = [Witness("x" * 100_000, Place("a", n), "y" * 9_000, "z" * 100_000) for n in range(50)]
    numbers = {f"n{n}": "w" * 10_000 for n in range(1_000)}
    found = [Finding(f"rows-{n}", Verdict.FAIL, "v" * 9_000, numbers=numbers, witnesses=witnesses) for n in range(10)]
    packs = [PackView([1] * 9, 10)] * 10_000
    many = [SettingView("k", "v" * 5_000, "given")] * 2_000
    source = page(PageView(Report(found), examples, None, packs, many))
    assert len(source) < 2_000_000
    read = Reader(source)
    assert len([one for one in read.of("span", class_="t") if "data-i" in one]) <= BUDGET
    assert len(read.of("details", class_="example")) == EXAMPLES
    assert "… and 40 more examples." in read.text


def test_lengths_have_bars_a_limit_and_a_table(full: Reader) -> None:
    counts = views.full().histogram
    assert counts is not None
    bars = [*full.of("rect", class_="bin"), *full.of("rect", class_="beyond")]
    assert len(bars) == sum(count > 0 for count in counts.counts)
    assert full.of("line", class_="limit")
    assert "max_length 1,024" in full.text
    assert "437 to 517" in full.text
    assert full.of("rect", class_="beyond")


@pytest.mark.parametrize(
    ("limit", "drawn", "words"),
    [
        (10, False, "All rows are longer than max_length, 10 tokens."),
        (1, False, "All rows are longer than max_length, 1 token."),
        (5_000, False, "All rows are shorter than max_length, 5,000 tokens."),
        (120, True, ""),
        (None, False, ""),
    ],
)
def test_a_limit_that_is_far_away_is_said_and_not_drawn(limit: int | None, drawn: bool, words: str) -> None:
    read = Reader(page(replace(views.bare(), histogram=Histogram([1, 2], [20, 60, 100], limit))))
    assert bool(read.of("line", class_="limit")) == drawn
    assert words in read.text


@pytest.mark.parametrize("counts", [([], []), ([], [1]), ([0], [1, 2]), ([7], [5, 6])])
def test_any_histogram_can_be_drawn(counts: Any) -> None:
    Reader(page(replace(views.bare(), histogram=Histogram(*counts, max_length=5))))


def test_packs_are_drawn_with_their_documents_and_how_full_they_are(full: Reader) -> None:
    assert "128 documents in 48 packs" in full.text
    assert "… and 8 packs more." in full.text
    assert "row 0: 600 tokens" in full.text
    assert "99.6 %" in full.text
    Reader(page(replace(views.bare(), packs=[PackView([], 8), PackView([9], 8), PackView([], 0)])))


def test_settings_say_where_they_came_from(full: Reader) -> None:
    for words in ("train.warmup_steps", "from warmup_ratio: 0.03", "sanetune.yaml:11", "inferred", "2.9.0"):
        assert words in full.text


def test_what_is_empty_is_left_out() -> None:
    read = Reader(page(views.bare()))
    assert "Nothing was checked." in read.text
    assert [section.get("id") for section in read.of("section")] == ["findings"]
    assert not read.of("details") and not read.of("button", class_="filter")


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (sample.report(), "Refused at level static"),
        (sample.clear(), "Clear at level static"),
        (Report([sample.LEARNING_RATE], "trial"), "Clear at level trial, with warnings"),
        (Report([]), "Not checked"),
        (Report(sample.LEFT_OUT), "Not checked"),
        (Report([], unusable=DataError("line 3 is not JSON", "a", "b", Place("<rows>", 3))), "Unusable"),
    ],
)
def test_the_verdict_is_the_title(report: Report, words: str) -> None:
    read = Reader(page(PageView(report)))
    assert f"{words} · sanetune" in read.text
    assert "line 3 is not JSON" in read.text or not report.unusable


def everywhere(text: str) -> PageView:
    """A page whose every text is ``text``."""
    witness = Witness(text, Place(text, 1), text, text, text, 0)
    finding = Finding(
        "rows-roles", Verdict.FAIL, text, text, text, {text: text}, [witness], {"a.b": text}, {text: text}, 1.0, text
    )
    reply = replace(made.overfit().replies[-1], expected=text, written=text)
    results = made.plain(
        overfit=replace(made.overfit(), replies=[reply]),
        lr_comparison=made.lr_comparison(),
        trial=made.trial(stopped=text, curve=made.curve(steps=50)),
        samples=made.samples(text),
        forecast=made.forecast(notes=(text,), dtype=text, peak_flops_source=text, peak_flops=1e13),
    )
    skipped = Finding("packs-leak", Verdict.SKIP, text)
    report = Report([finding, skipped], text, 1.0, {text: text}, None, {text: 1.0}, results)
    change = ConfigChange(text, text, text, text, text)
    rounds = [Round(Report([Finding(text, Verdict.FAIL, text)], experiments=results), [change]), Round(report)]
    example = ExampleView(text, text, text, [TokenView(text, 1, 1, "user"), TokenView(text, 1, -100, "end")], 0)
    setting = SettingView(text, text, text, text, text)
    histogram, packs = Histogram([1], [1, 2], 1), [PackView([1], 2)]
    heading = Heading(text, "fail", text, [text])
    run = RunView(
        made.curve(steps=50), text, 20, 9.0, status=Status("failed", text), samples=made.samples(text).samples
    )
    return PageView(report, [example], histogram, packs, [setting], {text: text}, text, heading, rounds, text, run)


SHAPE = Reader(page(everywhere("word"))).shape
EVIL = [
    sample.EVIL, "</style><script>alert(1)</script>", "--><svg onload=alert(1)>", "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)', "{% raw %}{{ 7*7 }}{% endraw %}", "javascript:alert(1)", "&lt;b&gt;", "]]><!--",
    "\x00\x1b[31m\ud800\u202e\ufffe", "</pre></details><h1>",
]  # fmt: skip


@pytest.mark.parametrize("text", EVIL)
def test_a_text_that_wants_out_stays_text(text: str) -> None:
    source = page(everywhere(text))
    source.encode()
    read = Reader(source)
    assert read.shape == SHAPE
    assert read.open == []
    if text.isprintable():
        assert text in read.text
        assert len(read.of("script")) - 1 == len(read.of("script", type="application/json"))


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_no_text_changes_what_the_page_is_made_of(text: str) -> None:
    source = page(everywhere(text))
    source.encode()
    assert Reader(source).shape == SHAPE


def test_the_first_screen_of_a_run_has_what_decides() -> None:
    read = Reader(page(views.trained()))
    assert read.text.count("Cleared at level trial") == 2  # title and heading
    first = read.text[: read.text.index("Search")]
    titles = ("Training", "Trial", "Learning rates", "Overfit", "Before and after", "Time and cost")
    assert [title for title in titles if title not in first] == []
    for words in ("50 Steps in 9 s.".lower(), "forecast", "measured", "validation loss", "labels-on-prompt", "tuned"):
        assert words in first.lower()
    assert first.count("passed") == 1, "one count"
    targets = [link["href"] for link in read.of("a") if (link["href"] or "").startswith("#experiment-")]
    assert len(targets) >= 4


def test_what_is_not_first_is_folded() -> None:
    read = Reader(page(replace(views.full(), run=views.trained().run)))
    assert len(read.of("details", class_="part")) == 9
    assert not [one for one in read.of("details", class_="part") if "open" in one]
    assert "open" not in read.of("details", id="rest")[0]
    assert "Reading the batches" in read.text and "batch_stats" not in read.text
