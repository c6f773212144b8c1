"""The two forms of gelu: their tails, the libraries that have an error function, and their types."""

import re
import sys
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chainrule import gelu, gelu_erf, tree
from chainrule.arrays.normal import ByErfc
from libraries.installed import LIBRARIES, Library
from libraries.uses import layer_use
from pointwise import Terms, assert_accurate, value_and_slope
from reference import mpmath
from strategies import Floating
from untyped import untyped

special: Any = import_module("scipy.special")

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, gelu, gelu_erf, rules, sequential
from chainrule.layers.affine import AffineCache

def accepted(x: Array) -> None:
    assert_type(gelu, Layer[Unit, rules.Saved])
    assert_type(gelu_erf.forward((), x)[0], Array)
    network = sequential(affine, gelu)
    assert_type(network, Layer[tuple[Affine, Unit], tuple[AffineCache, rules.Saved]])

def mistakes(x: Array) -> None:
    gelu("tanh")  # rejected: it has no options
    gelu_erf.forward(x, x)  # rejected: it has no parameters
    gelu.backward(x, x)  # rejected: an array for the cache
"""


def of_tanh(x: Any) -> Terms:
    """By definition; in the tail with exp(2 u) for 1 + tanh(u), which cancels there."""
    c, d = mpmath.sqrt(2 / mpmath.pi), mpmath.mpf("0.044715")
    u, steep = c * (x + d * x**3), c * (1 + 3 * d * x**2)
    gate = [mpmath.mpf(0.5), mpmath.tanh(u) / 2] if abs(x) < 1 else [1 / (1 + mpmath.exp(-2 * u))]
    return [x * mpmath.fsum(gate)], [*gate, x * steep / (2 * mpmath.cosh(u) ** 2)]


def of_erf(x: Any) -> Terms:
    """By definition; in the tail with erfc for 1 + erf, which cancels there."""
    z = x / mpmath.sqrt(2)
    gate = [mpmath.mpf(0.5), mpmath.erf(z) / 2] if abs(x) < 1 else [mpmath.erfc(-z) / 2]
    return [x * mpmath.fsum(gate)], [*gate, x * mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi)]


EXACT = {"gelu": of_tanh, "gelu_erf": of_erf}


def test_value_and_slope_keep_their_digits_on_the_whole_line() -> None:
    assert_accurate(gelu, of_tanh, -0.7524614220710162, 0.0, -21.3)
    assert_accurate(gelu_erf, of_erf, -0.7517915246935645, 0.0, -37.5, -38.4)


def test_published_values() -> None:
    # Abramowitz and Stegun, table 26.1: P(1) = 0.84134 47460 68543, Z(1) = 0.24197 07245 19143.
    out, slope = value_and_slope(gelu_erf, np.array([-1.0, 1.0]))
    np.testing.assert_allclose(out, [0.841344746068543 - 1, 0.841344746068543], rtol=4e-15)
    assert slope[1] == pytest.approx(0.841344746068543 + 0.241970724519143, rel=2e-15)
    # The two forms differ by at most 0.0005.
    x = np.linspace(-10, 10, 2001)
    difference = np.abs(gelu.forward((), x)[0] - gelu_erf.forward((), x)[0]).max()
    assert 0.0004 < difference < 0.0005


def test_the_docstring_says_first_which_form_others_take() -> None:
    assert gelu.__doc__ is not None
    first = gelu.__doc__.splitlines()[0]
    assert all(word in first for word in ("tanh form", "torch", "Keras", "ONNX", "gelu_erf"))


WITH_ERF = [library for library in LIBRARIES if library.name not in {"numpy", "array_api_strict"}]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("library", WITH_ERF, ids=lambda each: each.name)
def test_gelu_erf_runs_where_there_is_an_error_function(library: Library, dtype: Floating) -> None:
    # To the ends of the tail: 1e-38 in float32, 1e-308 in float64.
    x = np.concatenate([np.linspace(-12, 12, 49), [-37.0 if dtype is np.float64 else -12.5, 30.0]]).astype(dtype)
    use, inputs = partial(layer_use, gelu_erf), ((), x, np.ones_like(x))
    theirs = library.get_all(library.run(use, library.put_all(inputs)))
    limits = np.finfo(dtype)
    for a, b in zip(tree.leaves(theirs), tree.leaves(use(*inputs)), strict=True):
        assert a.dtype == dtype
        # A rounding of the square is one of exp(-x^2 / 2) that is x^2 / 2 times as large: 72 units at -12.
        np.testing.assert_allclose(a, b, rtol=128 * float(limits.eps), atol=float(limits.smallest_normal))
    assert [each.dtype for each in tree.leaves(library.unread(use, inputs))] == [
        each.dtype for each in tree.leaves(library.put_all(tuple(use(*inputs))))
    ]


def test_of_the_complement_alone_both_functions_are_those_of_scipy() -> None:
    z = np.concatenate([np.linspace(0, 30, 1001), [7.9999, 8.0, 8.0001]])
    functions = ByErfc(np, special)
    np.testing.assert_array_equal(functions.erf(z), special.erf(z))
    # exp(z^2) has a rounding of z^2, up to 64 below 8: a relative error of 32 units of 2.2e-16.
    near = z < 8
    np.testing.assert_allclose(functions.erfcx(z)[near], special.erfcx(z)[near], rtol=40 * 2.2e-16)
    np.testing.assert_allclose(functions.erfcx(z)[~near], special.erfcx(z)[~near], rtol=4 * 2.2e-16)


def test_a_library_without_an_error_function_is_refused_by_name() -> None:
    x: Any = import_module("array_api_strict").asarray([1.0])
    with pytest.raises(TypeError, match=r"^gelu_erf: array_api_strict has no erf: take gelu$"):
        gelu_erf.forward((), x)


def test_a_numpy_without_scipy_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    message = "gelu_erf: NumPy has no erf: pip install 'chainrule[scipy]', or take gelu"
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        gelu_erf.forward((), np.ones(2))
    gelu.forward((), np.ones(2))


def test_bad_input() -> None:
    with pytest.raises(TypeError, match=re.escape("gelu: it has no parameters: params must be (), got f64[2]")):
        gelu.forward(untyped(np.ones(2)), np.ones(2))
    with pytest.raises(TypeError, match="gelu_erf: x is int64, not floating-point"):
        gelu_erf.forward((), untyped(np.ones(2, int)))
    _, cache = gelu.forward((), np.ones((2, 3)))
    with pytest.raises(ValueError, match=re.escape("gelu backward: dout has shape (3, 2), expected (2, 3)")):
        gelu.backward(cache, np.ones((3, 2)))
