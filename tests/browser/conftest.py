"""The built site, served to a browser on this machine: `make site-test`, after `make docs`."""

import json
import os
import shutil
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache, partial
from gzip import compress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.visit import EXAMINED, OPENED, REQUESTS, Visit

SITE = Path(__file__).parents[2] / "site"

ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
"""CI is root, whom Chromium asks for the first; and no other machine is found."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, many over one connection, and says nothing about it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        """Say nothing."""


class Short(Quiet):
    """Serves an index of one page: to read the whole one, a page takes longer than for all the rest.

    It's done here because a browser whose requests are intercepted keeps no files, and compiles scripts for each page.
    """

    def do_GET(self) -> None:
        """Serve a file."""
        if not self.path.endswith("search_index.json"):
            super().do_GET()
            return
        index = _first_alone(SITE / self.path.lstrip("/"))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(index)))
        self.end_headers()
        self.wfile.write(index)


@cache
def _first_alone(path: Path) -> bytes:
    """An index with the settings of the whole one."""
    index = json.loads(path.read_bytes())
    return json.dumps({**index, "docs": index["docs"][:1]}).encode()


@contextmanager
def _served(by: type[Quiet]) -> Generator[str, None, None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(by, directory=str(SITE)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of the site, whose index has one page."""
    with _served(Short) as where:
        yield where


@pytest.fixture(scope="session")
def searched() -> Iterator[str]:
    """The address of the site as it is, to search in."""
    with _served(Quiet) as where:
        yield where


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser, searched: str) -> Iterator[Visit]:
    """A visitor with an empty profile, whose requests and errors are noted."""
    visitor = Visit(browser, searched)
    yield visitor
    visitor.context.close()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that reports what this one has tried, if there are several."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["tried"] = [sorted(OPENED), REQUESTS, sorted(EXAMINED)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what another process has tried."""
    opened, requests, examined = getattr(node, "workeroutput", {}).get("tried", ([], [], []))
    OPENED.update(opened)
    REQUESTS.extend(requests)
    EXAMINED.update(map(tuple, examined))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was tried, and what a page weighs: the HTML, and what a server sends of it."""
    pages = [path.read_bytes() for path in SITE.rglob("*.html")]
    for what, sizes in (("HTML", map(len, pages)), ("compressed", (len(compress(page, 6)) for page in pages))):
        kilobytes = sorted(size / 1000 for size in sizes)
        terminalreporter.write_line(f"{what}: {median(kilobytes):.0f} KB in the median, {kilobytes[-1]:.0f} at most")
    away = [url for url in REQUESTS if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    terminalreporter.write_line(
        f"{len(OPENED)} pages opened in Chromium, {len(REQUESTS):,} requests, {len(away)} of them to other machines; "
        f"axe-core examined {len(EXAMINED)} pages, widths and schemes"
    )
