"""A visitor of the site: opens pages, and notes what goes wrong."""

from typing import Any, Literal

from assets import path
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request

# The theme hides what Mermaid draws in closed shadow trees. Open ones, drawn alike, can be looked at.
OPEN_SHADOWS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) { return attach.call(this, {...options, mode: "open"}); };
"""
AXE = path("axe-core") / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


OPENED: set[str] = set()
"""Every page that any visitor has opened."""
REQUESTS: list[str] = []
"""Every address that any page has asked for."""
EXAMINED: set[tuple[str, int, str]] = set()
"""Every page that axe-core has examined, with the width and the scheme."""


class Visit:
    """One browser profile, in which pages are opened one after another."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        *,
        width: int = 1280,
        scheme: Literal["light", "dark"] = "light",
    ) -> None:
        """Open an empty profile."""
        self.address, self.kind = address, (width, scheme)
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.context.add_init_script(OPEN_SHADOWS)
        self.context.on("request", self._request)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", self._failed)

    def open(self, where: str) -> Page:
        """Go to a page, and wait until nothing is loading and graphs are drawn."""
        OPENED.add(where)
        answer = self.page.goto(self.address + where, wait_until="load")
        assert answer is not None
        assert answer.ok, f"{where}: {answer.status}"
        self.page.wait_for_function("() => !document.querySelector('pre.mermaid')")
        return self.page

    def violations(self) -> list[str]:
        """The violations of WCAG 2.2, levels A and AA, that axe-core finds on the open page.

        A page of thousands of formulas takes it half a minute, and they are made like those of any other page: all
        but the first twenty are removed.
        """
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        # Where the theme has scrolled the navigation to, a link may be half under its title; not once one scrolls.
        self.page.evaluate("() => document.querySelectorAll('.md-sidebar__scrollwrap').forEach(e => e.scrollTo(0, 0))")
        self.page.evaluate("() => [...document.querySelectorAll('.katex')].slice(20).forEach(e => e.remove())")
        found: dict[str, Any] = self.page.evaluate(
            "levels => axe.run(document, {runOnly: levels, resultTypes: ['violations']})", LEVELS
        )
        EXAMINED.add((self.page.url, *self.kind))
        return [
            f"{violation['id']}: {violation['help']}: {node['target']} {node['html'][:160]} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def _request(self, request: Request) -> None:
        REQUESTS.append(request.url)
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.foreign.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(f"{self.page.url}: {message.text} ({message.location['url']})")

    def _failed(self, error: Error) -> None:
        self.errors.append(f"{self.page.url}: {error.message}")
