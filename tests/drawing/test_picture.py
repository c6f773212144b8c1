"""A picture says what happened, in its place, and can be read: nothing stands in the way of anything else."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    Affine,
    Array,
    Embedding,
    Layer,
    Unit,
    add,
    affine,
    draw,
    embedding,
    encoded,
    fixed,
    relu,
    residual,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    trace,
    two_layer,
)
from chainrule.inspecting.drawing import ink
from chainrule.inspecting.drawing.drawing import Drawing
from chainrule.inspecting.drawing.numbers import MINUS
from untyped import untyped

SVG = "{http://www.w3.org/2000/svg}"
FIRST = Affine(W=np.array([[1.0, -1.0, 0.5], [0.5, 1.0, -1.0]]), b=np.array([0.1, 0.0, -0.2]))
SECOND = Affine(W=np.array([[1.0, -0.5], [0.25, 1.0], [-1.0, 0.5]]), b=np.array([0.0, 0.3]))
X, LABELS = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([0, 1])

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def small() -> Drawing:
    return draw(trace(two_layer.network, (FIRST, (), SECOND), X, softmax_cross_entropy, LABELS))


def large(width: float = 980) -> Drawing:
    rng = np.random.default_rng(0)
    x, labels = rng.random((100, 784), np.float32), np.arange(100) % 10
    seen = trace(two_layer.network, two_layer.init(rng, 784, 50, 10), x, softmax_cross_entropy, labels)
    return draw(seen, width=width)


def single() -> Drawing:
    return draw(trace(affine, FIRST, X, dout=np.ones((2, 3))))


def forward_only() -> Drawing:
    return draw(trace(affine, FIRST, X))


def nested() -> Drawing:
    rng = np.random.default_rng(0)
    network = sequential(affine, sequential(relu, affine, sequential(sigmoid, affine)), relu)
    a, b, c = (Affine.init(rng, *sizes) for sizes in ((784, 50), (50, 20), (20, 10)))
    x, labels = rng.random((100, 784), np.float32), np.arange(100) % 10
    return draw(trace(network, (a, ((), b, ((), c)), ()), x, softmax_cross_entropy, labels))


def nine_layers(width: float = 980) -> Drawing:
    rng = np.random.default_rng(0)
    sizes = [784, 256, 128, 64, 32, 10]
    a, b, c, d, e = (Affine.init(rng, *pair) for pair in pairwise(sizes))
    network = sequential(affine, relu, affine, relu, affine, relu, affine, sigmoid, affine)
    params = (a, (), b, (), c, (), d, (), e)
    x, labels = rng.random((100, 784), np.float32), np.arange(100) % 10
    return draw(trace(network, params, x, softmax_cross_entropy, labels), width=width)


def with_nan() -> Drawing:
    broken = SECOND.W.copy()
    broken[1, 1] = np.inf
    with np.errstate(invalid="ignore"):
        seen = trace(two_layer.network, (FIRST, (), Affine(broken, SECOND.b)), X, softmax_cross_entropy, LABELS)
    return draw(seen)


def names_only() -> Drawing:
    return draw(two_layer.network)


def not_run() -> Drawing:
    return draw(two_layer.network, two_layer.init(np.random.default_rng(0), 784, 50, 10))


def no_layers() -> Drawing:
    return draw(trace(sequential(), (), X))


def loss_only() -> Drawing:
    return draw(trace(sequential(), (), X, softmax_cross_entropy, LABELS))


def no_rows() -> Drawing:
    return draw(trace(affine, FIRST, np.ones((0, 2)), dout=np.ones((0, 3))))


def no_columns() -> Drawing:
    return draw(trace(affine, Affine(np.ones((2, 0)), np.ones(0)), X, dout=np.ones((2, 0))))


def many_dimensions() -> Drawing:
    return draw(trace(sequential(relu, sigmoid), ((), ()), np.ones((2, 2, 2)), dout=np.ones((2, 2, 2))))


def scale_forward(params: Affine, x: Array) -> tuple[Array, Array]:
    return x @ params.W, x


def scale_backward(cache: Array, dout: Array) -> tuple[Array, Affine]:
    return dout, Affine(np.ones((2, 2)), np.ones(2))


a_layer_with_a_name_that_is_long = Layer(scale_forward, scale_backward)


def long_name() -> Drawing:
    network = sequential(relu, a_layer_with_a_name_that_is_long)
    return draw(trace(network, ((), Affine(np.eye(2), np.ones(2))), X, softmax_cross_entropy, LABELS))


def block() -> Drawing:
    rng = np.random.default_rng(0)
    params = (Affine.init(rng, 784, 50), (Affine.init(rng, 50, 50), ()), Affine.init(rng, 50, 10))
    network = sequential(affine, residual(sequential(affine, relu)), affine)
    x, labels = rng.random((100, 784), np.float32), np.arange(100) % 10
    return draw(trace(network, params, x, softmax_cross_entropy, labels))


def two_branches() -> Drawing:
    square = Affine(np.array([[1.0, -1.0], [0.5, 1.0]]), np.array([0.1, 0.0]))
    return draw(trace(add(affine, relu), (square, ()), X, dout=np.ones((2, 2))))


def many_forks() -> Drawing:
    rng = np.random.default_rng(0)
    a, b, c = (Affine.init(rng, 8, 8) for _ in range(3))
    inner = add(affine, sequential(affine, relu), sequential(), sigmoid)
    network = residual(sequential(residual(sequential(affine, relu)), inner))
    params = ((a, ()), (b, (c, ()), (), ()))
    return draw(trace(network, params, rng.random((5, 8), np.float32), dout=np.ones((5, 8), np.float32)))


def tokens() -> Drawing:
    rng = np.random.default_rng(0)
    network = encoded(embedding, sequential(residual(affine), fixed(affine)))
    params = (Embedding.init(rng, 1000, 16), (Affine.init(rng, 16, 16), Affine.init(rng, 16, 10)))
    return draw(trace(network, params, rng.integers(0, 1000, 100), softmax_cross_entropy, np.arange(100) % 10))


def names_of_forks() -> Drawing:
    return draw(encoded(embedding, sequential(residual(sequential(affine, relu)), add(relu, fixed(affine)))))


FORKED = [block, two_branches, many_forks, tokens, names_of_forks]
DRAWINGS = [
    *(small, large, single, forward_only, nested, nine_layers, with_nan, names_only, not_run),
    *(no_layers, loss_only, no_rows, no_columns, many_dimensions, long_name),
    *FORKED,
]
ids = [make.__name__ for make in DRAWINGS]


@frozen(eq=False)
class Text:
    """A line of text, and the room that it takes."""

    content: str
    style: str
    color: str
    box: Box


def root_of(drawing: Drawing) -> ET.Element:
    return ET.fromstring(drawing.svg)  # noqa: S314  # it is ours


def texts(drawing: Drawing) -> list[Text]:
    found: list[Text] = []
    for element in root_of(drawing).iter(f"{SVG}text"):
        style, color = element.attrib["class"].split()
        content = "".join(element.itertext())
        wide = ink.width(content, style)
        x, y, high = float(element.attrib["x"]), float(element.attrib["y"]), ink.SIZES[style]
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[element.get("text-anchor", "start")]
        found.append(Text(content, style, color, (left, y - 0.75 * high, left + wide, y + 0.2 * high)))
    return found


def boxes(drawing: Drawing, style: str) -> list[Box]:
    found = [element.attrib for element in root_of(drawing).iter(f"{SVG}rect") if element.attrib["class"] == style]
    sides = [[float(each[key]) for key in ("x", "y", "width", "height")] for each in found]
    return [(x, y, x + w, y + h) for x, y, w, h in sides]


def segments(drawing: Drawing, color: str) -> Iterator[Box]:
    """The straight pieces of the wires of a colour, as boxes without width."""
    for element in root_of(drawing).iter(f"{SVG}path"):
        if element.attrib["class"].startswith(f"wire {color}"):
            points = [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+),(-?[\d.]+)", element.attrib["d"])]
            for (ax, ay), (bx, by) in pairwise(points):
                yield min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)


def apart(a: Box, b: Box) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def inside(a: Box, b: Box) -> bool:
    return b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]


def place(drawing: Drawing, content: str) -> Box:
    """The position of a text that occurs once."""
    (found,) = (text.box for text in texts(drawing) if text.content == content)
    return found


# It can be read


@pytest.mark.parametrize("make", DRAWINGS, ids=ids)
def test_no_text_overlaps_another(make: Any) -> None:
    overlaps = [(a.content, b.content) for a, b in combinations(texts(make()), 2) if not apart(a.box, b.box)]
    assert overlaps == []


@pytest.mark.parametrize("make", DRAWINGS, ids=ids)
def test_no_wire_runs_through_a_text_or_a_node(make: Any) -> None:
    drawing = make()
    wires = [*segments(drawing, "forward"), *segments(drawing, "backward")]
    crossed = [text.content for text in texts(drawing) for wire in wires if not apart(text.box, wire)]
    assert crossed == []
    shrunk = [(left + 1, top + 1, right - 1, bottom - 1) for left, top, right, bottom in boxes(drawing, "node")]
    assert [node for node in shrunk for wire in wires if not apart(node, wire)] == []


@pytest.mark.parametrize("make", DRAWINGS, ids=ids)
def test_everything_is_within_the_picture(make: Any) -> None:
    drawing = make()
    root = root_of(drawing)
    whole = (0.0, 0.0, float(root.attrib["width"]), float(root.attrib["height"]))
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    parts = [text.box for text in texts(drawing)]
    parts += [*boxes(drawing, "node"), *boxes(drawing, "group"), *boxes(drawing, "paper")]
    parts += [*segments(drawing, "forward"), *segments(drawing, "backward")]
    assert [part for part in parts if not inside(part, whole)] == []


@pytest.mark.parametrize("make", DRAWINGS, ids=ids)
def test_nodes_stand_apart_and_their_names_are_inside(make: Any) -> None:
    drawing = make()
    nodes = boxes(drawing, "node")
    assert all(apart(a, b) for a, b in combinations(nodes, 2))
    found = texts(drawing)
    assert [
        text.content for text in found for node in nodes if not apart(text.box, node) and not inside(text.box, node)
    ] == []
    assert all(any(inside(text.box, node) for node in nodes) for text in found if text.style == "title")


def test_a_nested_sequential_has_a_frame_around_its_layers() -> None:
    drawing = nested()
    frames, nodes = boxes(drawing, "group"), boxes(drawing, "node")
    names = ["".join(lines) for lines in titles_by_node(drawing)]
    within = {name: sum(inside(node, frame) for frame in frames) for name, node in zip(names, nodes, strict=True)}
    assert within == {"affine": 2, "relu": 0, "sigmoid": 2, "softmax_cross_entropy": 0}  # of each name the last
    assert all(apart(a, b) or inside(a, b) or inside(b, a) for a, b in combinations(frames, 2))
    assert all(apart(frame, node) or inside(node, frame) for frame in frames for node in nodes)


def titles_by_node(drawing: Drawing) -> list[list[str]]:
    found = texts(drawing)
    return [
        [text.content for text in found if text.style == "title" and inside(text.box, node)]
        for node in boxes(drawing, "node")
    ]


def test_letters_keep_their_contrast() -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1, on every ground that they may stand on."""
    for palette in ink.PALETTES.values():
        for color in ("ink", "faint", "forward", "backward", "bad"):
            for ground in ("paper", "group", "box"):
                high, low = sorted((luminance(palette[color]), luminance(palette[ground])), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 4.5, (color, ground)


def luminance(color: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


# It says what happened, in its place


def test_small_arrays_show_their_numbers() -> None:
    shown = [text.content.replace(MINUS, "-") for text in texts(single()) if text.style == "mono"]
    for row in (["1.0", "2.0"], ["0.5", "-1.0"], ["2.10", "1.00", "-1.70"], ["0.10", "-1.50", "1.05"], ["2", "2", "2"]):
        assert all(number in shown for number in row), row
    assert not any("f64" in text for text in shown)


def test_large_arrays_show_their_shapes() -> None:
    shown = [text.content for text in texts(large()) if text.style == "mono"]
    for shape in ("f32[100, 784]", "f32[784, 50]", "f32[100, 50]", "f32[50, 10]", "f32[100, 10]", "i64[100]"):
        assert shape in shown


def test_shapes_may_be_asked_for() -> None:
    seen = trace(affine, FIRST, X)
    drawing = draw(seen, numbers=False)
    assert [text.content for text in texts(drawing) if text.style == "mono"] == [
        "f64[2, 2]",
        "f64[2, 3]",
        "f64[3]",
        "f64[2, 3]",
    ]
    assert "1.0" not in drawing.description
    assert "1.0" not in drawing.mermaid


def test_values_stand_above_the_wire_and_derivatives_below() -> None:
    drawing = large()
    wires = sorted(segments(drawing, "forward"))
    (_, forward, _, _), *_ = wires
    (_, backward, _, _), *_ = sorted(segments(drawing, "backward"))
    assert forward < backward
    for name in ("x", "h1", "h2", "out", "loss"):
        assert place(drawing, name)[3] < forward, name
        assert place(drawing, f"d{name}")[1] > backward, name
        assert place(drawing, name)[0] == pytest.approx(place(drawing, f"d{name}")[0], abs=20)


def test_parameters_stand_above_their_node_and_gradients_below() -> None:
    drawing = single()
    ((left, top, right, bottom),) = boxes(drawing, "node")
    for name in ("W", "b"):
        assert place(drawing, name)[3] < top
        assert place(drawing, f"d{name}")[1] > bottom
        assert left - 60 < place(drawing, name)[0] < right
    assert place(drawing, "params")[1] > top


def test_nodes_stand_left_to_right_and_rows_top_to_bottom() -> None:
    for drawing in (small(), large(), nested(), nine_layers()):
        nodes = boxes(drawing, "node")
        assert nodes == sorted(nodes, key=lambda box: (box[1], box[0]))
    names = [["affine"], ["relu"], ["affine"], ["softmax_", "cross_entropy"]]
    assert titles_by_node(small()) == titles_by_node(large()) == names


def test_directions_differ_in_more_than_colour() -> None:
    wires = [element.attrib["class"] for element in root_of(small()).iter(f"{SVG}path")]
    assert {style for style in wires if style.startswith("wire forward")} == {"wire forward"}
    assert {style for style in wires if style.startswith("wire backward")} == {"wire backward dashed"}
    heads = {"forward": set[bool](), "backward": set[bool]()}
    for head in root_of(large()).iter(f"{SVG}polygon"):
        tip, *back = (float(pair.split(",")[0]) for pair in head.attrib["points"].split())
        if max(back) - min(back) < 1:  # it lies along a wire
            heads[head.attrib["class"].split()[1]].add(tip > back[0])
    assert heads == {"forward": {True}, "backward": {False}}


def test_a_pass_forward_has_no_derivatives() -> None:
    drawing = forward_only()
    assert [*segments(drawing, "backward")] == []
    assert {text.color for text in texts(drawing)} == {"forward", "ink", "faint"}
    assert "Backward" not in drawing.description
    assert "-.->" not in drawing.mermaid


def test_a_network_that_was_not_run_has_names() -> None:
    drawing = names_only()
    shown = [text.content for text in texts(drawing) if text.style == "name"]
    assert sorted(shown) == sorted("x dx h1 dh1 h2 dh2 out dout W b W b dW db dW db".split())
    assert not any(text.style == "mono" for text in texts(drawing))


def test_parameters_of_a_network_that_was_not_run_show_their_shapes() -> None:
    shown = [text.content for text in texts(not_run()) if text.style == "mono"]
    assert shown == ["f32[784, 50]", "f32[50]"] * 2 + ["f32[50, 10]", "f32[10]"] * 2  # gradients are like parameters


def test_what_is_not_finite_is_marked_and_where_it_began_framed() -> None:
    drawing = with_nan()
    warnings = [text.content for text in texts(drawing) if text.style == "bad"]
    assert "first: 1 not finite" in warnings
    assert sum(warning.startswith("first") for warning in warnings) == 1
    (frame,) = boxes(drawing, "first")
    assert inside(place(drawing, "first: 1 not finite"), frame)
    assert next(text.content for text in texts(drawing) if text.color == "bad" and inside(text.box, frame)) == "inf"
    assert boxes(small(), "first") == []


# Its form


@pytest.mark.parametrize("make", DRAWINGS, ids=ids)
def test_it_needs_nothing_from_elsewhere_and_meddles_with_nothing(make: Any) -> None:
    drawing = make()
    root = root_of(drawing)
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{name}" for name in ("svg title desc style g rect circle path polygon text tspan").split()
    }
    assert [element for element in root.iter() if "id" in element.attrib or "href" in str(element.attrib)] == []
    assert not re.search(r"url\(|@import|@font-face|<script|javascript:", drawing.svg)
    style = root.findtext(f"{SVG}style") or ""
    selectors = [part for rule in re.findall(r"([^{}]+)\{[^{}]*\}", style) for part in split_selectors(rule)]
    scope = f".{root.attrib['class']} "
    assert len(selectors) > 50
    assert [selector for selector in selectors if scope not in selector] == []


def split_selectors(rule: str) -> list[str]:
    """The selectors of a rule: what commas outside of brackets part."""
    return re.split(r",(?![^(]*\))", rule)


@pytest.mark.parametrize("make", DRAWINGS, ids=ids)
def test_screen_readers_are_told_all_of_it(make: Any) -> None:
    drawing = make()
    root = root_of(drawing)
    assert root.attrib["role"] == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert (root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")) == (drawing.title, drawing.description)
    words = drawing.description.replace(",", " ").replace("[", " ").replace("]", " ").replace(".", " . ")
    for text in texts(drawing):
        if text.style in {"name", "mono"}:
            for word in re.sub(r"[\[\],.]", " ", text.content).split():
                assert f" {word} " in f" {words} ", word


def test_the_account_reads_like_this() -> None:
    params = (Affine(W=np.array([[1.0, -1.0]]), b=np.array([0.5, 0.0])), ())
    drawing = draw(trace(sequential(affine, relu), params, np.array([[2.0]]), dout=np.array([[1.0, 1.0]])))
    assert drawing.title == "Computational graph: x, affine, relu, out"
    assert drawing.description.replace(MINUS, "-") == (
        "Forward: x f64[1, 1] = [[2]] goes in. "
        "Layer 1, affine, with W f64[1, 2] = [[1, -1]] and b f64[2] = [0.5, 0.0] gives h1 f64[1, 2] = [[2.5, -2.0]]. "
        "Layer 2, relu, gives out f64[1, 2] = [[2.5, 0.0]]. "
        "Backward: dout f64[1, 2] = [[1, 1]] comes in. "
        "Layer 2, relu, gives dh1 f64[1, 2] = [[1, 0]]. "
        "Layer 1, affine, gives dW f64[1, 2] = [[2, 0]], db f64[2] = [1, 0] and dx f64[1, 1] = [[1]]."
    )


def test_there_are_rules_for_light_and_dark_and_for_those_who_choose() -> None:
    style = root_of(small()).findtext(f"{SVG}style") or ""
    light, dark = ink.PALETTES["light"], ink.PALETTES["dark"]
    assert light.keys() == dark.keys()
    system, media, chosen = re.split(r"@media \(prefers-color-scheme:dark\)\{|(?<=\})\}(?=:is)", style)
    assert (light["ink"] in system, dark["ink"] in system) == (True, False)
    assert (light["ink"] in media, dark["ink"] in media) == (False, True)
    assert chosen.index("[data-md-color-scheme=default]") < chosen.index(light["ink"])
    assert chosen.index("[data-md-color-scheme=slate]") < chosen.index(dark["ink"])


def test_the_same_pass_gives_the_same_text() -> None:
    assert small() == small()
    assert large().svg == large().svg
    assert small().svg != large().svg


@pytest.mark.parametrize("make", [large, nine_layers])
@pytest.mark.parametrize("width", [300, 500, 700, 1000, 3000])
def test_rows_are_as_wide_as_asked(make: Any, width: int) -> None:
    drawing = make(width=width)
    nodes = boxes(drawing, "node")
    rows = {top for _, top, _, _ in nodes}
    assert float(root_of(drawing).attrib["width"]) <= max(width, 420)  # a node with its wire needs 400
    assert (len(rows) == 1) == (width >= 3000 or (width >= 1000 and make is large))


@given(st.integers(0, 2**32))
def test_every_network_fits_into_every_width(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes: list[int] = rng.integers(1, 300, rng.integers(2, 8)).tolist()
    params = [part for pair in pairwise(sizes) for part in (Affine(np.ones(pair), np.ones(pair[1])), ())]
    network = sequential(*[affine, relu] * (len(sizes) - 1))
    width = rng.uniform(1, 3000)
    nodes = boxes(draw(untyped(network), untyped(tuple(params)), width=width), "node")
    assert len(nodes) == len(params)
    tops = [top for _, top, _, _ in nodes]
    assert all(right < width for _, top, right, _ in nodes if tops.count(top) > 1)


def test_rows_are_as_even_as_can_be() -> None:
    drawing = draw(untyped(sequential(*[relu] * 10)), untyped(((),) * 10))
    tops = [top for _, top, _, _ in boxes(drawing, "node")]
    assert [tops.count(top) for top in sorted(set(tops))] == [5, 5]  # seven would fit


def test_the_wire_to_the_next_row_keeps_its_distance() -> None:
    for drawing in (small(), nested(), nine_layers(), with_nan()):
        frames = [*boxes(drawing, "group"), *(text.box for text in texts(drawing))]
        wide = [
            wire for color in ("forward", "backward") for wire in segments(drawing, color) if wire[2] - wire[0] > 400
        ]
        assert len(wide) >= 2
        for left, top, right, bottom in wide:
            assert all(apart((left, top - 4, right, bottom + 4), frame) for frame in frames)


def test_long_networks_take_no_long_time() -> None:
    count = 400
    network = sequential(*[relu] * count)
    drawing = draw(untyped(network), untyped(((),) * count))
    assert len(boxes(drawing, "node")) == count


def weird_forward(name: str, params: Unit, x: Array) -> tuple[Array, Array]:
    return x, x


def weird_backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
    return dout, ()


@given(st.text(st.characters(), max_size=20))  # lone surrogates too
def test_any_name_is_text_and_nothing_more(name: str) -> None:
    layer = Layer(partial(weird_forward, name), weird_backward)
    drawing = draw(trace(layer, (), X), title=name)
    root = root_of(drawing)
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in f"weird({name!r})")
    assert printable in "".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))
    ET.fromstring(drawing.svg.encode("utf-8"))  # noqa: S314  # it is ours
    drawing.mermaid.encode("utf-8")
    for line in drawing.mermaid.splitlines():
        assert line.count('"') in {0, 2}
        assert not set(line) & set("{}%`")


def test_it_may_have_a_title_of_its_own() -> None:
    drawing = draw(affine, title="An affine layer")
    assert drawing.title == "An affine layer"
    assert root_of(drawing).findtext(f"{SVG}title") == "An affine layer"
    assert "    accTitle: An affine layer\n" in drawing.mermaid
    assert repr(drawing) == "Drawing('An affine layer')"


# Mermaid


@pytest.mark.parametrize("make", [make for make in DRAWINGS if make not in FORKED])
def test_mermaid_text_is_a_chart_of_the_same_graph(make: Any) -> None:
    drawing = make()
    head, title, description, *lines = drawing.mermaid.splitlines()
    assert head == "flowchart LR"
    assert title == f"    accTitle: {drawing.title}"
    assert description == f"    accDescr: {drawing.description}"
    declared = [match[1] for line in lines if (match := re.fullmatch(r" {4}(\w+)(\[\".*\"\]|\(\( \)\))", line))]
    forward = [match.groups() for line in lines if (match := re.fullmatch(r' {4}(\w+) -->\|".*"\| (\w+)', line))]
    back = [match.groups() for line in lines if (match := re.fullmatch(r' {4}(\w+) -\.->\|".*"\| (\w+)', line))]
    opened = [line for line in lines if re.fullmatch(r' {4}subgraph \w+\["params.*"\]', line)]
    assert len(declared) + len(forward) + len(back) + 2 * len(opened) == len(lines)
    assert lines.count("    end") == len(opened)
    chain = ["start", *(name for name in declared if name.startswith("n")), "stop"]
    assert forward == [*pairwise(chain)]
    assert back in ([], [(b, a) for a, b in forward])
    assert len(chain) - 2 == len(boxes(drawing, "node"))


def test_mermaid_says_what_stands_in_the_nodes_and_on_the_wires() -> None:
    text = large().mermaid
    assert '    n1["affine<br>W f32[784, 50]<br>b f32[50]<br>dW f32[784, 50]<br>db f32[50]"]' in text
    assert '    n1 -->|"h1 f32[100, 50]"| n2' in text
    assert '    n2 -.->|"dh1 f32[100, 50]"| n1' in text


def test_mermaid_marks_its_own_characters() -> None:
    drawing = draw(trace(Layer(partial(weird_forward, '"]<b>;#`'), weird_backward), (), X))
    assert 'n1["weird(#39;#34;]#60;b#62;#59;#35;#96;#39;)"]' in drawing.mermaid


def test_titles_of_mermaid_are_text() -> None:
    drawing = draw(affine, title="a\n{b} %%{init: {}}%% 50%; #\ud800")
    title = drawing.mermaid.splitlines()[1]
    marked = "a #123;b#125; #37;#37;#123;init: #123;#125;#125;#37;#37; 50#37;#59; #35;#55296;"
    assert title == f"    accTitle: {marked}"


# Forks


def circles(drawing: Drawing, style: str) -> list[tuple[float, float, float]]:
    found = [each.attrib for each in root_of(drawing).iter(f"{SVG}circle") if each.attrib["class"] == style]
    return [(float(each["cx"]), float(each["cy"]), float(each["r"])) for each in found]


@pytest.mark.parametrize(
    ("make", "forks"), [(block, 1), (two_branches, 1), (many_forks, 3), (tokens, 1), (names_of_forks, 2)]
)
def test_a_fork_has_a_point_and_a_joint_on_one_line(make: Any, forks: int) -> None:
    drawing = make()
    points, joints = circles(drawing, "point"), circles(drawing, "node")
    assert len(points) == len(joints) == forks
    assert sorted(y for _, y, _ in points) == sorted(y for _, y, _ in joints)
    assert [text.content for text in texts(drawing) if text.style == "joint"] == ["+"] * forks


def ends(drawing: Drawing, color: str) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The ends of each wire of a colour."""
    found: list[Any] = []
    for element in root_of(drawing).iter(f"{SVG}path"):
        if element.attrib["class"].startswith(f"wire {color}"):
            points = [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+),(-?[\d.]+)", element.attrib["d"])]
            found.append((points[0], points[-1]))
    return found


@pytest.mark.parametrize("make", [two_branches, block])
def test_two_wires_leave_a_point_and_meet_in_its_joint_and_two_derivatives_come_back(make: Any) -> None:
    drawing = make()
    ((px, py, pr),), ((jx, jy, jr),) = circles(drawing, "point"), circles(drawing, "node")

    def at(point: tuple[float, float], x: float, y: float, radius: float) -> bool:
        return abs(point[0] - x) <= radius + 5 and abs(point[1] - y) <= radius + 5

    forward, backward = ends(drawing, "forward"), ends(drawing, "backward")
    leave = [end for start, end in forward if at(start, px, py, pr) and end[0] > px]
    meet = [start for start, end in forward if at(end, jx, jy, jr) and start[0] < jx]
    back = [start for start, end in backward if at(end, px, py, pr) and start[0] > px]
    assert (len(leave), len(meet), len(back)) == (2, 2, 2)
    assert len({y for _, y in leave}) == len({y for _, y in meet}) == 2


def test_branches_stand_above_each_other() -> None:
    upper, lower = boxes(two_branches(), "node")
    assert upper[3] < lower[1]
    assert upper[0] < lower[2]
    assert lower[0] < upper[2]


def test_a_fork_in_words() -> None:
    text = names_of_forks().description
    assert text.startswith(
        "Forward: x goes in. Layer 1, embedding, with E gives h1. The wire forks into 2 branches of residual. "
    )
    assert "Branch 2 of 2 carries the same array on. The joint + gives h4. " in text
    assert text.endswith("Where the wire forks their derivatives are added: dh1. Layer 1, embedding, gives dE.")
    assert "Layer 5, affine, gives dx6. " in text  # it is fixed: there is no dW


def test_no_two_labels_of_a_picture_are_one_name() -> None:
    named = [text.content for text in texts(many_forks()) if text.style == "name"]
    assert {name for name in named if named.count(name) > 1 and name not in {"W", "b", "dW", "db"}} == set()


def test_a_fork_in_mermaid() -> None:
    lines = [line.strip() for line in draw(sequential(residual(relu), sigmoid)).mermaid.splitlines()[3:]]
    assert lines == [
        "start(( ))",
        "f1(( ))",
        'n1["relu"]',
        'j1(("#43;"))',
        'n2["sigmoid"]',
        "stop(( ))",
        'start -->|"x"| f1',
        'f1 -.->|"dx"| start',
        "f1 --> n1",
        'n1 -.->|"dx1"| f1',
        'n1 -->|"h1"| j1',
        "j1 -.-> n1",
        "f1 --> j1",
        "j1 -.-> f1",
        'j1 -->|"h2"| n2',
        'n2 -.->|"dh2"| j1',
        'n2 -->|"out"| stop',
        'stop -.->|"dout"| n2',
    ]


# Jupyter and files


def test_jupyter_shows_it() -> None:
    drawing = small()
    assert untyped(drawing)._repr_svg_() == drawing.svg
    frame = ET.fromstring(untyped(drawing)._repr_html_())  # noqa: S314  # it is ours
    assert frame.attrib == {"style": "overflow-x:auto", "tabindex": "0"}
    assert [child.tag for child in frame] == [f"{SVG}svg"]


def test_it_is_saved_as_svg_or_mermaid(tmp_path: Path) -> None:
    drawing = small()
    for name, content in (("a.svg", drawing.svg), ("a.mmd", drawing.mermaid), ("a.svg", drawing.svg)):
        drawing.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8") == content
    drawing.save(str(tmp_path / "b.svg"))
    draw(affine, title="\ud800").save(tmp_path / "a.mmd")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mmd", "a.svg", "b.svg"]


def test_it_is_saved_as_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^save: the name must end in \.svg or \.mmd, got 'a\.png'$"):
        small().save(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"missing.a\.svg'$"):
        small().save(tmp_path / "missing" / "a.svg")
    assert [*tmp_path.iterdir()] == []


# What it refuses


def test_bad_input() -> None:
    seen = trace(affine, FIRST, X)
    with pytest.raises(TypeError, match=r"^draw: expected a trace, a Layer or an Encoder, got f64\[2, 2\]$"):
        untyped(draw)(X)
    with pytest.raises(TypeError, match=r"^draw: a trace has its parameters already, got Affine besides$"):
        untyped(draw)(seen, FIRST)
    with pytest.raises(ValueError, match=r"^draw: width must be a positive number of pixels, got 0$"):
        draw(seen, width=0)
    with pytest.raises(ValueError, match=r"^draw: 3 layers need 3 entries in params, got 2$"):
        untyped(draw)(two_layer.network, (FIRST, SECOND))
