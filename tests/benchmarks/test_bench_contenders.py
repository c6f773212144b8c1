"""The contenders that need nothing but NumPy compute the same training, and the check sees those that do not."""

import numpy as np
import pytest

from chainrule import Affine, softmax_cross_entropy, two_layer, value_and_grad
from speed.contender import LIMIT, OURS, ROSTER
from speed.contenders.limit import Limit
from speed.contenders.ours import Ours
from speed.contenders.textbook import TwoLayerNet
from speed.harness import Loop
from speed.kernels import PRODUCTS, kernels, pieces
from speed.problem import Problem, Size
from speed.workloads.steps import DisagreementError, begin, right

SIZES = [Size(5, 4, 3, 6), Size(2, 9, 2, 3), Size(20, 7, 11, 2)]
BARE = (LIMIT, OURS, "chainrule, two calls", "the original")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", BARE)
def test_a_contender_agrees_with_the_reference(name: str, size: Size) -> None:
    assert begin(name, size, right(size)) < 1e-6
    assert begin(name, size, []) < 1e-6


@pytest.mark.parametrize("name", BARE)
def test_a_contender_leaves_the_problem_as_it_was(name: str) -> None:
    problem, same = Problem.draw(SIZES[0]), Problem.draw(SIZES[0])
    contender = ROSTER[name].make(problem)
    Loop(contender.steps())(3)
    Loop(contender.predictions())(2)
    for ours, theirs in zip((problem.x, *problem.start), (same.x, *same.start), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", BARE[1:])
def test_a_step_too_many_or_too_few_is_noticed(name: str) -> None:
    losses = right(SIZES[0])
    for wrong in (losses[1:] + losses[-1:], losses[:1] + losses[:-1]):
        with pytest.raises(DisagreementError, match="differs by"):
            begin(name, SIZES[0], wrong)


def test_a_wrong_product_of_the_limit_and_wrong_logits_are_seen() -> None:
    problem = Problem.draw(SIZES[0])
    limit, ours = Limit(problem), Ours(problem)
    last = Loop(limit.steps())(1)
    assert limit.learned(last, []) < 1e-6
    limit.dW1[0, 0] += 1
    assert limit.learned(last, []) > 0.1
    logits = ours.array(Loop(ours.predictions())(1))
    assert ours.predicted(logits + 1) < 1e-6  # probabilities give logits less a constant of each row
    assert ours.predicted(logits * 1.1) > 0.01


def test_the_reference_is_the_formula_of_the_library() -> None:
    problem = Problem.draw(SIZES[0])
    W1, b1, W2, b2 = (array.astype(np.float64) for array in problem.start)
    params: two_layer.Params = (Affine(W1, b1), (), Affine(W2, b2))
    x, t = problem.doubles
    loss, (first, _, second) = value_and_grad(two_layer.network, softmax_cross_entropy)(params, x, problem.labels)
    expected, theirs = TwoLayerNet(problem.start).gradient(x, t)
    assert expected == pytest.approx(float(loss), rel=1e-14)
    for name, ours in (("W1", first.W), ("b1", first.b), ("W2", second.W), ("b2", second.b)):
        np.testing.assert_allclose(theirs[name], ours, rtol=1e-12, atol=1e-15)  # entries near 0 are differences


def test_kernels_do_the_arithmetic_of_a_step() -> None:
    problem = Problem.draw(SIZES[0])
    bare, found = kernels(problem)
    assert set(PRODUCTS) <= set(bare)
    ours = Ours(problem)
    stepped, _ = ours.read(Loop(ours.steps())(1))
    for call in bare.values():  # once more: the parameters are as they were
        call()
    for new, ours_new in zip(found, stepped, strict=True):
        np.testing.assert_allclose(new, ours_new, rtol=0, atol=1e-6)


def test_every_kernel_belongs_to_one_call() -> None:
    problem = Problem.draw(SIZES[0])
    calls = pieces(problem)
    for call, _ in calls.values():
        call()
    assert [name for _, names in calls.values() for name in names] == list(kernels(problem)[0])
