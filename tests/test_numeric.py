import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from chainrule import (
    Affine,
    Array,
    Labels,
    Layer,
    Loss,
    Objective,
    Unit,
    affine,
    check_network,
    directional_derivative,
    numerical_gradient,
    relu,
    rules,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    tree,
    value_and_grad,
)
from chainrule.checking.complex_step import STEP, lift
from chainrule.checking.numerical_gradient import Method, derivatives
from chainrule.checking.perturbations import Entries, Steps
from strategies import Floating, generators, normal, sides
from untyped import untyped

NETWORKS: dict[str, Layer[Any, Any]] = {
    "affine": affine,
    "relu": sequential(affine, relu, affine),
    "sigmoid": sequential(affine, sigmoid, affine),
    "nested": sequential(sequential(affine, sigmoid), affine),
}


METHODS: tuple[Method, ...] = ("central", "complex")


def problem(name: str, rng: np.random.Generator, n: int, dtype: Floating = np.float64) -> tuple[Any, Array, Labels]:
    """Params, x and labels."""
    d, h, k = rng.integers(1, 6, 3)
    first, second = (Affine(normal(rng, a, b, dtype=dtype), normal(rng, b, dtype=dtype)) for a, b in ((d, h), (h, k)))
    params: Any = {"affine": first, "nested": ((first, ()), second)}.get(name, (first, (), second))
    classes = h if name == "affine" else k
    return params, normal(rng, n, d, dtype=dtype), rng.integers(0, classes, n)


@pytest.mark.parametrize("name", NETWORKS)
@given(rng=generators, n=sides)
def test_both_methods_agree_with_backpropagation(name: str, rng: np.random.Generator, n: int) -> None:
    params, x, labels = problem(name, rng, n)
    network = NETWORKS[name]
    _, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    f = Objective(network, softmax_cross_entropy, x, labels)
    tolerances: dict[Method, float] = {"central": 1e-7, "complex": 1e-12}  # what the library promises
    for method, tolerance in tolerances.items():
        for function in (f, f.__call__):  # the second hides the structure
            g = numerical_gradient(function, params, method=method)
            for (path, a), b in zip(tree.named_leaves(grads), tree.leaves(g), strict=True):
                smooth = ~np.isnan(b)
                scale = max(1e-3, float(np.abs(a).max()))
                np.testing.assert_allclose(a[smooth], b[smooth], rtol=0, atol=tolerance * scale, err_msg=path)
                assert method == "central" or smooth.all()


def test_structure_gives_what_the_black_box_gives() -> None:
    rng = np.random.default_rng(0)
    params, x, labels = problem("relu", rng, 5)
    f = Objective(NETWORKS["relu"], softmax_cross_entropy, x, labels)
    for method in METHODS:
        structured = numerical_gradient(f, params, method=method)
        called = numerical_gradient(f.__call__, params, method=method)
        for a, b in zip(tree.leaves(structured), tree.leaves(called), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 if method == "central" else 1e-15)


def test_structure_runs_the_network_far_less_often_than_there_are_parameters() -> None:
    calls = 0

    def forward(params: Unit, x: Array) -> tuple[Array, Any]:
        nonlocal calls
        calls += 1
        return relu.forward(params, x)

    counted = Layer(forward, relu.backward)
    rng = np.random.default_rng(0)
    params = Affine.init(rng, 100, 20, dtype=np.float64), (), Affine.init(rng, 20, 10, dtype=np.float64)
    f = Objective(sequential(affine, counted, affine), softmax_cross_entropy, normal(rng, 3, 100), np.array([1, 2, 3]))
    numerical_gradient(f, params, method="complex")
    assert calls < 50  # of 2,230 parameters


def test_layers_that_couple_rows_are_not_stacked() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Unit]:
        return x - x.mean(axis=0), ()

    def backward(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        return dout - dout.mean(axis=0), ()

    network = sequential(affine, Layer(forward, backward, couples_rows=True))
    rng = np.random.default_rng(0)
    params = Affine(normal(rng, 3, 4), normal(rng, 4)), ()
    x, labels = normal(rng, 5, 3), rng.integers(0, 4, 5)
    _, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    g = numerical_gradient(Objective(network, softmax_cross_entropy, x, labels), params)
    for a, b in zip(tree.leaves(grads), tree.leaves(g), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8)


def test_losses_that_couple_rows_are_not_stacked() -> None:
    def rows(out: Array, targets: Array) -> Array:
        return np.asarray(((out - out.mean(axis=0) - targets) ** 2).sum(axis=1))

    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(rows(out, targets).mean()), out - out.mean(axis=0) - targets

    def backward(off: Array, dloss: object) -> Array:
        return np.asarray(2 * (off - off.mean(axis=0)) / len(off) * np.asarray(dloss))

    rng = np.random.default_rng(0)
    params, x, targets = Affine(normal(rng, 3, 4), normal(rng, 4)), normal(rng, 5, 3), normal(rng, 5, 4)
    loss = Loss(forward, backward, rows, couples_rows=True)
    _, grads = value_and_grad(affine, loss)(params, x, targets)
    found = numerical_gradient(Objective(affine, loss, x, targets), params)
    for a, b in zip(tree.leaves(grads), tree.leaves(found), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8)
    assert not check_network(affine, loss, params, x, targets, rng=rng).failures


def test_layers_of_ones_own_are_differentiated_by_their_forward() -> None:
    def forward(params: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        return x * params, (x, params)

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
        return dout * cache[1], (cache[0] * dout).sum(axis=0)

    network = sequential(Layer(forward, backward), affine)
    rng = np.random.default_rng(0)
    params, x, labels = (normal(rng, 3), Affine(normal(rng, 3, 4), normal(rng, 4))), normal(rng, 5, 3), np.arange(5) % 4
    _, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    tolerances: dict[Method, float] = {"central": 1e-8, "complex": 1e-14}
    for method, tolerance in tolerances.items():
        g = numerical_gradient(Objective(network, softmax_cross_entropy, x, labels), params, method=method)
        for a, b in zip(tree.leaves(grads), tree.leaves(g), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_float32_objectives_are_differentiated_in_float64() -> None:
    rng = np.random.default_rng(0)
    params, x, labels = problem("sigmoid", rng, 4, np.float32)
    network = NETWORKS["sigmoid"]
    exact = tree.map(lambda leaf: leaf.astype(np.float64), params)
    _, grads = value_and_grad(network, softmax_cross_entropy)(exact, x.astype(np.float64), labels)
    for method in METHODS:
        g = numerical_gradient(Objective(network, softmax_cross_entropy, x, labels), params, method=method)
        for a, b in zip(tree.leaves(grads), tree.leaves(g), strict=True):
            assert b.dtype == np.float32
            np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-8)  # float32's own rounding, and that of differences


def test_a_float32_black_box_gets_steps_that_float32_can_resolve() -> None:
    x = np.array([0.5, 1.0, 300.0], np.float32)
    g = numerical_gradient(lambda v: (v * v).sum(dtype=np.float32) / 2, x)
    # The function's rounding, 1e-7 of 45,000, over twice a step of 5e-3 times 300: 2e-3; 0.5 for the small entries.
    np.testing.assert_allclose(g, x, rtol=0, atol=0.6)
    assert g.dtype == np.float32


@pytest.mark.skipif(bool(np.finfo(np.longdouble).eps > 1e-18), reason="long doubles are no longer than doubles here")
def test_a_black_box_in_long_doubles_keeps_their_digits() -> None:
    x = np.array([0.3, 1.7], np.longdouble)
    exact = 3 * np.exp(3 * x)
    assert np.abs(numerical_gradient(lambda x: np.exp(3 * x).sum(), x) / exact - 1).max() < 1e-11  # (1.1e-19)^(2/3) * 9
    along_x = directional_derivative(lambda x: np.exp(3 * x).sum(), x, x)
    assert abs(along_x / float((exact * x).sum()) - 1) < 1e-11


def test_a_function_of_float64_with_values_in_float32_gets_steps_that_float32_can_resolve() -> None:
    x = np.array([1.0, 2.0])
    cubes = numerical_gradient(lambda x: np.float32((x**3).sum()), x)
    assert np.allclose(cubes, 3 * x**2, rtol=1e-4)  # (1.2e-7)^(2/3) = 2.4e-5 of the function's size
    along_x = directional_derivative(lambda x: np.float32((x**3).sum()), x, x)
    assert abs(along_x - 27) < 27e-4


def test_slopes_are_taken_over_the_steps_that_are_made() -> None:
    # 0.1 + h is rounded to float32, by 1e-5 of h; of a linear function the quotient is exact all the same.
    x = np.array([0.1, 1.0, 300.0], np.float32)
    g = numerical_gradient(lambda v: 3 * v.sum(dtype=np.float64), x)
    np.testing.assert_allclose(g, 3, rtol=1e-7)


def steps_taken(f: Callable[[Array], Array], x: Array) -> list[float]:
    """The distances by which the first entry of x is moved, in either direction, the largest first."""
    taken: set[float] = set()

    def probe(entries: Entries, steps: Steps) -> NDArray[Any]:
        taken.update(float(abs(step)) for step in steps)
        return f(x[entries] + steps)

    derivatives(probe, x, np.array([0]), "central")
    return sorted(taken, reverse=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_are_as_documented(dtype: Floating) -> None:
    h = float(np.finfo(dtype).eps) ** (1 / 3)
    rounding = 1e-2 if dtype is np.float32 else 1e-5  # of x + h
    for x, size in ((0.25, 1.0), (-1.5, 1.5), (-300.0, 300.0)):
        taken = steps_taken(lambda v: 2 * v, np.array([x], dtype))
        np.testing.assert_allclose(taken, [h * size, 0], rtol=rounding)
    at_a_kink = steps_taken(np.abs, np.zeros(1, dtype))
    np.testing.assert_allclose(at_a_kink, [h, h / 16, h / 16**2, h / 16**3, 0], rtol=1e-6)


def test_steps_go_with_the_size_of_the_parameter() -> None:
    x = np.array([1e6, -2e9])
    np.testing.assert_allclose(numerical_gradient(lambda v: (v * v).sum() / 2, x)[1:], x[1:], rtol=1e-8)


def test_derivatives_of_known_functions() -> None:
    x = np.array([0.3, -1.2, 2.0])
    np.testing.assert_allclose(numerical_gradient(lambda v: np.exp(v).sum(), x), np.exp(x), rtol=1e-8)
    np.testing.assert_allclose(
        numerical_gradient(lambda v: np.exp(v).sum(), x, method="complex"), np.exp(x), rtol=1e-15
    )
    assert numerical_gradient(lambda _: 3.0, (Affine(np.ones((2, 2)), np.ones(2)), ()))[0].W.tolist() == [[0, 0]] * 2


def test_a_bend_that_is_no_kink_costs_no_digits() -> None:
    x = np.linspace(-2, 2, 9)
    g = numerical_gradient(lambda v: np.exp(v).sum(), x)
    # The function's size is 20 and the step 6e-6: rounding leaves 4e-10 of it. Steps 16 times smaller would leave 6e-9.
    np.testing.assert_allclose(g, np.exp(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("power", "smooth"), [(1.51, True), (1.49, False)])
def test_a_bend_is_no_kink_if_it_shrinks_by_four_where_the_step_shrinks_by_sixteen(power: float, smooth: bool) -> None:
    g = numerical_gradient(lambda v: (np.abs(v) ** power).sum(), np.zeros(1))
    assert np.isnan(g[0]) != smooth
    assert g[0] == 0 or not smooth


@pytest.mark.parametrize(("more", "smooth"), [(0.13, True), (0.14, False)])
def test_a_slope_may_move_by_a_sixteenth_of_the_bend(more: float, smooth: bool) -> None:
    """With a second derivative on the right that differs from that on the left the slope is 0 all the same."""
    g = numerical_gradient(lambda v: (v * v * (1 + more * np.sign(v))).sum(), np.zeros(1))
    assert np.isnan(g[0]) != smooth
    assert abs(g[0]) < 1e-6 or not smooth  # of the size of the step


def test_what_is_zero_everywhere_has_a_gradient_of_zero() -> None:
    np.testing.assert_array_equal(numerical_gradient(lambda _: 0.0, np.array([-1.0, 0.0, 2.0])), [0, 0, 0])


def test_kinks_are_stepped_around_and_named_where_they_cannot_be() -> None:
    x = np.array([0.0, 1e-7, -1e-8, 1e-6, 3e-6, -2e-6, 1.0, -1.0])
    g = numerical_gradient(lambda v: relu.forward((), v)[0].sum(), x)
    assert np.isnan(g[0])
    np.testing.assert_allclose(g[1:], [1, 0, 1, 1, 0, 1, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("jump", [1.0, 1e-4, 1e-6])
def test_a_kink_is_named_however_small_beside_the_function(jump: float) -> None:
    x = np.array([0.0, 1e-6, 2.0])
    g = numerical_gradient(lambda v: 1 + jump * np.maximum(v, 0).sum(), x)
    assert np.isnan(g[0])
    # Rounding of the function, 1e-16, over the smallest step that a kink at a distance of 1e-6 leaves, 4e-7.
    np.testing.assert_allclose(g[1:], [jump, jump], rtol=0, atol=1e-8)


def test_beside_a_kink_a_function_that_is_zero_has_a_gradient_of_zero() -> None:
    # Alone, so that no other entry gives the function a size, and rounding is nothing.
    for x in (-1e-6, -1e-7):
        assert numerical_gradient(lambda v: relu.forward((), v)[0].sum(), np.array([x])) == 0


def test_complex_step_takes_the_convention_at_kinks() -> None:
    x = np.array([0.0, -0.0, 1e-300, 2.0, -2.0])
    g = numerical_gradient(lambda v: relu.forward((), v)[0].sum(), x, method="complex")
    np.testing.assert_array_equal(g, [0, 0, 1, 1, 0])


def signed_square(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    return xp.sign(x) * x * x, 2 * xp.abs(x)


def test_complex_step_takes_the_sign_of_the_real_part() -> None:
    layer = rules.elementwise("signed_square", signed_square)
    x = np.array([-2.0, -0.5, 0.0, 3.0])
    g = numerical_gradient(lambda v: layer.forward((), v)[0].sum(), x, method="complex")
    np.testing.assert_array_equal(g, 2 * np.abs(x))


def test_a_complex_step_through_backward_gives_second_derivatives() -> None:
    rng = np.random.default_rng(0)
    network = sequential(affine, sigmoid, affine)
    x, dout = normal(rng, 5, 3), normal(rng, 5, 2)
    params = Affine(normal(rng, 3, 4), normal(rng, 4)), (), Affine(normal(rng, 4, 2), normal(rng, 2))
    line = tree.map(lambda leaf: normal(rng, *leaf.shape), params)

    def gradient(step: float) -> list[Array]:
        at = tree.map(lambda p, v: p + step * v, params, line)
        return tree.leaves(network.grads(network.forward(at, x)[1], dout))

    def moved(param: Array, direction: Array) -> Any:
        return lift(param) + 1j * STEP * direction

    lifted = tree.map(moved, params, line)
    by_step = tree.leaves(network.grads(network.forward(lifted, x)[1], lift(dout)))
    for exact, after, before in zip(by_step, gradient(1e-5), gradient(-1e-5), strict=True):
        # The step squared, times third derivatives of size 1, and rounding over the step.
        np.testing.assert_allclose(np.imag(exact) / STEP, (after - before) / 2e-5, rtol=0, atol=1e-9)


def test_complex_step_of_sigmoid_at_zero() -> None:
    g = numerical_gradient(lambda v: sigmoid.forward((), v)[0].sum(), np.array([0.0, -0.0]), method="complex")
    np.testing.assert_allclose(g, 0.25, rtol=1e-15)


def test_complex_step_goes_through_a_network_in_long_doubles() -> None:
    rng = np.random.default_rng(0)
    params, x, labels = problem("relu", rng, 4, np.longdouble)  # backward takes 1 / n in float64; 1 / 4 is exact
    targets = (np.eye(5)[labels] * 0.5 + 0.1).astype(np.longdouble)
    targets = targets[:, : params[2].b.size]
    targets /= targets.sum(axis=1, keepdims=True)
    for network in (NETWORKS["relu"], NETWORKS["sigmoid"]):
        for t in (labels, targets):
            _, grads = value_and_grad(network, softmax_cross_entropy)(params, x, t)
            g = numerical_gradient(Objective(network, softmax_cross_entropy, x, t), params, method="complex")
            for a, b in zip(tree.leaves(grads), tree.leaves(g), strict=True):
                assert b.dtype == np.longdouble
                np.testing.assert_allclose(b, a, rtol=0, atol=100 * float(np.finfo(np.longdouble).eps))


def test_callers_arrays_are_never_touched_even_if_f_raises() -> None:
    x = np.array([1.0, 2.0])
    before = x.copy()

    def fail(v: Array) -> float:
        raise RuntimeError("no")

    for method in METHODS:
        with pytest.raises(RuntimeError, match="no"):
            numerical_gradient(fail, x, method=method)
        assert tree.equal(x, before)
        x.flags.writeable = False
        numerical_gradient(lambda v: (v * v).sum(), x, method=method)
        x.flags.writeable = True


def test_f_cannot_write_to_what_it_is_given() -> None:
    def write(v: Array) -> float:
        v[0] = 5
        return 0.0

    with pytest.raises(ValueError, match="read-only"):
        numerical_gradient(write, np.ones(2))


def test_empty_arrays_have_empty_gradients() -> None:
    for method in METHODS:
        g = numerical_gradient(lambda v: (v * v).sum(), np.zeros((0, 3)), method=method)
        assert g.shape == (0, 3)


def total(v: Array) -> Any:
    return v.sum()


def total_size(v: Array) -> Any:
    return abs(v).sum()


def itself(v: Array) -> Array:
    return v


def constant(value: object) -> Callable[[Array], object]:
    return lambda _: value


CONVERT = ": convert it first, e.g. with .astype(np.float64)"


@pytest.mark.parametrize(
    ("f", "params", "method", "error", "message"),
    [
        (total, np.ones(2), "forward", ValueError, "method must be 'central' or 'complex', got 'forward'"),
        (total, np.array([1, 2]), "central", TypeError, f"params must be a NumPy array of floats, got i64[2]{CONVERT}"),
        (
            total,
            (np.array([1, 2]),),
            "central",
            TypeError,
            f"params[0] must be a NumPy array of floats, got i64[2]{CONVERT}",
        ),
        (itself, np.ones(2), "central", TypeError, "f must return one number, got f64[2]"),
        (constant("1"), np.ones(2), "central", TypeError, "f must return one number, got str"),
        (constant(None), np.ones(2), "complex", TypeError, "f must return one number, got NoneType"),
        (
            total_size,
            np.ones(2),
            "complex",
            TypeError,
            "f returned a real number for complex parameters, so part of it is not analytic: use method='central'",
        ),
    ],
)
def test_bad_input(f: Any, params: Any, method: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match="numerical_gradient") as raised:
        numerical_gradient(f, params, method=method)
    assert str(raised.value) == f"numerical_gradient: {message}"


def test_the_complex_step_of_sigmoid_at_zero_is_right_in_both_directions() -> None:
    for sign in (1.0, -1.0):

        def f(v: Array, sign: float = sign) -> Any:
            return sigmoid.forward((), sign * v)[0].sum()

        np.testing.assert_allclose(numerical_gradient(f, np.zeros(1), method="complex"), sign / 4, rtol=1e-15)


def test_what_is_no_function_and_no_tree() -> None:
    with pytest.raises(TypeError, match=re.escape("numerical_gradient: f must be a function of params, got Layer")):
        numerical_gradient(untyped(affine), np.ones(2))
    with pytest.raises(TypeError, match="numerical_gradient: params must be a tree of arrays, got float"):
        numerical_gradient(untyped(abs), 3.0)
    assert numerical_gradient(untyped(len), ()) == ()


@pytest.mark.parametrize("name", NETWORKS)
@given(rng=generators, n=sides)
def test_a_directional_derivative_is_the_gradient_along_it(name: str, rng: np.random.Generator, n: int) -> None:
    params, x, labels = problem(name, rng, n)
    f = Objective(NETWORKS[name], softmax_cross_entropy, x, labels)
    _, grads = value_and_grad(NETWORKS[name], softmax_cross_entropy)(params, x, labels)
    direction = tree.map(lambda leaf: normal(rng, *leaf.shape), params)
    expected = tree.dot(grads, direction)
    scale = max(1e-3, np.sqrt(tree.dot(grads, grads) * tree.dot(direction, direction)))
    for function in (f, f.__call__):
        exact = directional_derivative(function, params, direction, method="complex")
        central = directional_derivative(function, params, direction)
        assert exact == pytest.approx(expected, rel=0, abs=1e-12 * scale)
        assert np.isnan(central) or central == pytest.approx(expected, rel=0, abs=1e-7 * scale)


def test_a_directional_derivative_takes_any_length_of_direction() -> None:
    x, direction = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, -1.0])
    for length in (0.0, 1e-30, 1.0, 1e30):
        got = directional_derivative(lambda v: (v * v).sum(), x, length * direction)
        assert got == pytest.approx(-2.0 * length, rel=1e-8)
    single = directional_derivative(lambda v: (v * v).sum(), x.astype(np.float32), direction.astype(np.float32))
    assert single == pytest.approx(-2.0, rel=1e-3)  # differences of float32 values: the cube root of its eps is 5e-3
    np.testing.assert_array_equal(x, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("size", [1.5e308, 1e200, 1e-200, 5e-324])
def test_a_direction_as_long_or_short_as_numbers_get_loses_nothing(size: float) -> None:
    x, direction = np.array([0.5, 1.0]), size * np.array([0.0, 1.0])
    for method in METHODS:
        got = directional_derivative(lambda v: v.sum() / 2, x, direction, method=method)
        assert got == pytest.approx(size / 2, rel=1e-9)


def test_along_nothing_the_derivative_is_0() -> None:
    for params in ((), (np.zeros((0, 2)),), np.zeros(0)):
        assert directional_derivative(untyped(len), untyped(params), untyped(params)) == 0
    for value in (np.inf, np.nan):
        with pytest.raises(ValueError, match="finite") as raised:
            directional_derivative(total, np.ones(2), np.array([0.0, value]))
        assert str(raised.value) == "directional_derivative: the direction must be finite"


def test_a_directional_derivative_at_a_kink_is_nan() -> None:
    assert np.isnan(directional_derivative(lambda v: np.abs(v).sum(), np.zeros(3), np.ones(3)))


def test_an_elementwise_layer_between_two_affine_layers_runs_on_the_moved_column_alone() -> None:
    rng = np.random.default_rng(0)
    params = Affine(normal(rng, 4, 3), normal(rng, 3)), (), (), Affine(normal(rng, 3, 2), normal(rng, 2)), (), ()
    network = sequential(affine, sigmoid, relu, affine, sigmoid, relu)
    f = Objective(network, softmax_cross_entropy, normal(rng, 5, 4), np.arange(5) % 2)
    tolerances: dict[Method, float] = {"central": 1e-9, "complex": 1e-15}
    for method, tolerance in tolerances.items():
        by_columns = numerical_gradient(f, params, method=method)
        one_by_one = numerical_gradient(f.__call__, params, method=method)
        for a, b in zip(tree.leaves(by_columns), tree.leaves(one_by_one), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_a_directional_derivative_of_an_objective_is_taken_in_float64() -> None:
    params, x, labels = problem("sigmoid", np.random.default_rng(0), 4, np.float32)
    direction = tree.map(np.ones_like, params)
    f = Objective(NETWORKS["sigmoid"], softmax_cross_entropy, x, labels)
    in_double = Objective(NETWORKS["sigmoid"], softmax_cross_entropy, x.astype(np.float64), labels)
    params64, direction64 = (tree.map(lambda leaf: leaf.astype(np.float64), each) for each in (params, direction))
    for method in METHODS:
        expected = directional_derivative(in_double, params64, direction64, method=method)
        assert directional_derivative(f, params, direction, method=method) == expected


@pytest.mark.parametrize(
    ("f", "params", "direction", "method", "error", "message"),
    [
        (total, np.ones(2), np.ones(2), "forward", ValueError, "method must be 'central' or 'complex', got 'forward'"),
        (untyped(affine), np.ones(2), np.ones(2), "central", TypeError, "f must be a function of params, got Layer"),
        (
            total,
            np.array([1, 2]),
            np.ones(2),
            "central",
            TypeError,
            f"params must be a NumPy array of floats, got i64[2]{CONVERT}",
        ),
        (
            total,
            np.ones(2),
            np.array([1, 2]),
            "central",
            TypeError,
            f"direction must be a NumPy array of floats, got i64[2]{CONVERT}",
        ),
        (total, np.ones(2), 3.0, "central", TypeError, "direction must be a tree of arrays, got float"),
    ],
)
def test_bad_input_of_a_directional_derivative(
    f: Any, params: Any, direction: Any, method: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match="directional_derivative") as raised:
        directional_derivative(f, params, direction, method=method)
    assert str(raised.value) == f"directional_derivative: {message}"


def test_a_direction_must_be_like_the_parameters() -> None:
    with pytest.raises(ValueError, match="shape") as raised:
        directional_derivative(total, np.ones(2), np.ones(1))
    assert str(raised.value) == (
        "directional_derivative: the direction must have the shape of its parameter (2,), got (1,)"
    )
    with pytest.raises(ValueError, match="trees differ at the root"):
        directional_derivative(untyped(total), np.ones(2), untyped((np.ones(2),)))
