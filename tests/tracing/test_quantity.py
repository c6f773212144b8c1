"""Statistics are those of NumPy for the numbers that are finite, whatever their layout, size and dtype."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from chainrule.inspecting.tracing.quantity import BLOCK_ENTRIES, Quantity, measure
from strategies import Floating, dtypes, generators, sides
from untyped import untyped


def of(array: NDArray[Any]) -> Quantity:
    return measure("x", "x", array)


@given(rng=generators, n=sides, k=sides, dtype=dtypes)
def test_statistics_are_those_of_numpy(rng: np.random.Generator, n: int, k: int, dtype: Floating) -> None:
    array = (3 + rng.standard_normal((n, k))).astype(dtype)
    seen, wide = of(array), array.astype(np.float64)
    assert (seen.low, seen.high) == (wide.min(), wide.max())
    assert seen.mean == pytest.approx(float(wide.mean()), rel=1e-12)
    assert seen.std == pytest.approx(float(wide.std()), rel=1e-9, abs=1e-12)  # 3 is added, of which 1e-16 is lost
    assert (seen.zeros, seen.nonfinite, seen.index) == (0, 0, ())
    assert (seen.shape, seen.size, seen.dtype) == ((n, k), n * k, np.dtype(dtype).name)


WHOLE = np.random.default_rng(0).standard_normal((500, 700))


@pytest.mark.parametrize("array", [WHOLE, WHOLE.T, WHOLE[::2, 1::3], WHOLE[::-1]], ids=["C", "F", "strided", "back"])
def test_layout_and_blocks_make_no_difference(array: NDArray[Any]) -> None:
    assert WHOLE.size > 2 * BLOCK_ENTRIES
    seen = of(array)
    assert seen.mean == pytest.approx(float(array.mean()), rel=1e-9)
    assert seen.std == pytest.approx(float(array.std()), rel=1e-12)
    assert seen.values is None


def test_numbers_that_are_not_finite_are_counted_and_left_out() -> None:
    seen = of(np.array([[0.0, 4.0], [np.inf, 2.0], [np.nan, -np.inf]]))
    assert (seen.low, seen.high, seen.mean) == (0.0, 4.0, 2.0)
    assert seen.std == pytest.approx(np.sqrt(8 / 3))
    assert (seen.nonfinite, seen.index) == (3, (1, 0))
    assert seen.zeros == pytest.approx(1 / 6)
    assert str(seen) == "x, f64[3, 2]: 3 of 6 not finite, the first at [1, 0]"


def test_nothing_but_nan_has_no_statistics() -> None:
    seen = of(np.full(3, np.nan, np.float32))
    assert all(np.isnan([seen.low, seen.high, seen.mean, seen.std]))
    assert seen.nonfinite == 3
    assert str(of(np.array(np.nan))) == "x, f64[]: 1 of 1 not finite"


def test_an_empty_array_has_no_statistics() -> None:
    seen = of(np.ones((0, 3)))
    assert all(np.isnan([seen.low, seen.high, seen.mean, seen.std]))
    assert (seen.zeros, seen.nonfinite, seen.size) == (0, 0, 0)


@pytest.mark.parametrize("largest", [1.7e308, 5e-324, 0.0])
def test_nothing_overflows_or_underflows(largest: float) -> None:
    seen = of(np.array([largest, -largest]))
    assert (seen.mean, seen.std) == (0.0, largest)


def test_integers_and_truth_values_are_numbers_too() -> None:
    labels, mask = of(np.array([0, 2, 4])), of(np.array([True, False]))
    assert (labels.summary, labels.mean, labels.zeros) == ("i64[3]", 2.0, 1 / 3)
    assert (mask.summary, mask.mean) == ("bool[2]", 0.5)


def test_few_numbers_are_kept_as_a_copy_and_many_are_not() -> None:
    base = np.arange(1000.0)
    few = of(base[:36])
    base[0] = 7
    assert few.values is not None
    assert few.values.base is None
    assert not few.values.flags.writeable
    assert few.values.tolist() == list(range(36))
    assert of(base[:37]).values is None


class Elsewhere:
    """An array on a device, which NumPy cannot read."""

    shape, dtype = (2,), "float32"

    def __array__(self, dtype: object = None, copy: object = None) -> NDArray[Any]:
        raise TypeError("can't convert a tensor on cuda:0")


def test_an_array_that_cannot_be_read_is_named() -> None:
    with pytest.raises(TypeError, match="cuda") as raised:
        measure("out", "out of layer 1 (affine)", untyped(Elsewhere()))
    assert raised.value.__notes__ == ["trace looks at numbers: NumPy must be able to read out of layer 1 (affine)"]


def test_it_prints_its_shape() -> None:
    assert repr(of(np.ones((784, 50), np.float32))) == "Quantity(x=f32[784, 50])"
