"""Losses by what they do to a row: its loss, and the slopes of it, in the dtype of `out`.

All are right. `tests/adversaries/losses_wrong.py` spoils them.
"""

from typing import Any

import numpy as np

where: Any = np.where
"""Without its many types."""


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(x: Any) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def one_hot(x: Any, labels: Any) -> Any:
    return np.eye(x.shape[-1], dtype=x.dtype)[labels]


def distance(x: Any, t: Any) -> Any:
    return x - t.astype(x.dtype)


# From logits and labels, or probabilities.


def soft_cross_entropy(x: Any, t: Any) -> Any:
    t = t.astype(x.dtype)
    return -(t * log_softmax(x)).sum(axis=-1), t.sum(axis=-1, keepdims=True) * softmax(x) - t


def cross_entropy(x: Any, labels: Any) -> Any:
    return soft_cross_entropy(x, one_hot(x, labels))


def smoothed_cross_entropy(x: Any, labels: Any) -> Any:
    return soft_cross_entropy(x, 0.9 * one_hot(x, labels) + x.dtype.type(0.1 / x.shape[-1]))


def weighted_cross_entropy(x: Any, targets: Any) -> Any:
    losses, slopes = cross_entropy(x, targets[0])
    weights = targets[1].astype(x.dtype)
    return weights * losses, weights[..., None] * slopes


def ignoring_cross_entropy(x: Any, labels: Any) -> Any:
    losses, slopes = cross_entropy(x, np.maximum(labels, 0))
    kept = labels >= 0
    return np.where(kept, losses, 0), np.where(kept[..., None], slopes, 0)


def tempered_cross_entropy(x: Any, labels: Any) -> Any:
    losses, slopes = cross_entropy(x / 4, labels)
    return losses, slopes / 4


def confident_cross_entropy(x: Any, labels: Any) -> Any:
    """Minus a tenth of the entropy."""
    losses, slopes = cross_entropy(x, labels)
    p, log_p = softmax(x), log_softmax(x)
    negative = (p * log_p).sum(axis=-1)
    return losses + negative / 10, slopes + p * (log_p - negative[..., None]) / 10


def divergence(x: Any, t: Any) -> Any:
    """KL(t | softmax(x))."""
    t = t.astype(x.dtype)
    losses, slopes = soft_cross_entropy(x, t)
    return losses + (t * np.log(np.where(t > 0, t, 1))).sum(axis=-1), slopes


def focal(x: Any, labels: Any) -> Any:
    t = one_hot(x, labels)
    log_p = (t * log_softmax(x)).sum(axis=-1)
    p, rest = np.exp(log_p), -np.expm1(log_p)
    slope = 2 * rest * p * log_p - rest**2
    return -(rest**2) * log_p, slope[..., None] * (t - softmax(x))


def brier(x: Any, labels: Any) -> Any:
    p = softmax(x)
    error = p - one_hot(x, labels)
    return (error**2).sum(axis=-1), 2 * p * (error - (p * error).sum(axis=-1, keepdims=True))


def likelihood(x: Any, labels: Any) -> Any:
    """Of log-probabilities."""
    t = one_hot(x, labels)
    return -(t * x).sum(axis=-1), -t


def multiclass_hinge(x: Any, labels: Any) -> Any:
    t = one_hot(x, labels)
    margins = (1 - t) * (1 + x - (t * x).sum(axis=-1, keepdims=True))
    above = (margins > 0).astype(x.dtype)
    return np.maximum(margins, 0).sum(axis=-1), above - t * above.sum(axis=-1, keepdims=True)


def worst_hinge(x: Any, labels: Any) -> Any:
    t = one_hot(x, labels)
    rival = one_hot(x, np.where(t > 0, -np.inf, x).argmax(axis=-1))
    margin = 1 + ((rival - t) * x).sum(axis=-1)
    return np.maximum(margin, 0), np.where(margin[..., None] > 0, rival - t, 0)


def ranking(x: Any, labels: Any) -> Any:
    t = one_hot(x, labels)
    behind = x - (t * x).sum(axis=-1, keepdims=True)
    slopes = (1 - t) * sigmoid(behind)
    return ((1 - t) * softplus(behind)).sum(axis=-1), slopes - t * slopes.sum(axis=-1, keepdims=True)


def ordinal(x: Any, labels: Any) -> Any:
    return logistic(x, labels[..., None] > np.arange(x.shape[-1]))


def label_distance(x: Any, labels: Any) -> Any:
    return squares(x, np.asarray(labels)[..., None])


def energy(x: Any, targets: Any) -> Any:
    """Without targets."""
    top = x.max(axis=-1)
    return top + np.log(np.exp(x - top[..., None]).sum(axis=-1)), softmax(x)


# From numbers.


def squares(x: Any, t: Any) -> Any:
    e = distance(x, t)
    return (e**2).sum(axis=-1), 2 * e


def mean_squares(x: Any, t: Any) -> Any:
    e = distance(x, t)
    return (e**2).mean(axis=-1), e * x.dtype.type(2 / x.shape[-1])


def absolute(x: Any, t: Any) -> Any:
    e = distance(x, t)
    return np.abs(e).mean(axis=-1), np.sign(e) / x.dtype.type(x.shape[-1])


def huber(x: Any, t: Any) -> Any:
    e = distance(x, t)
    a = np.minimum(np.abs(e), 1)
    return (a * (np.abs(e) - a / 2)).sum(axis=-1), np.clip(e, -1, 1)


def huber_by_row(x: Any, targets: Any) -> Any:
    e, bound = distance(x, targets[0]), targets[1].astype(x.dtype)[..., None]
    a = np.minimum(np.abs(e), bound)
    return (a * (np.abs(e) - a / 2)).sum(axis=-1), np.clip(e, -bound, bound)


def log_cosh(x: Any, t: Any) -> Any:
    e = distance(x, t)
    a = np.abs(e)
    losses = a + np.log1p(np.exp(-2 * a)) - x.dtype.type(np.log(2))
    return losses.mean(axis=-1), np.tanh(e) / x.dtype.type(x.shape[-1])


def quantile(x: Any, t: Any) -> Any:
    e = distance(x, t)
    slopes = np.where(e > 0, 0.25, np.where(e < 0, -0.75, 0))
    return np.maximum(0.25 * e, -0.75 * e).sum(axis=-1), slopes.astype(x.dtype)


def cauchy(x: Any, t: Any) -> Any:
    e = distance(x, t).astype(np.float64)
    return np.log1p(e**2).sum(axis=-1).astype(x.dtype), (2 * e / (1 + e**2)).astype(x.dtype)


def charbonnier(x: Any, t: Any) -> Any:
    e = distance(x, t)
    length = np.hypot(e, x.dtype.type(0.1))
    return length.sum(axis=-1), e / length


def quartic(x: Any, t: Any) -> Any:
    e = distance(x, t)
    return (e**4).sum(axis=-1), 4 * e**3


def angle(x: Any, t: Any) -> Any:
    e = distance(x, t)
    return (1 - np.cos(e)).sum(axis=-1), np.sin(e)


def masked_squares(x: Any, targets: Any) -> Any:
    losses, slopes = (distance(x, targets[0]) ** 2, 2 * distance(x, targets[0]))
    return np.where(targets[1], losses, 0).sum(axis=-1), np.where(targets[1], slopes, 0)


def two_heads(x: Any, targets: Any) -> Any:
    first, slopes = cross_entropy(x[..., :-1], targets[0])
    second, slope = squares(x[..., -1:], targets[1][..., None])
    return first + second, np.concatenate([slopes, slope], axis=-1)


# From parameters of distributions, and from vectors.


def poisson(x: Any, t: Any) -> Any:
    t = t.astype(x.dtype)
    return (np.exp(x) - t * x).sum(axis=-1), np.exp(x) - t


def gamma(x: Any, t: Any) -> Any:
    t = t.astype(x.dtype)
    share = np.where(t > 0, np.exp(np.log(t) - x), 0)
    return (x + share).sum(axis=-1), 1 - share


def gaussian(x: Any, t: Any) -> Any:
    """Of means, followed by logarithms of variances."""
    mean, log_variance = np.split(x.astype(np.float64), 2, axis=-1)
    e, precision = mean - t, np.exp(-log_variance)
    slopes = np.concatenate([e * precision, (1 - e**2 * precision) / 2], axis=-1)
    return ((e**2 * precision + log_variance) / 2).sum(axis=-1).astype(x.dtype), slopes.astype(x.dtype)


def logistic(x: Any, t: Any) -> Any:
    t = t.astype(x.dtype)
    return (np.maximum(x, 0) - t * x + np.log1p(np.exp(-np.abs(x)))).sum(axis=-1), sigmoid(x) - t


def signed_logistic(x: Any, signs: Any) -> Any:
    t = signs.astype(x.dtype)
    return softplus(-t * x).sum(axis=-1), -t * sigmoid(-t * x)


def hinge(x: Any, signs: Any) -> Any:
    t = signs.astype(x.dtype)
    short = 1 - t * x
    return np.maximum(short, 0).sum(axis=-1), np.where(short > 0, -t, 0)


def squared_hinge(x: Any, signs: Any) -> Any:
    t = signs.astype(x.dtype)
    short = np.maximum(1 - t * x, 0)
    return (short**2).sum(axis=-1), -2 * t * short


def exponential(x: Any, signs: Any) -> Any:
    t = signs.astype(x.dtype)
    e = np.exp(-t * x)
    return e.sum(axis=-1), -t * e


def dice(x: Any, t: Any) -> Any:
    t = t.astype(x.dtype)
    p = sigmoid(x)
    both, whole = (p * t).sum(axis=-1, keepdims=True), (p + t).sum(axis=-1, keepdims=True)
    slopes = -2 * (t * whole - both) / whole**2 * p * sigmoid(-x)
    return 1 - (2 * both / whole)[..., 0], slopes


def cosine(x: Any, t: Any) -> Any:
    wide, along = x.astype(np.float64), t.astype(np.float64)
    length = np.sqrt((wide**2).sum(axis=-1, keepdims=True))
    unit, along = wide / length, along / np.sqrt((along**2).sum(axis=-1, keepdims=True))
    near = (unit * along).sum(axis=-1, keepdims=True)
    return (1 - near[..., 0]).astype(x.dtype), ((near * unit - along) / length).astype(x.dtype)


def triplet(x: Any, targets: Any) -> Any:
    """Of an anchor, a friend and a stranger side by side."""
    anchor, friend, stranger = np.split(x.astype(np.float64), 3, axis=-1)
    near, far = anchor - friend, anchor - stranger
    gap = 1 + (near**2).sum(axis=-1) - (far**2).sum(axis=-1)
    slopes = 2 * np.concatenate([near - far, -near, far], axis=-1)
    return np.maximum(gap, 0).astype(x.dtype), np.where(gap[..., None] > 0, slopes, 0).astype(x.dtype)
