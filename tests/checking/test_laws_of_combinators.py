"""The words of the laws of composition and of sums for combinators that break them, each alone."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Affine, Array, Layer, Verdict, add, affine, laws, sequential, sigmoid, tanh, tree
from checking.planted import RNG, assert_sound

Combine: TypeAlias = Callable[..., Layer[Any, Any]]

X = RNG(7).standard_normal((4, 3))
THREE, PARAMS = (
    (affine, tanh, affine),
    (Affine.init(RNG(1), 3, 2, dtype=np.float64), (), Affine.init(RNG(2), 2, 5, dtype=np.float64)),
)
SUMMANDS = (affine, affine, sigmoid)
OF_SUMMANDS = (Affine.init(RNG(1), 3, 3, dtype=np.float64), Affine.init(RNG(2), 3, 3, dtype=np.float64), ())


def broken(verdicts: list[Verdict]) -> set[str]:
    assert_sound(verdicts)
    return {each.field for each in verdicts if each.wrong}


def off(
    combine: Combine,
    where: Callable[[tuple[Any, ...]], Any],
    *,
    out: float = 1.0,
    dx: float = 1.0,
    grads: float = 1.0,
    alone: float = 1.0,
) -> Combine:
    """A combinator whose results are off by factors where it is given such layers."""

    def combined(*layers: Any) -> Layer[Any, Any]:
        made = combine(*layers)
        if not where(layers):
            return made

        def forward(params: Any, x: Array) -> tuple[Array, Any]:
            result, cache = made.forward(params, x)
            return result * out, cache

        def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
            to_x, to_params = made.backward(cache, dout)
            return to_x * dx, tree.map(lambda leaf: leaf * grads, to_params)

        def grads_alone(cache: Any, dout: Array) -> Any:
            return tree.map(lambda leaf: leaf * alone, made.grads(cache, dout))

        return Layer(forward, backward, grads_alone)

    return combined


def of_three(layers: tuple[Any, ...]) -> bool:
    return len(layers) == 3


def ends_with(layer: object) -> Callable[[tuple[Any, ...]], bool]:
    return lambda layers: len(layers) == 2 and layers[-1] is layer


def begins_with(layer: object) -> Callable[[tuple[Any, ...]], bool]:
    return lambda layers: len(layers) == 2 and layers[0] is layer


COMPOSITIONS: dict[str, tuple[Any, Combine, set[str]]] = {
    "three at once": (laws.associativity, off(sequential, of_three, dx=2), {"(f g) h", "f (g h)"}),
    "the last two": (laws.associativity, off(sequential, begins_with(tanh), grads=2), {"f (g h)"}),
    "the first two": (laws.associativity, off(sequential, ends_with(tanh), out=2), {"(f g) h"}),
    "nothing before": (laws.identity, off(sequential, ends_with(affine), out=2), {"before"}),
    "nothing after": (laws.identity, off(sequential, begins_with(affine), dx=2), {"after"}),
    "one alone": (laws.identity, off(sequential, lambda layers: len(layers) == 1, grads=2), {"alone"}),
    "the output": (laws.chain_rule, off(sequential, of_three, out=2), {"out"}),
    "dx": (laws.chain_rule, off(sequential, of_three, dx=2), {"dx"}),
    "the gradients": (laws.chain_rule, off(sequential, of_three, grads=2), {"gradients"}),
    "gradients without dx": (laws.chain_rule, off(sequential, of_three, alone=2), {"grads"}),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_a_composition_that_breaks_a_law_is_wrong_in_one_field(name: str) -> None:
    law, combine, fields = COMPOSITIONS[name]
    assert broken(law(combine, THREE, PARAMS, X, RNG(0))) == fields
    assert broken(law(sequential, THREE, PARAMS, X, RNG(0))) == set()


SUMS: dict[str, tuple[Any, Combine, set[str]]] = {
    "the output": (laws.sum_rule, off(add, of_three, out=1 + 1e-12), {"out"}),
    "dx": (laws.sum_rule, off(add, of_three, dx=1 + 1e-12), {"dx"}),
    "the gradients": (laws.sum_rule, off(add, of_three, grads=2), {"gradients"}),
    "gradients without dx": (laws.sum_rule, off(add, of_three, alone=2), {"grads"}),
    "one alone": (laws.sums_in_brackets, off(add, lambda layers: len(layers) == 1, out=2), {"alone"}),
    "the last two": (laws.sums_in_brackets, off(add, ends_with(sigmoid), out=1.001), {"out"}),
    "dx of the last two": (laws.sums_in_brackets, off(add, ends_with(sigmoid), dx=1.001), {"dx"}),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_that_breaks_a_law_is_wrong_in_one_field(name: str) -> None:
    law, combine, fields = SUMS[name]
    assert broken(law(combine, SUMMANDS, OF_SUMMANDS, X, RNG(0))) == fields
    assert broken(law(add, SUMMANDS, OF_SUMMANDS, X, RNG(0))) == set()


@pytest.mark.parametrize("field", ["out", "dx", "gradients"])
def test_a_sum_that_depends_on_the_order_is_wrong_in_one_field(field: str) -> None:
    first = Layer(affine.forward, affine.backward, affine.grads)
    combine = off(add, begins_with(first), **{"grads" if field == "gradients" else field: 2.0})
    layers, params = (first, tanh, sigmoid), (OF_SUMMANDS[0], (), ())
    assert broken(laws.commutativity(combine, layers, params, X, RNG(0))) == {field}
    assert broken(laws.commutativity(add, layers, params, X, RNG(0))) == set()


def test_rounding_of_a_sum_is_let_pass() -> None:
    some = off(add, of_three, out=1 + 2.0**-50, dx=1 + 2.0**-50)
    assert broken(laws.sum_rule(some, SUMMANDS, OF_SUMMANDS, X, RNG(0))) == set()


TRANSPOSES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], str, str]] = {
    "left out": (
        lambda p: (p, p),
        lambda q: q[0],
        "inner product",
        "<p, contract(q)> is not <expand(p), q>: is something left out, or not linear?",
    ),
    "another form": (
        lambda p: (p, p.T),
        lambda q: (q[0], q[1].T),
        "structure",
        "contract must give what expand takes: [('', (2, 3))], got [('[0]', (2, 3)), ('[1]', (2, 3))]",
    ),
}


@pytest.mark.parametrize("name", TRANSPOSES)
def test_what_is_no_transpose_is_said(name: str) -> None:
    expand, contract, field, note = TRANSPOSES[name]
    verdicts = laws.transposed(expand, contract, np.ones((2, 3)), RNG(0))
    assert_sound(each for each in verdicts)
    (verdict,) = (each for each in verdicts if each.wrong)
    assert (verdict.field, verdict.note) == (field, note)
    if field == "inner product":
        assert verdict.error == pytest.approx(abs(verdict.got - verdict.expected) / 3, rel=3)
        assert verdict.bound < 1e-10


def test_a_transpose_is_right_to_rounding() -> None:
    inner, structure = laws.transposed(lambda p: (p, p.T), lambda q: q[0] + q[1].T, np.ones((2, 3)), RNG(0))
    assert (inner.ok, structure.ok, inner.note, structure.note) == (True, True, "", "")
    assert inner.got == pytest.approx(inner.expected, rel=1e-12)
    assert inner.error <= inner.bound
    (inner, _) = laws.transposed(lambda p: (p,), lambda q: q[0] * (1 + 1e-6), np.ones(3), RNG(0))
    assert not inner.ok
