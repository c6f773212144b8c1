import numpy as np
import pytest

from chainrule.complex_step import LIFTED, lift
from chainrule.namespaces.tuned import TUNED
from strategies import Floating


def test_astype_copies_only_what_is_of_another_dtype() -> None:
    x = np.ones(3)
    assert TUNED.astype(x, x) is x
    assert TUNED.astype(x, x.astype(np.float32)).dtype == np.float32
    assert LIFTED.astype(x, lift(x)) is x  # real numbers stay real beside lifted ones
    assert LIFTED.astype(x.astype(np.float32), lift(x)).dtype == np.float64


def test_gate_takes_every_byte_order() -> None:
    out, dout = np.array([0, 2, 0, 1], np.float32), np.array([np.inf, -3, np.nan, 5], np.float32)
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
