"""The command that measures elementwise layers on the whole line."""

import chainrule
import whole_line
from catalogue import LAYERS
from speed.page import present


def test_every_elementwise_layer_has_a_definition_that_is_measured() -> None:
    """A layer that is its own definition, `identity`, has none."""
    measured = {name for name, _ in whole_line.definitions()}
    pointwise = {each.name for each in LAYERS if each.layer.elementwise and each.name in chainrule.__all__}
    assert measured == pointwise - {"identity"}


def test_a_row_says_how_large_the_errors_are_and_where() -> None:
    name, value, at, slope, there, share = whole_line.row("softsign", dict(whole_line.definitions())["softsign"], 5)
    assert name == "softsign"
    assert 0 < float(value) < 4  # three roundings each
    assert 0 < float(slope) < 4
    assert abs(float(at)) < 1e5
    assert abs(float(there)) < 1e5
    assert share.endswith("%")


def test_the_page_has_a_place_for_the_table() -> None:
    assert "whole-line" in present(whole_line.PAGE.read_text("utf-8"))
