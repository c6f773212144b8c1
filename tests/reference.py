"""Independent forms of what the library computes: the textbook's formulas, in float64, entry by entry where possible."""

from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def affine(x: Float, W: Float, b: Float) -> Float:
    return np.einsum("nd,dm->nm", x, W) + b


def affine_gradients(x: Float, W: Float, dout: Float) -> tuple[Float, Float, Float]:
    """dx, dW, db."""
    return np.einsum("nm,dm->nd", dout, W), np.einsum("nd,nm->dm", x, dout), np.einsum("nm->m", dout)


def softmax(z: Float) -> Float:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def two_layer(x: Float, t: Float, W1: Float, b1: Float, W2: Float, b2: Float) -> tuple[float, list[Float]]:
    """The network of the textbook by its own formulas, targets one-hot: the loss, and dW1, db1, dW2, db2."""
    a1 = np.dot(x, W1) + b1
    z1 = np.where(a1 > 0, a1, 0)
    y = softmax(np.dot(z1, W2) + b2)
    loss = -np.sum(t * np.log(y)) / len(x)
    dy = (y - t) / len(x)
    da1 = np.where(a1 > 0, np.dot(dy, W2.T), 0)
    return float(loss), [np.dot(x.T, da1), da1.sum(axis=0), np.dot(z1.T, dy), dy.sum(axis=0)]


def cross_entropy_50_digits(logits: list[float], target: NDArray[Any]) -> tuple[float, list[float]]:
    """One row's loss -sum(t log p) and its gradient p sum(t) - t, by definition, in 50-digit arithmetic."""
    with mpmath.workdps(50 + 200):  # p - t cancels as many digits as the margin has
        exps = [mpmath.exp(mpmath.mpf(float(z))) for z in logits]
        total = mpmath.fsum(exps)
        wanted = [mpmath.mpf(float(t)) for t in target]
        loss = mpmath.fsum(-t * mpmath.log(e / total) for t, e in zip(wanted, exps, strict=True) if t)
        gradient = [e / total * mpmath.fsum(wanted) - t for t, e in zip(wanted, exps, strict=True)]
        return float(loss), [float(g) for g in gradient]
