"""The demo trains as a user of the library does, looks at even distances, and stops where there is no way back."""

import math
from itertools import chain, islice, pairwise, repeat

import numpy as np
import pytest

from chainrule import tree, two_layer
from chainrule.arrays.types import Array
from chainrule.datasets import Examples
from chainrule.demo.errors import DivergenceError
from chainrule.demo.networks import NETWORKS
from chainrule.demo.training import STEPS_BETWEEN, WATCHED, descend, moments

RELU = NETWORKS["relu"]
PARAMS = RELU.init(np.random.default_rng(0), 4, 3, 2)


def problem(n: int = 12) -> Examples:
    """Two classes: which half of an image is brighter."""
    x = np.random.default_rng(0).random((n, 4), dtype=np.float32)
    return Examples(x, (x[:, :2].sum(axis=1) > x[:, 2:].sum(axis=1)).astype(np.int64))


def loss(value: float) -> Array:
    return np.array(value, np.float32)


def test_the_first_parameters_of_relu_are_those_of_the_two_layer_network() -> None:
    ours = RELU.init(np.random.default_rng(5), 4, 3, 2)
    assert tree.equal(ours, two_layer.init(np.random.default_rng(5), 4, 3, 2))


@pytest.mark.parametrize("activation", NETWORKS)
def test_the_descent_lowers_the_loss_and_the_seed_decides_it(activation: str) -> None:
    choice = NETWORKS[activation]

    def losses() -> list[float]:
        rng = np.random.default_rng(1)
        descent = descend(choice.network, choice.init(rng, 4, 8, 2), problem(), rng, batch=5, rate=0.5)
        return [float(value) for _, value in islice(descent, 1000)]

    first = losses()
    assert first == losses()
    assert np.mean(first[-30:]) < 0.5 * np.mean(first[:30])


@pytest.mark.parametrize("steps", [1, 2, 7, 49, 50, 51, 1234, 60_000])
def test_moments_are_even_and_fall_on_every_tenth_and_on_the_end(steps: int) -> None:
    still = repeat((PARAMS, loss(0.5)))
    seen = [moment.step for moment, _ in moments(RELU.network, PARAMS, still, steps, problem())]
    gaps = [after - before for before, after in pairwise(seen)]
    assert (seen[0], seen[-1]) == (0, steps)
    assert {math.ceil(i * steps / 10) for i in range(1, 11)} <= set(seen)
    assert 1 <= min(gaps) <= max(gaps) <= min(min(gaps) + 1, STEPS_BETWEEN)


def test_a_moment_has_the_mean_loss_since_the_one_before_and_measures_the_test_examples() -> None:
    descent = ((PARAMS, loss(i)) for i in range(100))
    seen = list(moments(RELU.network, PARAMS, descent, 100, problem()))
    assert [moment.loss for moment, _ in seen[1:4]] == [0.5, 2.5, 4.5]
    x, labels = problem().x, problem().labels
    for moment, params in seen:
        assert params is PARAMS
        assert moment.test_accuracy == two_layer.accuracy(PARAMS, x, labels)
        assert moment.test_loss == pytest.approx(float(two_layer.loss(PARAMS, x, labels)), rel=1e-6)


def test_a_moment_measures_a_part_of_many_test_examples() -> None:
    many = problem(3 * WATCHED + 1)
    ((moment, _), *_) = moments(RELU.network, PARAMS, repeat((PARAMS, loss(1))), 1, many)
    assert moment.test_accuracy == two_layer.accuracy(PARAMS, many.x[::3][:WATCHED], many.labels[::3][:WATCHED])


@pytest.mark.parametrize(("value", "said"), [(math.nan, "nan"), (math.inf, "inf"), (1e9, "1e+09")])
def test_a_loss_without_a_way_back_ends_the_training(value: float, said: str) -> None:
    descent = chain(repeat((PARAMS, loss(1)), 16), repeat((PARAMS, loss(value))))
    with pytest.raises(DivergenceError, match=r"^loss is .* at step 17: try a smaller --rate$") as reason:
        list(moments(RELU.network, PARAMS, descent, 100, problem()))
    assert f"loss is {said} at" in str(reason.value)


def test_parameters_without_a_way_back_end_the_training() -> None:
    lost = tree.map(lambda leaf: np.full_like(leaf, np.nan), PARAMS)
    descent = chain(repeat((PARAMS, loss(1)), 1), repeat((lost, loss(1))))
    with pytest.raises(DivergenceError, match=r"^loss is nan at step 2: "):
        list(moments(RELU.network, PARAMS, descent, 2, problem()))
