import math

import numpy as np
import pytest

from chainrule import Array
from chainrule.arrays.tuned import FEW, FEW_ROWS, SMALL, TUNED, Tuned
from chainrule.checking.complex_step import LIFTED, LiftedNamespace, lift
from strategies import Floating, normal


def test_astype_copies_only_what_is_of_another_dtype() -> None:
    x = np.ones(3)
    assert TUNED.astype(x, x) is x
    assert TUNED.astype(x, x.astype(np.float32)).dtype == np.float32
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
