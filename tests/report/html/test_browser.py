"""The page in a real browser: it opens in silence, asks nothing of the network, and does what its buttons say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sanetune.report.html import page
from tests.report import sample
from tests.report.html import views
from tests.report.html.conftest import Open

LEAST_CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  let worst = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest("script, title")) continue;
    const style = getComputedStyle(element);
    const a = light(parse(element.closest("svg") ? style.fill : style.color));
    const b = light(back(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 200)];
  }
  return worst;
}"""


def shown(tab: Any) -> list[str]:
    """Names of the findings that can be seen."""
    names: list[str] = tab.locator("details.finding:visible > summary .name").all_inner_texts()
    return names


def tip(tab: Any) -> dict[str, str]:
    """What the tooltip says; empty when there is none."""
    rows = tab.locator("#tip:visible dl > div")
    return {row.locator("dt").inner_text(): row.locator("dd").inner_text() for row in rows.all()}


def test_it_opens_with_everything_shown(opened: Open) -> None:
    tab = opened()
    assert tab.title() == "Refused at level static · refund-assistant"
    assert tab.locator("h1").inner_text() == "Refused at level static"
    assert len(shown(tab)) == len(sample.report().findings)
    assert tab.locator("#shown").inner_text() == "10 of 10 findings shown"
    for part in ("#correction", "#experiments", "#tokens", "#lengths", "#packs", "#settings", "#versions", "#time"):
        assert tab.locator(part).is_visible()


def test_an_empty_report_opens_too(opened: Open) -> None:
    assert opened(views.bare()).locator("h1").inner_text() == "Not checked"


def test_a_click_on_a_verdict_leaves_its_findings_and_a_second_brings_all_back(opened: Open) -> None:
    tab = opened()
    button = tab.get_by_role("button", name="Failed 1")
    button.click()
    assert shown(tab) == ["labels-on-prompt"]
    assert button.get_attribute("aria-pressed") == "true"
    assert tab.get_by_role("button", name="All 10").get_attribute("aria-pressed") == "false"
    assert tab.locator("#shown").inner_text() == "1 of 10 findings shown"
    tab.get_by_role("button", name="Skipped 2").click()
    assert shown(tab) == ["packs-dropped", "rows-leaked"]
    tab.get_by_role("button", name="Skipped 2").click()
    assert len(shown(tab)) == 10


def test_filters_work_from_the_keyboard_alone(opened: Open) -> None:
    tab = opened()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "jump"
    assert tab.locator(".jump").is_visible()
    for _ in range(30):
        tab.keyboard.press("Tab")
        if "Warned" in tab.evaluate("document.activeElement.textContent.slice(0, 20)"):
            break
    tab.keyboard.press("Enter")
    assert shown(tab) == ["rows-duplicated", "config-rate-unusual"]
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Space")
    assert len(shown(tab)) == 10


def test_words_are_found_in_texts_and_together_with_a_verdict(opened: Open) -> None:
    tab = opened()
    search = tab.get_by_role("searchbox", name="Search")
    search.fill("HAMBURG monday")
    assert shown(tab) == ["rows-duplicated"]
    assert tab.locator("#shown").inner_text() == "1 of 10 findings shown"
    tab.get_by_role("button", name="Failed 1").click()
    assert shown(tab) == []
    search.fill("")
    assert shown(tab) == ["labels-on-prompt"]


def test_settings_can_be_filtered(opened: Open) -> None:
    tab = opened()
    tab.get_by_role("searchbox", name="Filter").fill("inferred")
    assert tab.locator("table.settings tbody tr:visible th").all_inner_texts() == ["train.max_length"]
    assert tab.locator("#settings-shown").inner_text() == "1 of 6 settings shown"


def test_pointing_at_a_token_shows_its_id_label_role_and_position(opened: Open) -> None:
    tab = opened()
    box = tab.locator("#example-train-1 .tokens")
    reply = box.locator(".r-assistant .t").first
    reply.hover()
    number = reply.get_attribute("data-i")
    shown = tip(tab)
    assert (shown["id"], shown["label"], shown["role"]) == (number, f"{number}, in the loss", "assistant")
    every = box.locator(".t").all_inner_texts()
    assert every[int(shown["position"])] == reply.inner_text() == shown["token"].strip('"') == "Your"
    box.locator(".r-system .t").first.hover()
    shown = tip(tab)
    assert (shown["label"], shown["role"]) == ("-100, masked", "system")
    tab.locator("#tokens-title").hover()
    assert tip(tab) == {}


def test_tokens_can_be_walked_with_the_keyboard(opened: Open) -> None:
    tab = opened()
    box = tab.locator("#example-train-1 .tokens")
    box.focus()
    walked = []
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
        walked.append((tip(tab)["position"], tip(tab)["id"]))
    assert [position for position, _ in walked] == ["0", "1", "2"]
    assert tab.evaluate("document.activeElement.dataset.i") == walked[-1][1]
    assert tab.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
    tab.keyboard.press("ArrowLeft")
    assert tip(tab)["position"] == "1"
    tab.keyboard.press("ArrowDown")
    below = int(tip(tab)["position"])
    assert below > 2
    tab.keyboard.press("ArrowUp")
    assert int(tip(tab)["position"]) < below
    tab.keyboard.press("End")
    assert (tip(tab)["token"], tip(tab)["role"]) == ('"<pad>"', "padding")
    tab.keyboard.press("Escape")
    assert tip(tab) == {}


def test_a_tooltip_never_leaves_the_screen(opened: Open) -> None:
    tab = opened(viewport={"width": 360, "height": 640})
    box = tab.locator("#example-train-1 .tokens")
    box.focus()
    for _ in range(25):
        tab.keyboard.press("ArrowRight")
        place = tab.locator("#tip").bounding_box()
        assert place["x"] >= 0 and place["x"] + place["width"] <= 360
        assert place["y"] >= 0 and place["y"] + place["height"] <= 640


def test_tokens_in_the_loss_and_masked_ones_differ_by_more_than_colour(opened: Open) -> None:
    tab = opened()
    line = "(element) => getComputedStyle(element).textDecorationLine"
    box = tab.locator("#example-train-1 .tokens")
    assert box.locator(".r-assistant.in-loss").first.evaluate(line) == "underline"
    assert box.locator(".r-system.masked").first.evaluate(line) == "none"


def test_only_tokens_in_the_loss_hides_what_is_masked(opened: Open) -> None:
    tab = opened()
    box = tab.locator("#example-train-1 .tokens")
    assert box.locator(".masked .t:visible").count() > 0
    button = tab.get_by_role("button", name="Only tokens in the loss")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert box.locator(".masked .t:visible").count() == 0
    assert box.locator(".in-loss .t:visible").count() > 0
    box.focus()
    tab.keyboard.press("ArrowRight")
    assert "in the loss" in tip(tab)["label"]
    button.click()
    assert box.locator(".masked .t:visible").count() > 0


def test_a_witness_leads_to_its_tokens_even_when_they_are_closed(opened: Open) -> None:
    tab = opened()
    tab.locator("#example-train-1 > summary").click()
    assert not tab.locator("#example-train-1 .tokens").is_visible()
    tab.locator('a[href="#example-train-1"]').click()
    tab.locator("#example-train-1 .tokens").wait_for(state="visible")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_light_and_dark_follow_the_system_and_then_the_button(opened: Open, system: str) -> None:
    tab = opened(color_scheme=system)
    back = "getComputedStyle(document.body).backgroundColor"
    button = tab.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == str(system == "dark").lower()
    before = tab.evaluate(back)
    button.click()
    assert button.get_attribute("aria-pressed") == str(system != "dark").lower()
    assert tab.evaluate(back) != before
    button.click()
    assert tab.evaluate(back) == before


@pytest.mark.parametrize("system", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(opened: Open, system: str) -> None:
    tab = opened(color_scheme=system)
    tab.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    for button in ["All", "Crashed", "Failed", "Warned", "Passed", "Skipped", "All", "Only tokens in the loss"]:
        tab.get_by_role("button", name=button).click()
        ratio, where = tab.evaluate(LEAST_CONTRAST)
        assert ratio >= 4.5, where


def test_a_script_in_a_row_is_text_and_is_not_run(opened: Open) -> None:
    tab = opened()
    assert tab.locator("pre", has_text="<script>alert(1)</script>").first.is_visible()
    assert "<script>alert(1)</script>" in tab.locator("#example-train-0 .tokens").inner_text()
    assert tab.locator("script:not([type])").count() == 1
    assert tab.locator("img").count() == 0
    assert tab.get_by_text("{{7*7}}").first.is_visible()


def test_a_script_would_not_run_even_if_it_were_not_escaped(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    evil = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
    file.write_text(page(views.bare()).replace("Nothing was checked.", evil), encoding="utf-8")
    tab = browser.new_page()
    tab.goto(file.as_uri())
    assert tab.evaluate("window.ran") is None
    assert not tab.locator("#theme").is_hidden(), "the page's own script has run"
    tab.close()


@pytest.mark.parametrize("width", [320, 360, 700, 1600])
def test_nothing_sticks_out_sideways(opened: Open, width: int) -> None:
    tab = opened(viewport={"width": width, "height": 740})
    tab.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_shows_every_finding_open_and_no_buttons(opened: Open) -> None:
    tab = opened()
    tab.get_by_role("button", name="Failed 1").click()
    tab.emulate_media(media="print")
    assert len(shown(tab)) == 10
    assert tab.locator("button:visible").count() == 0
    assert tab.locator("nav").is_hidden()
    inside = tab.locator("#check-rows-roles .numbers")
    assert inside.bounding_box()["height"] > 10
    assert inside.evaluate("(element) => element.checkVisibility({ contentVisibilityAuto: true })")


def test_it_can_be_read_without_script(opened: Open) -> None:
    tab = opened(java_script_enabled=False)
    assert len(shown(tab)) == 10
    assert tab.locator("button:visible, input:visible").count() == 0


def test_a_fix_is_copied_or_selected(opened: Open) -> None:
    tab = opened(permissions=["clipboard-read", "clipboard-write"])
    button = tab.locator("#check-labels-on-prompt .copy")
    button.click()
    tab.wait_for_function("document.querySelector('#check-labels-on-prompt .copy').textContent !== 'Copy'")
    if button.inner_text() == "Copied":
        assert tab.evaluate("navigator.clipboard.readText()").startswith("data:\n  loss_on: assistant")
    else:
        assert tab.evaluate("getSelection().toString()").startswith("data:\n  loss_on: assistant")
