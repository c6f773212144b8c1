"""The counts of floating-point operations that layers and losses say, by hand."""

from typing import Any

import numpy as np

from chainrule import (
    Affine,
    Attention,
    BatchNorm,
    Embedding,
    GroupNorm,
    Gru,
    LayerNorm,
    Loss,
    Lstm,
    Positions,
    RmsNorm,
    Statistics,
    affine,
    attention,
    batch_norm,
    celu,
    elu,
    embedding,
    flatten,
    global_max_pool,
    global_mean_pool,
    group_norm,
    gru,
    huber,
    identity,
    last,
    layer_norm,
    leaky_relu,
    log_softmax,
    lstm,
    max_pool,
    mean_absolute_error,
    mean_pool,
    mean_squared_error,
    positions,
    relu,
    residual,
    rms_norm,
    rotary,
    sigmoid,
    sigmoid_cross_entropy,
    softmax,
    softmax_cross_entropy,
    weighted,
)

LSTM = Lstm(np.ones((3, 8)), np.ones((2, 8)), np.ones(8))
GRU = Gru(np.ones((3, 6)), np.ones((2, 6)), np.ones(6), np.ones(6))
ATTENTION = Attention(Affine(np.ones((3, 12)), np.ones(12)), Affine(np.ones((4, 2)), np.ones(2)))
STATISTICS = Statistics(np.zeros(3), np.ones(3))


def test_of_layers() -> None:
    table: list[tuple[Any, Any, tuple[int, ...], tuple[int, ...], tuple[int, int]]] = [
        (affine, Affine(np.ones((3, 5)), np.ones(5)), (4, 3), (4, 5), (2 * 4 * 3 * 5, 4 * 4 * 3 * 5)),
        (affine, Affine(np.ones((3, 5)), np.ones(5)), (2, 4, 3), (2, 4, 5), (240, 480)),
        (relu, (), (4, 3), (4, 3), (12, 12)),
        (sigmoid, (), (4, 3), (4, 3), (5 * 12, 12)),
        (leaky_relu(), (), (4, 3), (4, 3), (4 * 12, 12)),
        (elu(), (), (4, 3), (4, 3), (9 * 12, 12)),
        (celu(), (), (4, 3), (4, 3), (7 * 12, 12)),
        (layer_norm(), LayerNorm.init(3), (4, 3), (4, 3), (7 * 12, 11 * 12)),
        (rms_norm(), RmsNorm.init(3), (4, 3), (4, 3), (4 * 12, 7 * 12)),
        (group_norm(3), GroupNorm.init(3), (4, 3), (4, 3), (7 * 12, 9 * 12)),
        (softmax, (), (4, 3), (4, 3), (4 * 12, 4 * 12)),
        (log_softmax, (), (4, 3), (4, 3), (5 * 12, 3 * 12)),
        (batch_norm(), BatchNorm.init(3), (4, 3), (4, 3), (7 * 12, 7 * 12)),
        (batch_norm(STATISTICS), BatchNorm.init(3), (4, 3), (4, 3), (4 * 12, 4 * 12)),
        (embedding, Embedding(np.ones((7, 3))), (4,), (4, 3), (0, 12)),
        (lstm, LSTM, (4, 7, 3), (4, 7, 2), (28 * 5 * 8 * 2 + 44 * 56, 28 * 5 * 8 * 4 + 8 * 56)),
        (gru, GRU, (4, 7, 3), (4, 7, 2), (28 * 5 * 6 * 2 + 34 * 56, 28 * 5 * 6 * 4 + 7 * 56)),
        (last, (), (4, 7, 3), (4, 3), (0, 0)),
        (positions, Positions(np.ones((7, 3))), (2, 4, 3), (2, 4, 3), (24, 24)),
        (rotary(), (), (2, 4, 6), (2, 4, 6), (3 * 48, 3 * 48)),
        # 5 examples of 7 positions: maps of 3 to 12 and of 4 to 2, and products of 7 x 7 with 4 numbers in all heads.
        (attention(2), ATTENTION, (5, 7, 3), (5, 7, 2), (2 * 35 * (36 + 8 + 2 * 28), 4 * 35 * (36 + 8 + 2 * 28))),
        # Four numbers for each of 2 * 2 windows and each channel; where they overlap, rows first, of which there are
        # 5 * 3, and then 4 * 3 columns.
        (max_pool(2), (), (1, 5, 4, 3), (1, 2, 2, 3), (48, 48)),
        (max_pool(2, 1), (), (1, 5, 4, 3), (1, 4, 3, 3), (90 + 72, 90 + 72)),
        (max_pool((1, 3)), (), (1, 5, 4, 3), (1, 5, 1, 3), (45, 45)),
        (mean_pool(3, 1), (), (2, 5, 4), (2, 3, 4), (72, 72)),
        (global_max_pool, (), (2, 5, 4), (2, 4), (40, 0)),
        (global_mean_pool, (), (2, 5, 4), (2, 4), (40, 0)),
        (flatten, (), (2, 5, 4), (2, 20), (0, 0)),
        (residual(relu), (), (4, 3), (4, 3), (12, 12)),
        (identity, (), (4, 3), (4, 3), (0, 0)),
    ]
    for layer, params, x, out, counts in table:
        count: Any = layer.operations
        assert count(params, x, out) == counts, layer


def test_of_losses() -> None:
    table: list[tuple[Loss[Any, Any], tuple[int, int]]] = [
        (softmax_cross_entropy, (4 * 20, 20)),
        (mean_squared_error, (3 * 20, 20)),
        (mean_absolute_error, (3 * 20, 2 * 20)),
        (huber(), (7 * 20, 2 * 20)),
        (sigmoid_cross_entropy, (16 * 20, 2 * 20)),
        (weighted(huber()), (7 * 20, 2 * 20)),  # weights are few beside the numbers of rows
    ]
    for loss, counts in table:
        assert loss.operations is not None, loss
        assert loss.operations((4, 5)) == counts, loss
