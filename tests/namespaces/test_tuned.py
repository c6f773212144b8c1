import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, read_only
from chainrule.arrays.portable import Portable
from chainrule.arrays.tuned import FEW, FEW_ROWS, IN_PAIRS, MANY, SMALL, TUNED, Tuned, limit_of_squares, limit_of_sums
from chainrule.arrays.types import Groups
from chainrule.checking.complex_step import LIFTED, LiftedNamespace, lift
from reference import mpmath
from strategies import Floating, normal
from untyped import untyped


def test_astype_copies_only_what_is_of_another_dtype() -> None:
    x = np.ones(3)
    assert TUNED.astype(x, x) is x
    assert TUNED.astype(x, x.astype(np.float32)).dtype == np.float32
    assert LIFTED.astype(lift(x), lift(x)).dtype == np.complex128  # a step is not lost
    assert LIFTED.astype(x, lift(x)) is x  # real numbers stay real beside lifted ones
    assert LIFTED.astype(x.astype(np.float32), lift(x)).dtype == np.float64


def test_nobody_owns_an_array_with_a_complex_step() -> None:
    """The many moves of a probe share it, so that a rule that writes to what is its own must not write to this."""
    x = np.ones(3)
    assert TUNED.mine(x)
    assert not LIFTED.mine(lift(x))


def test_gate_takes_every_byte_order() -> None:
    # The last byte of 1 + 2**-16 has its first bit set: read in the wrong order, the number is negative.
    out, dout = np.array([0, 2, 0, 1 + 2**-16], np.float32), np.array([np.inf, -3, np.nan, 5], np.float32)
    swapped = out.dtype.newbyteorder()
    for out_dtype, dout_dtype in ((out.dtype, swapped), (swapped, out.dtype), (swapped, swapped)):
        gated = TUNED.gate(out.astype(out_dtype), dout.astype(dout_dtype))
        np.testing.assert_array_equal(gated, [0, -3, 0, 5])
        assert gated.dtype.newbyteorder("=") == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_clip_keeps_the_dtype_and_what_lies_between(dtype: Floating) -> None:
    x = np.array([-np.inf, -3, -0.5, -0.0, 2, np.inf, np.nan], dtype)
    for given in (x, x.astype(x.dtype.newbyteorder()), x.repeat(2)[::2]):
        out = TUNED.clip(given, -0.5, 2.0)
        assert out.dtype.newbyteorder("=") == dtype
        np.testing.assert_array_equal(out, [-0.5, -0.5, -0.5, 0, 2, 2, np.nan])
    step: Any = lift(np.array([-3.0, 0.5, 3.0])) + 1e-30j
    np.testing.assert_array_equal(LIFTED.clip(step, -1.0, 1.0).imag, [0, 1e-30, 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_decay_is_the_same_on_both_sides_of_zero(dtype: Floating) -> None:
    x = np.array([-0.0, 0, -1, 1, -7.5, 7.5, -np.inf, np.inf, -np.nan, np.nan], dtype)
    kept = x.copy()
    for given in (x, x.astype(x.dtype.newbyteorder()), x.repeat(2)[::2]):
        out = TUNED.decay(given)
        assert out.dtype.newbyteorder("=") == dtype
        np.testing.assert_array_equal(out, np.exp(-np.abs(x)))
    np.testing.assert_array_equal(x, kept)
    assert TUNED.decay(x[0]) == 1.0  # a NumPy scalar


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_words_that_choose_keep_the_dtype_and_let_nan_pass(dtype: Floating) -> None:
    x = np.array([-np.inf, -2, -0.0, 0, 3, np.inf, np.nan], dtype)
    clipped = TUNED.clip(x, -1.0, 2.0)
    np.testing.assert_array_equal(clipped, [-1, -1, 0, 0, 2, 2, np.nan])
    chosen = TUNED.either(x > 0, 3.0, 1 / 3, x)
    np.testing.assert_array_equal(chosen, np.array([1 / 3] * 4 + [3] * 2 + [1 / 3], dtype))  # exactly
    assert clipped.dtype == chosen.dtype == dtype


def test_large_exponents_keep_their_digits() -> None:
    x, cubic = np.linspace(0, 20, 401), (0.8, 0.0, 1 / 14)
    with mpmath.workdps(50):
        at = [mpmath.mpf(float(each)) for each in x]
        exact = np.array([float(mpmath.exp(-(mpmath.mpf(0.8) * a + mpmath.mpf(1 / 14) * a**3))) for a in at])
    # The remainder (x - h) q is at most 3, and takes some roundings; exp(-p(x)) as it stands is off by 600 of them.
    np.testing.assert_allclose(TUNED.decay_of(x, cubic), exact, rtol=16 * 2.0**-53)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_mean_is_that_of_all_entries(dtype: Floating) -> None:
    mean = TUNED.mean(np.arange(6, dtype=dtype).reshape(2, 3))
    assert mean.shape == ()
    assert mean.dtype == dtype
    assert mean == 2.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("columns", [1, 3, SMALL // 8, SMALL // 8 + 1])
def test_positive_part_of_few_and_of_many_numbers(dtype: Floating, columns: int) -> None:
    values = np.array([[-np.inf, -1, -0.0, 0, 1, np.inf, np.nan, -np.nan]], dtype)
    out = TUNED.positive_part(np.tile(values.T, columns))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, np.tile(np.array([[0, 0, 0, 0, 1, np.inf, np.nan, np.nan]], dtype).T, columns))
    assert not np.signbit(out[out == 0]).any()
    np.testing.assert_array_equal(TUNED.gate(out, np.ones_like(out)), out != 0)  # a nan passes, whatever its sign


@pytest.mark.parametrize("rows", [2, 3 * MANY // 8 + 1])
def test_what_a_relu_makes_takes_the_place_of_what_is_mine_alone(rows: int) -> None:
    x = normal(np.random.default_rng(0), rows, 8, dtype=np.float32)
    mine, positive = x.copy(), np.where(x > 0, x, 0)
    assert TUNED.positive_part(mine) is mine
    np.testing.assert_array_equal(mine, positive)
    dout = normal(np.random.default_rng(1), rows, 8, dtype=np.float32)
    dout[0] = [np.inf, -np.inf, np.nan, -0.0, 1, -1, np.inf, np.nan]
    through, expected = dout.copy(), np.where(x > 0, dout, 0)
    assert TUNED.gate(positive, through) is through
    np.testing.assert_array_equal(through, expected)
    for xp, given, shut in ((TUNED, read_only(x.copy()), read_only(dout.copy())), (IN_PAIRS, x.copy(), dout.copy())):
        np.testing.assert_array_equal(xp.positive_part(given), positive)
        np.testing.assert_array_equal(xp.gate(positive, shut), expected)
        np.testing.assert_array_equal(given, x)
        np.testing.assert_array_equal(shut, dout)


@pytest.mark.parametrize("n", [1, 3, FEW_ROWS, FEW_ROWS + 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_the_mean_of_large_numbers_is_finite_where_their_sum_is_not(dtype: Floating, n: int) -> None:
    large = np.finfo(dtype).max / 2
    mean = TUNED.quietly(TUNED.mean_along, np.full((2, n), [[large], [-large]], dtype), -1)
    # Rounding of n terms of a sum, at worst.
    np.testing.assert_allclose(mean / large, [[1], [-1]], rtol=n * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_the_mean_of_products_is_that_of_each_row(dtype: Floating) -> None:
    top = np.finfo(dtype).max / 2
    a = np.array([[[1, 2, 3], [top, top, -top]], [[np.inf, 0, 1], [np.nan, 0, 1]]], dtype)
    b = np.array([[[4, -5, 6], [1, 1, -1]], [[1, 2, 3], [1, 2, 3]]], dtype)
    mean = TUNED.quietly(TUNED.mean_product, a, b)
    assert mean.dtype == dtype
    expected = np.array([[[4], [top]], [[np.inf], [np.nan]]], dtype)
    np.testing.assert_allclose(mean, expected, rtol=4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("n", [1, FEW_ROWS, FEW_ROWS + 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_of_few_and_of_many_losses(dtype: Floating, n: int) -> None:
    losses = np.random.default_rng(n).random(n).astype(dtype)
    # Rounding of n terms of a sum, at worst; 2 eps was seen for a thousand.
    np.testing.assert_allclose(TUNED.mean(losses), math.fsum(losses) / n, rtol=n * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("n", range(1, 65))
def test_mean_of_float16_is_rounded_once(n: int) -> None:
    assert TUNED.mean(np.ones(n, np.float16)) == 1  # as a sum of shares of 1 / n, each of them rounded, it need not be


@pytest.mark.parametrize("k", [1, 2, FEW, FEW + 1, 2 * FEW])
def test_shifted_rows_have_0_for_their_largest(k: int) -> None:
    rows = normal(np.random.default_rng(k), 5, k)
    np.testing.assert_array_equal(TUNED.shifted(rows), rows - rows.max(axis=1, keepdims=True))


def test_words_that_choose_carry_a_complex_step() -> None:
    x = lift(np.array([-2.0, 0.5, 3.0]))
    moved = untyped(x + 1e-200j)
    np.testing.assert_array_equal(LIFTED.clip(moved, -1.0, 1.0).imag, [0, 1e-200, 0])
    np.testing.assert_array_equal(LIFTED.either(moved > 0, 1.0, 0.5, moved), [0.5, 1, 1])
    np.testing.assert_array_equal(moved < 0.5, [True, False, False])  # a step to the side moves nothing
    tail, density = LIFTED.gaussian(moved)
    np.testing.assert_allclose(tail.imag / 1e-200, -np.sign(x.real) * density.real, rtol=1e-15)
    np.testing.assert_allclose(density.imag / 1e-200, -x.real * density.real, rtol=1e-15)


def test_a_new_namespace_knows_the_functions() -> None:
    x, W = np.array([[0.5, 1.0]]), np.array([[2.0], [3.0]])
    lifted = lift(x)
    for xp, taken in ((Tuned(), x), (LiftedNamespace(), lifted)):
        product = xp.matmul(taken, W)
        assert type(product) is type(taken)
        np.testing.assert_array_equal(product, [[4]])
        for f, expected in ((xp.exp, np.exp), (xp.expm1, np.expm1), (xp.log1p, np.log1p)):
            # Complex functions may round differently from real ones: to a unit or two in the last place.
            np.testing.assert_allclose(f(taken), expected(x), rtol=4e-16)


def test_quietly_passes_every_argument() -> None:
    def quotient(a: Array, *, by: Array) -> Array:
        out: Array = a / by
        return out

    x, zero = np.array([1.0]), np.array([0.0])
    assert TUNED.quietly(quotient, x, by=zero) == np.inf
    with pytest.raises(FloatingPointError):
        quotient(x, by=zero)


X = np.array([[0.25, 1.0, 4.0], [9.0, 0.5, 2.0]])
DEEP = np.arange(24.0).reshape(2, 3, 4) % 7
OF_GROUPS = DEEP.reshape(2, 3, 2, 2).mean(axis=(1, 3)).repeat(2, axis=1)[:, None]

WORDS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "either": (lambda xp: xp.either(X > 0.75, 2.0, 0.5, X), np.where(X > 0.75, 2.0, 0.5)),
    "either, by columns": (
        lambda xp: xp.either(X > 0.75, 2.0, X[0, :], X),
        np.where(X > 0.75, 2.0, X[0]),
    ),
    "clip": (lambda xp: xp.clip(X, 0.5, 3.0), np.clip(X, 0.5, 3.0)),
    "round": (lambda xp: xp.round(X), np.rint(X)),
    "decay_of": (lambda xp: xp.decay_of(X, (1.0, 0.0, 0.5)), np.exp(-X - X**3 / 2)),
    "log": (lambda xp: xp.log(X), np.log(X)),
    "hyperbolic tangent": (lambda xp: xp.tanh(X), np.tanh(X)),
    "zeros_like": (lambda xp: xp.zeros_like(X), np.zeros((2, 3))),
    "ones_like": (lambda xp: xp.ones_like(X), np.ones((2, 3))),
    "concat": (lambda xp: xp.concat([X, X], axis=1), np.concatenate([X, X], axis=1)),
    "reshape": (lambda xp: xp.reshape(X, (6,)), X.reshape(6)),
    "a word of NumPy's": (lambda xp: xp.flip(X), np.flip(X)),
    "sum_last": (lambda xp: xp.sum_last(DEEP), DEEP.sum(axis=-1)),
    "dot_last": (lambda xp: xp.dot_last(DEEP, DEEP + 1), (DEEP * (DEEP + 1)).sum(axis=-1, keepdims=True)),
    "max_last": (lambda xp: xp.max_last(DEEP), DEEP.max(axis=-1)),
    "argmax_last": (lambda xp: xp.argmax_last(DEEP), DEEP.argmax(axis=-1)),
    "mean_along": (lambda xp: xp.mean_along(DEEP, -1), DEEP.mean(axis=-1, keepdims=True)),
    "mean_along groups": (lambda xp: xp.mean_along(DEEP, Groups(2)), OF_GROUPS),
    "mean_square": (lambda xp: xp.mean_square(DEEP, -1), (DEEP * DEEP).mean(axis=-1, keepdims=True)),
    "mean_square, across": (lambda xp: xp.mean_square(X, 0), (X * X).mean(axis=0, keepdims=True)),
    "mean_square of one": (lambda xp: xp.mean_square(X[:, :1], -1), X[:, :1] ** 2),
    "mean_square of none": (lambda xp: xp.mean_square(X[:, :0], -1), np.zeros((2, 1))),
}


@pytest.mark.parametrize(("word", "expected"), WORDS.values(), ids=WORDS)
def test_words_mean_what_they_mean_in_numpy(word: Callable[[Any], Any], expected: Any) -> None:
    np.testing.assert_allclose(word(Tuned()), expected, rtol=4e-16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_a_weighted_mean_is_along_the_last_axis_in_every_dtype(dtype: Floating) -> None:
    weights = np.array([1, -2, 3, 0.5], dtype)
    found = TUNED.mean_weighted(DEEP.astype(dtype), weights)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, (DEEP * weights.astype(float)).mean(axis=-1, keepdims=True))


@pytest.mark.parametrize(("kind", "real", "whole"), [("i", True, True), ("u", True, True), ("f", True, False)])
def test_kinds_of_numbers_are_told_apart(kind: str, real: bool, whole: bool) -> None:
    x = np.zeros(2, f"{kind}8")
    assert (TUNED.is_real(x), TUNED.is_integral(x)) == (real, whole)


@pytest.mark.parametrize("kind", ["?", "c16", "U1", "O"])
def test_what_is_no_real_number_is_told(kind: str) -> None:
    x: Any = np.zeros(2, kind)
    assert (TUNED.is_real(x), TUNED.is_integral(x)) == (False, False)


@pytest.mark.parametrize(
    ("dtype", "of_sums", "of_squares"),
    [
        (np.float16, (12, -6), (-8, -24)),
        (np.float32, (94, -34), (48, -80)),
        (np.float64, (990, -34), (496, -528)),
    ],
)
def test_bounds_are_powers_of_two(dtype: Floating, of_sums: tuple[int, int], of_squares: tuple[int, int]) -> None:
    for bounds, exponents in ((limit_of_sums, of_sums), (limit_of_squares, of_squares)):
        bounds.cache_clear()
        found = bounds(np.dtype(dtype))
        assert found == tuple(2.0**exponent for exponent in exponents)
        assert {type(each) for each in found} == {dtype}


@pytest.mark.parametrize(("dtype", "most", "unit"), [("f2", 12, -6), ("f4", 94, -34), ("f8", 990, -34)])
def test_what_is_too_large_along_an_axis_is_tamed_by_a_power_of_two(dtype: str, most: int, unit: int) -> None:
    largest = np.ldexp(np.asarray(1, dtype), most)
    x = np.array([[1, largest], [3, np.nextafter(largest, np.asarray(np.inf, dtype))], [-2 * largest, 5]], dtype)
    for lines, axis in ((x, -1), (x.T, 0)):
        with np.errstate(over="ignore"):  # as in the layers that ask for it
            tame, units = TUNED.tamed(lines, axis)
        expected = np.array([[1], [2.0**unit], [2.0**unit]], dtype)
        np.testing.assert_array_equal(units, expected if axis else expected.T)
        np.testing.assert_array_equal(tame, lines * np.asarray(units))
        assert tame.dtype == np.asarray(units).dtype == dtype


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_what_is_small_enough_is_not_copied(dtype: str) -> None:
    for x in (np.ones((2, 3), dtype), np.full((2, 3), 2000, dtype), np.ones((2, 0), dtype), np.ones((0, 2), dtype)):
        tame, units = TUNED.tamed(x, -1)
        assert tame is x
        assert units == 1


@pytest.mark.parametrize("dtype", ["f4", "f8", "g"])
def test_a_tame_mean_is_finite_where_the_sum_is_not_and_else_the_mean(dtype: str) -> None:
    x = np.array([[1, 0.5], [0.5, 0.5]], dtype)
    factors = np.array([1, np.finfo(dtype).max, np.inf], dtype)[:, None, None]
    with np.errstate(over="ignore", invalid="ignore"):  # as in the layers that ask for it
        means = TUNED.tame_mean(x * factors, Groups(2))
    np.testing.assert_array_equal(means, np.array([[0.75, 0.5]], dtype) * factors)
    assert means.dtype == dtype
    assert TUNED.tame_mean(x[None, :, :0], Groups(1)).shape == (1, 1, 0)


def test_a_line_is_centred_by_its_own_mean_whatever_stands_beside_it() -> None:
    x = np.array([[1.25, 1.5, 1.75, 1.5], [1e15, 2e15, 3e15, 4e15]])
    for lines, axis in ((x, -1), (x.T, 0)):
        found, mean = TUNED.centred(lines, axis)
        np.testing.assert_array_equal((found if axis else found.T)[0], [-0.25, 0, 0.25, 0])
        np.testing.assert_array_equal(np.ravel(mean), [1.5, 2.5e15])


def test_the_mean_of_equal_numbers_is_their_own_whatever_the_sum_is_rounded_to() -> None:
    number = np.float32(0.1)
    for n in range(1, 60):
        out, mean = TUNED.centred(np.full((1, n), number), -1)
        assert mean == number
        assert np.abs(out).max() <= number * (n * float(np.finfo(np.float32).eps)) ** 2  # two sums are rounded


SIZES = {"f2": [0, 4, 7], "f4": [-40, 0, 30, 60, 63, 70, 120, 126], "f8": [-400, 0, 300, 511, 520, 1000, 1022]}


@pytest.mark.parametrize(("dtype", "exponent"), [(dtype, size) for dtype, sizes in SIZES.items() for size in sizes])
@pytest.mark.parametrize("unit", [0.25, "an array"])
def test_deviations_are_right_at_every_size(dtype: str, exponent: int, unit: Any) -> None:
    """`1 / sqrt(mean(x^2) + eps u^2)`, for numbers x whose squares may overflow."""
    eps, rounding, top = 0.5, 4 * float(np.finfo(dtype).eps), np.finfo(dtype).maxexp
    x = np.ldexp(np.array([[1, -1.5, 0.5, 1.25], [1, 1, 0.5, 0]], dtype), [[exponent], [0]]).astype(dtype)
    units = np.array([[0.5], [2.0]], dtype) if unit == "an array" else np.full((2, 1), unit, dtype)
    square = (x.astype(np.longdouble) ** 2).mean(axis=1, keepdims=True)
    expected = 1 / np.sqrt(square + eps * units.astype(np.longdouble) ** 2)
    with np.errstate(over="ignore"):  # as in the layers that ask for it
        mean, inverse = TUNED.deviation(x, eps, units if unit == "an array" else unit, -1)
        across = TUNED.deviation(x.T, eps, units.T if unit == "an array" else unit, 0)
    assert mean.dtype == inverse.dtype == dtype
    # A mean of four, a root and a quotient; a float16 is rounded once, at the end.
    np.testing.assert_allclose(inverse.astype(np.longdouble), expected, rtol=rounding)
    np.testing.assert_allclose(across[1].T.astype(np.longdouble), expected, rtol=rounding)
    for i in range(2):
        if square[i] < np.ldexp(np.longdouble(1), top - 1):  # else its square is out of range, as it should be
            np.testing.assert_allclose(mean[i].astype(np.longdouble), square[i], rtol=rounding)


def test_a_number_is_kept_by_dropout_if_its_bits_are_below_the_share() -> None:
    bits = int(np.random.SFC64(5).random_raw()) & 0xFFFF
    x = np.ones((1, 1))
    assert TUNED.dropout_factor(x, 1 - bits / 2**16, 5) == 0
    assert TUNED.dropout_factor(x, 1 - (bits + 1) / 2**16, 5) == 2**16 / (bits + 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("n", [1, 2, FEW_ROWS, FEW_ROWS + 1])
def test_means_along_an_axis_of_any_length_are_rounded_little(dtype: Floating, n: int) -> None:
    x = np.random.default_rng(n).random((3, n)).astype(dtype)
    expected = x.astype(np.longdouble).mean(axis=1, keepdims=True)
    # NumPy takes half as many bits of more in float16; rounding of n terms of a sum, at worst.
    np.testing.assert_allclose(
        TUNED.mean_along(x, -1).astype(np.longdouble), expected, rtol=n * float(np.finfo(dtype).eps)
    )
    found, mean = TUNED.centred(x.T, 0)
    np.testing.assert_allclose(mean.T.astype(np.longdouble), expected, rtol=n * float(np.finfo(dtype).eps))
    assert found.shape == (n, 3)


def test_where_pairs_are_called_nothing_is_ones_own_and_all_results_are_constant() -> None:
    a, b = np.array([2.0, 3.0]), np.array([4.0, 5.0])
    assert IN_PAIRS.mine(a) is False
    for found, expected in ((IN_PAIRS.times(a, b), [8, 15]), (IN_PAIRS.plus(a, b), [6, 8])):
        assert found.tolist() == expected
        assert not found.flags.writeable
    assert (a.tolist(), b.tolist()) == ([2, 3], [4, 5])
    assert not np.asarray(IN_PAIRS.shared(a)).flags.writeable
    assert a.flags.writeable
    assert IN_PAIRS.shared(()) == ()
    assert TUNED.mine(a)
    assert not TUNED.mine(read_only(np.ones(1)))


def test_rows_beyond_the_constants_that_are_held_are_summed() -> None:
    rows = np.ones((SMALL + 1, 3), np.float32)
    sums = TUNED.sum_rows(rows)
    np.testing.assert_array_equal(sums, [SMALL + 1] * 3)
    assert sums.dtype == np.float32


def test_a_scalar_is_never_minus_zero() -> None:
    for first in (0.0, -0.0):
        assert not np.signbit(TUNED.scalar(first, np.ones(1, np.longdouble)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 4), (2, FEW_ROWS + 1)])
def test_exponentials_are_those_of_the_rows_less_one_of_their_entries(shape: tuple[int, ...], dtype: Floating) -> None:
    x = normal(np.random.default_rng(0), *shape, dtype=dtype)
    x[..., 1] += 1000 * (x[..., 0] > 0)  # in some rows the first entry is too small
    kept = x.copy()
    shifted, e, total = TUNED.quietly(TUNED.exponentials, x)
    np.testing.assert_array_equal(x, kept)
    taken = np.where((x[..., :1] > 0), x.max(axis=-1, keepdims=True), x[..., :1])
    np.testing.assert_array_equal(shifted, x - taken)
    np.testing.assert_array_equal(e, np.exp(shifted))
    np.testing.assert_allclose(total, e.sum(axis=-1, keepdims=True), rtol=8 * float(np.finfo(dtype).eps))
    for each in (shifted, e, total):
        assert each.dtype == dtype
        assert not np.shares_memory(each, x)


@pytest.mark.parametrize(("first", "taken"), [(-60.0, -60.0), (-80.0, 0.0)])
def test_the_largest_entry_is_taken_where_the_sum_would_be_above_the_bound(first: float, taken: float) -> None:
    x = np.array([[first, 0.0]])
    np.testing.assert_array_equal(TUNED.exponentials(x)[0], x - taken)


def test_a_product_a_quotient_and_a_root_are_made_in_memory_that_is_done_with() -> None:
    done = np.zeros((2, 3))
    assert TUNED.times_in(done, X, X[:1]) is done
    np.testing.assert_array_equal(done, X * X[:1])
    assert TUNED.sqrt_in(done, X) is done
    np.testing.assert_array_equal(done, np.sqrt(X))
    assert TUNED.over_in(done, X, done) is done
    np.testing.assert_array_equal(done, X / np.sqrt(X))


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_room_is_like_an_array_in_the_byte_order_of_the_machine(shape: tuple[int, ...], dtype: str) -> None:
    x = np.ones(shape, dtype)
    room: Any = TUNED.room(x)
    assert (type(room), room.shape, room.dtype) == (np.ndarray, shape, np.dtype(np.float32))
    assert room.flags.writeable
    assert not np.shares_memory(room, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sigmoid_and_what_it_lacks_to_one_keep_their_digits_in_both_tails(dtype: Floating) -> None:
    x = np.concatenate([np.linspace(-80, 80, 641), [-1e4, 1e4, -1e-8, -0.0, 0.0]]).astype(dtype)
    with mpmath.workdps(50):
        exact = [1 / (1 + mpmath.exp(-mpmath.mpf(float(each)))) for each in x]
        rest = np.array([float(1 / (1 + mpmath.exp(mpmath.mpf(float(each))))) for each in x])
    # The exponential, a sum, a quotient and a product, each rounded once; what lies below is no normal number.
    few, least = 4 * float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    for xp, given in ((TUNED, x), (Portable(np), x), (LIFTED, lift(x))):
        found: Any = xp.quietly(xp.sigmoid, given)
        np.testing.assert_allclose(found[0].real, np.array([float(each) for each in exact]), rtol=few, atol=least)
        np.testing.assert_allclose(found[1].real, rest, rtol=few, atol=least)
        assert xp is LIFTED or found[0].dtype == found[1].dtype == dtype


def test_the_sigmoid_of_infinity_and_nan_and_of_a_complex_step() -> None:
    x = np.array([-np.inf, np.inf, np.nan])
    for xp in (TUNED, Portable(np)):
        s, rest = xp.quietly(xp.sigmoid, x)
        np.testing.assert_allclose(s, [0, 1, np.nan], rtol=0, atol=np.finfo(float).tiny)
        np.testing.assert_allclose(rest, [1, 0, np.nan], rtol=0, atol=np.finfo(float).tiny)
    step: Any = lift(np.array([-3.0, 0.0, 3.0])) + 1e-30j
    s, rest = LIFTED.sigmoid(step)
    np.testing.assert_allclose(untyped(s).imag, 1e-30 * np.real(s) * np.real(rest), rtol=1e-15)
    np.testing.assert_allclose(untyped(rest).imag, -1e-30 * np.real(s) * np.real(rest), rtol=1e-15)


@pytest.mark.parametrize("shape", [(4, 3, 2), (2, 4, 3, 2), (0, 4, 3, 2)])
def test_steps_are_taken_and_put_by_labels(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, labels = normal(rng, *shape), np.array([2, 0, 1, 1])
    taken, put = normal(rng, *shape[:-2], 2), np.zeros(shape)
    values = taken.copy()
    for i, label in enumerate(labels):  # by the definition
        taken[..., i, :] = x[..., i, label, :]
        put[..., i, label, :] = values[..., i, :]
    for xp in (TUNED, Portable(np)):
        found = xp.take_steps(x, labels)
        np.testing.assert_array_equal(found, taken, strict=True)
        assert not np.shares_memory(found, x)
        np.testing.assert_array_equal(xp.put_steps(values, labels, 3), put, strict=True)


def test_a_step_out_of_range_is_nan_where_values_are_not_read_and_put_nowhere() -> None:
    x, labels = np.ones((3, 2, 1)), np.array([-1, 2, 1])
    np.testing.assert_array_equal(Portable(np).take_steps(x, labels), [[np.nan], [np.nan], [1]])
    np.testing.assert_array_equal(Portable(np).put_steps(np.ones((3, 1)), labels, 2)[..., 0], [[0, 0], [0, 0], [0, 1]])


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 3)])
def test_arrays_are_stacked_along_a_new_first_axis(shape: tuple[int, ...]) -> None:
    arrays = [np.full(shape, float(k)) for k in range(4)]
    np.testing.assert_array_equal(TUNED.stack(arrays), np.stack(arrays), strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("size", [1.0, 50.0, 1e4])
@pytest.mark.parametrize("axes", [(), (3,), (2, 3)])
@pytest.mark.parametrize("width", [1, 6, FEW_ROWS + 1])
def test_weights_are_those_of_the_textbook(axes: tuple[int, ...], size: float, width: int, dtype: Floating) -> None:
    rng = np.random.default_rng(0)
    scores = (size * normal(rng, *axes, 5, width)).astype(dtype)
    textbook = Portable(np)
    masks = [None, *((rng.random(shape) < 0.5) for shape in ((5, width), (*axes, 5, width)))]
    for allowed in masks:
        if allowed is not None:
            allowed[..., 2, :] = False
        expected = textbook.weights(scores, allowed)
        with np.errstate(all="raise"):
            found = TUNED.quietly(TUNED.weights, scores.copy(), allowed)
        # Without a shift an exponential's error is that of its score's last digit, as with one.
        np.testing.assert_allclose(found, expected, rtol=64 * float(np.finfo(dtype).eps), atol=1e-18)
        assert found.dtype == dtype
        if allowed is not None:
            assert not found[..., 2, :].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", [1, -1])
def test_weights_of_scores_that_are_far_on_one_side_of_zero_alone(side: int, dtype: Floating) -> None:
    scores = (side * np.array([[1e4, 1e4, 1e4 + 1], [1.0, 2.0, 3.0], [800.0, 100.0, 0.0]])).astype(dtype)
    with np.errstate(all="raise"):
        found = TUNED.quietly(TUNED.weights, scores.copy(), None)
    expected = Portable(np).weights(scores, None)
    np.testing.assert_allclose(found, expected, rtol=8 * float(np.finfo(dtype).eps), atol=1e-30)


def test_what_is_not_allowed_may_be_anything_and_has_no_weight() -> None:
    scores = np.array([[1.0, np.nan, 1.0], [np.inf, 2.0, -np.inf], [np.nan, np.nan, np.inf], [0.0, 1e4, 0.0]])
    allowed = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1]], bool)
    for words in (TUNED, Portable(np)):
        found = TUNED.quietly(words.weights, scores.copy(), allowed)
        np.testing.assert_array_equal(found, [[0.5, 0, 0.5], [0, 1, 0], [0, 0, 0], [0.5, 0, 0.5]])


def test_weights_at_infinity_are_nan_in_their_row_alone() -> None:
    scores = np.array([[np.inf, 0.0], [-np.inf, -np.inf], [np.nan, 0.0], [-np.inf, 3.0]])
    for words in (TUNED, Portable(np)):
        for allowed in (None, np.ones((4, 2), bool)):
            found = TUNED.quietly(words.weights, scores.copy(), allowed)
            np.testing.assert_array_equal(found, [[np.nan] * 2] * 3 + [[0, 1]])


@pytest.mark.parametrize("t", [0, 1, 4])
def test_places_up_to_a_place_are_a_triangle(t: int) -> None:
    for words in (TUNED, Portable(np)):
        np.testing.assert_array_equal(words.up_to(t, np.ones(1)), np.tri(t, dtype=bool), strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_angles_are_kept_in_the_dtype_of_what_turns(dtype: Floating) -> None:
    x = np.zeros((2, 3, 4), dtype)
    angles = np.arange(3)[:, None] * 100.0 ** np.array([0, -0.5])
    for words in (TUNED, Portable(np)):
        for found, exact in zip(words.turns(x, 100.0), (np.cos(angles), np.sin(angles)), strict=True):
            assert found.dtype == dtype
            np.testing.assert_allclose(found.astype(float), exact, rtol=0, atol=float(np.finfo(dtype).eps) / 2)
