"""The differences of the library from torch's and JAX's own derivatives."""

from typing import Any

import numpy as np

from catalogue import LAYERS
from chainrule import Array, Labels, softmax_cross_entropy, tree
from oracles.in_jax import JAX
from oracles.in_torch import TORCH
from oracles.oracle import Oracle
from strategies import Floating

ORACLES = {"torch": TORCH, "jax": JAX}


def layer_difference(oracle: Oracle, name: str, rng: np.random.Generator, n: int, dtype: Floating) -> float:
    """The largest difference in a layer's output, dx and gradients, relative to the largest entry, or to 1."""
    (subject,) = (each for each in LAYERS if each.name == name)
    x: Array
    out: Array
    params, x = subject.make(rng, n, dtype)
    out, cache = subject.layer.forward(params, x)
    dout = rng.standard_normal(x.shape[:1] + out.shape[1:]).astype(dtype)
    ours = [out, *tree.leaves(subject.layer.backward(cache, dout))]
    their_out, gradients = oracle.pullback(oracle.functions[name], [x, *tree.leaves(params)], dout)
    return largest(ours, [their_out, *gradients], floor=1.0)


def loss_difference(oracle: Oracle, kind: str, rng: np.random.Generator, n: int, dtype: Floating) -> float:
    """The same for cross-entropy and its gradient, with labels or probabilities, at logits of size 1."""
    k = int(rng.integers(1, 7))
    z = rng.standard_normal((n, k)).astype(dtype)
    t = rng.random((n, k)) + 0.01
    probabilities = (t / t.sum(axis=1, keepdims=True)).astype(dtype)
    targets: Labels | Array = rng.integers(0, k, n) if kind == "labels" else probabilities
    loss, cache = softmax_cross_entropy.forward(z, targets)
    ours = [np.asarray(1 + loss), softmax_cross_entropy.backward(cache, 1.0)]  # a loss near 0 is relative to 1
    their_loss, gradient = oracle.loss_and_gradient(z, targets)
    return largest(ours, [np.asarray(1 + their_loss), gradient], floor=1.0 / n)


def largest(ours: list[Array], theirs: list[Array], floor: float = 0.0) -> float:
    """The largest difference, relative to the largest entry of each array, or to `floor` if that is larger."""
    differences = [0.0]
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(float(np.abs(b).max(initial=0)), floor)
        if scale > 0:
            differences.append(float(np.abs(a - b).max(initial=0)) / scale)
        else:
            assert not a.any()
    return max(differences)


def table(cases: int = 100) -> list[dict[str, Any]]:
    """The largest differences over drawn cases, for each subject, library and dtype."""
    rows: list[dict[str, Any]] = []
    for library, oracle in ORACLES.items():
        for dtype in (np.float32, np.float64):
            draws = [np.random.default_rng(seed) for seed in range(cases)]
            for subject in (each for each in LAYERS if each.name in oracle.functions):
                worst = max(
                    layer_difference(oracle, subject.name, rng, int(rng.integers(1, 7)), dtype) for rng in draws
                )
                rows.append(row(subject.name, library, dtype, cases, worst))
            for kind in ("labels", "probabilities"):
                worst = max(loss_difference(oracle, kind, rng, int(rng.integers(1, 7)), dtype) for rng in draws)
                rows.append(row(f"softmax_cross_entropy, {kind}", library, dtype, cases, worst))
    return rows


def row(subject: str, library: str, dtype: Floating, cases: int, worst: float) -> dict[str, Any]:
    return {"subject": subject, "library": library, "dtype": np.dtype(dtype).name, "cases": cases, "largest": worst}
