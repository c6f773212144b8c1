"""JAX: its derivatives of our functions are ours, and its arrays pass through them."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Convolution,
    Layer,
    affine,
    convolution,
    relu,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    tree,
    two_layer,
    value_and_grad,
)
from oracles.in_jax import JAX

jax: Any = import_module("jax")  # it need not be installed where types are checked
jnp: Any = import_module("jax.numpy")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_jax_grad_of_our_loss_is_our_gradient_and_ours_compiles(activation: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    activations: dict[str, Layer[Any, Any]] = {"relu": relu, "sigmoid": sigmoid}
    network = sequential(affine, activations[activation], affine)
    params = two_layer.init(rng, 5, 4, 3, std=0.5, dtype=dtype)
    x, labels = jnp.asarray(rng.standard_normal((6, 5)).astype(dtype)), jnp.asarray(rng.integers(0, 3, 6))
    arrays = [jnp.asarray(np.array(leaf)) for leaf in tree.leaves(params)]
    f = value_and_grad(network, softmax_cross_entropy)

    def loss(arrays: Any) -> Any:
        return f(tree.replace(params, arrays), x, labels)[0]

    def gradient(arrays: Any) -> Any:
        return tree.leaves(f(tree.replace(params, arrays), x, labels)[1])

    theirs = jax.jit(jax.grad(loss))(arrays)
    for ours in (gradient(arrays), jax.jit(gradient)(arrays)):
        for a, b in zip(ours, theirs, strict=True):
            # Some roundings of sums of up to 6 products, relative to the largest entry.
            np.testing.assert_allclose(a, b, rtol=0, atol=32 * float(np.finfo(dtype).eps) * float(abs(b).max()))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (2, 2)])
def test_same_with_a_stride_is_jaxs(axes: int, size: int, stride: int, dilation: int) -> None:
    """torch has no such option."""
    rng = np.random.default_rng(0)
    lengths = (7, 6, 4)[:axes]
    params = Convolution(rng.standard_normal((*(size,) * axes, 2, 3)), rng.standard_normal(3))
    x = rng.standard_normal((2, *lengths, 2))
    space = "DHW"[-axes:]

    def convolved(x: Any, W: Any, b: Any) -> Any:
        form = (f"N{space}C", f"{space}IO", f"N{space}C")
        options = {"rhs_dilation": (dilation,) * axes, "dimension_numbers": form}
        return jax.lax.conv_general_dilated(x, W, (stride,) * axes, "SAME", **options) + b

    layer = convolution(stride, dilation=dilation)
    out, cache = layer.forward(params, x)
    dout = rng.standard_normal(out.shape)
    dx, grads = layer.backward(cache, dout)
    theirs, gradients = JAX.pullback(convolved, [x, *(np.array(leaf) for leaf in tree.leaves(params))], dout)
    np.testing.assert_allclose(out, theirs, rtol=1e-10, atol=1e-10)
    for ours, gradient in zip([dx, *tree.leaves(grads)], gradients, strict=True):
        np.testing.assert_allclose(ours, gradient, rtol=1e-10, atol=1e-10)
