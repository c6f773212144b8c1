from math import sqrt

import numpy as np
import pytest

from chainrule import Affine, Array, affine
from chainrule.initializers import orthogonal


@pytest.mark.parametrize("shape", [(6, 6), (7, 3), (3, 7), (1, 4), (4, 1), (3, 3, 2, 4), (2, 2, 20)])
def test_columns_are_orthonormal_or_rows_if_they_are_fewer(shape: tuple[int, ...]) -> None:
    w = orthogonal(np.random.default_rng(0), shape, 1, 1, np.float64).reshape(-1, shape[-1])
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, np.eye(len(product)), rtol=0, atol=1e-14)  # some ten roundings of 1e-16


def test_in_float32_and_float16_they_are_so_to_rounding() -> None:
    for dtype in (np.float32, np.float16):
        w = orthogonal(np.random.default_rng(0), (20, 20), 20, 20, dtype).astype(np.float64)
        # Each of 20 products of a sum of squares 1 is off by a rounding of its own.
        np.testing.assert_allclose(w.T @ w, np.eye(20), rtol=0, atol=2 * float(np.finfo(dtype).eps))


def test_lengths_stay_forward_and_backward() -> None:
    rng = np.random.default_rng(0)
    x: Array = rng.standard_normal((5, 30))
    before = np.linalg.norm(x, axis=1)
    for _ in range(20):
        params = Affine.init(rng, 30, 30, weights=orthogonal, dtype=np.float64)
        out, cache = affine.forward(params, x)
        dx, _ = affine.backward(cache, out)
        np.testing.assert_allclose(dx, x, rtol=0, atol=1e-13)  # back where it was
        x = out
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), before, rtol=1e-13)


def test_no_direction_is_preferred() -> None:
    """Of a rotation that is drawn evenly every entry has mean 0 and mean square 1/n, the diagonal too."""
    rng, n, many = np.random.default_rng(0), 3, 20_000
    drawn = np.stack([orthogonal(rng, (n, n), n, n, np.float64) for _ in range(many)])
    # Five deviations of a mean of many: of entries sqrt(1/3), and at most that of their squares.
    bound = 5 * sqrt(1 / 3 / many)
    assert np.abs(drawn.mean(axis=0)).max() < bound
    assert np.abs((drawn**2).mean(axis=0) - 1 / n).max() < bound
    reflections = np.linalg.det(drawn) < 0
    assert reflections.mean() == pytest.approx(0.5, abs=5 * sqrt(0.25 / many))


@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_shape_of_one_axis_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="orthogonal") as raised:
        orthogonal(np.random.default_rng(0), shape, 3, 3, np.float32)
    assert str(raised.value) == f"orthogonal: shape must have two axes or more, got {shape}"
