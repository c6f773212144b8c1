"""Tables of sentences whose cells stand one below another on a phone: docs/style.css stacks them, below 45em.

A browser may forget that what is stacked is a table, so that rows and cells say it themselves; and each cell knows the
head of its column, to show it where columns are gone.
"""

import re
from html import escape, unescape
from itertools import cycle
from typing import Any

PAGES = {
    "from-the-original.md",
    "index.md",
    "reference/coverage.md",
    "reference/glance.md",
    "reference/index.md",
    "reference/sheet.md",
    "when-not.md",
}
"""Their names, in both languages."""

TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
HEAD = re.compile(r"<th>(.*?)</th>", re.DOTALL)
ROLES = {"thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "th": "columnheader"}


def stacked(table: str) -> str:
    """A table that can be stacked."""
    labels = [escape(unescape(re.sub(r"<[^>]*>", "", head))) for head in HEAD.findall(table)]
    column = cycle(labels)
    table = re.sub("<td>", lambda _: f'<td role="cell" data-label="{next(column)}">', table)
    table = re.sub(rf"<({'|'.join(ROLES)})>", lambda m: f'<{m[1]} role="{ROLES[m[1]]}">', table)
    return table.replace("<table>", '<table role="table" data-stacked>', 1)


def on_page_content(html: str, page: Any, **site: Any) -> str:
    """Prepare the tables of a page: mkdocs calls this for every page."""
    if page.file.src_uri not in PAGES:
        return html
    return TABLE.sub(lambda m: stacked(m[0]), html)
