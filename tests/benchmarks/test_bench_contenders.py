"""The contenders that need nothing but NumPy compute the same training, and the check sees those that do not."""

import numpy as np
import pytest

from chainrule import Affine, softmax_cross_entropy, two_layer, value_and_grad
from speed import agreement, reference
from speed.contender import Contender
from speed.contenders.limit import Limit
from speed.contenders.original import Original, TwoLayerNet
from speed.contenders.ours import Ours
from speed.contenders.plain import Plain
from speed.kernels import PRODUCTS, kernels
from speed.pieces import pieces, wholes
from speed.problem import RATE, Problem
from speed.roster import ENTRIES, LIMIT, OURS, ROSTER, Entry
from speed.size import Size

SIZES = [Size(5, 4, 3, 6), Size(2, 9, 2, 3), Size(20, 7, 11, 2)]
BARE = [entry for entry in ROSTER if not entry.packages]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("entry", BARE, ids=lambda entry: entry.name)
def test_a_contender_agrees_with_the_reference(entry: Entry, size: Size) -> None:
    problem = Problem.draw(size)
    tolerance = agreement.TOLERANCE[entry.dtype]
    expected = reference.train(problem, agreement.STEPS)
    assert agreement.learned(entry.make(problem), problem, expected, entry.dtype) <= tolerance
    if entry.predicts:
        assert agreement.predicted(entry.make(problem), problem, entry.dtype) <= tolerance


@pytest.mark.parametrize("entry", BARE, ids=lambda entry: entry.name)
def test_a_contender_leaves_the_problem_as_it_was(entry: Entry) -> None:
    problem, same = Problem.draw(SIZES[0]), Problem.draw(SIZES[0])
    contender = entry.make(problem)
    contender.steps(3)
    contender.predictions(2)
    for ours, theirs in zip((problem.x, *problem.start), (same.x, *same.start), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("make", [Ours, Plain, Original])
def test_a_step_too_many_is_noticed(make: type[Ours] | type[Plain] | type[Original]) -> None:
    problem = Problem.draw(SIZES[0])
    contender: Contender = make(problem)
    contender.steps(1)
    expected = reference.train(problem, agreement.STEPS)
    with pytest.raises(agreement.DisagreementError, match="losses after 10 steps differ by"):
        agreement.learned(contender, problem, expected, np.float32)


def test_a_contender_that_learns_nothing_is_noticed() -> None:
    class Idle(Ours):
        def steps(self, count: int) -> None:
            super().steps(min(count, 1))

    problem = Problem.draw(SIZES[0])
    expected = reference.train(problem, agreement.STEPS)
    with pytest.raises(agreement.DisagreementError):
        agreement.learned(Idle(problem), problem, expected, np.float32)


def test_the_reference_is_the_formula_of_the_library() -> None:
    problem = Problem.draw(SIZES[0])
    W1, b1, W2, b2 = (array.astype(np.float64) for array in problem.start)
    params: two_layer.Params = (Affine(W1, b1), (), Affine(W2, b2))
    x = problem.x.astype(np.float64)
    loss, grads = value_and_grad(two_layer.network, softmax_cross_entropy)(params, x, problem.labels)
    first, _, second = grads
    stepped = (W1 - RATE * first.W, b1 - RATE * first.b, W2 - RATE * second.W, b2 - RATE * second.b)
    found = reference.train(problem, 1)
    assert found.losses == [pytest.approx(float(loss), rel=1e-14)]
    assert found.after == pytest.approx(reference.loss(stepped, x, problem.labels), rel=1e-14)


def test_the_gradients_of_the_original_are_ours() -> None:
    problem = Problem.draw(SIZES[0])
    W1, b1, W2, b2 = (array.astype(np.float64) for array in problem.start)
    x, t = problem.x.astype(np.float64), np.eye(3)[problem.labels]
    loss, theirs = TwoLayerNet(W1, b1, W2, b2).gradient(x, t)
    params: two_layer.Params = (Affine(W1, b1), (), Affine(W2, b2))
    first, _, second = two_layer.gradient(params, x, problem.labels)
    assert loss == pytest.approx(float(two_layer.loss(params, x, problem.labels)), rel=1e-14)
    for name, ours in (("W1", first.W), ("b1", first.b), ("W2", second.W), ("b2", second.b)):
        np.testing.assert_allclose(theirs[name], ours, rtol=1e-12, atol=1e-15)  # entries near 0 are differences


def test_the_limit_is_the_five_products_and_a_wrong_one_is_seen() -> None:
    problem = Problem.draw(SIZES[0])
    limit = Limit(problem)
    limit.steps(1)
    assert [product.shape for product, _ in limit.products()] == [(6, 4), (6, 3), (4, 3), (6, 4), (5, 4)]
    assert agreement.largest(limit.products()) < 1e-6
    limit.dW1[0, 0] += 1
    assert agreement.largest(limit.products()) > 0.1


def test_kernels_do_the_arithmetic_of_a_step() -> None:
    problem = Problem.draw(SIZES[0])
    bare = kernels(problem)
    assert set(PRODUCTS) <= set(bare.parts)
    stepped = Ours(problem)
    stepped.steps(1)
    for part in bare.parts.values():  # once more: the parameters are as they were
        part()
    for ours, theirs in zip(bare.stepped, stepped.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_every_kernel_belongs_to_one_call() -> None:
    problem = Problem.draw(SIZES[0])
    calls = pieces(problem)
    for call in calls.values():
        call.does()
    for step in wholes(problem).values():
        step()
    assert [name for call in calls.values() for name in call.kernels] == list(kernels(problem).parts)


def test_names_are_those_of_the_roster() -> None:
    assert len(ENTRIES) == len(ROSTER)
    assert {LIMIT, OURS} <= set(ENTRIES)
    assert all(entry.peer == bool(entry.packages) for entry in ROSTER)
