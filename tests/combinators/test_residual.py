"""The residual connection: x and what a layer makes of it, their sum, and what does not fit."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import Affine, Array, Layer, Unit, add, affine, prediction, relu, residual, sequential, sigmoid, tree
from chainrule.parts import Around
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Unit, affine, embedding, relu, residual, sequential

def accepted(params: Affine, x: Array) -> None:
    block = residual(sequential(affine, relu))
    assert_type(block.forward((params, ()), x)[0], Array)
    assert_type(block.backward(block.forward((params, ()), x)[1], x)[1], tuple[Affine, Unit])
    deep = sequential(residual(affine), residual(relu))
    assert_type(deep.grads(deep.forward((params, ()), x)[1], x), tuple[Affine, Unit])

def mistakes(params: Affine, x: Array) -> None:
    residual(affine, relu)  # rejected: it is around one layer
    residual(embedding)  # rejected: tokens can't be added to
    residual(affine).forward((params,), x)  # rejected: its parameters are those of the layer
"""


def test_it_is_the_sum_with_the_identity_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    block, params, x = sequential(affine, sigmoid), (Affine(normal(rng, 3, 3), normal(rng, 3)), ()), normal(rng, 4, 3)
    one, other = residual(block), add(sequential(), block)
    out, cache = one.forward(params, x)
    summed, caches = other.forward(((), params), x)
    assert tree.equal(out, summed)
    dx, grads = one.backward(cache, x)
    assert tree.equal((dx, ((), grads)), other.backward(caches, x))


def test_a_layer_of_zeros_lets_everything_through() -> None:
    zero = Affine(np.zeros((3, 3)), np.zeros(3))
    x = np.arange(6.0).reshape(2, 3)
    out, cache = residual(affine).forward(zero, x)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(residual(affine).backward(cache, x)[0], x)


def test_a_layer_that_changes_the_shape_is_refused_with_both_shapes() -> None:
    params, x = Affine(np.ones((3, 2)), np.ones(2)), np.ones((4, 3))
    message = "residual: the layer must keep the shape of x, but makes (4, 2) of (4, 3)"
    for call in (residual(affine).forward, prediction(residual(affine))):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call(params, x)


def in_float32(given: Unit, array: Array) -> tuple[Array, Unit]:
    return array.astype(np.float32), ()


def unchanged(params: Unit, x: Array) -> tuple[Array, Unit]:
    return x, ()


def beside_relu(layer: Layer[Any, Any]) -> Layer[Any, Any]:
    return add(layer, relu)


def test_a_layer_that_changes_the_dtype_is_refused_with_both_dtypes() -> None:
    message = "residual: the layer must keep the dtype of x, but makes float32 of float64"
    layer = residual(Layer(in_float32, in_float32))
    for call in (layer.forward, prediction(layer)):
        with pytest.raises(TypeError, match=f"^{message}$"):
            call((), np.ones((2, 3)))


@pytest.mark.parametrize(("combine", "params"), [(residual, ()), (beside_relu, ((), ()))])
@pytest.mark.parametrize(
    ("dx", "error", "message"),
    [
        (np.ones(3), ValueError, "backward: dx of a layer is f64[3], and must be like "),
        (np.ones((2, 3), np.float32), TypeError, "backward: dx of a layer is f32[2, 3], and must be like "),
        ([[1.0]], TypeError, "backward: dx of a layer must be an array, got list"),
        (None, TypeError, "backward: the layer gave no dx where it was wanted"),
    ],
)
def test_a_dx_that_can_not_be_added_is_refused(
    combine: Any, params: Any, dx: Any, error: type[Exception], message: str
) -> None:
    def backward(cache: Unit, dout: Array) -> tuple[Any, Unit]:
        return dx, ()

    network = combine(Layer(unchanged, backward))
    out, cache = network.forward(params, np.ones((2, 3)))
    with pytest.raises(error, match=re.escape(message)):
        network.backward(cache, out)


def test_nothing_is_broadcast() -> None:
    params, x = Affine(np.ones((3, 1)), np.ones(1)), np.ones((4, 3))
    with pytest.raises(ValueError, match=r"makes \(4, 1\) of \(4, 3\)"):
        residual(affine).forward(params, x)


def test_only_a_layer_can_be_gone_around() -> None:
    with pytest.raises(TypeError, match="residual: argument 1 must be a Layer, got method"):
        residual(untyped(affine.forward))


def test_the_part_is_found_in_the_trait() -> None:
    parts = residual(relu).parts
    assert isinstance(parts, Around)
    assert (parts.layer, parts.skip, parts.fixed, parts.tied) == (relu, True, False, False)
    operations = residual(relu).operations
    assert operations is not None
    assert operations((), (4, 3), (4, 3)) == (12, 12)  # those of the sum
    assert residual(relu).elementwise
    assert not residual(affine).elementwise
