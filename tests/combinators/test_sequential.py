import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chainrule import (
    Affine,
    Array,
    Layer,
    Unit,
    affine,
    identity,
    layer_norm,
    prediction,
    relu,
    repeated,
    sequential,
    sigmoid,
    tree,
)
from chainrule.parts import Chain
from strategies import generators, normal, sides
from untyped import untyped


def three(rng: np.random.Generator, n: int) -> tuple[Affine, Affine, Array]:
    a, b, c = rng.integers(1, 6, 3)
    return Affine(normal(rng, a, b), normal(rng, b)), Affine(normal(rng, b, c), normal(rng, c)), normal(rng, n, a)


def run(layer: Layer[Any, Any], params: Any, x: Array, dout: Array) -> list[Array]:
    out, cache = layer.forward(params, x)
    return [out, *tree.leaves(layer.backward(cache, dout)), *tree.leaves(layer.grads(cache, dout))]


@given(rng=generators, n=sides)
def test_composition_is_associative_bit_for_bit(rng: np.random.Generator, n: int) -> None:
    f, h, x = three(rng, n)
    dout = normal(rng, n, h.b.shape[0])
    flat = run(sequential(affine, sigmoid, affine), (f, (), h), x, dout)
    left = run(sequential(sequential(affine, sigmoid), affine), ((f, ()), h), x, dout)
    right = run(sequential(affine, sequential(sigmoid, affine)), (f, ((), h)), x, dout)
    assert tree.equal(tuple(flat), tuple(left))
    assert tree.equal(tuple(flat), tuple(right))


@given(rng=generators, n=sides)
def test_the_empty_composition_is_the_identity_bit_for_bit(rng: np.random.Generator, n: int) -> None:
    f, _, x = three(rng, n)
    dout = normal(rng, n, f.b.shape[0])
    alone = run(affine, f, x, dout)
    assert tree.equal(tuple(alone), tuple(run(sequential(sequential(), affine), ((), f), x, dout)))
    assert tree.equal(tuple(alone), tuple(run(sequential(affine, sequential()), (f, ()), x, dout)))
    assert tree.equal(tuple(alone), tuple(run(sequential(affine), (f,), x, dout)))
    assert tree.equal(sequential().forward((), x), (x, ()))


@given(rng=generators, n=sides)
def test_backward_of_a_composition_is_the_composition_of_backwards(rng: np.random.Generator, n: int) -> None:
    f, h, x = three(rng, n)
    dout = normal(rng, n, h.b.shape[0])
    a, cache_a = affine.forward(f, x)
    z, cache_z = relu.forward((), a)
    out, cache_out = affine.forward(h, z)
    dz, grads_h = affine.backward(cache_out, dout)
    da, _ = relu.backward(cache_z, dz)
    dx, grads_f = affine.backward(cache_a, da)
    network = sequential(affine, relu, affine)
    composed, caches = network.forward((f, (), h), x)
    assert tree.equal(composed, out)
    assert tree.equal(network.backward(caches, dout), (dx, (grads_f, (), grads_h)))


def test_a_layer_may_be_used_twice() -> None:
    rng = np.random.default_rng(0)
    f, x = Affine(normal(rng, 3, 3), normal(rng, 3)), normal(rng, 2, 3)
    twice = sequential(affine, affine)
    out, caches = twice.forward((f, f), x)
    _, (first, second) = twice.backward(caches, np.ones_like(out))
    assert not np.allclose(first.W, second.W)  # each use has its own gradient; their sum is that of the shared weights
    np.testing.assert_allclose(second.b, [2, 2, 2])


def test_eleven_layers_and_more() -> None:
    network = sequential(*[relu] * 5, sigmoid, relu, relu, relu, relu, relu, relu)
    out, caches = network.forward(((),) * 12, np.array([[0.0, 1.0]]))
    np.testing.assert_array_equal(out, sigmoid.forward((), np.array([[0.0, 1.0]]))[0])
    assert len(caches) == 12


def test_the_first_dx_is_not_computed_for_grads() -> None:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        return x + 0, x

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        raise AssertionError("backward of the first layer was called")

    def grads(cache: Array, dout: Array) -> Unit:
        return ()

    first = Layer(forward, backward, grads)
    params, x = Affine(np.ones((3, 2)), np.ones(2)), np.ones((4, 3))
    cases: list[tuple[Layer[Any, Any], Any]] = [
        (sequential(first, affine), ((), params)),
        (sequential(sequential(first), affine), (((),), params)),
    ]
    for network, nested in cases:
        out, caches = network.forward(nested, x)
        assert tree.leaves(network.grads(caches, np.ones_like(out)))[0].shape == (3, 2)


def test_errors_carry_the_position() -> None:
    network = sequential(affine, relu, affine)
    good, bad = Affine(np.ones((5, 3)), np.ones(3)), Affine(np.ones((4, 2)), np.ones(2))
    with pytest.raises(ValueError, match=re.escape("affine: x has 3 features (7, 3) but W takes 4 (4, 2)")) as caught:
        network.forward((good, (), bad), np.ones((7, 5)))
    assert caught.value.__notes__ == ["in layer 3 of 3"]
    outer = sequential(sigmoid, network)
    with pytest.raises(ValueError, match="affine: x has 3 features") as caught:
        outer.forward(((), (good, (), bad)), np.ones((7, 5)))
    assert caught.value.__notes__ == ["in layer 3 of 3", "in layer 2 of 2"]
    fitting = Affine(np.ones((3, 2)), np.ones(2))
    out, caches = network.forward((good, (), fitting), np.ones((7, 5)))
    for back in (network.backward, network.grads):
        with pytest.raises(ValueError, match="affine backward: dout has shape") as caught:
            back(caches, out[:3])
        assert caught.value.__notes__ == ["in layer 3 of 3"]
    wrong_first = untyped((caches[1], *caches[1:]))
    for back in (network.backward, network.grads):
        with pytest.raises(TypeError, match="affine backward: cache must be AffineCache, got Saved of relu") as refused:
            back(wrong_first, out)
        assert refused.value.__notes__ == ["in layer 1 of 3"]


@pytest.mark.parametrize(
    ("records", "error", "message"),
    [
        ((), ValueError, "sequential: 2 layers need 2 {}, got 0"),
        (((), (), ()), ValueError, "sequential: 2 layers need 2 {}, got 3"),
        ([(), ()], TypeError, "sequential: {} must be a tuple with an entry for each layer, got list"),
        (None, TypeError, "sequential: {} must be a tuple with an entry for each layer, got NoneType"),
    ],
)
def test_wrong_numbers_of_records(records: Any, error: type[Exception], message: str) -> None:
    network, x = sequential(relu, sigmoid), np.ones((2, 2))
    with pytest.raises(error, match=message.format("params")):
        network.forward(records, x)
    for back in (network.backward, network.grads):
        with pytest.raises(error, match=message.format("caches")):
            back(records, x)


def of_a_seed(seed: int) -> Layer[Any, Any]:
    return affine


def test_only_layers_compose() -> None:
    with pytest.raises(TypeError, match="sequential: argument 2 must be a Layer, got method"):
        sequential(affine, untyped(affine.forward))
    with pytest.raises(TypeError, match=r"argument 1 must be a Layer, got list: unpack it, as sequential\(\*layers\)$"):
        untyped(sequential)([affine, relu])
    with pytest.raises(TypeError, match=r"argument 2 must be a Layer, got function: call it first, as layer_norm\("):
        sequential(affine, untyped(layer_norm))
    with pytest.raises(TypeError, match=r"argument 1 must be a Layer, got function: give it network\(seed\)$"):
        untyped(sequential)(of_a_seed)


def test_coupling_of_rows_is_passed_on() -> None:
    coupled = Layer(relu.forward, relu.backward, couples_rows=True)
    assert sequential(affine, coupled).couples_rows
    assert not sequential(affine, relu).couples_rows


def test_other_traits_are_those_of_the_parts() -> None:
    plain: Layer[Unit, Any] = Layer(relu.forward, relu.backward)
    assert sequential(relu, sigmoid).elementwise
    assert not sequential(relu, affine).elementwise
    assert [network.event_axes for network in (sequential(), sequential(relu), sequential(relu, affine))] == [0, 0, 1]
    assert sequential(affine, plain).event_axes is None


@pytest.mark.parametrize("network", [sequential(), repeated(relu, 0)], ids=["sequential", "repeated"])
@pytest.mark.parametrize(
    "given",
    [None, [1.0], np.array([1]), np.ma.ones(2), np.float64(1)],
    ids=["None", "list", "integers", "masked", "0-d"],
)
def test_the_empty_composition_refuses_what_the_identity_does(network: Any, given: Any) -> None:
    for f in (untyped(network.forward), prediction(network)):
        with pytest.raises(TypeError, match=r"^sequential: x ") as refused:
            f((), given)
        with pytest.raises(TypeError) as of_identity:
            untyped(identity.forward)((), given)
        assert str(refused.value) == str(of_identity.value).replace("identity", "sequential")
    with pytest.raises(TypeError, match=r"^sequential backward: dout "):
        network.backward(network.forward((), np.ones(1))[1], given)


def test_the_parts_are_a_chain() -> None:
    network = sequential(affine, sequential(relu), sigmoid)
    assert isinstance(network.parts, Chain)
    assert network.parts.layers[0] is affine
    assert network.parts.layers[1].parts.layers == (relu,)
    assert affine.parts == ()


def test_a_chain_of_a_list_computes_what_that_of_its_layers_does() -> None:
    rng = np.random.default_rng(0)
    params = tuple(Affine(normal(rng, 3, 3), normal(rng, 3)) for _ in range(12))
    x = normal(rng, 2, 3)
    expected = x
    for each in params:
        expected, _ = affine.forward(each, expected)
    assert tree.equal(sequential(*[affine] * 12).forward(params, x)[0], expected)
