"""A drawing: one graph as a picture, as Mermaid text and in words."""

import os
import tempfile
from pathlib import Path

from attrs import frozen

from chainrule.inspecting.drawing.account import account_of
from chainrule.inspecting.drawing.graph import Graph
from chainrule.inspecting.drawing.mermaid import mermaid_of
from chainrule.inspecting.drawing.svg import svg_of

SUFFIXES = (".svg", ".mmd")


@frozen(repr=False)
class Drawing:
    """A computational graph, drawn; Jupyter shows it.

    Screen readers say its title first, and its description, which has all that it shows in words. `svg` needs no
    script, font or style of the page, and is light or dark as the reader is; `mermaid` is a flow chart.
    """

    svg: str
    mermaid: str
    title: str
    description: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, or the Mermaid text, to a file.

        Parameters
        ----------
        path
            A name that ends in `.svg`, or in `.mmd` for Mermaid. The file appears complete or not at all.

        Raises
        ------
        ValueError
            If it ends otherwise.
        OSError
            If it cannot be written.
        """
        place = Path(path)
        if place.suffix not in SUFFIXES:
            raise ValueError(f"save: the name must end in .svg or .mmd, got {place.name!r}")
        content = self.svg if place.suffix == ".svg" else self.mermaid
        try:
            with tempfile.TemporaryDirectory(dir=place.parent) as folder:
                whole = Path(folder) / place.name
                whole.write_text(content, encoding="utf-8")
                whole.replace(place)
        except OSError as error:  # which names a file of a moment
            raise OSError(error.errno, error.strerror, str(place)) from error

    def __repr__(self) -> str:
        """Its title and size."""
        return f"Drawing({self.title!r})"

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        """The picture in a frame that scrolls, by keyboard too, where a page is too narrow."""
        return f'<div style="overflow-x:auto" tabindex="0">{self.svg}</div>'


def drawing_of(graph: Graph, *, width: float, title: str) -> Drawing:
    """Draw a graph in all forms; the arguments are those of `chainrule.draw`."""
    name = title or graph.title
    return Drawing(
        svg_of(graph, width=width, title=name),
        mermaid_of(graph, title=name),
        name,
        account_of(graph),
    )
