import pickle
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import Affine, Array, Scaling, affine, check_layer, sequential, standardise, tree
from chainrule.arrays.columns import PIECE
from strategies import Floating, all_dtypes, generators, layouts, normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Labels, Layer, Scaling, Unit, standardise
from chainrule.layers.standardise import StandardiseCache


def accepted(x: Array, scaling: Scaling) -> None:
    assert_type(standardise(x), Layer[Unit, StandardiseCache])
    assert_type(standardise(scaling), Layer[Unit, StandardiseCache])
    assert_type(Scaling.of(x), Scaling)
    assert_type(scaling.mean, Array)
    out, cache = standardise(x).forward((), x)
    assert_type(standardise(x).backward(cache, out), tuple[Array, Unit])


def refused(x: Array, labels: Labels, params: Affine) -> None:
    standardise(labels)  # rejected: integers
    standardise()  # rejected: of no table
    standardise(x).forward(params, x)  # rejected: it has no parameters
    Scaling(x)  # rejected: the scale is missing
"""


@given(rng=generators, dtype=all_dtypes)
def test_the_columns_of_what_it_was_made_of_have_mean_0_and_deviation_1(
    rng: np.random.Generator, dtype: Floating
) -> None:
    shape = (int(rng.integers(2, 40)), *((), (2,))[rng.integers(2)], int(rng.integers(1, 5)))
    x = (normal(rng, *shape) * rng.uniform(0.5, 3) + rng.uniform(-3, 3)).astype(dtype)
    out, _ = standardise(x).forward((), x)
    assert out.dtype == dtype
    rows = out.reshape(-1, shape[-1]).astype(np.longdouble)
    # x and the mean are rounded, by some units of numbers up to 15, and divided by a deviation that may be small.
    few = 64 * float(np.finfo(dtype).eps) / np.minimum(1, standardised_scale(x))
    assert (abs(rows.mean(axis=0)) <= few).all()
    assert (abs(rows.std(axis=0) - 1) <= few).all()


def standardised_scale(x: Array) -> Any:
    return Scaling.of(x).scale.astype(float)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_mean_and_scale_are_those_of_the_definition(dtype: Floating) -> None:
    x = (normal(np.random.default_rng(0), 1000, 4) * [1, 100, 1e-2, 3] + [0, 3, 5, -1]).astype(dtype)
    scaling, exact = Scaling.of(x), x.astype(np.longdouble)
    assert scaling.mean.dtype == scaling.scale.dtype == dtype
    eps = float(np.finfo(dtype).eps)
    summed = 2.0**-52 * float(abs(x).max())  # what sums in float64 lose
    np.testing.assert_allclose(scaling.mean, exact.mean(axis=0).astype(float), rtol=eps, atol=summed)
    np.testing.assert_allclose(scaling.scale, exact.std(axis=0).astype(float), rtol=eps + 1000 * 2.0**-53)


def test_nothing_overflows_underflows_or_warns() -> None:
    most = np.finfo(np.float64).max
    x = np.array([[most, -most, most, 5e-324, 1e-300], [most, most, -most / 2, 0, 3e-300]])
    with np.errstate(all="raise"):
        scaling = Scaling.of(x)
    np.testing.assert_array_equal(scaling.mean, [most, 0, most / 4, 0, 2e-300])
    np.testing.assert_allclose(scaling.scale, [1, most, 0.75 * most, 1, 1e-300], rtol=1e-15)


def test_differences_beyond_float16_are_no_infinity() -> None:
    x = np.array([[6e4], [6e4], [-6e4]], np.float16)
    expected = (x.astype(float) - x.astype(float).mean()) / x.astype(float).std()
    np.testing.assert_allclose(standardise(x).forward((), x)[0], expected, rtol=2e-3)  # three digits of float16


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_column_of_equal_numbers_becomes_0(dtype: Floating) -> None:
    x = np.full((7, 2), 0.1, dtype)
    assert not standardise(x).forward((), x)[0].any()
    assert Scaling.of(x).scale.tolist() == [1, 1]


def test_pieces_of_a_large_table_give_the_whole(tmp_path: Path) -> None:
    n = PIECE // 2 + 3
    x = normal(np.random.default_rng(0), n, 3)
    scaling = Scaling.of(x)
    np.testing.assert_allclose(scaling.mean, x.mean(axis=0), rtol=0, atol=1e-15)
    np.testing.assert_allclose(scaling.scale, x.std(axis=0), rtol=1e-14)
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=x.shape)
    mapped[:] = x
    assert tree.equal(Scaling.of(mapped), scaling)


@pytest.mark.parametrize("layout", sorted(layouts(np.ones((4, 3)))))
def test_the_layout_in_memory_changes_nothing(layout: str) -> None:
    x = normal(np.random.default_rng(0), 4, 3)
    np.testing.assert_allclose(Scaling.of(layouts(x)[layout]).scale, Scaling.of(x).scale, rtol=1e-15)


def test_it_takes_each_dtype_and_passes_the_checks_in_a_network() -> None:
    rng = np.random.default_rng(0)
    x = normal(rng, 6, 3, dtype=np.float32)
    network = sequential(standardise(x), affine)
    assert check_layer(network, ((), Affine.init(rng, 3, 2)), x, rng=rng).ok
    for dtype in (np.float16, np.float64):
        assert standardise(x).forward((), x.astype(dtype))[0].dtype == dtype


def test_it_pickles_and_is_made_again_of_its_scaling() -> None:
    x = normal(np.random.default_rng(0), 6, 3)
    layer = standardise(x)
    assert repr(layer) == "Layer(standardise(x=Scaling(mean=f64[3], scale=f64[3])))"
    for again in (pickle.loads(pickle.dumps(layer)), standardise(Scaling.of(x))):
        assert tree.equal(again.forward((), x), layer.forward((), x))


def test_a_scaling_of_another_library_scales_its_arrays() -> None:
    strict: Any = import_module("array_api_strict")
    x = normal(np.random.default_rng(0), 6, 3)
    scaling = Scaling.of(x)
    theirs = Scaling(strict.asarray(scaling.mean.copy()), strict.asarray(scaling.scale.copy()))
    out, cache = standardise(theirs).forward((), strict.asarray(x))
    assert isinstance(out, type(theirs.mean))
    np.testing.assert_array_equal(np.asarray(out), standardise(x).forward((), x)[0])
    dx, _ = standardise(theirs).backward(cache, untyped(strict).ones((6, 3)))
    np.testing.assert_array_equal(np.asarray(dx)[0], 1 / scaling.scale)
    with pytest.raises(TypeError, match="x is an array of array_api_strict but the mean is of numpy"):
        standardise(x).forward((), strict.asarray(x))


def test_its_traits() -> None:
    layer = standardise(np.eye(3))
    assert (layer.event_axes, layer.elementwise, layer.couples_rows) == (1, False, False)
    assert layer.operations is not None
    assert layer.operations((), (4, 3), (4, 3)) == (24, 12)


class Frame:
    """A table of pandas."""


Frame.__module__ = "pandas"


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.array([[1.0, 2.0], [3.0, np.nan]]), ValueError, "standardise: x has nan at row 1, column 1"),
        (np.array([[1.0, 2.0], [np.inf, 4.0]]), ValueError, "standardise: x has inf at row 1, column 0"),
        (np.full((1, 2, 2), -np.inf), ValueError, "standardise: x has -inf at row 0, place (0, 0)"),
        (np.ones((0, 3)), ValueError, "standardise: x must have rows and columns, at least one of each, got shape (0"),
        (np.ones(()), ValueError, "standardise: x must have rows and columns, at least one of each, got shape ()"),
        (np.ones(3), ValueError, "at least one of each, got shape (3,): for one column x[:, None]"),
        (np.ones((2, 3), int), TypeError, "standardise: x is int64, not floating-point: convert it first"),
        ([[1.0]], TypeError, "standardise: x must be a NumPy array of floats, got list: convert it with np.asarray"),
        (Frame(), TypeError, "x must be a NumPy array of floats, got Frame: convert it with .to_numpy(np.float32)"),
        (np.ma.masked_array(np.eye(2)), TypeError, "standardise: x must be a plain array, got MaskedArray"),
    ],
)
def test_a_table_that_is_none_is_refused(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        standardise(x)


def test_bad_scalings_and_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("Scaling: mean is (3,), so scale must be (3,), got (2,)")):
        Scaling(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match=r"^Scaling: mean must be finite, got nan for column 1$"):
        Scaling(np.array([0.0, np.nan]), np.ones(2))
    for value in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"Scaling: scale must be finite and > 0, got .* for column 1"):
            Scaling(np.ones(2), np.array([1.0, value]))
    with pytest.raises(TypeError, match="Scaling: mean must be an array of floats, got list"):
        Scaling(untyped([1.0]), np.ones(1))
    with pytest.raises(ValueError, match=re.escape("standardise: x has 2 features (5, 2) but mean takes 3 (3,)")):
        standardise(np.eye(3)).forward((), np.ones((5, 2)))
