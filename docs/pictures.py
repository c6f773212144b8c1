"""Draw pictures while the site is built: a block marked as `picture` is Python, and its last expression is the picture.

    ```picture Forward in black, back in blue
    draw(network, params, x)
    ```

The block runs after the page's `python` blocks before it, in the same namespace. What its last expression gives has
`_repr_svg_`, or is a figure of matplotlib, or is the text of a Mermaid graph. What follows `picture` is the caption.
"""

import ast
import io
import re
from collections.abc import Iterator
from html import escape
from itertools import count
from typing import Any

from attrs import frozen
from sybil import Document, Example, Region
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

OPENING = re.compile(r"picture(?: (?P<caption>[^\n]*))?$\n", re.MULTILINE)
ID = re.compile(r"""\b(id="|href="#|url\(#)([\w.-]+)""")
NUMBERS = count()


@frozen
class Picture:
    """A block that draws."""

    source: str
    caption: str


def parse(document: Document) -> Iterator[Region]:
    """The blocks of a page that draw, for sybil."""
    for block in RawFencedCodeBlockLexer(OPENING)(document):
        picture = Picture(str(block.lexemes["source"]), block.lexemes["caption"] or "")
        yield Region(block.start, block.end, picture, _evaluate)


def examples(text: str, path: str) -> Document:
    """A page with its examples: blocks marked as `python`, and those that draw."""
    document = Document(text, path)
    for region in (*PythonCodeBlockParser()(document), *parse(document)):
        document.add(region)
    return document


def draw(picture: Picture, namespace: dict[str, Any]) -> str:
    """Run a block, and return its last expression as SVG or as the text of a Mermaid graph.

    Parameters
    ----------
    picture
        The block.
    namespace
        What the blocks before it have defined.

    Returns
    -------
    str
        SVG, which begins with `<svg`, or the text of a graph.

    Raises
    ------
    TypeError
        If the last line is no expression, or its value is no picture.
    """
    *body, last = ast.parse(picture.source).body
    if not isinstance(last, ast.Expr):
        raise TypeError(f"a block marked as picture must end in an expression, not in {ast.unparse(last)!r}")
    exec(compile(ast.Module(body, []), "<picture>", "exec"), namespace)  # noqa: S102 (the site's own pages)
    value: Any = eval(compile(ast.Expression(last.value), "<picture>", "eval"), namespace)  # noqa: S307 (the same)
    if hasattr(value, "_repr_svg_"):
        return str(value._repr_svg_())
    if hasattr(value, "savefig"):
        return figure_svg(value, picture.caption)
    if isinstance(value, str) and re.match(r"(flowchart|graph|sequenceDiagram|stateDiagram)\b", value):
        return value
    raise TypeError(f"{ast.unparse(last)!r} is {type(value).__name__}, which is no picture: it has no _repr_svg_")


def _evaluate(example: Example) -> None:
    draw(example.parsed, example.namespace)


def figure_svg(figure: Any, title: str) -> str:
    """A figure of matplotlib whose lines and letters have the colour of the text around it."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    svg = re.sub(r"#000000|#000\b|#262626", "currentColor", out.getvalue())
    own = f"picture-{next(NUMBERS)}-"  # it shares the page with others
    svg = ID.sub(lambda m: f"{m[1]}{own}{m[2]}", svg[svg.index("<svg") :])
    return svg.replace("<svg", f'<svg role="img" fill="currentColor" aria-label="{escape(title)}"', 1)


def on_config(config: Any) -> None:
    """Tell Markdown what to do with the blocks: mkdocs calls this once it has read its settings."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "picture", "class": "picture", "format": figure})


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Draw the pictures of a page: each block's source becomes a caption and the drawing."""
    if "```picture" not in markdown:
        return markdown
    document = examples(markdown, page.file.src_uri)
    drawn: list[tuple[int, int, str]] = []
    for example in document:
        if isinstance(example.parsed, Picture):
            drawing = draw(example.parsed, document.namespace)
            drawn.append((example.start, example.end, _fence(example.parsed.caption, drawing)))
        else:
            example.evaluate()
    for start, stop, fence in reversed(drawn):
        indent = re.match(r"[ \t]*", markdown[markdown.rfind("\n", 0, start + 1) + 1 :])
        lines = fence.splitlines()
        prefix = indent[0] if indent else ""
        markdown = markdown[:start] + "\n".join([prefix + line for line in lines]) + markdown[stop:]
    return markdown


def _fence(caption: str, drawing: str) -> str:
    if drawing.lstrip().startswith("<"):
        return f"```picture\n{caption}\n{drawing}\n```"
    return f"```mermaid\n{drawing}\n```\n\n{f'*{caption}*' if caption else ''}"


def figure(source: str, *args: Any, **kwargs: Any) -> str:
    """The HTML of a drawing."""
    caption, _, svg = source.partition("\n")
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="picture">{svg}{text}</figure>'
