import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Encoder,
    Labels,
    Layer,
    Report,
    Unit,
    affine,
    check_layer,
    check_network,
    check_optimizer,
    mean_squared_error,
    own,
    read_only,
    relu,
    sequential,
    tree,
)
from chainrule.laws.trials.parameters import as_trees
from chainrule.laws.trials.widened import in_its_dtype

RNG = np.random.default_rng


def affine_by(get: Any, make: Any, wrong: float = 1.0) -> Layer[Any, Any]:
    """An affine layer with its parameters in a container: `get(params)` gives W and b, `make(dW, db)` gradients."""

    def forward(params: Any, x: Array) -> tuple[Array, tuple[Array, Array]]:
        W, b = get(params)
        return x @ W + b, (own(x), own(W))

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Any]:
        x, W = cache
        return dout @ W.T, make(x.T @ dout * x.dtype.type(wrong), dout.sum(axis=0))

    return Layer(forward, backward)


def in_dictionary(params: Any) -> Any:
    return params["W"], params["b"]


class Named(NamedTuple):
    """A named tuple, which libraries on JAX keep parameters in."""

    W: Array
    b: Array


@dataclass
class Data:
    """A dataclass, with something that is computed of its fields."""

    W: Array
    b: Array
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.W.size + self.b.size


def in_fields(params: Any) -> Any:
    return params.W, params.b


CONTAINERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "a dictionary": (in_dictionary, lambda W, b: {"W": W, "b": b}),
    "a dictionary in another order": (in_dictionary, lambda W, b: {"b": b, "W": W}),
    "a list": (tuple, lambda W, b: [W, b]),
    "a tuple": (tuple, lambda W, b: (W, b)),
    "a dictionary in a list": (lambda p: in_dictionary(p[0]), lambda W, b: [{"W": W, "b": b}]),
    "a list in a tuple": (lambda p: (p[0][0], p[1]), lambda W, b: ([W], b)),
    "a named tuple": (in_fields, Named),
    "a dataclass": (in_fields, Data),
    "named tuples in a dictionary": (lambda p: in_fields(p["first"]), lambda W, b: {"first": Named(W, b)}),
    "keys that are no names": (lambda p: (p["a weight"], p[0]), lambda W, b: {"a weight": W, 0: b}),
}


@pytest.mark.usefixtures("without_lines_to_paste")
@pytest.mark.parametrize("name", CONTAINERS)
def test_parameters_may_be_in(name: str) -> None:
    get, make = CONTAINERS[name]
    rng = RNG(0)
    params, x = make(rng.standard_normal((3, 2)), rng.standard_normal(2)), rng.standard_normal((5, 3))
    assert check_layer(affine_by(get, make), params, x, rng=rng).ok
    report = check_layer(affine_by(get, make, wrong=1.5), params, x, rng=rng)
    assert "derivative" in {verdict.law for verdict in report.failures}


def test_a_field_has_the_name_of_its_key() -> None:
    rng = RNG(0)
    params, x = {"W": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}, rng.standard_normal((5, 3))
    report = check_layer(affine_by(*CONTAINERS["a dictionary"]), params, x, rng=rng)
    assert {"grads.W", "grads.b"} <= {verdict.field for verdict in report.verdicts}


ANOTHER: list[tuple[Callable[[Any, Any], Any], str]] = [
    (lambda W, b: {"W": W}, "keys of params"),
    (lambda W, b: (W, b), "grads must be a dict like params, got a tuple"),
]


@pytest.mark.parametrize(("make", "words"), ANOTHER)
def test_gradients_in_another_container_are_wrong(make: Any, words: str) -> None:
    rng = RNG(0)
    params, x = {"W": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}, rng.standard_normal((5, 3))
    report = check_layer(affine_by(in_dictionary, make), params, x, rng=rng)
    assert report.failures
    assert words in str(report)


@pytest.mark.parametrize("make", [Named, Data])
def test_gradients_of_another_class_are_wrong(make: Any) -> None:
    rng = RNG(0)
    params, x = make(rng.standard_normal((3, 2)), rng.standard_normal(2)), rng.standard_normal((5, 3))
    report = check_layer(affine_by(in_fields, CONTAINERS["a tuple"][1]), params, x, rng=rng)
    assert f"grads must be a {make.__name__} like params, got a tuple" in str(report)


def test_lines_make_the_class_of_the_parameters() -> None:
    rng = RNG(0)
    for make in (Named, Data):
        params, x = make(rng.standard_normal((3, 2)), rng.standard_normal(2)), rng.standard_normal((5, 3))
        report = check_layer(affine_by(in_fields, make, wrong=1.5), params, x, rng=rng)
        assert f"out, cache = forward({make.__name__}(W=p0, b=p1), x)" in report.example


def test_what_is_a_tree_already_stays_what_it_is() -> None:
    layer, params = affine_by(*CONTAINERS["a tuple"]), (np.ones((3, 2)), np.ones(2))
    made, given = as_trees(layer, params)
    assert made is layer
    assert given is params


def test_the_traits_of_a_layer_go_along() -> None:
    layer = Layer(*_pair(np.float64), couples_rows=True)
    made, _ = as_trees(layer, [np.ones(2)])
    assert made.couples_rows


def _pair(dtype: Any, slope: float = 1.0) -> Any:
    """A layer for one dtype."""

    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        if x.dtype != dtype:
            raise TypeError(f"x must be {np.dtype(dtype)}, got {x.dtype}")
        out = np.tanh(x)
        return out, out.copy()

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        if dout.dtype != dtype:
            raise TypeError(f"dout must be {np.dtype(dtype)}, got {dout.dtype}")
        return dout * (1 - cache**2) * dtype(slope), ()

    return forward, backward


@pytest.mark.parametrize(("dtype", "law"), [(np.float32, "derivative"), (np.float16, "any_dout")])
def test_a_layer_that_refuses_float64_is_checked_in_its_own_dtype(dtype: Any, law: str) -> None:
    x = RNG(0).standard_normal((5, 3)).astype(dtype)
    report = check_layer(Layer(*_pair(dtype)), (), x, rng=RNG(0))
    assert not report.failures, str(report)
    wrong = check_layer(Layer(*_pair(dtype, slope=1.25)), (), x, rng=RNG(0))
    assert law in {verdict.law for verdict in wrong.failures}  # float16 is too coarse for one entry alone


def test_its_verdict_says_how_large_an_error_would_have_been_seen() -> None:
    x = RNG(0).standard_normal((5, 3)).astype(np.float32)
    report = check_layer(Layer(*_pair(np.float32)), (), x, rng=RNG(0))
    (power,) = [verdict.power for verdict in report.verdicts if verdict.law == "derivative"]
    assert 1e-7 < power < 1e-2


def test_a_layer_that_takes_float64_stays_what_it_is() -> None:
    layer = Layer(*_pair(np.float64))
    assert in_its_dtype(layer, (), np.ones((2, 2))) is layer
    narrow = Layer(*_pair(np.float32))
    wide = in_its_dtype(narrow, (), np.ones((2, 2), np.float32))
    out, cache = wide.forward((), np.full((2, 2), 0.5))
    dx, grads = wide.backward(cache, np.ones((2, 2)))
    assert {leaf.dtype for leaf in tree.leaves((out, dx, grads))} == {np.dtype(np.float64)}
    assert wide.forward((), np.ones((2, 2), np.float32))[0].dtype == np.float32


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_tensors_are_refused_with_what_to_do() -> None:
    torch: Any = import_module("torch")
    x: Any = torch.ones(3, 2).bfloat16()
    message = r"check_layer: x must be a NumPy array, got bf16\[3, 2\] of torch: .* check_against takes tensors as they"
    with pytest.raises(TypeError, match=message):
        check_layer(relu, (), x, rng=np.random.default_rng(0))


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_arrays_of_jax_are_refused_too() -> None:
    x: Any = import_module("jax.numpy").ones((3, 2), np.float32)
    message = r"check_layer: x must be a NumPy array, got f32\[3, 2\] of jax: convert it, as with np.asarray"
    with pytest.raises(TypeError, match=message):
        check_layer(relu, (), x, rng=RNG(0))


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_function_of_torch_is_given_tensors_and_its_gradients_have_the_names_of_its_arguments() -> None:
    torch: Any = import_module("torch")
    interop: Any = import_module("chainrule.interop.torch")

    def affine_of(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b + b.detach()

    x, w, b = (torch.tensor(RNG(i).standard_normal(shape)) for i, shape in enumerate([(5, 3), (3, 2), (2,)]))
    params = (w.requires_grad_(), b)
    report = check_layer(interop.as_layer(affine_of), params, x, rng=RNG(3), only=["derivative"])
    assert [(each.field, each.ok) for each in report.verdicts] == [("dx", True), ("dw", True), ("db", False)]
    assert "\n      db[" in str(report)
    with pytest.raises(TypeError, match=r"x must be a NumPy array, got bf16\[5, 3\] of torch"):
        check_layer(interop.as_layer(affine_of), params, x.bfloat16(), rng=RNG(3))


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_a_function_of_jax_is_given_its_arrays_and_its_gradients_have_the_names_of_its_arguments() -> None:
    jnp: Any = import_module("jax.numpy")
    interop: Any = import_module("chainrule.interop.jax")

    def scaled(x: Any, weight: Any) -> Any:
        return x * weight

    x, weight = jnp.asarray(RNG(0).standard_normal((5, 3))), jnp.ones(3)
    report = check_layer(interop.as_layer(scaled), (weight,), x, rng=RNG(3), only=["derivative"])
    assert [(each.field, each.ok) for each in report.verdicts] == [("dx", True), ("dweight", True)]


class Momentum:
    """An optimizer of dictionaries, with lists in its state."""

    def init(self, params: Any) -> Any:
        return [{key: np.zeros_like(each) for key, each in params.items()}]

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        momentum = {key: 0.9 * state[0][key] + grads[key] for key in params}
        return {key: params[key] - 0.1 * momentum[key] for key in params}, [momentum]


class Nesterov(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new, (momentum,) = super().step(state, params, grads)
        return {**new, "b": params["b"] + 0.1 * momentum["b"]}, [momentum]


class Listing(Momentum):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return [*params.values()], state


def test_an_optimizer_may_have_parameters_and_a_state_in_dictionaries_and_lists() -> None:
    params = {"W": RNG(0).standard_normal((3, 2)), "b": RNG(1).standard_normal(2)}
    grads = {key: each + 1 for key, each in params.items()}

    def checked(optimizer: Any, params: Any = params, grads: Any = grads) -> Report:
        return check_optimizer(optimizer, params, grads, rng=RNG(2))

    report = checked(Momentum())
    assert report.ok, str(report)
    assert {"params.W", "params.b"} <= {each.field for each in report.verdicts}
    assert {each.field for each in checked(Nesterov()).failures if each.law == "follows_gradient"} == {"params.b"}
    assert "new params must be a dict like params, got list" in str(checked(Listing()))
    with pytest.raises(TypeError, match=r"check_optimizer: grads must have the keys of params \['W', 'b'\]"):
        checked(Momentum(), grads={"W": grads["W"]})
    with pytest.raises(TypeError, match=r"check_optimizer: params: a tree is made of .* is a set: use a tuple"):
        checked(Momentum(), {1, 2})
    with pytest.raises(TypeError, match=r"check_layer: params: a tree is made of .* is a set: use a tuple"):
        check_layer(relu, cast("Any", {1, 2}), np.ones((3, 2)), rng=RNG(0))


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_function_of_torch_is_given_a_dictionary_by_name_and_knows_what_is_frozen() -> None:
    interop: Any = import_module("chainrule.interop.torch")

    def affine_of(x: Any, W: Any, b: Any) -> Any:
        return x @ W + b

    params: Any = {"W": RNG(0).standard_normal((3, 2)), "b": RNG(1).standard_normal(2)}
    layer = interop.as_layer(affine_of, x="x", frozen=["b"])
    report = check_layer(layer, params, RNG(2).standard_normal((5, 3)), rng=RNG(3))
    assert report.ok, str(report)
    assert {"grads.W", "grads.b"} <= {verdict.field for verdict in report.verdicts}


def test_a_layer_that_drops_the_imaginary_part_gives_no_warning() -> None:
    def forward(params: tuple[()], x: Array) -> tuple[Array, Array]:
        return np.tanh(x.astype(np.float64)), own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, tuple[()]]:
        return dout * (1 - np.tanh(x) ** 2), ()

    x = np.random.default_rng(0).standard_normal((4, 3))
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        report = check_layer(Layer(forward, backward), (), x, rng=np.random.default_rng(0), only=["derivative"])
    assert report.ok
    assert given == []


def test_an_encoder_that_refuses_float64_is_checked_in_its_own_dtype() -> None:
    def forward(table: Array, tokens: Labels) -> tuple[Array, Any]:
        if table.dtype == np.float64:
            raise TypeError("float32 tables only")
        return table[tokens], (table.shape, tokens.copy())

    def grads(cache: Any, dout: Array) -> Array:
        shape, tokens = cache
        found = np.zeros(shape, dout.dtype)
        np.add.at(found, tokens, dout)
        return found

    def halved(cache: Any, dout: Array) -> Array:
        return np.asarray(grads(cache, dout) / dout.dtype.type(2))

    table, tokens = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32), np.array([1, 4, 1, 0])
    report = check_layer(Encoder(forward, grads), table, tokens, rng=np.random.default_rng(0))
    assert not report.failures, str(report)
    report = check_layer(Encoder(forward, halved), table, tokens, rng=np.random.default_rng(0))
    assert ("derivative", "grads") in {(verdict.law, verdict.field) for verdict in report.failures}


def test_a_network_may_have_parameters_in_a_dictionary() -> None:
    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return x * params["w"], (own(x), params["w"])

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, w = cache
        return dout * w, {"w": (dout * x).sum(axis=0)}

    rng = np.random.default_rng(0)
    x, targets = rng.standard_normal((2, 5, 3))
    params = {"w": rng.standard_normal(3)}
    report = check_network(Layer(forward, backward), mean_squared_error, params, x, targets, rng=rng)
    assert report.ok, str(report)
    assert "network_gradient" in {verdict.law for verdict in report.verdicts}


@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (1.5, False), (1 + 1e-5, False)])
def test_a_part_may_give_its_results_the_dtype_of_x(factor: float, right: bool) -> None:
    def forward(w: Array, x: Array) -> tuple[Array, Any]:
        return (x * w).astype(x.dtype), own((x, w))

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        x, w = cache
        return (dout * w).astype(dout.dtype), (factor * (dout * x).sum(axis=0)).astype(dout.dtype)

    rng = np.random.default_rng(0)
    params = (Affine(W=rng.standard_normal((4, 4)), b=rng.standard_normal(4)), rng.standard_normal(4))
    x, targets = rng.standard_normal((2, 6, 4))
    network = sequential(affine, Layer(forward, backward))
    report = check_network(network, mean_squared_error, params, x, targets, rng=rng, only=["network_gradient"])
    assert [each.field for each in report.failures] == ([] if right else ["grads[1]"]), str(report)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_an_x_that_has_no_derivative_is_refused_with_what_to_do(dtype: Any) -> None:
    x = np.ones((3, 2), dtype)
    with pytest.raises(
        TypeError, match=r"check_layer: x must be an array of floats, got .*: what has no derivative, .*"
    ):
        check_layer(relu, (), x, rng=RNG(0))


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        (np.float64, ""),
        (np.float32, "its values have about 7 digits, as in float32: smaller errors can't be seen"),
        (np.float16, "its values have about 3 digits, as in float16: smaller errors can't be seen"),
    ],
)
def test_the_digits_are_said_that_a_layer_computes_in(dtype: Any, words: str) -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        out = np.tanh(x.astype(dtype)).astype(x.dtype)
        return read_only(out), out

    def backward(out: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * (1 - out * out), ()

    x = RNG(2).standard_normal((5, 3))
    report = check_layer(Layer(forward, backward), (), x, rng=RNG(3), only=["derivative"])
    assert [verdict.note for verdict in report.verdicts] == [words]
    assert report.ok, str(report)
