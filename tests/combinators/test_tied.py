"""Shared parameters: their gradient is the sum over their uses, and the two functions are transposes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import (
    Affine,
    Array,
    Embedding,
    Encoder,
    affine,
    check_layer,
    check_network,
    embedding,
    encoded,
    fixed,
    laws,
    record,
    relu,
    repeated,
    sequential,
    sgd,
    softmax_cross_entropy,
    tied,
    training_step,
    tree,
    value_and_grad,
)
from chainrule.arrays.ownership import read_only
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

from chainrule import Affine, Array, affine, sequential, tied, tree

def twice(p: Affine) -> tuple[Affine, Affine]:
    return p, p

def both(g: tuple[Affine, Affine]) -> Affine:
    return tree.map(lambda a, b: a + b, *g)

def first(g: tuple[Affine, Affine]) -> Array:
    return g[0].W

def accepted(params: Affine, x: Array) -> None:
    layer = tied(sequential(affine, affine), twice, both)
    assert_type(layer.grads(layer.forward(params, x)[1], x), Affine)

def mistakes(params: Affine, x: Array) -> None:
    tied(affine, twice, both)  # rejected: affine takes no pair
    tied(sequential(affine, affine), twice, first)  # rejected: gradients are of another type than parameters
    tied(sequential(affine, affine), twice)  # rejected: the transpose is missing
    tied(sequential(affine, affine), twice, both).forward((params, params), x)  # rejected: the parameters are one
"""


@frozen(eq=False)
@record
class Words:
    """One matrix for both ends of a network, and a bias for the last."""

    E: Array
    b: Array


def both_ends(words: Words) -> tuple[Embedding, Affine]:
    return Embedding(words.E), Affine(words.E.T, words.b)


def of_both_ends(grads: tuple[Embedding, Affine]) -> Words:
    first, last = grads
    return Words(read_only(first.E + last.W.T), last.b)


def thrice(params: Any) -> Any:
    return params, params, params


def total(grads: Any) -> Any:
    return tree.map(added, *grads)


def added(a: Array, b: Array, c: Array) -> Array:
    return read_only(a + b + c)


def test_one_block_three_times_over() -> None:
    rng = np.random.default_rng(0)
    layer = tied(repeated(sequential(affine, relu), 3), thrice, total)
    params, x = (Affine(normal(rng, 3, 3), normal(rng, 3)), ()), normal(rng, 5, 3)
    assert check_layer(layer, params, x, rng=rng).ok
    free = repeated(sequential(affine, relu), 3)
    out, cache = layer.forward(params, x)
    expected, caches = free.forward((params,) * 3, x)
    assert tree.equal(out, expected)
    dx, grads = layer.backward(cache, x)
    free_dx, each = free.backward(caches, x)
    assert tree.equal((dx, grads), (free_dx, total(each)))


def test_words_are_the_weights_of_both_ends() -> None:
    rng = np.random.default_rng(0)
    network = tied(encoded(embedding, affine), both_ends, of_both_ends)
    assert isinstance(network, Encoder)
    words = Words(normal(rng, 5, 3), normal(rng, 5))
    tokens, following = rng.integers(0, 5, 8), rng.integers(0, 5, 8)
    assert all(verdict.ok for verdict in laws.transposed(both_ends, of_both_ends, words, rng))
    assert check_network(network, softmax_cross_entropy, words, tokens, following, rng=rng).ok
    optimizer = sgd(0.5)
    step = training_step(network, softmax_cross_entropy, optimizer)
    state = optimizer.init(words)
    losses: list[float] = []
    for _ in range(60):
        words, state, loss = step(words, state, tokens, following)
        losses.append(float(loss))
    assert losses[-1] < losses[0] / 2


def test_a_gradient_that_stands_in_two_places_is_not_stepped_into_twice() -> None:
    """The result of `contract` may be one array twice: an optimizer that wrote into it would take two steps at once."""

    def joined(p: tuple[Array, Array]) -> Affine:
        return Affine(p[0] + p[1], np.zeros(2))

    def apart(g: Affine) -> tuple[Array, Array]:
        return g.W, g.W

    rng = np.random.default_rng(0)
    network = tied(affine, joined, apart)
    params, x, labels = (normal(rng, 3, 2), normal(rng, 3, 2)), normal(rng, 4, 3), np.array([0, 1, 1, 0])
    _, grads = value_and_grad(network, softmax_cross_entropy)(params, x, labels)
    after, _, _ = training_step(network, softmax_cross_entropy, sgd(0.5))(params, sgd(0.5).init(params), x, labels)
    for now, before, grad in zip(after, params, grads, strict=True):
        np.testing.assert_allclose(now, before - 0.5 * grad, rtol=1e-14)


NO_TRANSPOSES: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda p: (p, p), lambda q: q[0]),  # a use is forgotten
    (lambda p: (p, p.T), lambda q: q[0] + q[1]),  # so is a transpose
    (lambda p: p + 1, lambda q: q),  # not linear
    (lambda p: p * p, lambda q: 2 * q),
]


@pytest.mark.parametrize(("expand", "contract"), NO_TRANSPOSES)
def test_the_law_rejects_what_is_no_transpose(expand: Any, contract: Any) -> None:
    rng = np.random.default_rng(0)
    inner = laws.transposed(expand, contract, np.ones((3, 3)), rng)[0]
    assert not inner.ok
    assert inner.note == "<p, contract(q)> is not <expand(p), q>: is something left out, or not linear?"


def test_the_law_rejects_another_structure() -> None:
    rng = np.random.default_rng(0)
    (verdict,) = laws.transposed(lambda p: (p, p), untyped, np.ones(3), rng)
    assert (verdict.field, verdict.ok) == ("structure", False)


def test_a_wrong_transpose_is_a_wrong_derivative() -> None:
    rng = np.random.default_rng(0)
    wrong = tied(sequential(affine, affine), lambda p: (p, p), lambda g: g[0])
    report = check_layer(wrong, Affine(normal(rng, 3, 3), normal(rng, 3)), normal(rng, 4, 3), rng=rng)
    assert "derivative" in {verdict.law for verdict in report.failures}


def test_what_can_not_be_tied() -> None:
    with pytest.raises(TypeError, match="tied: argument 1 must be a Layer or an Encoder, got function"):
        untyped(tied)(thrice, thrice, total)
    with pytest.raises(TypeError, match="tied: expand must be a function of a tree, got a tuple of 0"):
        untyped(tied)(affine, (), total)
    with pytest.raises(TypeError, match="tied: contract must be a function of a tree, got int"):
        untyped(tied)(affine, thrice, 3)
    with pytest.raises(ValueError, match=r"tied: a part of sequential\(fixed\(affine\), affine\) is fixed"):
        untyped(tied)(sequential(fixed(affine), affine), thrice, total)
    fixed(tied(sequential(affine, affine), lambda p: (p, p), lambda g: g[0]))  # as the message says


def test_it_is_named_by_its_functions() -> None:
    assert repr(tied(repeated(affine, 3), thrice, total)) == (
        "Layer(tied(sequential(affine, affine, affine), expand=thrice, contract=total))"
    )
