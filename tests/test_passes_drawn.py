"""Every derivation of the reference has the picture of its example's pass before it."""

import griffe
import pytest
from modules import modules, package
from passes import examples_of, picture, with_picture

DERIVED = [
    module
    for room in ("layers", "combinators", "losses")
    for module in modules(package().modules[room])
    if module.docstring and "**Derivation.**" in module.docstring.value
]


@pytest.mark.parametrize("module", DERIVED, ids=[module.path for module in DERIVED])
def test_every_derivation_has_a_picture_forward_and_back(module: griffe.Module) -> None:
    drawing = picture(examples_of(module))
    assert drawing is not None
    assert drawing.startswith("<svg")
    assert "backward: derivatives" in drawing


def test_the_picture_has_the_numbers_of_the_example_and_stands_before_it() -> None:
    text = """A layer.

Examples
--------
>>> import numpy as np
>>> from chainrule import relu
>>> out, cache = relu.forward((), np.array([[-7.0, 8.0]]))
>>> dx, _ = relu.backward(cache, np.array([[3.0, 4.0]]))
"""
    found = with_picture(text, text)
    before, _, after = found.partition("Examples\n--------")
    assert before.startswith("A layer.\n\n```picture\n\n<svg")
    assert after == text.partition("Examples\n--------")[2]
    assert all(number in before for number in ("\N{MINUS SIGN}7", "8", "3", "4"))


def test_the_picture_stands_between_the_formula_and_the_derivation() -> None:
    text = "A layer.\n\n    out = x\n\n**Derivation.** None.\n\nExamples\n--------\n"
    example = ">>> import numpy as np\n>>> from chainrule import relu\n>>> relu.forward((), np.array([1.0]))\n"
    before, _, after = with_picture(text, example).partition("\n\n**Derivation.**")
    assert before.startswith("A layer.\n\n    out = x\n\n```picture\n\n<svg")
    assert before.endswith("\n```")
    assert after == text.partition("\n\n**Derivation.**")[2]


def test_a_text_without_a_pass_stays_as_it_is() -> None:
    text = "Nothing.\n\nExamples\n--------\n>>> 1 + 1\n2\n"
    assert with_picture(text, text) == text
