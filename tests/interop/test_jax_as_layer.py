"""JAX: functions as layers, whose derivative the checker judges."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest

from chainrule import Affine, Array, Encoder, affine, check_layer, sequential, sgd, training_step, tree
from chainrule.checking.effort import Effort
from chainrule.checking.report import Report
from chainrule.interop.graph import Graph
from chainrule.interop.jax import as_encoder, as_layer, custom_vjp, parameters
from chainrule.interop.parameters import natural
from chainrule.laws import LAYER_LAWS
from chainrule.laws.trials.copies import writable
from chainrule.losses.mean_squared_error import mean_squared_error
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Layer, check_layer
from chainrule.interop.graph import Graph
from chainrule.interop.jax import as_layer

def f(x: object, W: object, b: object) -> object:
    return x

def accepted(params: Affine, x: Array, rng: np.random.Generator) -> None:
    layer: Layer[Affine, Graph] = as_layer(f, x="x", frozen=["b"], couples_rows=True, jit=True, vmap=True)
    out, cache = layer.forward(params, x)
    assert_type(cache, Graph)
    assert_type(out, Array)
    assert_type(layer.backward(cache, out), tuple[Array, Affine])
    check_layer(as_layer(f), (params.W, params.b), x, rng=rng)

def mistakes(params: Affine, x: Array) -> None:
    layer: Layer[Affine, Graph] = as_layer(f)
    layer.forward(params.W, x)  # rejected: the type says Affine
    layer.backward(x, x)  # rejected: an array for the cache
    as_layer(3)  # rejected: it is no function
    as_layer(f, x=None)  # rejected: it is no place of an argument
    as_layer(f, frozen=0)  # rejected: it is no list
"""

jax: Any = import_module("jax")  # it need not be installed where types are checked
jnp: Any = import_module("jax.numpy")

lineless = pytest.mark.usefixtures("without_lines_to_paste")

OPTIONS: list[dict[str, bool]] = [{}, {"jit": True}, {"vmap": True}, {"jit": True, "vmap": True}]


def with_derivative(f: Callable[..., Any], backward: Callable[[Any, Any], Any]) -> Any:
    """A `jax.custom_vjp` that keeps its arguments."""

    def forward(*kept: Any) -> Any:
        return f(*kept), kept

    made = jax.custom_vjp(f)
    made.defvjp(forward, backward)
    return made


def one(f: Callable[[Any], Any]) -> Any:
    """A function of one array."""
    return f


def two(f: Callable[[Any, Any], Any]) -> Any:
    """A function of two arrays."""
    return f


def three(f: Callable[[Any, Any, Any], Any]) -> Any:
    """A function of three arrays."""
    return f


def linear(x: Any, weight: Any, bias: Any) -> Any:
    return x @ weight + bias


def linear_backward(kept: Any, dout: Any) -> Any:
    x, weight, _ = kept
    return dout @ weight.T, x.T @ dout, dout.sum(0)


LINEAR = with_derivative(linear, linear_backward)


def of_row(x: Any, weight: Any, bias: Any) -> Any:
    """The same without a first axis of rows."""
    return jnp.tanh(x @ weight + bias)


def with_x_by_name(W: Any, b: Any, *, x: Any) -> Any:
    return of_row(x, W, b)


def data(dtype: Any = np.float64) -> tuple[tuple[Array, Array], Array]:
    rng = np.random.default_rng(0)
    return (normal(rng, 3, 2, dtype=dtype), normal(rng, 2, dtype=dtype)), normal(rng, 7, 3, dtype=dtype)


PLACES = ("structure", "derivative", "linearity")
"""The laws that see whether each argument and each gradient is in its place.

What the others see is the same wherever an argument stands, and JAX compiles for seconds what they run: they are
checked once for each way to call a function.
"""


def check(layer: Any, params: Any, x: Any, only: tuple[str, ...] | None = None, *, effort: Effort = "quick") -> Report:
    """A quick check, unless more is asked for: JAX compiles each operation anew for each shape of other x."""
    return check_layer(layer, params, x, rng=np.random.default_rng(1), only=only, effort=effort)


def in_place(layer: Any, params: Any, x: Any) -> bool:
    """Tell whether these laws hold, and gradients without dx are the same here, where their law goes to many sizes."""
    report = check(layer, params, x, PLACES)
    out, cache = layer.forward(params, x)
    alone = layer.grads(cache, out)
    both = alone if isinstance(layer, Encoder) else layer.backward(cache, out)[1]
    assert report.ok, report
    return tree.equal(alone, both)


def fails(law: str, field: str, layer: Any, params: Any, x: Any) -> bool:
    """Tell whether a law fails for a field, without the search of a report for the lines that show it."""
    with np.errstate(all="ignore"):
        verdicts = LAYER_LAWS[law](layer, writable(params), writable(x), np.random.default_rng(1))
    return field in {verdict.field for verdict in verdicts if verdict.wrong}


# What is right is accepted


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("jit", [False, True])
def test_a_right_derivative_is_accepted(jit: bool, dtype: Any) -> None:
    whole = dtype is (np.float16 if jit else np.float32)  # by a check that tries the other dtypes by itself
    report = check(as_layer(LINEAR, jit=jit), *data(dtype), effort="full" if whole else "quick")
    assert report.ok, report


@pytest.mark.parametrize("options", OPTIONS)
def test_every_law_holds_for_a_function_that_is_compiled_and_mapped(options: Any) -> None:
    """All of them where it is both: for either alone those that look elsewhere see what they saw of another above."""
    report = check(as_layer(of_row, **options), *data(), effort="full" if len(options) == 2 else "quick")
    assert report.ok, report


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    ("x", "f"),
    [
        (0, of_row),
        (1, three(lambda W, x, b: of_row(x, W, b))),
        (2, three(lambda W, b, x: of_row(x, W, b))),
        ("x", with_x_by_name),
    ],
)
def test_any_argument_may_be_x(x: Any, f: Any, options: Any) -> None:
    assert in_place(as_layer(f, x=x, **options), *data())


@pytest.mark.parametrize("options", OPTIONS)
def test_parameters_by_name_and_as_one_argument(options: Any) -> None:
    (W, b), x = data()
    by_name = as_layer(of_row, x="x", **options)
    assert in_place(by_name, parameters({"bias": b, "weight": W}), x)
    of_dict = as_layer(two(lambda params, x: of_row(x, params["W"], params["b"])), x=1, **options)
    assert in_place(of_dict, parameters({"b": b, "W": W}), x)
    of_record = as_layer(two(lambda params, x: of_row(x, params.W, params.b)), x=1, **options)
    assert in_place(of_record, Affine(W, b), x)
    assert in_place(as_layer(jnp.tanh, **options), (), x)
    assert in_place(as_layer(jnp.multiply, **options), x[0], x)


class Weights(NamedTuple):
    W: Any
    b: Any


def test_a_derivative_must_have_the_structure_that_the_function_was_given() -> None:
    """A `jax.custom_vjp` that returns lists and named tuples is given lists and named tuples."""

    def f(params: Any, x: Any) -> Any:
        return linear(x, params["layers"][0].W, params["layers"][0].b)

    def backward(kept: Any, dout: Any) -> Any:
        params, x = kept
        dx, dW, db = linear_backward((x, *params["layers"][0]), dout)
        return {"layers": [Weights(dW, db)]}, dx

    (W, b), x = data()
    params = parameters({"layers": [Weights(W, b)]})
    for jit in (False, True):
        layer = as_layer(with_derivative(f, backward), x=1, jit=jit)
        assert in_place(layer, params, x)
    out, cache = layer.forward(params, x)
    grads = natural(layer.grads(cache, out))
    assert isinstance(grads["layers"][0], Weights)


def test_our_own_layers_come_back() -> None:
    (W, b), x = data()
    assert in_place(as_layer(custom_vjp(affine), x=1), Affine(W, b), x)
    assert check(as_layer(custom_vjp(affine), x=1, jit=True), Affine(W, b), x).ok


def test_it_is_a_layer_like_others() -> None:
    (W, b), x = data()
    network = sequential(as_layer(of_row, jit=True), affine)
    assert check(network, ((W, b), Affine(W.T.copy(), np.zeros(3))), x).ok
    assert repr(network) == "Layer(sequential(of_row, affine))"


# What is wrong is found


@lineless
def test_a_missing_term() -> None:
    wrong = with_derivative(linear, lambda kept, dout: (*linear_backward(kept, dout)[:2], 0.5 * dout.sum(0)))
    assert fails("derivative", "grads[1]", as_layer(wrong), *data())
    failures = check(as_layer(wrong, jit=True), *data()).failures
    assert ("derivative", "dbias") in {(verdict.law, verdict.field) for verdict in failures}


def sine_of_another_value(factor: int, more: int) -> Any:
    def forward(x: Any) -> Any:
        return factor * jnp.sin(x) + more, x

    def backward(x: Any, dout: Any) -> Any:
        return (dout * jnp.cos(x),)

    made = jax.custom_vjp(one(jnp.sin))
    made.defvjp(forward, backward)
    return made


@lineless
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("factor", "more"), [(2, 0), (1, 1)])
def test_a_value_that_is_another_where_the_derivative_is_asked_for(factor: int, more: int, jit: bool) -> None:
    f = sine_of_another_value(factor, more)
    report = check(as_layer(f, jit=jit), (), data()[1], ("derivative",))
    out = next(verdict for verdict in report.failures if verdict.field == "out")
    assert out.note.startswith("where its derivative is asked for, the function gives another value than alone")


def test_the_lines_for_such_a_value_ask_for_it_in_both_ways() -> None:
    report = check(as_layer(sine_of_another_value(1, 1)), (), data()[1], ("derivative",))
    assert [verdict.field for verdict in report.failures] == ["out"]
    assert "out, pull = jax.vjp(lambda x: sin(x), jnp.array(x))" in str(report)


def test_none_for_a_gradient_is_a_wrong_derivative() -> None:
    wrong = with_derivative(linear, lambda kept, dout: (*linear_backward(kept, dout)[:2], None))
    assert fails("derivative", "grads[1]", as_layer(wrong), *data())
    assert in_place(as_layer(wrong, frozen=[1]), *data())


def test_a_sum_in_float16() -> None:
    def backward(kept: Any, dout: Any) -> Any:
        dx, dW, db = linear_backward(kept, dout)
        return dx, dW, dout.astype(jnp.float16).sum(0).astype(db.dtype)

    assert fails("derivative", "grads[1]", as_layer(with_derivative(linear, backward)), *data())


def test_a_term_that_rows_share() -> None:
    assert fails("independent_rows", "out", as_layer(one(lambda x: x - x.mean(0)), jit=True), (), data()[1])
    assert check(as_layer(one(lambda x: x - x.mean(0)), couples_rows=True, jit=True), (), data()[1]).ok


def test_a_vmapped_derivative_that_is_wrong() -> None:
    wrong = with_derivative(
        of_row,
        lambda kept, dout: (dout @ kept[1].T, jnp.outer(kept[0], dout), dout),  # the slope of tanh is missing
    )
    assert fails("derivative", "dx", as_layer(wrong, vmap=True, jit=True), *data())


# Constants, dtypes, state


def chosen_columns(x: Any) -> Any:
    return x[:, np.array([0, 2, 2, 1])] ** 2


@pytest.mark.parametrize("jit", [False, True])
def test_an_x_in_which_an_index_is_beyond_the_last_column_is_none_that_the_function_takes(jit: bool) -> None:
    layer, rng = as_layer(chosen_columns, jit=jit), np.random.default_rng(0)
    report = check_layer(layer, (), rng.standard_normal((5, 3)), rng=rng, only=["other_sizes"])
    assert report.ok, report


def test_what_is_wrong_where_no_index_is_beyond_is_found() -> None:
    def backward(kept: Any, dout: Any) -> Any:
        (x,) = kept
        dx = jnp.zeros_like(x).at[:, np.array([0, 2, 2, 1])].add(2 * x[:, np.array([0, 2, 2, 1])] * dout)
        return ((dx if x.shape[1] < 33 else dx / 2),)

    rng = np.random.default_rng(0)
    wrong = as_layer(with_derivative(chosen_columns, backward), jit=True)
    report = check_layer(wrong, (), rng.standard_normal((5, 3)), rng=rng, only=["other_sizes"])
    assert [verdict.field for verdict in report.failures] == ["dx"]


def test_frozen_parameters() -> None:
    params, x = data()
    layer = as_layer(LINEAR, frozen=[0])
    assert in_place(layer, params, x)
    step = training_step(layer, mean_squared_error, sgd(0.1))
    after, _, _ = step(params, sgd(0.1).init(params), x, np.ones((7, 2)))
    np.testing.assert_array_equal(after[0], params[0])
    assert not np.array_equal(after[1], params[1])
    with pytest.raises(ValueError, match=r"frozen names 'W', but the parameters are \[0\], \[1\]"):
        as_layer(LINEAR, frozen=["W"]).forward(params, x)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("enabled", [False, True])
def test_numbers_keep_their_dtype_and_the_setting_of_jax_its_value(enabled: bool, options: Any) -> None:
    layer = as_layer(of_row, **options)
    with jax.enable_x64(enabled):
        for name in ("float16", "float32", "float64", "bfloat16"):
            params, x = tree.map(partial(np.asarray, dtype=jnp.dtype(name)), data(np.float32))
            out, cache = layer.forward(params, x)
            dx, grads = layer.backward(cache, out)
            for leaf in (out, dx, *tree.leaves(grads)):
                assert type(leaf) is np.ndarray
                assert leaf.dtype == jnp.dtype(name)
            assert jax.config.jax_enable_x64 == enabled


def test_float64_is_computed_in_float64() -> None:
    with jax.enable_x64(False):
        for jit in (False, True):
            out, cache = as_layer(one(lambda x: x * jnp.pi), jit=jit).forward((), np.ones(3))
            assert out.tolist() == [np.pi] * 3
            assert cache.pull(out, True)[0].tolist() == [np.pi**2] * 3


def test_arrays_of_jax_give_arrays_of_jax() -> None:
    params, x = tree.map(partial(jnp.asarray, dtype=jnp.float32), data())
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, x)
    for leaf in (out, *tree.leaves(layer.backward(cache, out))):
        assert isinstance(leaf, jax.Array)


def test_whole_numbers_have_no_derivative() -> None:
    weight, x = data()[0][0], np.array([0, 2, 2])
    layer = as_layer(two(lambda x, weight: weight[x]))
    out, cache = layer.forward(untyped(weight), untyped(x))
    dx, grads = layer.backward(cache, np.ones_like(out))
    assert dx.tolist() == [0, 0, 0]
    assert grads.tolist() == [[1, 1], [0, 0], [2, 2]]


def test_an_x_that_needs_no_derivative() -> None:
    table, x = data()[0][0], np.array([[0, 2], [2, 1], [0, 0]])
    look_up = with_derivative(
        two(lambda x, table: table[x]), lambda kept, dout: (None, jnp.zeros_like(kept[1]).at[kept[0]].add(dout))
    )
    assert in_place(as_encoder(look_up), table, x)
    assert check(as_encoder(look_up, jit=True), table, x).ok
    assert in_place(as_encoder(LINEAR), *data())


def test_results_and_caches_share_no_memory_with_arguments() -> None:
    x = np.zeros(1024 * 16, np.float32)  # large and aligned: JAX takes such an array as it is
    layer = as_layer(one(lambda x: x * x))
    out, cache = layer.forward((), x)
    x += 1
    out += 1
    assert layer.backward(cache, np.ones_like(x))[0].max() == 0
    assert isinstance(cache, Graph)
    assert tree.leaves(cache) == []


def test_layouts() -> None:
    params, x = data()
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, np.asfortranarray(x))
    expected = layer.backward(cache, out)
    out.flags.writeable = False
    assert tree.equal(layer.backward(cache, np.asfortranarray(out)), expected)
    assert tree.equal(layer.backward(cache, np.repeat(out, 2, axis=1)[:, ::2]), expected)
    assert tree.equal(layer.backward(cache, np.broadcast_to(1.0, (7, 2))), layer.backward(cache, np.ones((7, 2))))


def test_threads() -> None:
    params, x = data()
    layer = as_layer(LINEAR, jit=True)
    many = [tree.map(partial(np.add, i), params) for i in range(20)]

    def run(each: Any) -> Any:
        out, cache = layer.forward(each, x)
        return out, layer.backward(cache, out)

    alone = [run(each) for each in many]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(tree.equal, pool.map(run, many), alone))


# Errors


def test_what_cannot_be_a_layer() -> None:
    for wrong, got in ((3, "int"), (affine, "Layer"), (Affine, "the class Affine")):
        with pytest.raises(TypeError, match=f"as_layer: it must be a function of arrays, got {got}"):
            as_layer(untyped(wrong))
    with pytest.raises(TypeError, match="as_layer: x must be the position or the name of an argument, got bool"):
        as_layer(LINEAR, x=True)


def test_arguments_that_do_not_fit() -> None:
    params, x = data()
    with pytest.raises(TypeError, match="as_layer: x must be an array of NumPy's or JAX's, got list"):
        as_layer(linear).forward(params, untyped([1.0]))
    with pytest.raises(TypeError, match="as_layer: pair must return an array, got a tuple of 2"):
        as_layer(pair).forward((), x)
    out, cache = as_layer(LINEAR).forward(params, x)
    with pytest.raises(ValueError, match=r"as_layer: dout is \(2,\) but out is \(7, 2\)"):
        as_layer(LINEAR).backward(cache, out[0])
    with pytest.raises(TypeError, match="as_layer: dout is float32 but out is float64"):
        as_layer(LINEAR).backward(cache, out.astype(np.float32))


def test_a_check_with_parameters_that_are_not_the_functions_is_no_verdict() -> None:
    (W, b), x = data()
    with pytest.raises(
        TypeError, match=r"^as_layer: linear\(.*\) can't be called with x and a tuple of 3 as params: too many"
    ):
        check_layer(as_layer(linear), (W, b, b), x, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^as_layer: frozen names 'wait', but the parameters are \[0\], \[1\]$"):
        check_layer(as_layer(linear, frozen=["wait"]), (W, b), x, rng=np.random.default_rng(0))


def pair(x: Any) -> Any:
    return x, x
