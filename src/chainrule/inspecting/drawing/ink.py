"""Marks of a picture: text, lines and boxes as elements of SVG, and how wide text is.

Fonts are the reader's own. Widths are those of the widest of the usual ones, so that text that is set apart here stays
apart there.
"""

from chainrule.inspecting.tracing.table import escape

SIZES = {"mono": 12.0, "name": 15.0, "index": 11.0, "title": 13.0, "joint": 18.0, "small": 10.5, "bad": 11.0}
"""Heights of letters, by style, in pixels."""

WIDE, NARROW = set("mwABCDEFGHKLMNOPQRSTUVWXYZ%@"), set("fijlrstI.,:;()[] ")
"""Letters of a proportional font by their widths."""

PALETTES = {
    "light": {
        "paper": "#ffffff",
        "edge": "#d0d7de",
        "group": "#f4f6f9",
        "box": "#eaeef6",
        "rim": "#57606a",
        "ink": "#1f2328",
        "faint": "#57606a",
        "forward": "#0b5394",
        "backward": "#a33b00",
        "bad": "#b00020",
    },
    "dark": {
        "paper": "#161b22",
        "edge": "#3d444d",
        "group": "#1c232d",
        "box": "#2a3340",
        "rim": "#9da7b3",
        "ink": "#e6edf3",
        "faint": "#9da7b3",
        "forward": "#79c0ff",
        "backward": "#ffb077",
        "bad": "#ff8a94",
    },
}

SWITCHES = {
    "light": ("[data-md-color-scheme=default]", "[data-theme=light]", "[data-jp-theme-light=true]"),
    "dark": ("[data-md-color-scheme=slate]", "[data-theme=dark]", "[data-jp-theme-light=false]"),
}
"""The marks of a reader's chosen theme in sites and notebooks: Material for MkDocs, Sphinx themes, Jupyter."""

MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace"
SERIF = "'STIX Two Text','Latin Modern Roman',Cambria,Georgia,'Times New Roman',serif"

RADIUS = 9.0
"""The radius of the corners of a line."""


def width(text: str, style: str) -> float:
    """The width of a text in a style, in pixels, in the wider ones of the usual fonts."""
    if style in {"name", "index"}:
        return SIZES[style] * sum(0.84 if c in WIDE else 0.42 if c in NARROW else 0.56 for c in text)
    return SIZES[style] * 0.61 * len(text)


def text(x: float, y: float, content: str, style: str, color: str = "ink", anchor: str = "start") -> str:
    """A line of text: `y` is its base line; `anchor` says which end, or the middle, stands at `x`."""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{style} {color}"{at}>{escape(content)}</text>'


def line(points: list[tuple[float, float]], color: str, *, dashed: bool = False) -> str:
    """A line through points with rounded corners."""
    path = f"M{_n(points[0][0])},{_n(points[0][1])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        (ax, ay), (bx, by) = _toward(corner, before), _toward(corner, after)
        path += f"L{_n(ax)},{_n(ay)}Q{_n(corner[0])},{_n(corner[1])} {_n(bx)},{_n(by)}"
    path += f"L{_n(points[-1][0])},{_n(points[-1][1])}"
    return f'<path d="{path}" class="wire {color}{" dashed" if dashed else ""}"/>'


def arrow(x: float, y: float, direction: tuple[int, int], color: str) -> str:
    """The head of an arrow that points to (x, y)."""
    (dx, dy), size, half = direction, 8.0, 4.0
    left = (x - dx * size - dy * half, y - dy * size + dx * half)
    right = (x - dx * size + dy * half, y - dy * size - dx * half)
    corners = " ".join(f"{_n(a)},{_n(b)}" for a, b in ((x, y), left, right))
    return f'<polygon points="{corners}" class="head {color}"/>'


def box(x: float, y: float, w: float, h: float, style: str, radius: float = 7.0) -> str:
    """A box with rounded corners."""
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" rx="{_n(radius)}" class="{style}"/>'


def dot(x: float, y: float, radius: float, style: str) -> str:
    """A disc around (x, y)."""
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" class="{style}"/>'


def brackets(x: float, y: float, w: float, h: float, color: str) -> str:
    """The square brackets of a matrix."""
    left = f"M{_n(x + 4)},{_n(y)}H{_n(x)}V{_n(y + h)}H{_n(x + 4)}"
    right = f"M{_n(x + w - 4)},{_n(y)}H{_n(x + w)}V{_n(y + h)}H{_n(x + w - 4)}"
    return f'<path d="{left}{right}" class="bracket {color}"/>'


def rules(scope: str) -> str:
    """Write the style sheet of a picture, whose rules hold within one class and touch nothing else in a page.

    Colours are light, dark where the reader's system is, and either where a page says so by one of `SWITCHES`.
    """
    fonts = "".join(
        f".{scope} .{style}{{font:{weight}{SIZES[style]:g}px {family}}}"
        for style, weight, family in (
            ("mono", "", MONO),
            ("name", "italic ", SERIF),
            ("index", "italic ", SERIF),
            ("title", "600 ", MONO),
            ("joint", "600 ", MONO),
            ("small", "", MONO),
            ("bad", "600 ", MONO),
        )
    )
    strokes = (
        f".{scope} .first{{fill:none;stroke-width:1.4}}"
        f".{scope} .wire{{fill:none;stroke-width:1.6}}.{scope} .bracket{{fill:none;stroke-width:1.2}}"
        f".{scope} .dashed{{stroke-dasharray:5 4}}.{scope} .head{{stroke:none}}"
    )
    light, dark = (_colors(f".{scope}", PALETTES[theme]) for theme in ("light", "dark"))
    chosen = "".join(_colors(f":is({','.join(SWITCHES[theme])}) .{scope}", PALETTES[theme]) for theme in SWITCHES)
    return f"{fonts}{strokes}{light}@media (prefers-color-scheme:dark){{{dark}}}{chosen}"


def _colors(scope: str, palette: dict[str, str]) -> str:
    shapes = (
        f"{scope} .paper{{fill:{palette['paper']};stroke:{palette['edge']}}}"
        f"{scope} .group{{fill:{palette['group']};stroke:{palette['edge']}}}"
        f"{scope} .node{{fill:{palette['box']};stroke:{palette['rim']};stroke-width:1.4}}"
    )
    shapes += f"{scope} .point{{fill:{palette['rim']}}}"
    shapes += f"{scope} .first{{stroke:{palette['bad']}}}"
    for color in ("ink", "faint", "forward", "backward", "bad"):
        value = palette[color]
        shapes += f"{scope} text.{color},{scope} .head.{color}{{fill:{value}}}"
        shapes += f"{scope} .wire.{color},{scope} .bracket.{color}{{stroke:{value}}}"
    return shapes


def _toward(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    dx, dy = end[0] - start[0], end[1] - start[1]
    share = min(0.5, RADIUS / max(abs(dx), abs(dy), 1e-9))
    return start[0] + share * dx, start[1] + share * dy


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
