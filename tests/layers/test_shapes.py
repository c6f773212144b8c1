"""`flatten` and `reshape`: what goes where, no copies, what is refused, and types."""

import pickle
import re
from typing import Any

import numpy as np
import pytest

from chainrule import flatten, read_only, reshape
from strategies import layouts, normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, flatten, reshape, sequential
from chainrule.layers.affine import AffineCache
from chainrule.layers.shapes import ReshapeCache

def accepted(x: Array) -> None:
    assert_type(flatten, Layer[Unit, ReshapeCache])
    assert_type(reshape(28, 28, 1), Layer[Unit, ReshapeCache])
    assert_type(sequential(flatten, affine), Layer[tuple[Unit, Affine], tuple[ReshapeCache, AffineCache]])

def refused(x: Array) -> None:
    flatten()  # rejected: it has no options
    reshape((28, 28))  # rejected: lengths, and no tuple of them
    reshape(2.0)  # rejected: a length is whole
    reshape(2).forward(x, x)  # rejected: it has no parameters
"""


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (flatten, (2, 3, 4), (2, 12)),
        (flatten, (2, 3), (2, 3)),
        (flatten, (2,), (2, 1)),
        (flatten, (2, 0, 3), (2, 0)),
        (flatten, (0, 3, 4), (0, 12)),
        (reshape(3, 4), (2, 12), (2, 3, 4)),
        (reshape(12), (2, 3, 4), (2, 12)),
        (reshape(4, -1), (2, 3, 4), (2, 4, 3)),
        (untyped(reshape)(np.int64(-1), np.int64(2)), (2, 3, 4), (2, 6, 2)),
        (reshape(-1, 2, 2), (0, 3, 4), (0, 3, 2, 2)),
        (reshape(), (2, 1, 1), (2,)),
        (reshape(1, 1), (2,), (2, 1, 1)),
    ],
)
def test_shapes_there_and_back(layer: Any, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x = normal(np.random.default_rng(0), *shape)
    for name, laid in layouts(x).items() if x.ndim > 1 else {"C": x}.items():
        out, cache = layer.forward((), laid)
        np.testing.assert_array_equal(out, x.reshape(expected), name)
        dx, grads = layer.backward(cache, out)
        np.testing.assert_array_equal(dx, x, name)
        assert grads == ()


def test_a_constant_is_shared_and_what_may_be_written_is_copied() -> None:
    constant = read_only(np.arange(6.0).reshape(2, 3))
    assert np.shares_memory(flatten.forward((), constant)[0], constant)
    x = np.arange(6.0).reshape(2, 3)
    out, _ = flatten.forward((), x)
    x[:] = 7
    np.testing.assert_array_equal(out.ravel(), np.arange(6))


def test_what_they_are_called_and_that_they_pickle() -> None:
    assert repr(flatten) == "Layer(flatten)"
    assert repr(reshape(2, -1)) == "Layer(reshape(shape=(2, -1)))"
    assert pickle.loads(pickle.dumps(flatten)) is flatten
    assert repr(pickle.loads(pickle.dumps(reshape(2, -1)))) == "Layer(reshape(shape=(2, -1)))"
    assert flatten.event_axes is reshape(2).event_axes is None


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ((3, 0), ValueError, "reshape: a length must be >= 1, or -1 for what is left over, got (3, 0)"),
        ((2, -2), ValueError, "reshape: a length must be >= -1, got -2"),
        ((-1, 2, -1), ValueError, "reshape: only one length may be left open, got (-1, 2, -1)"),
        ((2.0,), TypeError, "reshape: a length must be an integer, got float"),
        (((2, 3),), TypeError, "reshape: a length must be an integer, got tuple"),
        ((True,), TypeError, "reshape: a length must be an integer, got bool"),
    ],
)
def test_bad_lengths_are_refused_where_the_layer_is_made(shape: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        untyped(reshape)(*shape)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (flatten, (), "flatten: x must have an axis of examples, got shape ()"),
        (reshape(-1), (), "reshape: x must have an axis of examples, got shape ()"),
        (reshape(2), (), "reshape: x must have an axis of examples, got shape ()"),
        (reshape(2, 3), (4, 5), "reshape: an example of x (4, 5) has 5 numbers, which do not fill (2, 3)"),
        (reshape(2, -1), (4, 5), "reshape: an example of x (4, 5) has 5 numbers, which do not fill (2, -1)"),
    ],
)
def test_an_x_that_does_not_fit_is_refused(layer: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        layer.forward((), np.zeros(shape))
