"""The counts of floating-point operations that layers and losses say, by hand."""

from typing import Any

import numpy as np
import pytest

from chainrule import (
    Affine,
    BatchNorm,
    Embedding,
    GroupNorm,
    LayerNorm,
    RmsNorm,
    Statistics,
    affine,
    batch_norm,
    embedding,
    group_norm,
    identity,
    layer_norm,
    log_softmax,
    mean_squared_error,
    relu,
    residual,
    rms_norm,
    sigmoid,
    softmax,
    softmax_cross_entropy,
)

STATISTICS = Statistics(np.zeros(3), np.ones(3))


@pytest.mark.parametrize(
    ("layer", "params", "x", "out", "counts"),
    [
        (affine, Affine(np.ones((3, 5)), np.ones(5)), (4, 3), (4, 5), (2 * 4 * 3 * 5, 4 * 4 * 3 * 5)),
        (affine, Affine(np.ones((3, 5)), np.ones(5)), (2, 4, 3), (2, 4, 5), (240, 480)),
        (relu, (), (4, 3), (4, 3), (12, 12)),
        (sigmoid, (), (4, 3), (4, 3), (8 * 12, 12)),
        (layer_norm(), LayerNorm.init(3), (4, 3), (4, 3), (7 * 12, 11 * 12)),
        (rms_norm(), RmsNorm.init(3), (4, 3), (4, 3), (4 * 12, 7 * 12)),
        (group_norm(3), GroupNorm.init(3), (4, 3), (4, 3), (7 * 12, 9 * 12)),
        (softmax, (), (4, 3), (4, 3), (4 * 12, 4 * 12)),
        (log_softmax, (), (4, 3), (4, 3), (5 * 12, 3 * 12)),
        (batch_norm(), BatchNorm.init(3), (4, 3), (4, 3), (7 * 12, 7 * 12)),
        (batch_norm(STATISTICS), BatchNorm.init(3), (4, 3), (4, 3), (4 * 12, 4 * 12)),
        (embedding, Embedding(np.ones((7, 3))), (4,), (4, 3), (0, 12)),
        (residual(relu), (), (4, 3), (4, 3), (12, 12)),
        (identity, (), (4, 3), (4, 3), (0, 0)),
    ],
    ids=str,
)
def test_of_layers(layer: Any, params: Any, x: tuple[int, ...], out: tuple[int, ...], counts: tuple[int, int]) -> None:
    assert layer.operations(params, x, out) == counts


def test_of_losses() -> None:
    assert softmax_cross_entropy.operations is not None
    assert softmax_cross_entropy.operations((4, 5)) == (80, 20)
    assert mean_squared_error.operations is not None
    assert mean_squared_error.operations((4, 5)) == (60, 20)
