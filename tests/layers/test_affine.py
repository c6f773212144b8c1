import copy
import ctypes
import math
import pickle
import re
import tracemalloc
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from chainrule import Affine, affine, relu, tree
from strategies import Floating, all_dtypes, generators, layouts, normal, sides, sides_or_none
from untyped import untyped


def params_of(rng: np.random.Generator, d: int, m: int, dtype: Floating = np.float64) -> Affine:
    return Affine(normal(rng, d, m, dtype=dtype), normal(rng, m, dtype=dtype))


@given(rng=generators, n=sides_or_none, d=sides_or_none, m=sides_or_none)
def test_values_and_gradients_are_the_sums_of_the_definition(rng: np.random.Generator, n: int, d: int, m: int) -> None:
    params, x, dout = params_of(rng, d, m), normal(rng, n, d), normal(rng, n, m)
    out, cache = affine.forward(params, x)
    dx, grads = affine.backward(cache, dout)
    expected_dx, expected_dW, expected_db = reference.affine_gradients(x, params.W, dout)
    # Sums of at most 4 products of numbers of size 1: a few roundings of 1e-16.
    np.testing.assert_allclose(out, reference.affine(x, params.W, params.b), rtol=0, atol=1e-13)
    np.testing.assert_allclose(dx, expected_dx, rtol=0, atol=1e-13)
    np.testing.assert_allclose(grads.W, expected_dW, rtol=0, atol=1e-13)
    np.testing.assert_allclose(grads.b, expected_db, rtol=0, atol=1e-13)


class Garbage(ctypes.Structure):
    """Signalling nans, as many as fill some of the stack."""

    _fields_ = (("words", ctypes.c_uint32 * 8000),)


def left_on_the_stack() -> None:
    """All that a call leaves behind, where the next one finds it."""
    call = ctypes.CDLL(None).labs
    call.argtypes = [Garbage]
    call(Garbage((ctypes.c_uint32 * 8000)(*[0x7FA00001] * 8000)))


@pytest.mark.parametrize("side", range(1, 17))
def test_numbers_that_are_not_its_own_make_no_warning(side: int) -> None:
    # OpenBLAS for AVX-512 computes with them, and drops what it gets. Of Python's lines few are between these calls.
    rng = np.random.default_rng(side)
    rows, column = normal(rng, 3, side, dtype=np.float32), params_of(rng, side, 1, np.float32)
    left_on_the_stack()
    affine.forward(column, rows)
    params, dout = params_of(rng, 4, 3, np.float32), np.asfortranarray(normal(rng, side, 3, dtype=np.float32))
    _, cache = affine.forward(params, normal(rng, side, 4, dtype=np.float32))
    left_on_the_stack()
    affine.backward(cache, dout)


def test_a_step_worked_by_hand() -> None:
    params = Affine(W=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), b=np.array([0.5, -0.5]))
    out, cache = affine.forward(params, np.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]]))
    np.testing.assert_array_equal(out, [[-3.5, -4.5], [5.5, 7.5]])
    dx, grads = affine.backward(cache, np.array([[1.0, 0.0], [0.0, 2.0]]))
    np.testing.assert_array_equal(dx, [[1, 3, 5], [4, 8, 12]])
    np.testing.assert_array_equal(grads.W, [[1, 4], [0, 2], [-1, 0]])
    np.testing.assert_array_equal(grads.b, [1, 2])


@given(rng=generators, n=sides, d=sides, m=sides, dtype=all_dtypes)
def test_error_is_within_the_bound_of_sums_of_products(
    rng: np.random.Generator, n: int, d: int, m: int, dtype: Floating
) -> None:
    params, x = params_of(rng, d, m, dtype), normal(rng, n, d, dtype=dtype)
    exact = [a.astype(np.longdouble) for a in (x, params.W, params.b)]
    error = np.abs(affine.forward(params, x)[0] - (exact[0] @ exact[1] + exact[2]))
    # The classical bound on a sum of d products and one more term, componentwise, with a factor of 2 for safety.
    bound = (d + 1) * np.finfo(dtype).eps * (np.abs(exact[0]) @ np.abs(exact[1]) + np.abs(exact[2]))
    assert (error <= bound).all()


@given(rng=generators, n=sides, d=sides, m=sides)
def test_every_memory_layout_gives_the_same(rng: np.random.Generator, n: int, d: int, m: int) -> None:
    params, x, dout = params_of(rng, d, m), normal(rng, n, d), normal(rng, n, m)
    out, cache = affine.forward(params, x)
    dx, grads = affine.backward(cache, dout)
    for name, laid_out in layouts(x).items():
        other_out, other_cache = affine.forward(params, laid_out)
        _, other_grads = affine.backward(other_cache, dout)
        # BLAS may sum up in another order: at most 6 products of numbers of size 1.
        np.testing.assert_allclose(other_out, out, rtol=0, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(other_grads.W, grads.W, rtol=0, atol=1e-13, err_msg=name)
        assert other_out.dtype.isnative
    for name, laid_out in layouts(params.W).items():
        np.testing.assert_allclose(
            affine.forward(Affine(laid_out, params.b), x)[0], out, rtol=0, atol=1e-13, err_msg=name
        )
    for name, laid_out in layouts(dout).items():
        np.testing.assert_allclose(affine.backward(cache, laid_out)[0], dx, rtol=0, atol=1e-13, err_msg=name)


def test_memory_mapped_input(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    params, x = params_of(rng, 3, 2), normal(rng, 4, 3)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    out, cache = affine.forward(params, mapped)
    np.testing.assert_array_equal(out, affine.forward(params, x)[0])
    assert type(affine.backward(cache, np.ones_like(out))[0]) is np.ndarray


def test_hidden_units_can_be_permuted() -> None:
    rng = np.random.default_rng(0)
    first, second, x = params_of(rng, 4, 5), params_of(rng, 5, 3), normal(rng, 6, 4)
    order = rng.permutation(5)
    mixed = Affine(first.W[:, order], first.b[order]), Affine(second.W[order], second.b)
    out = affine.forward(second, affine.forward(first, x)[0])[0]
    other = affine.forward(mixed[1], affine.forward(mixed[0], x)[0])[0]
    np.testing.assert_allclose(other, out, rtol=0, atol=1e-13)  # sums of 5 products in another order


def test_init_scales_by_fan_in_and_is_reproducible() -> None:
    params = Affine.init(np.random.default_rng(1), 400, 300)
    assert params.W.dtype == params.b.dtype == np.float32
    assert not params.b.any()
    # The standard deviation of 120,000 normal numbers is known to 1 / sqrt(240,000) = 0.2%; five times that.
    assert params.W.std() == pytest.approx(400**-0.5, rel=0.01)
    assert Affine.init(np.random.default_rng(1), 400, 300, std=0.01).W.std() == pytest.approx(0.01, rel=0.01)
    assert tree.equal(params, Affine.init(np.random.default_rng(1), 400, 300))
    assert Affine.init(np.random.default_rng(1), 3, 2, dtype=np.float64).W.dtype == np.float64


def test_init_at_the_ends_of_its_ranges() -> None:
    rng = np.random.default_rng(1)
    assert Affine.init(rng, 1, 100_000).W.std() == pytest.approx(1, rel=0.01)  # sqrt(1 / 1)
    assert not Affine.init(rng, 3, 2, std=0.0).W.any()
    for sizes in ((0, 3), (3, 0)):
        assert Affine.init(rng, *sizes).W.shape == sizes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_draws_in_float64_and_rounds_once(dtype: Floating) -> None:
    drawn = Affine.init(np.random.default_rng(1), 4, 3, std=0.25, dtype=dtype).W
    np.testing.assert_array_equal(drawn, (0.25 * np.random.default_rng(1).standard_normal((4, 3))).astype(dtype))


def test_init_of_float64_takes_the_memory_of_its_result() -> None:
    tracemalloc.start()
    try:
        params = Affine.init(np.random.default_rng(1), 300, 400, dtype=np.float64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * params.W.nbytes


def legacy_state() -> list[int]:
    """The state of the generator behind `np.random.rand` and its like."""
    state: Any = np.random.get_state()
    words: list[int] = state[1].tolist()
    return words


def test_init_advances_its_generator_and_no_other() -> None:
    before = legacy_state()
    rng = np.random.default_rng(0)
    a, b = Affine.init(rng, 3, 2), Affine.init(rng, 3, 2)
    assert not np.array_equal(a.W, b.W)
    assert legacy_state() == before


def test_params_own_their_arrays() -> None:
    W, b = np.ones((3, 2)), np.zeros(2)
    params = Affine(W, b)
    W[:] = 7
    assert (params.W == 1).all()
    for copied in (
        params,
        pickle.loads(pickle.dumps(params)),
        copy.copy(params),
        copy.deepcopy(params),
        attrs.evolve(params, b=np.ones(2)),
    ):
        with pytest.raises(ValueError, match="read-only"):
            copied.W[0, 0] = 1
        assert not copied.b.flags.writeable
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        untyped(params).W = W


def test_read_only_arrays_are_shared_and_views_of_writable_ones_are_not() -> None:
    W, b = np.ones((3, 2)), np.zeros(2)
    view = W[:]
    view.flags.writeable = False
    assert not np.shares_memory(Affine(view, b).W, W)
    W.flags.writeable = False
    assert np.shares_memory(Affine(W, b).W, W)


def test_params_print_as_shapes() -> None:
    assert repr(Affine(np.ones((3, 2), np.float32), np.zeros(2, np.float32))) == "Affine(W=f32[3, 2], b=f32[2])"


F32, F64 = np.float32, np.float64


@pytest.mark.parametrize(
    ("W", "b", "error", "message"),
    [
        (np.ones((3, 2)), np.ones(5), ValueError, "Affine: W is (3, 2), so b must be (2,), got (5,)"),
        (np.ones((3, 2)), np.ones((4, 1)), ValueError, "Affine: W is (3, 2), so b must be (2,), got (4, 1)"),
        (np.ones((4, 2)), np.ones(()), ValueError, "Affine: W is (4, 2), so b must be (2,), got ()"),
        (np.ones(3), np.ones(1), ValueError, "Affine: W must be 2-D (inputs, outputs), got shape (3,)"),
        ([[1.0]], np.ones(1), TypeError, "Affine: W must be an array of floats, got list"),
        (np.ones((1, 1)), [1.0], TypeError, "Affine: b must be an array of floats, got list"),
        (np.ones((1, 1), int), np.ones(1), TypeError, "Affine: W is int64, not floating-point"),
        (
            np.ones((1, 1), F32),
            np.ones(1),
            TypeError,
            "Affine: W is f32[1, 1] but b is f64[1]: they must have one dtype",
        ),
        (np.ones((1, 1), complex), np.ones(1, complex), TypeError, "Affine: W is complex128, not floating-point"),
    ],
)
def test_bad_params(W: Any, b: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Affine(W, b)


PARAMS = Affine(np.ones((5, 3), F32), np.ones(3, F32))


class Frame:
    """A table, as pandas has it."""

    shape, dtype = (4, 5), np.dtype(F32)


Frame.__module__ = "pandas.core.frame"

ZEROS_AND_ONES = (
    ": convert it first, e.g. with .astype(np.float32), and text to columns of 0 and 1, e.g. with pandas.get_dummies"
)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones((32, 9), F32), ValueError, "affine: x has 9 features (32, 9) but W takes 5 (5, 3)"),
        (np.ones(3, F32), ValueError, "affine: x has 3 features (3,) but W takes 5 (5, 3)"),
        (np.ones((2, 5, 3), F32), ValueError, "affine: x has 3 features (2, 5, 3) but W takes 5 (5, 3)"),
        (np.ones((), F32), ValueError, "affine: x must have an axis of features, got shape ()"),
        (np.float32(1), TypeError, "affine: x must be an array of floats, got float32: convert it with np.asarray"),
        ([[1.0] * 5], TypeError, "affine: x must be an array of floats, got list: convert it with np.asarray"),
        (None, TypeError, "affine: x must be an array of floats, got NoneType"),
        (Frame(), TypeError, "affine: x must be an array of floats, got Frame: convert it with .to_numpy(np.float32)"),
        (np.ones((2, 5)), TypeError, "affine: x is float64 but the parameters are float32"),
        (np.ones((2, 5), int), TypeError, "affine: x is int64, not floating-point: convert it first"),
        (np.ones((2, 5), bool), TypeError, "affine: x is bool, not floating-point"),
        (np.ones((2, 5), complex), TypeError, "affine: x is complex128, not floating-point"),
        (np.ones((2, 5), object), TypeError, f"affine: x is object, not floating-point{ZEROS_AND_ONES}"),
        (np.full((2, 5), "a"), TypeError, f"affine: x is <U1, not floating-point{ZEROS_AND_ONES}"),
        (np.ma.masked_array(np.ones((2, 5), F32)), TypeError, "affine: x must be a plain array, got MaskedArray"),
        (np.ones((2, 5), F32).view(np.matrix), TypeError, "affine: x must be a plain array, got matrix"),
    ],
)
def test_bad_input(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        affine.forward(PARAMS, x)


def test_bad_dout_and_wrong_records() -> None:
    out, cache = affine.forward(PARAMS, np.ones((4, 5), F32))
    message = "affine backward: dout has shape (4, 2), expected (4, 3) (the shape of out)"
    for backward in (affine.backward, affine.grads):
        with pytest.raises(ValueError, match=re.escape(message)):
            backward(cache, out[:, :2])
        with pytest.raises(TypeError, match="affine backward: dout is float64, expected float32"):
            backward(cache, out.astype(F64))
        with pytest.raises(TypeError, match="affine backward: dout must be an array, got float"):
            backward(cache, untyped(1.0))
    for wrong in ((), {"W": 1}, None, (PARAMS.W, PARAMS.b)):
        with pytest.raises(TypeError, match="affine: params must be Affine, got"):
            affine.forward(untyped(wrong), out)
    _, other_cache = relu.forward((), out)
    with pytest.raises(TypeError, match="affine backward: cache must be AffineCache, got Saved of relu"):
        affine.backward(untyped(other_cache), out)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((0, 3, 2), {}, TypeError, "rng must be a numpy.random.Generator, got int"),
        ((np.random.default_rng(0), -1, 2), {}, ValueError, "n_in must be >= 0, got -1"),
        ((np.random.default_rng(0), 3, 2.5), {}, TypeError, "n_out must be an integer, got float"),
        ((np.random.default_rng(0), 3, 2), {"std": -0.1}, ValueError, "std must be a finite number >= 0, got -0.1"),
        ((np.random.default_rng(0), 3, 2), {"std": np.inf}, ValueError, "std must be a finite number >= 0, got inf"),
        ((np.random.default_rng(0), 3, 2), {"dtype": int}, TypeError, "dtype must be floating-point, got int64"),
    ],
)
def test_bad_init(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Affine.init(*arguments, **options)


def test_nan_stays_in_its_row() -> None:
    x = np.ones((3, 5), F32)
    x[1, 2] = np.nan
    out, _ = affine.forward(PARAMS, x)
    assert np.isnan(out).any(axis=1).tolist() == [False, True, False]


@given(rng=generators, shape=st.lists(sides_or_none, max_size=3), d=sides_or_none, m=sides_or_none)
def test_all_axes_but_the_last_are_rows(rng: np.random.Generator, shape: list[int], d: int, m: int) -> None:
    params, x, dout = params_of(rng, d, m), normal(rng, *shape, d), normal(rng, *shape, m)
    out, cache = affine.forward(params, x)
    dx, grads = affine.backward(cache, dout)
    rows = math.prod(shape)
    flat, flat_cache = affine.forward(params, x.reshape(rows, d))
    flat_dx, flat_grads = affine.backward(flat_cache, dout.reshape(rows, m))
    assert (out.shape, dx.shape) == (dout.shape, x.shape)
    # BLAS may sum up in another order: at most 64 products of numbers of size 1.
    np.testing.assert_allclose(out.reshape(rows, m), flat, rtol=0, atol=1e-13)
    np.testing.assert_allclose(dx.reshape(rows, d), flat_dx, rtol=0, atol=1e-13)
    for got, expected in zip(tree.leaves(grads), tree.leaves(flat_grads), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)
    assert tree.equal(affine.grads(cache, dout), grads)
