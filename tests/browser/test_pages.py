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
    ...all("div.mermaid").filter(e => height(e.shadowRoot?.querySelector("svg")) <= 20).map(() => "graph"),
  ];
}"""
"""What should be drawn and is not."""


def test_graphs_formulas_and_pictures_are_drawn(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.open("how-to/look-inside/")
    assert page.evaluate("() => document.querySelector('div.mermaid').shadowRoot.querySelectorAll('.node').length") == 3
    page = visit.open("tutorial/4-gradient/")
    assert page.locator(".formula .katex-display").count() == 3
    assert page.locator("figure.picture svg").count() == 3


def test_there_are_pages_in_both_languages() -> None:
    assert {"", "zh/", "reference/layers/affine/", "zh/tutorial/5-training/"} <= set(PAGES)
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
