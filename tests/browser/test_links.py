"""Links of the built site lead somewhere: to a file of it, and there to a place that exists, in both languages."""

import posixpath
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).parents[2] / "site"


class Places(HTMLParser):
    """The links of a page, and the names of the places in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key == "id" or (tag == "a" and key == "name"):
                self.names.add(value or "")
            elif key in {"href", "src"} and value:
                self.links.add(value)


@cache
def places(page: Path) -> Places:
    return Places(page.read_text("utf-8"))


def broken(page: Path, link: str) -> bool:
    """Tell whether a link of a page is broken."""
    address = urlsplit(link)
    if address.scheme or address.netloc:
        return False  # elsewhere: pages are tried without a network
    way = posixpath.normpath(posixpath.join(page.parent.as_posix(), unquote(address.path)))
    target = page if not address.path else Path(way)
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return True
    return bool(address.fragment) and unquote(address.fragment) not in places(target).names


def test_every_link_leads_somewhere() -> None:
    pages = [page for page in SITE.rglob("*.html") if page.name != "404.html"]  # whose addresses begin at the root
    links = [(page, link) for page in pages for link in sorted(places(page).links)]
    assert len(pages) > 90
    assert len(links) > 5000
    assert [(page.relative_to(SITE).as_posix(), link) for page, link in links if broken(page, link)] == []


def test_a_broken_link_is_seen() -> None:
    front = SITE / "index.html"
    assert [broken(front, link) for link in ("nowhere/", "tutorial/#nowhere", "#nowhere")] == [True] * 3
    assert not broken(front, "from-the-original/#affine")
