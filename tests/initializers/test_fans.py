from math import sqrt

import numpy as np
import pytest

from chainrule import Affine, Array, affine, relu
from chainrule.initializers import (
    Initializer,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
)
from untyped import untyped

VARIANCES: dict[str, tuple[Initializer, float]] = {
    "he_normal": (he_normal, 2 / 400),
    "he_uniform": (he_uniform, 2 / 400),
    "glorot_normal": (glorot_normal, 2 / 1000),
    "glorot_uniform": (glorot_uniform, 2 / 1000),
    "lecun_normal": (lecun_normal, 1 / 400),
    "lecun_uniform": (lecun_uniform, 1 / 400),
}

each = pytest.mark.parametrize("name", VARIANCES)


@each
def test_mean_and_variance_are_those_of_the_argument(name: str) -> None:
    draw, variance = VARIANCES[name]
    w = draw(np.random.default_rng(0), (400, 600), 400, 600, np.float64)
    # Of n normal numbers the mean square has the deviation variance * sqrt(2 / n), of uniform ones less; five of them.
    assert abs(w.mean()) < 5 * sqrt(variance / w.size)
    assert (w**2).mean() == pytest.approx(variance, rel=5 * sqrt(2 / w.size))
    if "uniform" in name:
        assert 0.999 * sqrt(3 * variance) < np.abs(w).max() <= sqrt(3 * variance)
    else:
        assert np.abs(w).max() > 4 * sqrt(variance)


@each
def test_the_fans_count_and_not_the_shape(name: str) -> None:
    draw, variance = VARIANCES[name]
    w = draw(np.random.default_rng(0), (3, 3, 40, 60), 400, 600, np.float64)
    assert (w**2).mean() == pytest.approx(variance, rel=5 * sqrt(2 / w.size))


WIDTH, DEPTH, ROWS = 400, 10, 100


def squares(weights: Initializer, *, backward: bool = False, through: object = None) -> list[float]:
    """The mean squares of what has gone through one square layer after another."""
    rng, found = np.random.default_rng(0), list[float]()
    x: Array = rng.standard_normal((ROWS, WIDTH))
    for _ in range(DEPTH):
        params = Affine.init(rng, WIDTH, WIDTH, weights=weights, dtype=np.float64)
        out, cache = affine.forward(params, x)
        if backward:
            x = affine.backward(cache, x)[0]
        else:
            x = out if through is None else untyped(through).forward((), out)[0]
        found.append(float((x**2).mean()))
    return found


# The mean square of a row of WIDTH numbers is off by sqrt(2 / WIDTH) in a layer: in ten by 0.2, and after a relu by
# twice that. Of half the variance 1/1000 would be left.


@pytest.mark.parametrize("weights", [lecun_normal, lecun_uniform, glorot_normal, glorot_uniform])
@pytest.mark.parametrize("backward", [False, True])
def test_signals_and_gradients_keep_their_size_through_square_layers(weights: Initializer, backward: bool) -> None:
    assert squares(weights, backward=backward)[-1] == pytest.approx(1, rel=0.5)


@pytest.mark.parametrize("weights", [he_normal, he_uniform])
def test_signals_keep_their_size_through_relus(weights: Initializer) -> None:
    sizes = squares(weights, through=relu)
    assert sizes[-1] == pytest.approx(1, rel=0.5)
    halved = squares(lecun_normal, through=relu)
    assert halved[-1] == pytest.approx(2.0**-DEPTH, rel=0.5)


def test_a_single_input_is_one_and_no_input_counts_as_one() -> None:
    standard = normal(np.random.default_rng(0), (1, 3), 1, 3, np.float64)
    for fan_in in (1, 0):
        w = lecun_normal(np.random.default_rng(0), (1, 3), fan_in, 3, np.float64)
        np.testing.assert_array_equal(w, standard)


@each
def test_a_layer_without_inputs_has_weights_too(name: str) -> None:
    draw, _ = VARIANCES[name]
    assert draw(np.random.default_rng(0), (0, 0), 0, 0, np.float32).shape == (0, 0)


@each
def test_a_bad_fan_is_named(name: str) -> None:
    draw, _ = VARIANCES[name]
    with pytest.raises(ValueError, match=f"^{name}: fan_in must be >= 0, got -1$"):
        draw(np.random.default_rng(0), (3, 2), -1, 2, np.float32)
    with pytest.raises(TypeError, match=f"^{name}: fan_in must be an integer, got float$"):
        draw(np.random.default_rng(0), (3, 2), untyped(3.0), 2, np.float32)
