"""Layers side by side: each has its slice, going forward and coming back, and what does not fit."""

import re
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Layer,
    Unit,
    affine,
    concatenate,
    fixed,
    identity,
    multiply,
    prediction,
    recomputed,
    relu,
    sequential,
    sigmoid,
    tree,
)
from chainrule.parts import Around, Fork
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, Layer, Unit, affine, concatenate, embedding, relu, sequential
from chainrule.layers.affine import AffineCache
from chainrule.rules import Saved
from chainrule.rules.branches import Beside

def accepted(params: Affine, x: Array, layers: list[Layer[Unit, object]]) -> None:
    both = concatenate(affine, relu)
    assert_type(both, Layer[tuple[Affine, Unit], tuple[Beside[AffineCache], Beside[Saved]]])
    assert_type(both.backward(both.forward((params, ()), x)[1], x), tuple[Array, tuple[Affine, Unit]])
    assert_type(sequential(both, affine).forward(((params, ()), params), x)[0], Array)
    assert_type(concatenate(*layers), Layer[tuple[object, ...], tuple[object, ...]])

def mistakes(params: Affine, x: Array) -> None:
    concatenate()  # rejected: nothing has no shape
    concatenate(affine, relu).forward((params,), x)  # rejected: an entry is missing
    concatenate(relu, relu, axis=0)  # rejected: it is along the last axis
    concatenate(embedding, relu)  # rejected: an encoder
"""


def to(rng: np.random.Generator, m: int) -> Affine:
    return Affine(normal(rng, 3, m), normal(rng, m))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3)])
def test_it_is_the_layers_one_by_one_on_slices(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, one, other = normal(rng, *shape), to(rng, 2), to(rng, 4)
    layer = concatenate(affine, sigmoid, affine)
    out, caches = layer.forward((one, (), other), x)
    first, middle, last = affine.forward(one, x), sigmoid.forward((), x), affine.forward(other, x)
    np.testing.assert_array_equal(out, np.concatenate([first[0], middle[0], last[0]], axis=-1))
    dout = normal(rng, *out.shape)
    dx, grads = layer.backward(caches, dout)
    of_last = affine.backward(last[1], dout[..., 5:])
    of_middle = sigmoid.backward(middle[1], dout[..., 2:5])
    of_first = affine.backward(first[1], dout[..., :2])
    np.testing.assert_array_equal(dx, of_last[0] + of_middle[0] + of_first[0])
    assert tree.equal(grads, (of_first[1], (), of_last[1]))
    assert tree.equal(layer.grads(caches, dout), grads)


def test_of_one_branch_it_is_the_branch_and_of_branches_in_brackets_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    x, one = normal(rng, 4, 3), to(rng, 2)
    out, _ = concatenate(affine).forward((one,), x)
    np.testing.assert_array_equal(out, affine.forward(one, x)[0])
    flat, _ = concatenate(relu, sigmoid, identity).forward(((), (), ()), x)
    left, _ = concatenate(concatenate(relu, sigmoid), identity).forward((((), ()), ()), x)
    right, _ = concatenate(relu, concatenate(sigmoid, identity)).forward(((), ((), ())), x)
    np.testing.assert_array_equal(flat, left)
    np.testing.assert_array_equal(flat, right)


def test_branches_that_do_not_stand_side_by_side_are_refused_with_both_and_the_branch() -> None:
    def summed(params: Unit, x: Array) -> tuple[Array, Unit]:
        return np.asarray(x.sum(axis=-1)), ()

    def refuse(cache: Unit, dout: Array) -> tuple[Array, Unit]:
        raise AssertionError("backward was called")

    def halved(params: Unit, x: Array) -> tuple[Array, Unit]:
        return x.astype(np.float32), ()

    said = "concatenate: the branches must give outputs of one dtype, and one shape but for the last axis, but"
    cases: list[tuple[Any, Array, str]] = [
        (summed, np.ones((4, 2)), "branch 1 gives f64[4, 2] and branch 2 f64[4]"),
        (halved, np.ones((4, 2)), "branch 1 gives f64[4, 2] and branch 2 f32[4, 2]"),
    ]
    for forward, x, both in cases:
        layer = concatenate(relu, Layer(forward, refuse))
        for call in (layer.forward, prediction(layer)):
            with pytest.raises(ValueError, match=f"^{re.escape(f'{said} {both}')}") as raised:
                call(((), ()), x)
            assert raised.value.__notes__ == ["in branch 2 of 2"]
    said = "concatenate: the branches must give outputs with an axis of features, got f64[]"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}") as raised:
        concatenate(relu).forward(((),), np.ones(()))
    assert raised.value.__notes__ == ["in branch 1 of 1"]


def test_what_a_branch_raises_says_which_it_was() -> None:
    rng = np.random.default_rng(0)
    layer, params = concatenate(relu, affine), ((), to(rng, 2))
    with pytest.raises(ValueError, match="affine: x has 4 features") as raised:
        layer.forward(params, np.ones((2, 4)))
    assert raised.value.__notes__ == ["in branch 2 of 2"]
    out, caches = layer.forward(params, np.ones((2, 3)))
    with pytest.raises(ValueError, match="dout has shape") as raised:
        layer.backward(caches, out[:1])
    assert raised.value.__notes__ == ["in branch 2 of 2"]
    for wrong in (out[:, 1:], np.ones((2, 6)), np.ones(())):
        with pytest.raises(ValueError, match="concatenate") as refused:
            layer.backward(caches, wrong)
        assert str(refused.value) == f"concatenate backward: dout has shape {wrong.shape}, expected 5 features"


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match=r"^concatenate: it needs one branch at least, got none$"):
        untyped(concatenate)()
    with pytest.raises(TypeError, match="concatenate: argument 2 must be a Layer, got int"):
        untyped(concatenate)(relu, 3)
    with pytest.raises(ValueError, match="concatenate: 2 layers need 2 params, got 1"):
        untyped(concatenate(relu, relu)).forward(((),), np.ones((2, 2)))


def test_the_cache_keeps_no_output_for_its_width() -> None:
    out, (first, second) = concatenate(relu, sigmoid).forward(((), ()), np.ones((4, 3)))
    for each in (first, second):
        assert each.kept.nbytes == 0
        assert each.kept.base is None
        assert each.kept.shape[-1] == 3
    assert out.shape == (4, 6)


def test_its_traits() -> None:
    parts = concatenate(affine, relu).parts
    assert isinstance(parts, Fork)
    assert (parts.layers, parts.joint, parts.keeps) == ((affine, relu), "‖", True)
    pointwise = concatenate(relu, sigmoid)
    assert pointwise.elementwise is False  # the place of an entry changes
    assert pointwise.event_axes == concatenate(affine, affine).event_axes == 1
    assert concatenate(relu, Layer(relu.forward, relu.backward)).event_axes is None
    assert pointwise.operations is not None
    assert pointwise.operations(untyped(()), (4, 3), (4, 6)) == (0, 12)


@pytest.mark.parametrize("dout", [None, [1.0], 1.0, "a"])
def test_a_dout_that_is_no_array_is_refused_in_the_name_of_the_combinator(dout: object) -> None:
    networks: list[Any] = [concatenate(relu, sigmoid), multiply(relu, sigmoid), sequential(relu), fixed(relu)]
    for network in networks:
        params: Any = () if network.parts.__class__ is Around else ((),) * len(network.parts.layers)
        _, cache = network.forward(params, np.ones((2, 3)))
        for call in (network.backward, network.grads):
            with pytest.raises(TypeError, match=r"backward: dout must be an array, got") as caught:
                call(cache, dout)
            assert str(caught.value).startswith(network.name.partition("(")[0])


def test_caches_of_another_combinator_are_refused() -> None:
    x = np.ones((2, 3))
    _, cache = sequential(relu, sigmoid).forward(((), ()), x)
    for each in (concatenate, multiply):
        with pytest.raises(TypeError, match=f"{each.__name__} backward: cache 1 of 2 must be Beside, got Saved"):
            untyped(each(relu, sigmoid)).backward(cache, x)
    with pytest.raises(TypeError, match="recomputed backward: cache 1 of 1 must be Arguments, got Saved"):
        untyped(recomputed(relu)).backward(cache[:1], x)
