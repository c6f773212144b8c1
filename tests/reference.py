"""Independent forms of what the library computes: textbook formulas in float64, and definitions in 50 digits."""

from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule import Array

mpmath: Any = import_module("mpmath")  # which has no types

Float: TypeAlias = NDArray[np.float64]


def affine(x: Array, W: Array, b: Array) -> Float:
    return np.asarray(np.einsum("nd,dm->nm", x, W) + b, np.float64)


def affine_gradients(x: Array, W: Array, dout: Array) -> tuple[Float, Float, Float]:
    """dx, dW, db."""
    return np.einsum("nm,dm->nd", dout, W), np.einsum("nd,nm->dm", x, dout), np.einsum("nm->m", dout)


def softmax(z: Array) -> Float:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float64)


def two_layer(x: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[float, list[Float]]:
    """The network of the textbook by its own formulas, targets one-hot: the loss, and dW1, db1, dW2, db2."""
    a1 = np.dot(x, W1) + b1
    z1 = np.where(a1 > 0, a1, 0)
    y = softmax(np.dot(z1, W2) + b2)
    loss = -np.sum(t * np.log(y)) / len(x)
    dy = (y - t) / len(x)
    da1 = np.where(a1 > 0, np.dot(dy, W2.T), 0)
    return float(loss), [np.dot(x.T, da1), da1.sum(axis=0), np.dot(z1.T, dy), dy.sum(axis=0)]


def cross_entropy_50_digits(logits: list[float], target: Array) -> tuple[float, list[float]]:
    """One row's loss -sum(t log p) and its gradient p sum(t) - t, by definition, in 50-digit arithmetic."""
    with mpmath.workdps(50 + 300):  # p - t cancels as many digits as the margin has
        exps = [mpmath.exp(mpmath.mpf(float(z))) for z in logits]
        total = mpmath.fsum(exps)
        wanted = [mpmath.mpf(float(t)) for t in target]
        loss = mpmath.fsum(-t * mpmath.log(e / total) for t, e in zip(wanted, exps, strict=True) if t)
        gradient = [e / total * mpmath.fsum(wanted) - t for t, e in zip(wanted, exps, strict=True)]
        return float(loss), [float(g) for g in gradient]


def sigmoid_cross_entropy_50_digits(x: float, t: float) -> tuple[float, float, float]:
    """`-t log(p) - (1 - t) log(1 - p)` for `p = 1 / (1 + exp(-x))`, its slope `p - t`, and that slope's larger term."""
    with mpmath.workdps(50 + int(abs(x))):  # 1 - p and p - t cancel as many digits as the margin has
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
        yes, no = mpmath.mpf(t), 1 - mpmath.mpf(t)
        loss = -(yes * mpmath.log(p) if t else 0) - (no * mpmath.log(1 - p) if t < 1 else 0)
        return float(loss), float(p - yes), float(max(p * no, yes * (1 - p)))


def normalised_50_digits(row: Array, g: Array, eps: float, *, centred: bool = True) -> tuple[Float, Float, float]:
    """h and dx of a normalised row, and the largest term of dx, by definition, in 50 digits and those that cancel."""
    with mpmath.workdps(700):  # numbers 600 digits apart are squared
        x, slopes = ([mpmath.mpf(float(v)) for v in each] for each in (row, g))
        mean = mpmath.fsum(x) / len(x) if centred else mpmath.mpf(0)
        r = 1 / mpmath.sqrt(mpmath.fsum((v - mean) ** 2 for v in x) / len(x) + mpmath.mpf(eps))
        h = [(v - mean) * r for v in x]
        share = mpmath.fsum(a * b for a, b in zip(h, slopes, strict=True)) / len(x)
        shift = mpmath.fsum(slopes) / len(x) if centred else mpmath.mpf(0)
        dx = [r * (b - shift - a * share) for a, b in zip(h, slopes, strict=True)]
        terms = [r * abs(v) for v in (*slopes, shift, *(a * share for a in h))]
        return np.array(h, np.float64), np.array(dx, np.float64), float(max(terms))


def _sigmoid_50_digits(a: Any) -> Any:
    return 1 / (1 + mpmath.exp(-a))


def lstm_50_digits(x: Any, W: Any, U: Any, b: Any) -> list[Any]:
    """The outputs of one unit that reads one number at each step, by the definition, as numbers of mpmath."""
    h = c = mpmath.mpf(0)
    out: list[Any] = []
    for step in x:
        i, f, g, o = (step * w + h * u + bias for w, u, bias in zip(W, U, b, strict=True))
        c = _sigmoid_50_digits(f) * c + _sigmoid_50_digits(i) * mpmath.tanh(g)
        h = _sigmoid_50_digits(o) * mpmath.tanh(c)
        out.append(h)
    return out


def gru_50_digits(x: Any, W: Any, U: Any, b: Any, c: Any) -> list[Any]:
    """The same of a gated recurrent unit."""
    h = mpmath.mpf(0)
    out: list[Any] = []
    for step in x:
        of_x = [step * w + bias for w, bias in zip(W, b, strict=True)]
        of_h = [h * u + bias for u, bias in zip(U, c, strict=True)]
        r, z = (_sigmoid_50_digits(a + e) for a, e in zip(of_x[:2], of_h[:2], strict=True))
        h = (1 - z) * mpmath.tanh(of_x[2] + r * of_h[2]) + z * h
        out.append(h)
    return out


def recurrent_50_digits(
    unit: Any, arrays: list[list[float]], dout: list[float]
) -> tuple[list[float], list[list[float]]]:
    """The outputs of a unit, and the derivatives of their sum, weighted by dout, with respect to each number."""
    with mpmath.workdps(400):  # a step of 1e-100 in numbers of 1e4 is seen in those that are 1e-100 large
        exact = [[mpmath.mpf(each) for each in array] for array in arrays]
        step = mpmath.mpf(10) ** -100

        def loss() -> Any:
            return mpmath.fsum(d * h for d, h in zip(dout, unit(*exact), strict=True))

        gradients: list[list[float]] = []
        for array in exact:
            of_array: list[float] = []
            for k, value in enumerate(array):
                array[k] = value + step
                above = loss()
                array[k] = value - step
                of_array.append(float((above - loss()) / (2 * step)))
                array[k] = value
            gradients.append(of_array)
        return [float(h) for h in unit(*exact)], gradients
