"""Readers search, switch the language, choose dark, and read with a keyboard or a screen reader."""

import os
import re
from typing import Literal

import pytest
from modules import package
from names import names
from playwright.sync_api import Browser, Page, expect

from browser.visit import Visit

# One page of each kind: with pictures, formulas, plots, wide tables, a folded box; of the reference, with every entry.
KINDS = [
    "",
    "errors/",
    "from-the-original/",
    "speed/",
    "tutorial/4-gradient/",
    "tutorial/14-check-your-own/",
    "how-to/type-errors/",
    "explanation/derivations/",
    "explanation/gradient-checking/",
    "reference/",
    "reference/glance/",
    "reference/layers/affine/",
    "zh/",
    "zh/tutorial/1-affine/",
    "zh/reference/glance/",
]


@pytest.mark.parametrize(
    ("width", "scheme", "pages"),
    [(1280, "light", KINDS), (360, "dark", KINDS), (1280, "dark", KINDS[:5]), (360, "light", KINDS[:5])],
)
def test_accessibility(
    browser: Browser, address: str, width: int, scheme: Literal["light", "dark"], pages: list[str]
) -> None:
    visit = Visit(browser, address, width=width, scheme=scheme)
    found: dict[str, list[str]] = {}
    for where in pages:
        visit.open(where)
        found[where] = visit.violations()
    assert {where: violations for where, violations in found.items() if violations} == {}


SEARCHES = [("", "sequential", "reference/combinators/sequential/"), ("zh/", "梯度", "zh/tutorial/4-gradient/")]
PATIENCE = 60_000
"""Milliseconds for the search to read its index, on a machine with other things to do."""


@pytest.mark.parametrize("ready", [True, False], ids=["when the index is read", "at once"])
@pytest.mark.parametrize(("where", "words", "found"), SEARCHES)
def test_search(visit: Visit, where: str, words: str, found: str, *, ready: bool) -> None:
    page = visit.open(where)
    page.keyboard.press("/")
    if ready:
        start = page.locator(".md-search-result__meta", has_text=re.compile("Type to start searching|键入以开始搜索"))
        expect(start).to_be_visible(timeout=PATIENCE)
    page.get_by_role("textbox").fill(words)  # as pasted with the mouse, or chosen from a list: no key goes up
    link = page.locator(f'.md-search-result__link[href^="{visit.address}{found}"]').first
    expect(link).to_be_visible(timeout=PATIENCE)
    link.click()
    page.wait_for_url(f"{visit.address}{found}*")
    assert visit.errors == []


def _last(name: str) -> str:
    return name.rpartition(".")[2]


# Names that others begin with, that several modules have, that are words of every page, and that are none of these.
SOME = {"adam", "add", "gelu", "Layer", "layer", "linear", "load", "loss", "softmax", "split", "tree.map", "train"}
NAMES = [
    name
    for name in names(package())
    if os.environ.get("SEARCH_TEST") == "all" or {name.short, _last(name.short)} & SOME
]
"""The public names that are searched for. SEARCH_TEST=all searches for each, which takes half a minute or more."""


def test_a_public_name_is_found_first(browser: Browser, searched: str) -> None:
    homonyms: dict[str, set[str]] = {}
    for name in names(package()):
        homonyms.setdefault(_last(name.short).lower(), set()).add(name.meaning.path)
    page = Visit(browser, searched).open("")
    page.keyboard.press("/")
    box, links = page.get_by_role("textbox"), page.locator(".md-search-result__link")
    assert len(NAMES) > 10
    for name in NAMES:
        box.fill("")
        expect(links).to_have_count(0, timeout=PATIENCE)
        box.fill(name.short)
        first = page.locator(".md-search-result__item").first
        places = [f"[href*='#{path}?'], [href$='#{path}']" for path in homonyms[_last(name.short).lower()]]
        expect(first.locator(f"a:is({', '.join(places)})").first, name.short).to_be_attached(timeout=PATIENCE)


def switch(page: Page, language: str) -> None:
    page.get_by_role("button", name="language").or_(page.get_by_role("button", name="语言")).hover()
    page.get_by_role("link", name=language, exact=True).click()
    page.wait_for_load_state()


@pytest.mark.parametrize("where", ["", "tutorial/1-affine/"])
def test_the_switch_leads_to_the_same_page_and_back(visit: Visit, where: str) -> None:
    page = visit.open(where)
    switch(page, "中文")
    assert page.url == f"{visit.address}zh/{where}"
    assert page.locator("html").get_attribute("lang") == "zh"
    switch(page, "English")
    assert page.url == visit.address + where
    assert page.locator("html").get_attribute("lang") == "en"
    assert visit.errors == []


def test_the_switch_leads_to_the_front_page_where_there_is_no_translation(visit: Visit) -> None:
    page = visit.open("reference/layers/affine/")
    switch(page, "中文")
    assert page.url == f"{visit.address}zh/"


def scheme_of(page: Page) -> str | None:
    return page.locator("body").get_attribute("data-md-color-scheme")


def brightness(page: Page) -> float:
    colour: list[float] = page.evaluate(
        "() => getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)"
    )
    return sum(colour) / 3


def test_dark_is_chosen_by_hand_and_stays(visit: Visit) -> None:
    page = visit.open("")
    assert scheme_of(page) == "default"
    assert brightness(page) > 200
    page.get_by_title("Dark").click()
    assert scheme_of(page) == "slate"
    assert brightness(page) < 60
    visit.open("reference/layers/affine/")
    assert scheme_of(page) == "slate"


def test_dark_is_the_readers_own_choice(browser: Browser, address: str) -> None:
    visit = Visit(browser, address, scheme="dark")
    assert brightness(visit.open("")) < 60


def copied(visit: Visit, page: str, block: str) -> list[str]:
    """The lines that are in the clipboard after the button of a block was pressed."""
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = visit.open(page)
    found = opened.locator(".highlight", has_text=block)
    found.hover()
    found.get_by_role("button").click()
    opened.wait_for_function("() => navigator.clipboard.readText().then(text => text.length > 0)")
    text: str = opened.evaluate("() => navigator.clipboard.readText()")
    return text.splitlines()


def test_what_is_copied_can_be_pasted_into_python(visit: Visit) -> None:
    assert copied(visit, "tutorial/4-gradient/", "def descend") == [
        "def descend(param: Array, grad: Array) -> Array:",
        "    return param - 0.1 * grad",
        "",
        "stepped = tree.map(descend, params, grads)",
        "lower, _ = loss_and_gradient(stepped, x, labels)",
        "bool(lower < loss)",
    ]
    assert visit.errors == []


def test_copied_code_has_no_empty_line_that_ends_a_block_in_pythons_prompt(visit: Visit) -> None:
    assert copied(visit, "explanation/purity/", "self.mask = x > 0") == [
        "import numpy as np",
        "",
        "",
        "class Relu:",
        "    def forward(self, x):",
        "        self.mask = x > 0",
        "        return np.where(self.mask, x, 0.0)",
        "    def backward(self, dout):",
        "        return dout * self.mask",
    ]
    assert visit.errors == []
