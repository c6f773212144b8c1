"""The pages: nothing fails, nothing is fetched from elsewhere, everything is drawn, and it fits a phone."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from browser.visit import Visit

SITE = Path(__file__).parents[2] / "site"
PAGES = sorted(path.relative_to(SITE).as_posix().removesuffix("index.html") for path in SITE.rglob("*.html"))

UNDRAWN = """() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const height = element => element?.getBoundingClientRect().height ?? 0;
  return [
    ...all(".arithmatex").map(e => "formula " + e.textContent),
    ...all(".formula").filter(e => !e.querySelector(".katex math")).map(e => "formula " + e.textContent),
    ...all(".katex-error").map(e => "formula " + e.title),
    ...all(".formula").filter(e => !e.getBoundingClientRect().width).map(e => "hidden formula " + e.textContent),
    ...all("figure.picture").filter(e => height(e.querySelector("svg")) <= 20).map(e => "picture " + e.innerHTML),
    ...all("p, li, td").filter(e => /<[/]?(sup|sub|br|b|i)>/.test(e.textContent)).map(e => "tag " + e.textContent),
    ...all("div.mermaid").filter(e => height(e.shadowRoot?.querySelector("svg")) <= 20).map(() => "graph"),
  ];
}"""
"""The elements that should be drawn and are not."""


def test_graphs_formulas_and_pictures_are_drawn(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.open("how-to/look-inside/")
    assert page.evaluate("() => document.querySelector('div.mermaid').shadowRoot.querySelectorAll('.node').length") == 3
    page = visit.open("tutorial/4-gradient/")
    assert page.locator(".formula .katex-display").count() == 3
    assert page.locator("figure.picture svg").count() == 3


def test_there_are_pages_in_both_languages() -> None:
    assert {
        "",
        "zh/",
        "reference/glance/",
        "reference/layers/affine/",
        "zh/tutorial/5-training/",
        "zh/reference/glance/",
    } <= set(PAGES)
    assert len(PAGES) > 100


@pytest.fixture(scope="module")
def phone(browser: Browser, address: str) -> Visit:
    return Visit(browser, address, width=360)


@pytest.mark.parametrize("where", PAGES)
def test_a_page(phone: Visit, where: str) -> None:
    phone.errors.clear()
    phone.foreign.clear()
    page = phone.open(where)
    assert page.evaluate(UNDRAWN) == []
    wide = "() => document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 360, "the page scrolls sideways"
    assert phone.errors == []
    assert phone.foreign == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["", "zh/"])
def test_the_first_screen(browser: Browser, address: str, where: str, scheme: Literal["light", "dark"]) -> None:
    page = Visit(browser, address, scheme=scheme).open(where)
    for part in ("h1", "h1 + p", "figure.picture svg", ".highlight"):  # name, what it is, a pass, twenty lines
        place = page.locator(f"article {part}").first.bounding_box()
        assert place is not None
        assert place["height"] > 20
        assert place["y"] + place["height"] <= 800, f"{part} is cut off"


MORE = """(selector) => [...document.querySelectorAll(selector)]
  .filter(e => e.scrollWidth > e.clientWidth)
  .map(e => e.tabIndex === 0 && getComputedStyle(e).backgroundAttachment.includes("local"))"""
"""A value for each element that scrolls sideways: true if the keyboard reaches it and it shows that there is more."""


@pytest.mark.parametrize(
    ("where", "selector"),
    [
        ("", "figure.picture"),
        ("tutorial/4-gradient/", ".katex-display"),
        ("evidence-arrays/", ".md-typeset__scrollwrap"),
        ("speed/", "p:has(> img)"),
    ],
)
def test_what_is_wider_than_a_phone_says_so(phone: Visit, where: str, selector: str) -> None:
    page = phone.open(where)
    page.wait_for_selector(f"article [tabindex='0']:is({selector})")
    shown = page.evaluate(MORE, f"article :is({selector})")
    assert shown
    assert all(shown)


def test_plots_shrink_and_drawings_keep_three_quarters_of_their_size(phone: Visit) -> None:
    page = phone.open("tutorial/5-training/")
    widths = "() => [...document.querySelectorAll('figure.picture > svg')].map(e => e.getBoundingClientRect().width)"
    drawing, *plots = page.evaluate(widths)
    assert drawing == pytest.approx(0.75 * 926, abs=1)
    assert plots
    assert max(plots) <= 328


@pytest.mark.parametrize("where", ["from-the-original/", "zh/from-the-original/"])
def test_rows_are_stacked_on_a_phone_and_remain_rows(phone: Visit, browser: Browser, address: str, where: str) -> None:
    edges = """() => [...document.querySelectorAll("article td")]
      .filter(e => e.textContent).map(e => e.getBoundingClientRect()).map(e => [e.left, e.right])"""
    page = phone.open(where)
    assert {left for left, _ in page.evaluate(edges)} == {page.evaluate(edges)[0][0]}
    assert max(right for _, right in page.evaluate(edges)) <= 360
    row = page.locator("article table").first.get_by_role("row").nth(1)
    assert row.get_by_role("cell").count() == 3
    assert page.locator("article table").first.get_by_role("columnheader").count() == 3
    wide = Visit(browser, address).open(where)
    assert len({left for left, _ in wide.evaluate(edges)}) > 2


def test_differences_fit_their_page(browser: Browser, address: str) -> None:
    page = Visit(browser, address).open("evidence-arrays/")
    page.wait_for_selector(".md-typeset__scrollwrap")
    assert page.evaluate("() => [...document.querySelectorAll('.md-typeset__scrollwrap')].map(e => e.scrollWidth)")
    assert page.evaluate(
        "() => [...document.querySelectorAll('.md-typeset__scrollwrap')].every(e => e.scrollWidth <= e.clientWidth)"
    )
