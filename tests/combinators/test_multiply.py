"""Products of layers: gates, exact zeros, what comes back to each branch, and what does not fit."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    BatchNorm,
    Layer,
    Objective,
    Unit,
    affine,
    batch_norm,
    identity,
    mean_squared_error,
    multiply,
    numerical_gradient,
    prediction,
    relu,
    sequential,
    sigmoid,
    statistics,
    trace,
    tree,
    value_and_grad,
)
from chainrule.parts import Fork
from strategies import Floating, normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, embedding, multiply, relu, sequential, sigmoid
from chainrule.layers.affine import AffineCache
from chainrule.rules import Saved
from chainrule.rules.branches import Beside

def accepted(params: Affine, x: Array, layers: list[Layer[Unit, object]]) -> None:
    gate = multiply(affine, sequential(affine, sigmoid))
    assert_type(gate.forward((params, (params, ())), x)[0], Array)
    assert_type(gate.backward(gate.forward((params, (params, ())), x)[1], x)[1], tuple[Affine, tuple[Affine, Unit]])
    two = multiply(affine, relu)
    assert_type(two, Layer[tuple[Affine, Unit], tuple[Beside[AffineCache], Beside[Saved]]])
    assert_type(multiply(relu, relu, relu, relu, relu), Layer[tuple[object, ...], tuple[object, ...]])
    assert_type(multiply(*layers), Layer[tuple[object, ...], tuple[object, ...]])

def mistakes(params: Affine, x: Array) -> None:
    multiply()  # rejected: a product of nothing has no shape
    multiply(affine, relu).forward((params, params), x)  # rejected: ReLU has no parameters
    multiply(affine, relu).forward((params,), x)  # rejected: an entry is missing
    multiply(relu, 2.0)  # rejected: a number is no layer
    multiply(embedding, relu)  # rejected: tokens can't be multiplied
"""


def fixed_to(value: Array) -> Layer[Unit, Unit]:
    """A layer whose output is a constant, and which gives back what comes back."""

    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        return value, ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        return dout, ()

    return Layer(forward, backward)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_each_branch_gets_dout_times_all_other_outputs(count: int) -> None:
    rng = np.random.default_rng(count)
    x, dout = normal(rng, 3, 2), normal(rng, 3, 2)
    outs = [normal(rng, 3, 2) for _ in range(count)]
    seen: list[Array] = []

    def noting(value: Array) -> Layer[Unit, Unit]:
        def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
            seen.append(dout.copy())
            return dout, ()

        return Layer(fixed_to(value).forward, backward)

    layer: Any = untyped(multiply)(*map(noting, outs))
    after: Any = sequential(relu, layer)
    for run in ("pairs", "pass"):
        seen.clear()
        if run == "pairs":
            out, caches = layer.forward(((),) * count, x)
            layer.backward(caches, dout)
        else:
            out = prediction(layer)(((),) * count, x)
            value_and_grad(after, mean_squared_error)(((), ((),) * count), x, out - 3 * dout)
        np.testing.assert_allclose(out, np.prod(outs, axis=0), rtol=1e-15)
        for i, found in enumerate(reversed(seen)):
            others = np.prod([*outs[:i], *outs[i + 1 :], np.ones((3, 2))], axis=0)
            np.testing.assert_allclose(found, dout * others, rtol=1e-14)
        assert len(seen) == count


def test_zeros_are_exact_and_nothing_is_divided_by_them() -> None:
    layer = untyped(multiply)(*[fixed_to(np.array([row])) for row in ([0.0, 0.0, 2.0], [3.0, 0.0, 0.5], [5.0, 7.0, 4])])
    with np.errstate(all="raise"):
        out, caches = layer.forward(((),) * 3, np.ones((1, 3)))
        dx, _ = layer.backward(caches, np.ones((1, 3)))
    np.testing.assert_array_equal(out, [[0, 0, 4]])
    np.testing.assert_array_equal(dx, [[15 + 0 + 0, 0, 2 + 8 + 1]])


def test_a_gate_is_silu() -> None:
    x = np.array([[-800.0, -1.0, 0.0, 1.0, 800.0]])
    with np.errstate(all="raise"):
        out, caches = multiply(identity, sigmoid).forward(((), ()), x)
        dx, _ = multiply(identity, sigmoid).backward(caches, np.ones_like(x))
    s = 1 / (1 + np.exp(-x[0, 1:]))
    np.testing.assert_allclose(out[0, 1:], x[0, 1:] * s, rtol=1e-15)
    np.testing.assert_allclose(dx[0, 1:], s + x[0, 1:] * s * (1 - s), rtol=1e-15)
    np.testing.assert_allclose([out[0, 0], dx[0, 0]], 0, atol=1e-300)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_products_that_overflow_or_underflow_are_silent(dtype: Floating) -> None:
    large, small = np.finfo(dtype).max, np.finfo(dtype).tiny
    with np.errstate(all="raise"):
        out, caches = multiply(identity, relu).forward(((), ()), np.array([[large, small]], dtype))
        dx, _ = multiply(identity, relu).backward(caches, np.array([[large, small]], dtype))
    np.testing.assert_array_equal(out, [[np.inf, 0]])
    np.testing.assert_array_equal(dx, [[np.inf, 0]])


def test_a_network_of_gates_has_the_gradients_of_its_numbers() -> None:
    rng = np.random.default_rng(0)
    square = Affine(normal(rng, 3, 3), normal(rng, 3))
    network = sequential(
        multiply(affine, sequential(affine, sigmoid)), multiply(sigmoid, identity, sigmoid, identity), affine
    )
    params = ((square, (square, ())), ((), (), (), ()), square)
    x, targets = normal(rng, 4, 3), normal(rng, 4, 3)
    _, grads = value_and_grad(network, mean_squared_error)(params, x, targets)
    found = numerical_gradient(Objective(network, mean_squared_error, x, targets), params, method="complex")
    for one, other in zip(tree.leaves(grads), tree.leaves(found), strict=True):
        # The complex step is exact; the sums are of some tens of terms below 10.
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_a_complex_step_of_one_branch_meets_the_real_output_of_another() -> None:
    rng = np.random.default_rng(0)
    network, params = multiply(affine, identity), (Affine(normal(rng, 3, 3), normal(rng, 3)), ())
    x, targets = normal(rng, 4, 3), normal(rng, 4, 3)
    _, grads = value_and_grad(network, mean_squared_error)(params, x, targets)
    found = numerical_gradient(Objective(network, mean_squared_error, x, targets), params, method="complex")
    for one, other in zip(tree.leaves(grads), tree.leaves(found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)  # exact but for rounding


def test_branches_of_other_shapes_are_refused_with_both_and_the_branch() -> None:
    wide, narrow = Affine(np.ones((3, 5)), np.ones(5)), Affine(np.ones((3, 1)), np.ones(1))
    message = (
        "multiply: the branches must give outputs of one shape and dtype, "
        "but branch 1 gives f64[4, 5] and branch 2 f64[4, 1]"
    )
    for call in (multiply(affine, affine).forward, prediction(multiply(affine, affine))):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}") as raised:
            call((wide, narrow), np.ones((4, 3)))
        assert raised.value.__notes__ == ["in branch 2 of 2"]


def test_what_a_branch_raises_says_which_it_was() -> None:
    network = sequential(relu, multiply(relu, sequential(affine, relu)))
    params: Any = ((), ((), (Affine(np.ones((3, 3)), np.ones(3)), ())))
    with pytest.raises(ValueError, match="affine: x has 4 features") as raised:
        network.forward(params, np.ones((2, 4)))
    assert raised.value.__notes__ == ["in layer 1 of 2", "in branch 2 of 2", "in layer 2 of 2"]


@pytest.mark.parametrize(
    ("dout", "error", "message"),
    [
        (np.ones((1, 3)), ValueError, "has shape (1, 3), expected (2, 3) (the shape of out)"),
        (np.ones((2, 1)), ValueError, "has shape (2, 1), expected (2, 3) (the shape of out)"),
        (np.ones((2, 3), np.float32), TypeError, "is float32, expected float64 (the dtype of out)"),
    ],
)
def test_a_dout_that_is_not_like_out_is_neither_broadcast_nor_promoted(
    dout: Array, error: type[Exception], message: str
) -> None:
    layer = multiply(relu, fixed_to(np.ones((2, 3))))
    _, caches = layer.forward(((), ()), np.ones((2, 3)))
    for back in (layer.backward, layer.grads):
        with pytest.raises(error, match="multiply") as raised:
            back(caches, dout)
        assert str(raised.value) == f"multiply backward: dout {message}"


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match=r"^multiply: it needs one branch at least, got none$"):
        untyped(multiply)()
    with pytest.raises(TypeError, match="multiply: argument 2 must be a Layer, got int"):
        untyped(multiply)(relu, 3)
    with pytest.raises(ValueError, match="multiply: 2 layers need 2 params, got 1"):
        untyped(multiply(relu, relu)).forward(((),), np.ones((2, 2)))


def test_outputs_are_kept_in_no_memory_that_somebody_writes() -> None:
    buffer = np.ones((2, 3))
    layer = multiply(fixed_to(buffer), identity)
    x = np.full((2, 3), 2.0)
    _, caches = layer.forward(((), ()), x)
    right = layer.backward(caches, np.ones((2, 3)))[0].copy()
    buffer[:], x[:] = 7.0, 9.0
    np.testing.assert_array_equal(layer.backward(caches, np.ones((2, 3)))[0], right)


def test_statistics_are_found_in_a_branch() -> None:
    rng = np.random.default_rng(0)
    params, x = BatchNorm.init(2, dtype=np.float64), normal(rng, 8, 2)
    inside = statistics(multiply(batch_norm(), sigmoid), (params, ()), [x])
    assert tree.equal(inside, (statistics(batch_norm(), params, [x]), ()))


def test_a_trace_counts_the_outputs_that_the_product_keeps() -> None:
    rng = np.random.default_rng(0)
    params, x = (Affine(normal(rng, 3, 3), normal(rng, 3)), ()), normal(rng, 4, 3)
    seen = trace(multiply(affine, relu), params, x)
    _, of_relu = seen.layers
    (fork,) = seen.steps
    # The output of relu is its own cache; that of affine is kept by the product alone.
    assert (fork.cache_bytes, fork.shared_bytes) == (x.nbytes, x.nbytes)
    assert seen.cache_bytes == sum(layer.cache_bytes for layer in seen.layers) + x.nbytes
    assert of_relu.cache_bytes == x.nbytes


def test_the_parts_are_a_fork_and_the_counts_those_of_the_products() -> None:
    parts = multiply(affine, relu).parts
    assert isinstance(parts, Fork)
    assert (parts.layers, parts.joint) == ((affine, relu), "*")
    assert multiply(relu, sigmoid).elementwise
    for layer, counts in (
        (multiply(relu), (0, 0)),
        (multiply(relu, relu), (20, 2 * 20 + 12)),
        (multiply(relu, relu, relu), (2 * 20, 5 * 20 + 2 * 12)),
    ):
        assert layer.operations is not None
        assert layer.operations(untyped(()), (4, 3), (4, 5)) == counts
