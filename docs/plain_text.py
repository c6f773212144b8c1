"""Read angle brackets in Markdown as themselves: in derivations, <A, B> is an inner product and no HTML tag.

Only comments are left out: they say where generated parts of a page begin and end.
"""

import re
from typing import Any

from markdown import Extension, Markdown


class PlainText(Extension):
    """Markdown without raw HTML."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Take out what recognizes HTML."""
        md.preprocessors.deregister("html_block")
        md.inlinePatterns.deregister("html")


def on_page_markdown(markdown: str, **page: Any) -> str:
    """Take out lines that are comments: mkdocs calls this for every page."""
    return re.sub(r"^<!--.*?-->\n", "", markdown, flags=re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> None:
    """Add the extension: mkdocs calls this once it has read its settings."""
    config.markdown_extensions.append(PlainText())
